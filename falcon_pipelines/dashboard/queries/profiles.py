"""Screening profiles as stored, with their runs and their records."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import mappings, number, text
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import ScreenProfile, ScreenProposal, ScreenRecord, ScreenRun

HISTORY = 50
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


class ProfileRow(Value):
    """A profile in its newest version."""

    name: str
    version: int
    title: str
    theme: str | None
    schedule: list[str]
    deleted: bool
    origin: str
    note: str | None
    saved_by: str
    saved_at: datetime
    newest_run: int | None
    newest_session: date | None
    newest_state: str | None
    newest_reason: str | None
    record: Record | None


class ProfileVersion(Value):
    """One version of a profile; `document` is its YAML as written."""

    name: str
    version: int
    title: str
    document: str
    content: dict[str, Any]
    deleted: bool
    origin: str
    note: str | None
    saved_by: str
    saved_at: datetime


class Weight(Value):
    """A factor's share of the score, as it is and as proposed."""

    factor: str
    current: float | None
    proposed: float | None


class Proposal(Value):
    """Other weights for a profile, shrunk to the present ones, for a person to decide on."""

    id: int
    profile: str
    base_version: int
    state: str
    weights: list[Weight]
    picks: int | None
    separate_horizons: int | None
    decided_by: str | None
    decided_at: datetime | None
    made_version: int | None
    proposed_at: datetime


class ProfileDetail(Value):
    """A profile, its versions newest first, its record, and what is proposed for it."""

    current: ProfileVersion
    versions: list[ProfileVersion]
    proposals: list[Proposal]
    record: Record | None


def profiles(session: Session, *, deleted: bool = False) -> list[ProfileRow]:
    """Every profile in its newest version, by name; with `deleted`, those out of use too."""
    newest = select(func.max(ScreenProfile.id)).group_by(ScreenProfile.name)
    rows = session.scalars(
        select(ScreenProfile).where(ScreenProfile.id.in_(newest)).order_by(ScreenProfile.name)
    ).all()
    runs = _newest_runs(session)
    records = _records(session)
    return [
        _profile_row(row, runs.get(row.name), records.get(row.name))
        for row in rows
        if deleted or not row.deleted
    ]


def profile(session: Session, name: str) -> ProfileDetail | None:
    """None for a name that never was; a deleted profile is found and says so."""
    rows = session.scalars(
        select(ScreenProfile)
        .where(ScreenProfile.name == name)
        .order_by(ScreenProfile.version.desc())
        .limit(HISTORY)
    ).all()
    if not rows:
        return None
    versions = [_version(row) for row in rows]
    return ProfileDetail(
        current=versions[0],
        versions=versions,
        proposals=proposals(session, name),
        record=record(session, name),
    )


def profile_version(session: Session, name: str, version: int | None) -> ProfileVersion | None:
    """One version, the newest when none is named."""
    query = select(ScreenProfile).where(ScreenProfile.name == name)
    if version is not None:
        query = query.where(ScreenProfile.version == version)
    row = session.scalars(query.order_by(ScreenProfile.version.desc()).limit(1)).one_or_none()
    return None if row is None else _version(row)


def record(session: Session, name: str) -> Record | None:
    """The newest record of a profile."""
    row = session.scalars(
        select(ScreenRecord).where(ScreenRecord.profile == name).order_by(ScreenRecord.id.desc()).limit(1)
    ).one_or_none()
    return None if row is None else _record(row)


def proposals(session: Session, name: str) -> list[Proposal]:
    """What was proposed for a profile, newest first."""
    rows = session.scalars(
        select(ScreenProposal)
        .where(ScreenProposal.profile == name)
        .order_by(ScreenProposal.id.desc())
        .limit(HISTORY)
    )
    return [_proposal(row) for row in rows]


def proposal(session: Session, proposal_id: int) -> Proposal | None:
    """None when there is none with this id."""
    row = session.get(ScreenProposal, proposal_id)
    return None if row is None else _proposal(row)


def _proposal(row: ScreenProposal) -> Proposal:
    current = row.current if isinstance(row.current, dict) else {}
    proposed = row.proposed if isinstance(row.proposed, dict) else {}
    evidence = row.evidence if isinstance(row.evidence, dict) else {}
    picks, horizons = number(evidence.get("picks")), number(evidence.get("separate_horizons"))
    return Proposal(
        id=row.id,
        profile=row.profile,
        base_version=row.base_version,
        state=row.state,
        weights=[
            Weight(factor=name, current=number(current.get(name)), proposed=number(proposed.get(name)))
            for name in dict.fromkeys([*current, *proposed])
        ],
        picks=None if picks is None else int(picks),
        separate_horizons=None if horizons is None else int(horizons),
        decided_by=row.decided_by,
        decided_at=row.decided_at,
        made_version=row.made_version,
        proposed_at=row.created_at,
    )


def _newest_runs(session: Session) -> dict[str, ScreenRun]:
    newest = select(func.max(ScreenRun.id)).group_by(ScreenRun.profile)
    return {run.profile: run for run in session.scalars(select(ScreenRun).where(ScreenRun.id.in_(newest)))}


def _records(session: Session) -> dict[str, Record]:
    newest = select(func.max(ScreenRecord.id)).group_by(ScreenRecord.profile)
    rows = session.scalars(select(ScreenRecord).where(ScreenRecord.id.in_(newest)))
    return {row.profile: _record(row) for row in rows}


def _profile_row(row: ScreenProfile, run: ScreenRun | None, record: Record | None) -> ProfileRow:
    content = row.content if isinstance(row.content, dict) else {}
    schedule = content.get("schedule")
    return ProfileRow(
        name=row.name,
        version=row.version,
        title=row.title,
        theme=text(content.get("theme")),
        schedule=[str(slot) for slot in schedule] if isinstance(schedule, list) else [],
        deleted=row.deleted,
        origin=row.origin,
        note=row.note,
        saved_by=row.saved_by,
        saved_at=row.created_at,
        newest_run=run.id if run else None,
        newest_session=run.session if run else None,
        newest_state=run.state if run else None,
        newest_reason=run.reason if run else None,
        record=record,
    )


def _version(row: ScreenProfile) -> ProfileVersion:
    return ProfileVersion(
        name=row.name,
        version=row.version,
        title=row.title,
        document=row.document,
        content=row.content if isinstance(row.content, dict) else {},
        deleted=row.deleted,
        origin=row.origin,
        note=row.note,
        saved_by=row.saved_by,
        saved_at=row.created_at,
    )


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
