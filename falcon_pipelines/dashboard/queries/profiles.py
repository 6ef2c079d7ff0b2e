"""Screening profiles as stored: their versions, their newest runs, and what is proposed for them."""

from datetime import date, datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import number, text
from falcon_pipelines.dashboard.queries.records import Record, newest_records, record
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import ScreenProfile, ScreenProposal, ScreenRun

HISTORY = 50


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
    records = newest_records(session)
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
