"""Corporate actions of the bar store as an account lives through them."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from fractions import Fraction

from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.calendar import midnight
from falcon_pipelines.trading.account import AccountState
from falcon_pipelines.trading.orders import Action, Delisting, Dividend, OrderRequest, Split

_LARGEST_DENOMINATOR = 10_000


def lived_actions(actions: Iterable[CorporateAction]) -> tuple[Action, ...]:
    """Splits, dividends and delistings, by time, splits first: a dividend is per share as held on its ex-date.

    A dividend without a pay date is paid on its ex-date.
    """
    lived = [found for action in actions if (found := lived_action(action)) is not None]
    return tuple(sorted(lived, key=lambda action: (action.at, action.ticker, not isinstance(action, Split))))


def lived_action(action: CorporateAction) -> Action | None:
    """One action as an account lives through it; None where what it needs is missing."""
    at = midnight(action.ex_date)
    amount = None if action.amount is None else Decimal(str(action.amount))
    if action.kind == "split" and action.ratio is not None:
        return Split(at, action.ticker, Fraction(action.ratio).limit_denominator(_LARGEST_DENOMINATOR))
    if action.kind == "dividend" and amount is not None:
        return Dividend(at, action.ticker, amount, action.pay_date or action.ex_date)
    if action.kind == "delisting":
        return Delisting(at, action.ticker, amount)
    return None


def action_name(action: CorporateAction) -> str:
    """The same action has the same name; a delisting gets another once it is known what was paid."""
    paid = ":paid" if action.kind == "delisting" and action.amount is not None else ""
    return f"{action.kind}:{action.ticker}:{action.ex_date}{paid}"


def due_actions(
    actions: Iterable[CorporateAction],
    state: AccountState,
    session: date,
    submitted: Sequence[OrderRequest] = (),
) -> tuple[Mapping[str, Action], tuple[str, ...]]:
    """What the account has to live through up to the open of `session`, by name, and what came too late.

    An action counts for shares and orders from before its ex-date, those included that are only `submitted`.
    Where some are from after it, their prices know of it already: it is not applied, and named in the second part.
    """
    due: dict[str, Action] = {}
    too_late: list[str] = []
    concerned = state.tickers() | {request.ticker for request in submitted}
    for action in sorted(actions, key=lambda a: (a.ex_date, a.ticker, a.kind != "split")):
        name = action_name(action)
        if action.ex_date > session or action.ticker not in concerned or name in state.lived:
            continue
        at = midnight(action.ex_date)
        times = [lot.opened_at for lot in state.books.lots.get(action.ticker, ())]
        times += [o.submitted_at for o in state.orders.values() if o.ticker == action.ticker and not o.parent]
        times += [request.at for request in submitted if request.ticker == action.ticker]
        lived = lived_action(action)
        if lived is None or not times or min(times) >= at:
            continue
        if action.kind == "split" and max(times) >= at:
            too_late.append(name)
        else:
            due[name] = lived
    return due, tuple(too_late)
