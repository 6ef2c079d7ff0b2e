"""A verdict with everything it was reached from: what the tests found beside the backtest itself."""

from collections.abc import Mapping
from typing import Any, Literal

from falcon_pipelines.dashboard.queries.backtests import UNITS, Unit
from falcon_pipelines.dashboard.queries.documents import (
    mappings,
    number,
    plain,
    second_of_video,
    text,
    written,
)
from falcon_pipelines.dashboard.values import Ratio, Value
from falcon_pipelines.db.models import Verdict

InputUnit = Literal["trades", "ratio", "ratio_a_year", "probability", "number"]


class VerdictInput(Value):
    """One number a verdict was reached from; `note` says why it is missing or excused."""

    name: str
    value: float | str | None
    low: float | None
    high: float | None
    threshold: float | str | None
    at_most: bool
    unit: InputUnit
    passed: bool | None
    source: str | None
    note: str | None


class VerdictView(Value):
    """What the evidence allows to be said."""

    verdict: str
    reason: str
    trials: int
    inputs: list[VerdictInput]


class Variant(Value):
    """The same signals under other costs or fills."""

    name: str
    fee_bps: float | None
    slippage_bps: float | None
    total_return: Ratio | None
    sharpe: float | None
    excess: Ratio | None
    equal_risk: Ratio | None


class Fold(Value):
    """A stretch of a walk-forward: parameters chosen before it and what they earned in it."""

    params: str | None
    trained_sharpe: float | None
    tested_sharpe: float | None
    tested_return: Ratio | None
    benchmark_return: Ratio | None
    closed_trades: int | None


class WalkForward(Value):
    """Parameters chosen on the past and traded on what came next."""

    scheme: str
    sharpe: float | None
    total_return: Ratio | None
    efficiency: float | None
    folds: list[Fold]


class SweepRow(Value):
    """One combination of the parameters."""

    params: str | None
    total_return: Ratio | None
    sharpe: float | None
    max_drawdown: Ratio | None
    closed_trades: int | None


class Heatmap(Value):
    """Sharpe ratio over two parameters (one row where only one varies), the best over the others."""

    across: str
    columns: list[float]
    down: str | None
    rows: list[float]
    sharpe: list[list[float | None]]
    best_over: list[str]


class Regime(Value):
    """What strategy and benchmark earned a year in one mood of the market."""

    name: str
    bars: int | None
    strategy_return: Ratio | None
    benchmark_return: Ratio | None
    strategy_sharpe: float | None
    benchmark_sharpe: float | None


class Percentiles(Value):
    """5th, 50th and 95th percentile."""

    low: float
    middle: float
    high: float


class MonteCarlo(Value):
    """The trades in other orders and other mixes."""

    runs: int | None
    max_drawdown: Percentiles | None
    multiple: Percentiles | None


class ClaimCheck(Value):
    """What the video claims beside what was measured, in the unit of the statistic."""

    text: str
    quote: str | None
    start_seconds: float | None
    link: str | None
    statistic: str | None
    unit: Unit
    claimed: float | None
    measured: float | None


class Judgement(Value):
    """Everything a verdict rests on beside the backtest; empty where it was not determined."""

    combinations: int | None
    best: list[SweepRow]
    heatmap: Heatmap | None
    walk_forward: list[WalkForward]
    cross_validation_splits: int | None
    cross_validation_sharpe: float | None
    cross_validation_positive: float | None
    random_runs: int | None
    random_p_value: float | None
    monte_carlo: MonteCarlo | None
    costs: list[Variant]
    fills: list[Variant]
    regimes: list[Regime]
    claims: list[ClaimCheck]
    seed: int | None
    code_version: str | None
    data_version: str | None


def verdict_view(verdict: Verdict) -> VerdictView:
    """A stored verdict with its inputs."""
    return VerdictView(
        verdict=verdict.verdict,
        reason=verdict.reason,
        trials=verdict.trials,
        inputs=[_input(item) for item in mappings(verdict.inputs)],
    )


def judgement(evidence: Any, url: str | None) -> Judgement:
    """The stored evidence; a part with another shape than expected is left out."""
    document = _mapping(evidence)
    sweep, validated = _mapping(document.get("sweep")), _mapping(document.get("cross_validation"))
    random, run = _mapping(document.get("random_entries")), _mapping(document.get("run"))
    return Judgement(
        combinations=_whole(sweep.get("combinations")),
        best=[_sweep_row(item) for item in mappings(sweep.get("best"))],
        heatmap=_heatmap(sweep.get("heatmap")),
        walk_forward=[_walk(item) for item in mappings(document.get("walk_forward"))],
        cross_validation_splits=_whole(validated.get("splits")),
        cross_validation_sharpe=number(validated.get("mean_sharpe")),
        cross_validation_positive=number(validated.get("positive")),
        random_runs=_whole(random.get("runs")),
        random_p_value=number(random.get("p_value")),
        monte_carlo=_monte_carlo(document.get("monte_carlo")),
        costs=[_variant(item) for item in mappings(document.get("costs"))],
        fills=[_variant(item) for item in mappings(document.get("fills"))],
        regimes=[_regime(item) for item in mappings(document.get("regimes"))],
        claims=[_claim(item, url) for item in mappings(document.get("claims"))],
        seed=_whole(run.get("seed")),
        code_version=text(run.get("code_version")),
        data_version=text(run.get("data_version")),
    )


