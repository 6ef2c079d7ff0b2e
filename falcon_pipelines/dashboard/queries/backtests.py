"""Backtests: figures, statistics, trades, equity."""

from collections.abc import Sequence
from datetime import date, datetime
from typing import Any, Literal

from pydantic import computed_field
from sqlalchemy import cast, func, select
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import mappings, moment, number, plain, text, texts
from falcon_pipelines.dashboard.values import Dollars, Page, Ratio, Value
from falcon_pipelines.db.models import Backtest, StrategySpec

Unit = Literal["number", "ratio", "percent", "dollars", "bars"]

UNITS: dict[str, Unit] = {
    "total_return": "ratio",
    "cagr": "ratio",
    "volatility": "ratio",
    "sharpe": "number",
    "sortino": "number",
    "calmar": "number",
    "max_drawdown": "ratio",
    "max_drawdown_bars": "bars",
    "win_rate": "ratio",
    "profit_factor": "number",
    "average_trade": "dollars",
    "average_trade_pct": "percent",
    "best_trade_pct": "percent",
    "worst_trade_pct": "percent",
    "average_bars_held": "bars",
    "exposure": "ratio",
    "average_gross": "ratio",
    "turnover": "number",
    "fees": "dollars",
    "skewness": "number",
    "kurtosis": "number",
}
"""The statistics a backtest is known to store, in the order they are read; others follow by name."""


class BacktestFigures(Value):
    """The result of one backtest beside its benchmark's."""

    id: int
    data_version: str
    code_version: str
    tickers: list[str]
    first_session: date
    last_session: date
    initial_cash: Dollars
    final_equity: Dollars
    total_return: Ratio | None
    benchmark_return: Ratio | None
    closed_trades: int
    open_trades: int
    sharpe: float | None
    max_drawdown: Ratio | None
    run_at: datetime

    @computed_field  # type: ignore[prop-decorator]
    @property
    def excess_return(self) -> float | None:
        """The strategy's return minus the benchmark's."""
        if self.total_return is None or self.benchmark_return is None:
            return None
        return self.total_return - self.benchmark_return


class Trade(Value):
    """A round trip of a backtest; exit fields are None while it is open."""

    ticker: str
    side: str | None
    quantity: float | None
    entry_time: datetime | None
    entry_price: float | None
    exit_time: datetime | None
    exit_price: float | None
    exit_reason: str | None
    profit: float | None
    ambiguous: bool


class Statistic(Value):
    """One statistic of the strategy beside the benchmark's."""

    name: str
    unit: Unit
    value: float | str | None
    benchmark: float | str | None


class BacktestPoint(Value):
    """Equity of strategy and benchmark at one bar's close."""

    timestamp: datetime
    equity: float
    benchmark: float | None


class BacktestCurve(Value):
    """The equity of a backtest, oldest first."""

    backtest_id: int
    strategy: str
    points: list[BacktestPoint]


FIGURES = (
    Backtest.id,
    Backtest.spec_id,
    Backtest.data_version,
    Backtest.code_version,
    Backtest.settings,
    Backtest.first_session,
    Backtest.last_session,
    Backtest.initial_cash,
    Backtest.final_equity,
    Backtest.closed_trades,
    Backtest.open_trades,
    Backtest.benchmark,
    Backtest.stats["sharpe"].as_string().label("sharpe"),
    Backtest.stats["max_drawdown"].as_string().label("max_drawdown"),
    Backtest.created_at,
)


def backtest_curve(session: Session, backtest_id: int, points: int | None = None) -> BacktestCurve | None:
    """The equity curve of one backtest, of about `points` evenly spaced bars; None when there is none with this id."""
    row = session.execute(
        select(Backtest.equity, StrategySpec.name)
        .join(StrategySpec, Backtest.spec_id == StrategySpec.id)
        .where(Backtest.id == backtest_id)
    ).first()
    if row is None:
        return None
    curve: list[BacktestPoint] = []
    for item in thinned(row.equity if isinstance(row.equity, list) else [], points):
        if not isinstance(item, list) or len(item) < 2:
            continue
        at, equity = moment(item[0]), number(item[1])
        if at is not None and equity is not None:
            benchmark = number(item[2]) if len(item) > 2 else None
            curve.append(BacktestPoint(timestamp=at, equity=equity, benchmark=benchmark))
    return BacktestCurve(backtest_id=backtest_id, strategy=row.name, points=curve)


