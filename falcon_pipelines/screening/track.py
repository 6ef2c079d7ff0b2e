"""The record in the database: outcomes of runs whose horizon has closed, and what they say of a profile."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session, selectinload

from falcon_pipelines.bars.calendar import FIRST_YEAR, sessions
from falcon_pipelines.db.models import ScreenOutcome, ScreenPool, ScreenRecord, ScreenRun
from falcon_pipelines.json_types import plain
from falcon_pipelines.screening.bar_sources import BarSource
from falcon_pipelines.screening.horizon import has_closed
from falcon_pipelines.screening.outcomes import outcome
from falcon_pipelines.screening.record import PICKS_NEEDED, Record, ScoredRun, record

_FIRST_DAY = date(FIRST_YEAR, 1, 2)


@dataclass(frozen=True)
class ProfileRecord:
    """The record of a profile's stored runs.

    `factors` is of the factor score's picks in all runs, `forward` of those that were stored before their outcome
    began, `model` of what the model kept in forward runs of sessions after its knowledge cutoff. `left_out` says how
    many runs a model judged that do not count, and why.
    """

    profile: str
    factors: Record
    forward: Record
    model: Record
    left_out: dict[str, int]
    waiting: int
    next_close: date | None
    scored: tuple[dict[str, Any], ...]


def settle(session: Session, source: BarSource, now: datetime | None = None) -> list[int]:
    """Compute the outcome of runs whose horizon has closed and that have none yet; returns their ids.

    A run waits until the exit session is over and its bars, and those of the entry session, are there.
    """
    moment = now or datetime.now(UTC)
    known = set(source.sessions())
    newest = max(known)
    waiting = session.scalars(
        select(ScreenRun)
        .join(ScreenPool, ScreenPool.run_id == ScreenRun.id)
        .outerjoin(ScreenOutcome, ScreenOutcome.run_id == ScreenRun.id)
        .where(ScreenOutcome.run_id.is_(None), ScreenRun.state == "done", ScreenRun.exit_session <= newest)
        .order_by(ScreenRun.entry_session, ScreenRun.exit_session, ScreenRun.id)
    ).all()
    done: list[int] = []
    panels: dict[tuple[date, date], Any] = {}
    for run in waiting:
        entry, exit_day = run.entry_session, run.exit_session
        if entry is None or exit_day is None or entry not in known or exit_day not in known:
            continue
        if not has_closed(exit_day, moment, newest):
            continue
        key = entry, exit_day
        if key not in panels:
            panels = {key: source.panel(entry, exit_day, exit_day, ("open", "close"))}
        pool = session.get_one(ScreenPool, run.id)
        came = outcome(panels[key], pool.tickers, run.benchmark or "", entry, exit_day)
        session.add(
            ScreenOutcome(
                run_id=run.id,
                data_version=source.version,
                benchmark_return=came.benchmark,
                returns=[None if np.isnan(value) else round(float(value), 8) for value in came.returns],
                ended_early=came.ended_early,
                measured_at=moment,
            )
        )
        done.append(run.id)
    session.flush()
    return done


def profile_record(session: Session, profile: str, picks_needed: int = PICKS_NEEDED) -> ProfileRecord:
    """The record as the stored outcomes have it. The first run made for an entry session counts, later ones do not."""
    runs = session.scalars(
        select(ScreenRun)
        .where(ScreenRun.profile == profile, ScreenRun.state == "done")
        .options(selectinload(ScreenRun.picks))
        .order_by(ScreenRun.entry_session, ScreenRun.id)
    ).all()
    first: dict[date, ScreenRun] = {}
    for run in runs:
        if run.entry_session is not None:
            first.setdefault(run.entry_session, run)
    outcomes = {
        row.run_id: row
        for row in session.scalars(
            select(ScreenOutcome).where(ScreenOutcome.run_id.in_([run.id for run in first.values()]))
        )
    }
    pools = {
        row.run_id: row
        for row in session.scalars(select(ScreenPool).where(ScreenPool.run_id.in_(list(outcomes))))
    }
    closed = [run for run in first.values() if run.id in outcomes]
    open_ones = [run for run in first.values() if run.id not in outcomes and run.picks]
    horizon = max((run.horizon_sessions or 1 for run in closed), default=1)
    by_factors = {run.id: scored(run, pools[run.id], outcomes[run.id]) for run in closed}
    left_out: dict[str, int] = {}
    by_model: list[ScoredRun] = []
    for run in closed:
        if run.model_status != "ok":
            continue
        why = _left_out(run)
        if why is None:
            by_model.append(scored(run, pools[run.id], outcomes[run.id], of_model=True))
        else:
            left_out[why] = left_out.get(why, 0) + 1
    return ProfileRecord(
        profile=profile,
        factors=record(list(by_factors.values()), horizon, picks_needed),
        forward=record([by_factors[run.id] for run in closed if run.forward], horizon, picks_needed),
        model=record(by_model, horizon, picks_needed),
        left_out=left_out,
        waiting=len(open_ones),
        next_close=min((run.exit_session for run in open_ones if run.exit_session), default=None),
        scored=tuple(_line(run, by_factors[run.id]) for run in closed),
    )


def _left_out(run: ScreenRun) -> str | None:
    """Why what a model said of a run never enters its record."""
    if run.model_cutoff is not None and run.session <= run.model_cutoff:
        return "the session is not after the model's knowledge cutoff"
    if not run.forward:
        return "the run was made when the outcome had begun"
    return None


def scored(run: ScreenRun, pool: ScreenPool, came: ScreenOutcome, *, of_model: bool = False) -> ScoredRun:
    """A stored run as the record takes it: the factor score's picks, or those that the model kept."""
    place = {ticker: index for index, ticker in enumerate(pool.tickers)}
    picks = [pick for pick in run.picks if not (of_model and pick.rejected)]
    assert run.entry_session is not None
    assert run.exit_session is not None
    return ScoredRun(
        entry=run.entry_session,
        exit=run.exit_session,
        position=session_number(run.entry_session),
        scores=np.asarray(pool.scores, dtype=float),
        returns=np.array([np.nan if value is None else value for value in came.returns], dtype=float),
        picked=np.array([place[pick.ticker] for pick in picks if pick.ticker in place], dtype=np.int64),
        benchmark=came.benchmark_return,
        confidence=np.array(
            [
                float(pick.confidence) if of_model and pick.confidence is not None else np.nan
                for pick in picks
                if pick.ticker in place
            ]
        ),
        percentiles={name: np.asarray(values, dtype=float) for name, values in pool.percentiles.items()},
    )


