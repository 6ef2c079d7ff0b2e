"""What a strategy's source claims it earned, beside what was measured. Judges nothing: bars and costs may differ."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from falcon_pipelines.backtesting.run import BacktestResult

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec

_FIGURES = (
    ("profit_factor", r"profit factor", "plain"),
    ("sharpe", r"sharpe", "plain"),
    ("max_drawdown", r"draw ?down", "percent"),
    (
        "win_rate",
        r"win(ning)?[- ]rate|accura|success rate|win(s|ners|ning)? .{0,20}(time|trade)|of (the |all )?trades",
        "percent",
    ),
    ("average_trade_pct", r"(per|average|each|a|every) trade", "points"),
    ("cagr", r"(a|per|every|each) year|annual|yearly|cagr|compound", "percent"),
    ("closed_trades", r"trades", "plain"),
    ("total_return", r"return|gain|profit|made|grew|percent|%", "percent"),
)
"""Statistic, the words that name it (the first that match decide), and how its number is meant."""
_NUMBER = re.compile(r"[-+]?\d+(?:,\d{3})*(?:\.\d+)?")


@dataclass(frozen=True)
class ClaimCheck:
    """A claim with the statistic it is about, the number claimed and the number measured.

    Both are in the units of the statistic; None where the claim names no figure that is measured here.
    """

    text: str
    quote: str | None
    start_seconds: float | None
    statistic: str | None
    claimed: float | None
    measured: float | None


def check_claims(spec: "Spec", result: BacktestResult) -> tuple[ClaimCheck, ...]:
    """The claims of a spec's source, each with what was measured."""
    if spec.source is None:
        return ()
    measured = {**result.stats.as_dict(), "closed_trades": float(len(result.trades))}
    checks = []
    for claim in spec.source.claims:
        statistic, claimed = _figure(claim.text)
        value = measured[statistic] if statistic is not None else None
        checks.append(ClaimCheck(claim.text, claim.quote, claim.start_seconds, statistic, claimed, value))
    return tuple(checks)


def _figure(text: str) -> tuple[str | None, float | None]:
    number = _NUMBER.search(text)
    if number is None:
        return None, None
    for statistic, words, meant in _FIGURES:
        if re.search(words, text, re.IGNORECASE):
            value = float(number.group().replace(",", ""))
            if statistic == "max_drawdown":
                value = -abs(value)
            return statistic, value / 100 if meant == "percent" else value
    return None, None