def _input(item: Mapping[str, Any]) -> VerdictInput:
    name = text(item.get("name")) or "?"
    return VerdictInput(
        name=name,
        value=plain(item.get("value")),
        low=number(item.get("low")),
        high=number(item.get("high")),
        threshold=plain(item.get("threshold")),
        at_most="p-value" in name or "probability" in name,
        unit=_unit(name),
        passed=item["passed"] if isinstance(item.get("passed"), bool) else None,
        source=text(item.get("source")),
        note=text(item.get("note")),
    )


def _unit(name: str) -> InputUnit:
    """The unit of an input, told from its name: the documents name it there."""
    if name.replace("_", " ") == "closed trades":
        return "trades"
    if name.endswith(", a year"):
        return "ratio_a_year"
    if "return" in name or "excess" in name:
        return "ratio"
    return "probability" if "p-value" in name or "probability" in name else "number"


def _variant(item: Mapping[str, Any]) -> Variant:
    return Variant(
        name=text(item.get("name")) or "?",
        fee_bps=number(item.get("fee_bps")),
        slippage_bps=number(item.get("slippage_bps")),
        total_return=number(item.get("total_return")),
        sharpe=number(item.get("sharpe")),
        excess=number(item.get("excess")),
        equal_risk=number(item.get("equal_risk")),
    )


def _walk(item: Mapping[str, Any]) -> WalkForward:
    return WalkForward(
        scheme=text(item.get("scheme")) or "?",
        sharpe=number(item.get("sharpe")),
        total_return=number(item.get("total_return")),
        efficiency=number(item.get("efficiency")),
        folds=[
            Fold(
                params=written(fold.get("params")),
                trained_sharpe=number(fold.get("trained_sharpe")),
                tested_sharpe=number(fold.get("tested_sharpe")),
                tested_return=number(fold.get("tested_return")),
                benchmark_return=number(fold.get("benchmark_return")),
                closed_trades=_whole(fold.get("closed_trades")),
            )
            for fold in mappings(item.get("folds"))
        ],
    )


def _sweep_row(item: Mapping[str, Any]) -> SweepRow:
    return SweepRow(
        params=written(item.get("params")),
        total_return=number(item.get("total_return")),
        sharpe=number(item.get("sharpe")),
        max_drawdown=number(item.get("max_drawdown")),
        closed_trades=_whole(item.get("closed_trades")),
    )


def _heatmap(item: Any) -> Heatmap | None:
    document = _mapping(item)
    across, columns = text(document.get("across")), _numbers(document.get("columns"))
    cells = document.get("sharpe")
    if across is None or not columns or not isinstance(cells, list):
        return None
    rows = [[number(cell) for cell in row] for row in cells if isinstance(row, list)]
    down, levels = text(document.get("down")), _numbers(document.get("rows"))
    if any(len(row) != len(columns) for row in rows) or (down is not None and len(levels) != len(rows)):
        return None
    others = document.get("best_over")
    return Heatmap(
        across=across,
        columns=columns,
        down=down,
        rows=levels,
        sharpe=rows,
        best_over=[str(name) for name in others] if isinstance(others, list) else [],
    )


def _regime(item: Mapping[str, Any]) -> Regime:
    return Regime(
        name=text(item.get("name")) or "?",
        bars=_whole(item.get("bars")),
        strategy_return=number(item.get("strategy_return")),
        benchmark_return=number(item.get("benchmark_return")),
        strategy_sharpe=number(item.get("strategy_sharpe")),
        benchmark_sharpe=number(item.get("benchmark_sharpe")),
    )


def _monte_carlo(item: Any) -> MonteCarlo | None:
    document = _mapping(item)
    if not document:
        return None
    return MonteCarlo(
        runs=_whole(document.get("runs")),
        max_drawdown=_percentiles(document.get("max_drawdown")),
        multiple=_percentiles(document.get("multiple")),
    )


def _claim(item: Mapping[str, Any], url: str | None) -> ClaimCheck:
    statistic, start = text(item.get("statistic")), number(item.get("start_seconds"))
    return ClaimCheck(
        text=text(item.get("text")) or text(item.get("quote")) or "?",
        quote=text(item.get("quote")),
        start_seconds=start,
        link=None if start is None else second_of_video(url, start),
        statistic=statistic,
        unit=UNITS.get(statistic or "", "number"),
        claimed=number(item.get("claimed")),
        measured=number(item.get("measured")),
    )


def _percentiles(value: Any) -> Percentiles | None:
    found = _numbers(value)
    return Percentiles(low=found[0], middle=found[1], high=found[2]) if len(found) == 3 else None


def _numbers(value: Any) -> list[float]:
    if not isinstance(value, list):
        return []
    found = [number(item) for item in value]
    return [] if any(item is None for item in found) else [item for item in found if item is not None]


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _whole(value: Any) -> int | None:
    found = number(value)
    return None if found is None else int(found)
