"""What came of the picks of screening profiles, as the compute node measured it: with n, intervals, and what is missing."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import mappings, number, text
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import ScreenRecord

PARTS: tuple[Literal["factors", "forward", "model"], ...] = ("factors", "forward", "model")


class Measure(Value):
    """One number of a record with its interval and what it rests on; without a value `state` says what is missing."""

    name: str
    meaning: str | None
    unit: str
    value: float | None
    low: float | None
    high: float | None
    compared_with: float | None
    n: int | None
    state: str | None


class Reliability(Value):
    """Picks by the confidence a model stated, and how many of them rose, with the interval of that."""

    low: float
    high: float
    n: int
    stated: float | None
    observed: float | None
    observed_low: float | None
    observed_high: float | None


class RecordPart(Value):
    """A record over some of the runs: `factors` over all, `forward` those stored before, `model` what it kept."""

    name: Literal["factors", "forward", "model"]
    verdict: str | None
    runs: int
    picks: int
    measures: list[Measure]
    reliability: list[Reliability]
    placebo_p: float | None


class Record(Value):
    """What came of a profile's picks so far; `waiting` runs have a horizon that has not closed."""

    verdict: str
    runs: int
    picks: int
    through: date | None
    waiting: int | None
    next_close: str | None
    parts: list[RecordPart]
    written_at: datetime


def record(session: Session, name: str) -> Record | None:
    """The newest record of a profile."""
    row = session.scalars(
        select(ScreenRecord).where(ScreenRecord.profile == name).order_by(ScreenRecord.id.desc()).limit(1)
    ).one_or_none()
    return None if row is None else _record(row)


def newest_records(session: Session) -> dict[str, Record]:
    """The newest record of every profile, by name."""
    newest = select(func.max(ScreenRecord.id)).group_by(ScreenRecord.profile)
    rows = session.scalars(select(ScreenRecord).where(ScreenRecord.id.in_(newest)))
    return {row.profile: _record(row) for row in rows}


def _record(row: ScreenRecord) -> Record:
    document = row.document if isinstance(row.document, dict) else {}
    waiting = number(document.get("waiting"))
    return Record(
        verdict=row.verdict,
        runs=row.runs,
        picks=row.picks,
        through=row.through,
        waiting=None if waiting is None else int(waiting),
        next_close=text(document.get("next_close")),
        parts=list(_parts(document)),
        written_at=row.created_at,
    )


def _parts(document: Mapping[str, Any]) -> Iterator[RecordPart]:
    for name in PARTS:
        part = document.get(name)
        if isinstance(part, dict):
            yield RecordPart(
                name=name,
                verdict=text(part.get("verdict")),
                runs=int(number(part.get("runs")) or 0),
                picks=int(number(part.get("picks")) or 0),
                measures=list(_measures(part)),
                reliability=[row for row in _reliability(part) if row.n],
                placebo_p=number(part.get("placebo_p")),
            )


def _measures(document: Mapping[str, Any]) -> Iterator[Measure]:
    for item in mappings(document.get("measures")):
        count = number(item.get("n"))
        yield Measure(
            name=text(item.get("name")) or "?",
            meaning=text(item.get("meaning")),
            unit=text(item.get("unit")) or "number",
            value=number(item.get("value")),
            low=number(item.get("low")),
            high=number(item.get("high")),
            compared_with=number(item.get("compared_with")),
            n=None if count is None else int(count),
            state=text(item.get("state")),
        )


def _reliability(document: Mapping[str, Any]) -> Iterator[Reliability]:
    for item in mappings(document.get("reliability")):
        yield Reliability(
            low=number(item.get("low")) or 0.0,
            high=number(item.get("high")) or 0.0,
            n=int(number(item.get("n")) or 0),
            stated=number(item.get("stated")),
            observed=number(item.get("observed")),
            observed_low=number(item.get("observed_low")),
            observed_high=number(item.get("observed_high")),
        )
