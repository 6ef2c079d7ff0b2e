"""Screening runs and their candidates."""

from datetime import date, datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session, joinedload

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

    @property
    def reward_to_risk(self) -> float | None:
        """(target - entry) / (entry - stop) from the middle of the entry range; None without risk."""
        entry = (self.entry_low + self.entry_high) / 2
        risk = entry - self.stop
        return float((self.target - entry) / risk) if risk else None


class Screen(Value):
    """One run of a profile over one session."""

    id: int
    profile: str
    session: date
    data_version: str
    universe: int
    judged_by: str
    run_at: datetime
    candidates: list[Candidate]


class ScreenRow(Value):
    """A run in a list."""

    id: int
    profile: str
    session: date
    data_version: str
    universe: int
    picks: int
    judged_by: str
    run_at: datetime


def screen_runs(
    session: Session, *, profile: str | None = None, before: int | None = None, limit: int = 50
) -> Page[ScreenRow]:
    """Runs, newest first; `before` is the id that a page ended with."""
    picks = (
        select(func.count()).where(ScreenPick.run_id == ScreenRun.id).correlate(ScreenRun).scalar_subquery()
    )
    query = select(ScreenRun, picks).order_by(ScreenRun.id.desc()).limit(limit + 1)
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
    run = session.get(ScreenRun, run_id)
    return None if run is None else _screen(run)


def newest_screens(session: Session) -> list[Screen]:
    """The newest run of each profile on the newest screened session."""
    newest = select(func.max(ScreenRun.session)).scalar_subquery()
    ids = select(func.max(ScreenRun.id)).where(ScreenRun.session == newest).group_by(ScreenRun.profile)
    runs = session.scalars(
        select(ScreenRun)
        .where(ScreenRun.id.in_(ids))
        .options(joinedload(ScreenRun.picks))
        .order_by(ScreenRun.profile)
    ).unique()
    return [_screen(run) for run in runs]


def _screen(run: ScreenRun) -> Screen:
    return Screen(
        id=run.id,
        profile=run.profile,
        session=run.session,
        data_version=run.data_version,
        universe=run.universe,
        judged_by=run.judged_by,
        run_at=run.created_at,
        candidates=[_candidate(pick) for pick in run.picks],
    )


def _candidate(pick: ScreenPick) -> Candidate:
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
