"""The tables of a tearsheet, as rows of text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from falcon_pipelines.backtesting.accounting import Trade
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.statistics import DEFINITIONS

if TYPE_CHECKING:
    from falcon_pipelines.backtesting.evidence import Evidence
    from falcon_pipelines.backtesting.verdict import Verdict

TRADES_SHOWN = 500
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
DASH = "—"
MINUS = "\N{MINUS SIGN}"

_PERCENT = {
    "total_return", "cagr", "volatility", "max_drawdown", "exposure", "average_gross", "win_rate",
}  # fmt: skip
_DOLLARS = {"average_trade", "fees"}
_POINTS = {"average_trade_pct", "best_trade_pct", "worst_trade_pct"}
_WHOLE = {"max_drawdown_bars"}


@dataclass(frozen=True)
class Table:
    """Rows of text; columns in `words` are set left."""

    title: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: tuple[str, ...] = ()
    note: str = ""


def _signed(value: float, shape: str) -> str:
    """A number with its sign, a true minus, or a dash where there is none."""
    if value != value:
        return DASH
    text = format(abs(value), shape)
    return f"{MINUS}{text}" if value < 0 else (f"+{text}" if value > 0 else text)


def _figure(name: str, value: float) -> str:
    if value != value:
        return DASH
    if name in _PERCENT:
        return _signed(value, ".2%") if name in ("total_return", "cagr", "max_drawdown") else f"{value:.2%}"
    if name in _DOLLARS:
        return f"{value:,.2f} $"
    if name in _POINTS:
        return _signed(value, ".2f") + " %"
    return f"{value:.0f}" if name in _WHOLE else f"{value:.2f}"


def statistics_table(result: BacktestResult) -> Table:
    """Every figure of strategy and benchmark with its definition."""
    ours, theirs = result.stats.as_dict(), result.benchmark.stats.as_dict()
    rows = tuple(
        (name.replace("_", " "), _figure(name, ours[name]), _figure(name, theirs[name]), definition)
        for name, definition in DEFINITIONS.items()
    )
    return Table("Statistics", ("", "strategy", "buy-and-hold", "definition"), rows, ("definition",))


def months_table(result: BacktestResult) -> Table:
    """Return of each calendar month and year from the last close of the one before."""
    months = result.panel.timestamps.astype("datetime64[M]")
    last = np.flatnonzero(np.append(months[1:] != months[:-1], True))
    equity = result.equity[last]
    changes = equity / np.concatenate([[result.initial_cash], equity[:-1]]) - 1
    cells: dict[int, dict[int, float]] = {}
    for month, change in zip(months[last], changes, strict=True):
        year, number = divmod(int(month.astype(int)), 12)
        cells.setdefault(1970 + year, {})[number] = float(change)
    rows = []
    for year, found in cells.items():
        total = float(np.prod([1 + change for change in found.values()])) - 1
        months_of = (_signed(found[i], ".1%") if i in found else "" for i in range(12))
        rows.append((str(year), *months_of, _signed(total, ".1%")))
    return Table("Return by month", ("", *MONTHS, "year"), tuple(rows))


def trades_table(result: BacktestResult) -> Table:
    """The closed trades, the last TRADES_SHOWN of them."""
    shown: Sequence[Trade] = result.trades[-TRADES_SHOWN:]
    rows = tuple(
        (
            trade.ticker, trade.side, f"{trade.quantity:,}", str(trade.entry_time)[:16], f"{trade.entry_price:,.4g}",
            str(trade.exit_time)[:16], f"{trade.exit_price:,.4g}",
            trade.exit_reason + (" (ambiguous)" if trade.ambiguous else ""),
            _signed(trade.pnl, ",.2f"), _signed(trade.return_pct, ".2f"),
        )
        for trade in shown
    )  # fmt: skip
    columns = (
        "ticker",
        "side",
        "shares",
        "entry",
        "price, $",
        "exit",
        "price, $ ",
        "why",
        "profit, $",
        "profit, %",
    )
    note = f"the last {TRADES_SHOWN} of {len(result.trades):,}" if len(result.trades) > TRADES_SHOWN else ""
    return Table("Closed trades", columns, rows, ("side", "entry", "exit", "why"), note)


def verdict_table(judged: "Verdict") -> Table:
    """What the verdict rests on."""
    rows = tuple(
        (
            item.name,
            DASH if item.value != item.value else f"{item.value:.4g}",
            DASH if item.low is None or item.high is None else f"{item.low:.4g} to {item.high:.4g}",
            f"{item.threshold:g}",
            "yes" if item.passed else "no",
            item.note or item.source,
        )
        for item in judged.inputs
    )
    columns = ("input", "value", "95 % interval", "threshold", "passed", "source")
    return Table("Why", columns, rows, ("source",), f"{judged.trials:,} trials counted")


def claims_table(claims: Sequence[Any]) -> Table:
    """What the source claims beside what was measured."""
    rows = tuple(
        (
            claim.text,
            claim.statistic.replace("_", " ") if claim.statistic else DASH,
            DASH if claim.claimed is None else _figure(claim.statistic, claim.claimed),
            DASH if claim.measured is None else _figure(claim.statistic, claim.measured),
        )
        for claim in claims
    )
    return Table("Claimed and measured", ("claim", "about", "claimed", "measured"), rows, ("about",))


def evidence_tables(evidence: "Evidence") -> list[Table]:
    """Walk-forward, other costs and fills, regimes, Monte Carlo."""
    tables: list[Table] = []
    rows: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    for walk in (evidence.anchored, evidence.rolling):
        if walk is not None:
            rows = tuple(
                (
                    str(i + 1),
                    ", ".join(f"{name} {value:g}" for name, value in fold.params.items()) or DASH,
                    f"{fold.trained_sharpe:.2f}", f"{fold.tested_sharpe:.2f}", _signed(fold.tested_return, ".1%"),
                    _signed(fold.benchmark_return, ".1%"), str(fold.closed_trades),
                )
                for i, fold in enumerate(walk.folds)
            )  # fmt: skip
            columns = (
                "fold",
                "chosen",
                "Sharpe in sample",
                "Sharpe out of sample",
                "return",
                "buy-and-hold",
                "trades",
            )
            note = f"out of sample: Sharpe {walk.sharpe:.2f}, return {walk.total_return:+.1%}"
            tables.append(Table(f"Walk-forward, {walk.scheme}", columns, rows, ("chosen",), note))
    variants = (*evidence.costs, evidence.optimistic, evidence.pessimistic)
    rows = tuple(
        (
            v.name,
            f"{v.fee_bps:g}",
            f"{v.slippage_bps:g}",
            _signed(v.total_return, ".1%"),
            f"{v.sharpe:.2f}",
            _signed(v.excess, ".2%"),
            _signed(v.equal_risk, ".2%"),
        )
        for v in variants
    )
    columns = (
        "assumption",
        "fee, bp",
        "slippage, bp",
        "total return",
        "Sharpe",
        "excess a year",
        "at equal risk",
    )
    tables.append(Table("Other costs and fills", columns, rows))
    rows = tuple(
        (
            r.name, f"{r.bars:,}", _signed(r.strategy_return, ".1%"), _signed(r.benchmark_return, ".1%"),
            f"{r.strategy_sharpe:.2f}", f"{r.benchmark_sharpe:.2f}",
        )
        for r in evidence.regimes
    )  # fmt: skip
    columns = ("market", "bars", "strategy a year", "buy-and-hold a year", "Sharpe", "Sharpe of buy-and-hold")
    tables.append(Table("By mood of the market", columns, rows))
    if evidence.shuffled is not None:
        shuffled = evidence.shuffled
        rows = (
            ("maximum drawdown", *(_signed(value, ".1%") for value in shuffled.max_drawdown)),
            ("final equity / initial cash", *(f"{value:.2f}" for value in shuffled.multiple)),
        )
        note = f"{shuffled.runs:,} runs: drawdowns of the trades in another order, multiples of trades drawn again"
        tables.append(Table("Monte Carlo of the trades", ("", "5 %", "50 %", "95 %"), rows, (), note))
    return tables
