"""What the evidence allows to be said of a strategy, from inputs that are all shown with threshold and source."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from falcon_pipelines.backtesting.evidence import interval
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import bar_returns, bars_per_year, excess_at_equal_risk

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
EQUAL_RISK = "excess over buy-and-hold at equal risk, a year"
DEFLATED = "deflated Sharpe ratio"
OVERFITTING = "probability of backtest overfitting"
SPA = "SPA p-value against buy-and-hold at equal risk"
RANDOM = "p-value against random entries"
OUT_OF_SAMPLE = "walk-forward excess at equal risk, a year"
COSTS = f"excess at equal risk and {SENSITIVITY_BPS:g} bp a side, a year"
FILLS = "excess at equal risk with pessimistic fills, a year"

PROMISING_NEEDS = (TRADES, PROFIT, EQUAL_RISK, DEFLATED, OVERFITTING, RANDOM, OUT_OF_SAMPLE)
PROMISING_SPA = 0.10
"""`works` needs every input. `promising` needs these and an SPA p-value of at most 0.10: the edge is beyond chance,
but it earns less than buy-and-hold in plain dollars, or dies of higher costs or worse fills."""


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
        plain, equal = evidence.excess, evidence.equal_risk
    else:
        periods = bars_per_year(result.panel.timestamps)
        own = bar_returns(result.equity, result.initial_cash)
        held = bar_returns(result.benchmark.equity, result.initial_cash)
        plain = interval(result.excess, periods, seed)
        equal = interval(excess_at_equal_risk(own, held), periods, seed)
    positions, gained = result.closed_positions, result.stats.total_return
    bootstrap = "Politis & Romano (1994), stationary bootstrap, 95 %"
    return (
        VerdictInput(
            TRADES, positions, None, None, MINIMUM_TRADES, positions >= MINIMUM_TRADES,
            "rule of thumb: at least 30 observations for a mean",
        ),
        VerdictInput(PROFIT, gained, None, None, 0.0, gained > 0, "accounting"),
        VerdictInput(EXCESS, plain.value, plain.low, plain.high, 0.0, plain.low > 0, bootstrap),
        VerdictInput(
            EQUAL_RISK, equal.value, equal.low, equal.high, 0.0, equal.low > 0,
            f"Modigliani & Modigliani (1997), M2; {bootstrap}",
        ),
    )  # fmt: skip


def _further_inputs(e: "Evidence") -> tuple[VerdictInput, ...]:
    only = "" if len(e.swept) > 1 else "one set of parameters: nothing was chosen among"
    out, p_random = e.out_of_sample, e.random.p_value if e.random else float("nan")
    at_cost = next(variant for variant in e.costs if variant.fee_bps == SENSITIVITY_BPS)
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
            OUT_OF_SAMPLE, out.value, out.low, out.high, 0.0, out.value > 0,
            "Pardo (2008), The Evaluation and Optimization of Trading Strategies",
            "" if e.anchored else "too few bars to hold some back",
        ),
        VerdictInput(COSTS, at_cost.equal_risk, None, None, 0.0, at_cost.equal_risk > 0, "run again at that fee"),
        VerdictInput(
            FILLS, e.pessimistic.equal_risk, None, None, 0.0, e.pessimistic.equal_risk > 0,
            "run again, stop first and 5 bp more slippage",
        ),
    )  # fmt: skip


def _decide(
    result: BacktestResult, inputs: tuple[VerdictInput, ...], evidence: "Evidence | None"
) -> tuple[VerdictName, str]:
    by_name = {item.name: item for item in inputs}
    positions, gained = result.closed_positions, result.stats.total_return
    if positions < MINIMUM_TRADES:
        few = "1 trade was" if positions == 1 else f"{positions} trades were"
        return (
            "insufficient evidence",
            f"Only {few} closed; fewer than {MINIMUM_TRADES} cannot tell skill from luck.",
        )
    if gained <= 0:
        return "does not work", f"It lost {-gained:.1%} after costs over {positions} trades."
    plain, equal = _said(by_name[EXCESS]), _said(by_name[EQUAL_RISK])
    told = f"{plain} a year against buy-and-hold after costs, {equal} at equal risk"
    if (by_name[EQUAL_RISK].high or 0.0) < 0:
        return "does not work", f"It is worse than buy-and-hold beyond chance: {told}."
    if evidence is None:
        if by_name[EQUAL_RISK].passed:
            return "insufficient evidence", f"On these bars {told}, but nothing was tested out of sample."
        return "no better than buy-and-hold", f"What it earned may be chance: {told}."
    failed = "; ".join(item.name for item in inputs if not item.passed)
    counted = f"{evidence.trials.count:,} trial{'s' if evidence.trials.count != 1 else ''} counted"
    if not failed:
        return "works", f"Every test passed, out of sample too, with {counted}: {told}."
    if by_name[SPA].value <= PROMISING_SPA and all(by_name[name].passed for name in PROMISING_NEEDS):
        return "promising", f"Better than chance with {counted}: {told}; but it failed: {failed}."
    return "no better than buy-and-hold", f"With {counted}: {told}; it failed: {failed}."


def _said(item: VerdictInput) -> str:
    return f"{item.value:+.1%} ({item.low:+.1%} to {item.high:+.1%})"
