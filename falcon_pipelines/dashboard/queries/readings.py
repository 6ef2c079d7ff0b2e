"""The ways one talk can be read, side by side with what each came to, and what a person may assume on top."""

from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import mappings, text, written
from falcon_pipelines.dashboard.values import Dollars, Ratio, Value
from falcon_pipelines.db.models import StrategySpec
from falcon_pipelines.db.variants import VariantResult, spread_of


class Reading(Value):
    """One strategy of a talk: as stated, another reading of an open rule, or what somebody laid over it."""

    spec_id: int
    name: str
    kind: str
    field: str | None
    value: str | None
    why: str | None
    runnable: bool
    final_equity: Dollars | None
    total_return: Ratio | None
    closed_trades: int | None
    max_drawdown: Ratio | None
    verdict: str | None


class Readings(Value):
    """Every strategy of a talk's reading in force, and between which final equities they end."""

    rows: list[Reading]
    lowest: Dollars | None
    highest: Dollars | None
    tested: int


class Offer(Value):
    """An exit that nobody stated, to choose by name."""

    name: str
    field: str
    value: str | None


class OverlaySubject(Value):
    """A strategy that somebody is about to lay something over."""

    id: int
    name: str
    status: str | None
    offered: list[Offer]


def readings(session: Session, transcript_id: str) -> Readings:
    """No rows when nothing was taken from the talk."""
    spread = spread_of(session, transcript_id)
    rows = [_reading(result) for result in spread.results]
    return Readings(
        rows=rows,
        lowest=spread.lowest,
        highest=spread.highest,
        tested=sum(row.final_equity is not None for row in rows),
    )


def overlay_subject(session: Session, spec_id: int) -> OverlaySubject | None:
    """None when there is no such strategy."""
    spec = session.get(StrategySpec, spec_id)
    if spec is None:
        return None
    extraction = spec.extraction if isinstance(spec.extraction, dict) else {}
    offered = [] if "variant" in extraction else list(mappings(extraction.get("overlays")))
    return OverlaySubject(
        id=spec.id,
        name=spec.name,
        status=text(extraction.get("status")),
        offered=[
            Offer(name=name, field=text(item.get("field")) or "?", value=written(item.get("value")))
            for item in offered
            if (name := text(item.get("name")))
        ],
    )


def _reading(result: VariantResult) -> Reading:
    ended, began = result.final_equity, result.initial_cash
    return Reading(
        spec_id=result.spec_id,
        name=result.name,
        kind=result.kind,
        field=result.field,
        value=written(result.value),
        why=result.why,
        runnable=result.runnable,
        final_equity=ended,
        total_return=float(ended / began - 1) if ended is not None and began else None,
        closed_trades=result.closed_trades,
        max_drawdown=result.max_drawdown,
        verdict=result.verdict,
    )
