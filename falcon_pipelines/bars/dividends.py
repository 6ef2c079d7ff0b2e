"""What a share really paid: undoes dividend amounts that a feed reports in today's shares.

Feeds restate some past dividends for later splits and not others (AAPL 2020-08-07: 0.205 reported, 0.82 paid). Both
readings are tried against the splits in the same feed and the dividends around.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby
from typing import Literal

from falcon_pipelines.bars.actions import CorporateAction

_TOLERANCE = 0.005


@dataclass(frozen=True)
class ReportedDividend:
    """A dividend as a feed gives it, US dollars per share; `split_adjusted` where the feed has that figure too."""

    ticker: str
    ex_date: date
    amount: float
    pay_date: date | None = None
    split_adjusted: float | None = None


@dataclass(frozen=True)
class ReconciledDividend:
    """The dividend as paid, and how that was found; `uncertain` means as reported, for want of evidence."""

    action: CorporateAction
    reported: float
    evidence: Literal["as reported", "split undone", "uncertain"]


def reconcile(
    dividends: Iterable[ReportedDividend], splits: Iterable[CorporateAction]
) -> tuple[ReconciledDividend, ...]:
    """The amounts per share as held on the ex-date, by ticker and date.

    A feed's own split-adjusted figure decides; without one, the reading that lies closest to the next dividend
    does, both in the same shares: companies change dividends by less than splits do.
    """
    later_splits = {
        ticker: sorted((split.ex_date, split.ratio or 1.0) for split in group)
        for ticker, group in groupby(sorted(splits, key=lambda s: s.ticker), key=lambda s: s.ticker)
    }
    ordered = sorted(dividends, key=lambda dividend: (dividend.ticker, dividend.ex_date))
    found: list[ReconciledDividend] = []
    for ticker, group in groupby(ordered, key=lambda dividend: dividend.ticker):
        found += reversed(_newest_first(list(group)[::-1], later_splits.get(ticker, [])))
    return tuple(found)


def _newest_first(
    dividends: Sequence[ReportedDividend], splits: Sequence[tuple[date, float]]
) -> list[ReconciledDividend]:
    found = []
    next_in_todays_shares: float | None = None
    for dividend in dividends:
        later = [ratio for day, ratio in splits if day > dividend.ex_date]
        factor = math.prod(later)
        amount, evidence = _as_paid(dividend, later, next_in_todays_shares)
        next_in_todays_shares = amount / factor
        action = CorporateAction(
            dividend.ticker, "dividend", dividend.ex_date, amount=amount, pay_date=dividend.pay_date
        )
        found.append(ReconciledDividend(action, dividend.amount, evidence))
    return found


def _as_paid(
    dividend: ReportedDividend, later: Sequence[float], next_in_todays_shares: float | None
) -> tuple[float, Literal["as reported", "split undone", "uncertain"]]:
    reported, factor = dividend.amount, math.prod(later)
    if math.isclose(factor, 1.0):
        return reported, "as reported"
    if dividend.split_adjusted is not None:
        if math.isclose(reported, dividend.split_adjusted * factor, rel_tol=_TOLERANCE):
            return reported, "as reported"
        if math.isclose(reported, dividend.split_adjusted, rel_tol=_TOLERANCE):
            return _rounded(reported * factor), "split undone"
    if next_in_todays_shares is None:
        return reported, "uncertain"
    expected = next_in_todays_shares * factor
    # A feed may have restated for the later ones of several splits only.
    readings = [reported * math.prod(later[n:]) for n in range(len(later) + 1)]
    best = min(readings, key=lambda reading: abs(math.log(reading / expected)))
    return (reported, "as reported") if best == reported else (_rounded(best), "split undone")


def _rounded(amount: float) -> float:
    """Restated amounts carry rounding; what was declared has at most six decimals."""
    return round(amount, 6)