def session_number(day: date) -> int:
    """The number of a session in the trading calendar."""
    return len(sessions(_FIRST_DAY, day))


def save_record(session: Session, made: ProfileRecord) -> ScreenRecord:
    """Keep the record as it stands; the same as the newest kept one adds nothing."""
    document = record_document(made)
    newest = session.scalar(
        select(ScreenRecord)
        .where(ScreenRecord.profile == made.profile)
        .order_by(ScreenRecord.id.desc())
        .limit(1)
    )
    if newest is not None and newest.document == document:
        return newest
    row = ScreenRecord(
        profile=made.profile,
        runs=made.factors.runs,
        picks=made.factors.picks,
        verdict=made.factors.verdict,
        through=made.factors.through,
        document=document,
    )
    session.add(row)
    session.flush()
    return row


def record_document(made: ProfileRecord) -> dict[str, Any]:
    """The record as JSON."""
    document: dict[str, Any] = plain(
        {
            "profile": made.profile,
            "verdict": made.factors.verdict,
            "factors": part_document(made.factors),
            "forward": part_document(made.forward),
            "model": {**part_document(made.model), "left_out": made.left_out},
            "waiting": made.waiting,
            "next_close": made.next_close,
            "runs": list(made.scored),
        }
    )
    return document


def part_document(part: Record) -> dict[str, Any]:
    """One part of a record as JSON."""
    return {
        "runs": part.runs,
        "picks": part.picks,
        "separate_horizons": part.separate_horizons,
        "verdict": part.verdict,
        "placebo_p": part.placebo_p,
        "through": part.through,
        "measures": [asdict(measure) for measure in part.measures],
        "reliability": [asdict(one) for one in part.reliability],
    }


def _line(run: ScreenRun, of: ScoredRun) -> dict[str, Any]:
    return {
        "run": run.id,
        "session": run.session,
        "slot": run.slot,
        "forward": run.forward,
        **scored_line(of),
    }


def scored_line(run: ScoredRun) -> dict[str, Any]:
    """One scored run in a table: counts and returns as fractions."""
    picks = run.returns[run.picked]
    picks, pool = picks[np.isfinite(picks)], run.returns[np.isfinite(run.returns)]
    return {
        "entry": run.entry,
        "exit": run.exit,
        "picks": len(picks),
        "pool": len(pool),
        "rose": int(np.sum(picks > 0)),
        "mean_return": float(picks.mean()) if len(picks) else None,
        "pool_return": float(pool.mean()) if len(pool) else None,
        "benchmark_return": run.benchmark,
    }


def records(session: Session, names: Sequence[str]) -> dict[str, ScreenRecord]:
    """The newest kept record of each profile."""
    rows = session.scalars(
        select(ScreenRecord)
        .where(ScreenRecord.profile.in_(names))
        .order_by(ScreenRecord.profile, ScreenRecord.id.desc())
        .distinct(ScreenRecord.profile)
    )
    return {row.profile: row for row in rows}


def record_all(
    session: Session, source: BarSource, now: datetime | None = None
) -> tuple[list[int], list[ProfileRecord]]:
    """Settle what can be settled and keep the record of every profile that has runs; the settled runs and the records."""
    names = session.scalars(select(ScreenRun.profile).distinct().order_by(ScreenRun.profile)).all()
    if not names:
        return [], []
    settled = settle(session, source, now)
    made = [profile_record(session, name) for name in names]
    for one in made:
        save_record(session, one)
    return settled, made
