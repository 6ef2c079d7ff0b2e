"""What a strategy's source claims it earned, beside what was measured. Judges nothing: bars and costs may differ."""

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.strategies.extraction.normalise import Text, tokens

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
_PERCENT_UNSAID = ("win_rate", "max_drawdown")
"""People say "a win rate of 65"; a plain number beside "made" is more likely dollars."""
_BESIDE = len(" of about ")
_NUMBER = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?)( percent)?(?![\w.])(?! (?:thirds?|quarters?|dollars?)\b)")


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
    said = Text.of(tokens([(word, 0.0) for word in text.split()])).string
    numbers = list(_NUMBER.finditer(said))
    if not numbers:
        return None, None
    for statistic, words, meant in _FIGURES:
        named = re.search(words, said)
        if named is None:
            continue
        # "a win rate of 65 percent over 200 trades": of the numbers meant that way, the nearest.
        fitting = [number for number in numbers if bool(number[2]) == (meant != "plain")]
        if not fitting and statistic in _PERCENT_UNSAID:
            fitting = [number for number in numbers if 0 <= number.start() - named.end() <= _BESIDE]
        if not fitting:
            continue
        value = float(min(fitting, key=lambda number: _gap(number, named))[1])
        if statistic == "max_drawdown":
            value = -abs(value)
        return statistic, value / 100 if meant == "percent" else value
    return None, None


def _gap(one: "re.Match[str]", other: "re.Match[str]") -> int:
    """Characters between two findings; 0 where they overlap."""
    return max(one.start() - other.end(), other.start() - one.end(), 0)
