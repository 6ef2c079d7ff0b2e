"""The strategies one talk can be read as, side by side: what each reading or overlay came to."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

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
    extraction = session.scalar(
        select(Extraction).where(Extraction.transcript_id == transcript_id, Extraction.in_force)
    )
    if extraction is None:
        return Spread(())
    found: list[VariantResult] = []
    if extraction.spec_id is not None:
        row = session.get_one(StrategySpec, extraction.spec_id)
        runnable = extraction.status == "runnable"
        found.append(_result(session, row, "stated", None, None, None, runnable=runnable))
    variants = session.execute(
        select(StrategyVariant, StrategySpec)
        .join(StrategySpec, StrategySpec.id == StrategyVariant.spec_id)
        .where(StrategyVariant.extraction_id == extraction.id)
        .order_by(StrategyVariant.id)
    )
    for variant, row in variants:
        found.append(
            _result(
                session,
                row,
                variant.kind,
                variant.field,
                variant.value,
                variant.why,
                runnable=variant.runnable,
            )
        )
    return Spread(tuple(found))


def _result(
    session: Session,
    row: StrategySpec,
    kind: str,
    field: str | None,
    value: Any,
    why: str | None,
    *,
    runnable: bool,
) -> VariantResult:
    newest = select(func.max(Backtest.id)).where(Backtest.spec_id == row.id).scalar_subquery()
    backtest = session.scalar(select(Backtest).where(Backtest.id == newest))
    verdict = backtest and session.scalar(select(Verdict.verdict).where(Verdict.backtest_id == backtest.id))
    drawdown = backtest.stats.get("max_drawdown") if backtest else None
    return VariantResult(
        spec_id=row.id,
        name=row.name,
        kind=kind,
        field=field,
        value=value,
        why=why,
        runnable=runnable,
        backtest_id=backtest.id if backtest else None,
        initial_cash=backtest.initial_cash if backtest else None,
        final_equity=backtest.final_equity if backtest else None,
        closed_trades=backtest.closed_trades if backtest else None,
        max_drawdown=drawdown if isinstance(drawdown, int | float) else None,
        verdict=verdict or None,
    )
