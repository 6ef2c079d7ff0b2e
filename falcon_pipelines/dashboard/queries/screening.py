"""Screening runs and their candidates."""

from datetime import date, datetime
from typing import Any

from pydantic import computed_field
from sqlalchemy import ColumnElement, ScalarSelect, and_, func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import number, text
from falcon_pipelines.dashboard.values import Page, PerShare, Ratio, Value
from falcon_pipelines.db.models import ScreenPick, ScreenRun


class Factor(Value):
    """One number that a candidate was ranked by."""

    name: str
    value: float | str | None


class Candidate(Value):
    """A ticker a screen picked, with where to get in and out."""

    rank: int
    ticker: str
    score: float
    factors: list[Factor]
    close: PerShare
    entry_low: PerShare
    entry_high: PerShare
    stop: PerShare
    target: PerShare
    confidence: Ratio | None

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reward_to_risk(self) -> float | None:
        """(target - entry) / (entry - stop) from the middle of the entry range; None without risk."""
        entry = (self.entry_low + self.entry_high) / 2
        risk = entry - self.stop
        return float((self.target - entry) / risk) if risk else None


class Screen(Value):
    """One run of a profile over one session; `picks` counts its candidates, of which some may be left out."""

    id: int
    profile: str
    session: date
    slot: str
    state: str
    reason: str | None
    data_version: str
    universe: int
    picks: int
    judged_by: str
    run_at: datetime
    candidates: list[Candidate]


class ScreenRow(Value):
    """A run in a list; `reason` says why one was skipped."""

    id: int
    profile: str
    session: date
    slot: str
    state: str
    reason: str | None
    data_version: str
    universe: int
    picks: int
    judged_by: str
    run_at: datetime


def screen_runs(
    session: Session, *, profile: str | None = None, before: int | None = None, limit: int = 50
) -> Page[ScreenRow]:
    """Runs, newest first; `before` is the id that a page ended with."""
    query = select(ScreenRun, _picks_of_run()).order_by(ScreenRun.id.desc()).limit(limit + 1)
    if profile is not None:
        query = query.where(ScreenRun.profile == profile)
    if before is not None:
        query = query.where(ScreenRun.id < before)
    rows = session.execute(query).all()
    items = [
        ScreenRow(
            id=run.id,
            profile=run.profile,
            session=run.session,
            slot=run.slot,
            state=run.state,
            reason=run.reason,
            data_version=run.data_version,
            universe=run.universe,
            picks=count,
            judged_by=run.judged_by,
            run_at=run.created_at,
        )
        for run, count in rows[:limit]
    ]
    return Page(items=items, next=str(items[-1].id) if len(rows) > limit else None)


def screen(session: Session, run_id: int) -> Screen | None:
    """One run with its candidates; None when there is none with this id."""
    return next(iter(_screens(session, ScreenRun.id == run_id, None)), None)


def newest_screens(session: Session, limit: int | None = None) -> list[Screen]:
    """The newest run of each profile on the newest screened session, each with its best `limit` candidates."""
    newest = select(func.max(ScreenRun.session)).where(ScreenRun.state == "done").scalar_subquery()
    ids = (
        select(func.max(ScreenRun.id))
        .where(ScreenRun.session == newest, ScreenRun.state == "done")
        .group_by(ScreenRun.profile)
    )
    return _screens(session, ScreenRun.id.in_(ids), limit)


def _screens(session: Session, wanted: ColumnElement[bool], limit: int | None) -> list[Screen]:
    """Runs by profile with their candidates, of which only what a list shows is read."""
    shown = ScreenPick.run_id == ScreenRun.id
    if limit is not None:
        shown = and_(shown, ScreenPick.rank <= limit)
    rows = session.execute(
        select(
            ScreenRun.id,
            ScreenRun.profile,
            ScreenRun.session,
            ScreenRun.slot,
            ScreenRun.state,
            ScreenRun.reason,
            ScreenRun.data_version,
            ScreenRun.universe,
            ScreenRun.judged_by,
            ScreenRun.created_at,
            _picks_of_run().label("picks"),
            ScreenPick.rank,
            ScreenPick.ticker,
            ScreenPick.score,
            ScreenPick.factors,
            ScreenPick.close,
            ScreenPick.entry_low,
            ScreenPick.entry_high,
            ScreenPick.stop,
            ScreenPick.target,
            ScreenPick.confidence,
        )
        .outerjoin(ScreenPick, shown)
        .where(wanted)
        .order_by(ScreenRun.profile, ScreenRun.id, ScreenPick.rank)
    ).all()
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.id, []).append(row)
    return [
        Screen(
            id=run[0].id,
            profile=run[0].profile,
            session=run[0].session,
            slot=run[0].slot,
            state=run[0].state,
            reason=run[0].reason,
            data_version=run[0].data_version,
            universe=run[0].universe,
            picks=run[0].picks,
            judged_by=run[0].judged_by,
            run_at=run[0].created_at,
            candidates=[_candidate(row) for row in run if row.rank is not None],
        )
        for run in found.values()
    ]


def _picks_of_run() -> ScalarSelect[int]:
    return (
        select(func.count()).where(ScreenPick.run_id == ScreenRun.id).correlate(ScreenRun).scalar_subquery()
    )


def _candidate(pick: Any) -> Candidate:
    factors = pick.factors if isinstance(pick.factors, dict) else {}
    return Candidate(
        rank=pick.rank,
        ticker=pick.ticker,
        score=pick.score,
        factors=[
            Factor(name=name, value=number(value) if number(value) is not None else text(value))
            for name, value in factors.items()
        ],
        close=pick.close,
        entry_low=pick.entry_low,
        entry_high=pick.entry_high,
        stop=pick.stop,
        target=pick.target,
        confidence=None if pick.confidence is None else float(pick.confidence),
    )
