"""What the evidence allows to be said of a strategy, from inputs that are all shown with threshold and source."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from falcon_pipelines.backtesting.resampling import bootstrap_mean
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import bars_per_year

if TYPE_CHECKING:
    from falcon_pipelines.backtesting.evidence import Evidence

VerdictName = Literal[
    "works", "promising", "no better than buy-and-hold", "does not work", "insufficient evidence"
]
MINIMUM_TRADES = 30
SENSITIVITY_BPS = 10.0

TRADES = "closed trades"
PROFIT = "total return after costs"
EXCESS = "excess over buy-and-hold, a year"
DEFLATED = "deflated Sharpe ratio"
OVERFITTING = "probability of backtest overfitting"
SPA = "SPA p-value against buy-and-hold"
RANDOM = "p-value against random entries"
OUT_OF_SAMPLE = "walk-forward excess over buy-and-hold, a year"
COSTS = f"excess at {SENSITIVITY_BPS:g} bp a side, a year"
FILLS = "excess with pessimistic fills, a year"

PROMISING_NEEDS = (TRADES, PROFIT, DEFLATED, OVERFITTING, RANDOM, OUT_OF_SAMPLE)
PROMISING_SPA = 0.2


@dataclass(frozen=True)
class VerdictInput:
    """One number a verdict rests on: its interval where it has one, what it must reach, and who says so.

    `value` is NaN where it cannot be determined; `note` then says why, and `passed` whether that is excused.
    """

    name: str
    value: float
    low: float | None
    high: float | None
    threshold: float
    passed: bool
    source: str
    note: str = ""


@dataclass(frozen=True)
class Verdict:
    """The verdict, one plain sentence why, its inputs, and how many trials the numbers were corrected for."""

    verdict: VerdictName
    reason: str
    inputs: tuple[VerdictInput, ...]
    trials: int


def judge(result: BacktestResult, evidence: "Evidence | None" = None, *, seed: int = 0) -> Verdict:
    """The verdict on a backtest, from the evidence that `evidence.gather` found.

    Without evidence only its own bars speak, and a good result stays `insufficient evidence`.
    """
    inputs = _own_inputs(result, evidence, seed) + (_further_inputs(evidence) if evidence else ())
    name, reason = _decide(result, inputs, evidence)
    return Verdict(name, reason, inputs, evidence.trials.count if evidence else 1)


def _own_inputs(result: BacktestResult, evidence: "Evidence | None", seed: int) -> tuple[VerdictInput, ...]:
    if evidence is not None:
        low, high = evidence.excess_low, evidence.excess_high
    else:
        periods = bars_per_year(result.panel.timestamps)
        low, high = (bound * periods for bound in bootstrap_mean(result.excess, seed=seed))
    positions, gained = result.closed_positions, result.stats.total_return
    return (
        VerdictInput(
            TRADES, positions, None, None, MINIMUM_TRADES, positions >= MINIMUM_TRADES,
            "rule of thumb: at least 30 observations for a mean",
        ),
        VerdictInput(PROFIT, gained, None, None, 0.0, gained > 0, "accounting"),
        VerdictInput(
            EXCESS, result.annual_excess, low, high, 0.0, low > 0,
            "Politis & Romano (1994), stationary bootstrap, 95 %",
        ),
    )  # fmt: skip


def _further_inputs(e: "Evidence") -> tuple[VerdictInput, ...]:
    nan = float("nan")
    only = "" if len(e.swept) > 1 else "one set of parameters: nothing was chosen among"
    forward = e.anchored
    out = float(forward.excess.mean()) * forward.periods if forward else nan
    at_cost = next(variant for variant in e.costs if variant.fee_bps == SENSITIVITY_BPS)
    p_random = e.random.p_value if e.random else nan
    return (
        VerdictInput(
            DEFLATED, e.deflated_sharpe, None, None, 0.95, e.deflated_sharpe >= 0.95,
            "Bailey & Lopez de Prado (2014), The Deflated Sharpe Ratio",
        ),
        VerdictInput(
            OVERFITTING, e.overfitting, None, None, 0.5, bool(only) or e.overfitting < 0.5,
            "Bailey, Borwein, Lopez de Prado & Zhu (2017), CSCV", only,
        ),
        VerdictInput(
            SPA, e.spa_p_value, None, None, 0.05, e.spa_p_value <= 0.05,
            "Hansen (2005), A Test for Superior Predictive Ability",
        ),
        VerdictInput(
            RANDOM, p_random, None, None, 0.05, p_random <= 0.05,
            "Aronson (2006), Evidence-Based Technical Analysis",
            "" if e.random else "no closed trade",
        ),
        VerdictInput(
            OUT_OF_SAMPLE, out, e.out_of_sample_low, e.out_of_sample_high, 0.0, out > 0,
            "Pardo (2008), The Evaluation and Optimization of Trading Strategies",
            "" if forward else "too few bars to hold some back",
        ),
        VerdictInput(COSTS, at_cost.excess, None, None, 0.0, at_cost.excess > 0, "run again at that fee"),
        VerdictInput(
            FILLS, e.pessimistic.excess, None, None, 0.0, e.pessimistic.excess > 0,
            "run again, stop first and 5 bp more slippage",
        ),
    )  # fmt: skip


def _decide(
    result: BacktestResult, inputs: tuple[VerdictInput, ...], evidence: "Evidence | None"
) -> tuple[VerdictName, str]:
    by_name = {item.name: item for item in inputs}
    excess = by_name[EXCESS]
    low, high = excess.low or 0.0, excess.high or 0.0
    interval = f"{low:+.1%} to {high:+.1%}"
    positions, gained = result.closed_positions, result.stats.total_return
    if positions < MINIMUM_TRADES:
        few = "1 trade was" if positions == 1 else f"{positions} trades were"
        return (
            "insufficient evidence",
            f"Only {few} closed; fewer than {MINIMUM_TRADES} cannot tell skill from luck.",
        )
    if gained <= 0:
        return "does not work", f"It lost {-gained:.1%} after costs over {positions} trades."
    if high < 0:
        return (
            "does not work",
            f"It earned {-excess.value:.1%} a year less than buy-and-hold after costs, beyond chance ({interval}).",
        )
    failed = [item.name for item in inputs if not item.passed]
    if evidence is None:
        if excess.value <= 0 or low <= 0:
            return (
                "no better than buy-and-hold",
                f"Its excess over buy-and-hold after costs is {excess.value:+.1%} a year, which may be chance ({interval}).",
            )
        return (
            "insufficient evidence",
            f"It beat buy-and-hold by {excess.value:.1%} a year on these bars, but nothing was tested out of sample.",
        )
    if not failed:
        return (
            "works",
            f"It beat buy-and-hold by {excess.value:.1%} a year after costs ({interval}), out of sample too, "
            f"after counting {evidence.trials.count:,} trials.",
        )
    spa = by_name[SPA].value
    if excess.value > 0 and spa <= PROMISING_SPA and all(by_name[name].passed for name in PROMISING_NEEDS):
        return (
            "promising",
            f"It beat buy-and-hold by {excess.value:.1%} a year after costs ({interval}), but failed: {', '.join(failed)}.",
        )
    return (
        "no better than buy-and-hold",
        f"Its excess over buy-and-hold after costs is {excess.value:+.1%} a year ({interval}); failed: {', '.join(failed)}.",
    )
