"""The strategies one talk can be read as, side by side: what each reading or overlay came to."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, cast, func, literal, null, select, union_all
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Session, aliased

from falcon_pipelines.db.models import Backtest, Extraction, StrategySpec, StrategyVariant, Verdict


@dataclass(frozen=True)
class VariantResult:
    """One strategy of a talk. Results are None until it is backtested; `kind` is stated, reading or overlay."""

    spec_id: int
    name: str
    kind: str
    field: str | None
    value: Any
    why: str | None
    runnable: bool
    backtest_id: int | None
    initial_cash: Decimal | None
    final_equity: Decimal | None
    closed_trades: int | None
    max_drawdown: float | None
    verdict: str | None


@dataclass(frozen=True)
class Spread:
    """How far apart the readings of one talk end: what the open rules are worth, in US dollars."""

    results: tuple[VariantResult, ...]

    @property
    def lowest(self) -> Decimal | None:
        """The final equity of the worst; None before any was backtested."""
        return min(self._equities, default=None)

    @property
    def highest(self) -> Decimal | None:
        """The final equity of the best."""
        return max(self._equities, default=None)

    @property
    def _equities(self) -> list[Decimal]:
        return [result.final_equity for result in self.results if result.final_equity is not None]


def spread_of(session: Session, transcript_id: str) -> Spread:
    """The strategy of a talk as stated, each other reading of its open rules, and each overlay, with results.

    Only those of the reading in force; the newest backtest of each counts.
    """
    rows = session.execute(_spread(), {"transcript": transcript_id})
    return Spread(tuple(_result(row) for row in rows))


@cache
def _spread() -> Select[Any]:
    """Built once: every page of a strategy runs it."""
    extraction = (
        select(Extraction.id, Extraction.spec_id, Extraction.status)
        .where(Extraction.transcript_id == bindparam("transcript"), Extraction.in_force)
        .subquery()
    )
    stated = select(
        extraction.c.spec_id,
        literal("stated").label("kind"),
        null().label("field"),
        cast(null(), JSONB).label("value"),
        null().label("why"),
        (extraction.c.status == "runnable").label("runnable"),
        literal(0).label("place"),
    ).where(extraction.c.spec_id.is_not(None))
    others = select(
        StrategyVariant.spec_id,
        StrategyVariant.kind,
        StrategyVariant.field,
        StrategyVariant.value,
        StrategyVariant.why,
        StrategyVariant.runnable,
        StrategyVariant.id.label("place"),
    ).join(extraction, StrategyVariant.extraction_id == extraction.c.id)
    readings = union_all(stated, others).subquery()
    tested = aliased(Backtest)
    newest = select(func.max(tested.id)).where(tested.spec_id == readings.c.spec_id).scalar_subquery()
    return (
        select(
            readings,
            StrategySpec.name,
            Backtest.id.label("backtest_id"),
            Backtest.initial_cash,
            Backtest.final_equity,
            Backtest.closed_trades,
            Backtest.stats["max_drawdown"].label("max_drawdown"),
            Verdict.verdict,
        )
        .join(StrategySpec, StrategySpec.id == readings.c.spec_id)
        .outerjoin(Backtest, Backtest.id == newest)
        .outerjoin(Verdict, Verdict.backtest_id == Backtest.id)
        .order_by(readings.c.place)
    )


def _result(row: Any) -> VariantResult:
    return VariantResult(
        spec_id=row.spec_id,
        name=row.name,
        kind=row.kind,
        field=row.field,
        value=row.value,
        why=row.why,
        runnable=row.runnable,
        backtest_id=row.backtest_id,
        initial_cash=row.initial_cash,
        final_equity=row.final_equity,
        closed_trades=row.closed_trades,
        max_drawdown=row.max_drawdown if isinstance(row.max_drawdown, int | float) else None,
        verdict=row.verdict,
    )