def backtests_of(
    session: Session, spec_id: int, *, before: int | None = None, limit: int = 50
) -> Page[BacktestFigures]:
    """The backtests of a strategy, newest first; `before` is the id that a page ended with."""
    query = select(*FIGURES).where(Backtest.spec_id == spec_id).order_by(Backtest.id.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(Backtest.id < before)
    rows = session.execute(query).all()
    items = [figures(row, row.sharpe, row.max_drawdown) for row in rows[:limit]]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def thinned(items: Sequence[Any], count: int | None) -> Sequence[Any]:
    """About `count` of the items, evenly spaced, the first and the last among them; all when None."""
    if count is None or len(items) <= count:
        return items
    step = (len(items) - 1) / (count - 1)
    return [items[round(index * step)] for index in range(count)]


def trades(session: Session, backtest_id: int, *, first: int = 0, limit: int = 100) -> list[Trade]:
    """A stretch of the trades of a backtest, in the order they were closed."""
    found = session.scalar(
        select(
            func.jsonb_path_query_array(
                Backtest.trades, cast(f"$[{int(first)} to {int(first + limit - 1)}]", JSONPATH)
            )
        ).where(Backtest.id == backtest_id)
    )
    return [trade(item) for item in mappings(found)]


def trades_page(session: Session, backtest_id: int, *, first: int = 0, limit: int = 100) -> Page[Trade]:
    """A page of the trades; `next` is where the one after it begins."""
    rows = trades(session, backtest_id, first=first, limit=limit + 1)
    return Page(items=rows[:limit], next=str(first + limit) if len(rows) > limit else None)


def figures(row: Any, sharpe: Any, max_drawdown: Any) -> BacktestFigures:
    """The figures of a Backtest, or of a row of FIGURES."""
    settings = row.settings if isinstance(row.settings, dict) else {}
    benchmark = row.benchmark if isinstance(row.benchmark, dict) else {}
    final = number(benchmark.get("final_equity"))
    start = float(row.initial_cash)
    return BacktestFigures(
        id=row.id,
        data_version=row.data_version,
        code_version=row.code_version,
        tickers=texts(settings.get("tickers")),
        first_session=row.first_session,
        last_session=row.last_session,
        initial_cash=row.initial_cash,
        final_equity=row.final_equity,
        total_return=float(row.final_equity) / start - 1 if start else None,
        benchmark_return=number(benchmark.get("total_return"))
        if final is None or not start
        else final / start - 1,
        closed_trades=row.closed_trades,
        open_trades=row.open_trades,
        sharpe=number(sharpe),
        max_drawdown=number(max_drawdown),
        run_at=row.created_at,
    )


def statistics(backtest: Any) -> list[Statistic]:
    """The statistics of a Backtest, or of a row with its stats and benchmark."""
    stats = backtest.stats if isinstance(backtest.stats, dict) else {}
    benchmark = backtest.benchmark if isinstance(backtest.benchmark, dict) else {}
    known = [name for name in UNITS if name in stats]
    others = sorted(name for name in stats if name not in UNITS)
    return [
        Statistic(
            name=name,
            unit=UNITS.get(name, "number"),
            value=plain(stats[name]),
            benchmark=plain(benchmark.get(name)),
        )
        for name in known + others
        if not isinstance(stats[name], dict | list)
    ]


def trade(trade: Any) -> Trade:
    """One stored trade."""
    return Trade(
        ticker=text(trade.get("ticker")) or "?",
        side=text(trade.get("side")),
        quantity=number(trade.get("quantity")),
        entry_time=moment(trade.get("entry_time")),
        entry_price=number(trade.get("entry_price")),
        exit_time=moment(trade.get("exit_time")),
        exit_price=number(trade.get("exit_price")),
        exit_reason=text(trade.get("exit_reason")),
        profit=number(trade.get("pnl")),
        ambiguous=trade.get("ambiguous") is True,
    )
