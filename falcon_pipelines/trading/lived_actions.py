"""Corporate actions of the bar store as an account lives through them."""

from collections.abc import Iterable
from decimal import Decimal
from fractions import Fraction

from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.calendar import midnight
from falcon_pipelines.trading.orders import Action, Dividend, Split

_LARGEST_DENOMINATOR = 10_000


def lived_actions(actions: Iterable[CorporateAction]) -> tuple[Action, ...]:
    """Splits and dividends, by time; a dividend without a pay date is paid on its ex-date."""
    lived: list[Action] = []
    for action in actions:
        at = midnight(action.ex_date)
        if action.kind == "split" and action.ratio is not None:
            ratio = Fraction(action.ratio).limit_denominator(_LARGEST_DENOMINATOR)
            lived.append(Split(at, action.ticker, ratio))
        elif action.kind == "dividend" and action.amount is not None:
            amount = Decimal(str(action.amount))
            lived.append(Dividend(at, action.ticker, amount, action.pay_date or action.ex_date))
    return tuple(sorted(lived, key=lambda action: (action.at, action.ticker)))
