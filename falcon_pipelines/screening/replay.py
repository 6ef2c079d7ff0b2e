"""The rules part of a profile over history: each session screened on what was known then, and what came of it.

A language model has no part here: it knows the past.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np

from falcon_pipelines.errors import InputError
from falcon_pipelines.profiles.schema import Profile, Slot
from falcon_pipelines.screening.bar_sources import BarSource
from falcon_pipelines.screening.horizon import entry_session, exit_session
from falcon_pipelines.screening.outcomes import outcome
from falcon_pipelines.screening.record import Record, ScoredRun, record
from falcon_pipelines.screening.reference import ReferenceSource
from falcon_pipelines.screening.run import features_for, gather, needs_of
from falcon_pipelines.screening.screens import DEFAULT_SEED, Screen, screen
from falcon_pipelines.screening.track import session_number


class NothingToReplay(InputError):
    """No session of the range can be screened; the message says why."""


@dataclass(frozen=True)
class Replay:
    """A replayed profile: its record, the scored runs, and the sessions that were skipped with the reason."""

    profile: Profile
    record: Record
    runs: tuple[ScoredRun, ...]
    skipped: dict[str, int]
    open: int
    first: date
    last: date
    version: str
    synthetic: bool


def replay(
    profile: Profile,
    source: BarSource,
    reference: ReferenceSource | None,
    start: date | None,
    end: date | None,
    *,
    every: int = 1,
    slot: Slot = "evening",
    seed: int = DEFAULT_SEED,
    progress: Callable[[int, int], None] | None = None,
) -> Replay:
    """Screen every `every`-th session from `start` to `end` and score those whose horizon closes within the bars.

    Every screen sees bars adjusted as known on its own session and no later one. Raises NothingToReplay.
    """
    known = list(source.sessions())
    days = [day for day in known if (start is None or day >= start) and (end is None or day <= end)][::every]
    if not days:
        raise NothingToReplay(
            f"no day bars from {start} to {end}; there are those of {known[0]} to {known[-1]}"
        )
    there, needs = set(known), needs_of([profile])
    runs: list[ScoredRun] = []
    skipped: dict[str, int] = {}
    still_open = 0
    for number, day in enumerate(days, start=1):
        made = screen(profile, features_for([profile], gather(source, needs, reference, day, slot)), seed)
        if progress is not None:
            progress(number, len(days))
        if made.reason is not None:
            skipped[made.reason] = skipped.get(made.reason, 0) + 1
            continue
        entry = entry_session(day, slot)
        exit_day = exit_session(entry, profile.horizon_sessions)
        if exit_day is None or exit_day > known[-1]:
            still_open += 1
        elif entry in there and exit_day in there and made.pool.tickers:
            runs.append(_scored(made, source, entry, exit_day))
    if not runs and not still_open:
        reason = next(iter(skipped), "no ticker passes the filters")
        raise NothingToReplay(f"{profile.name}: none of {len(days)} sessions could be screened: {reason}")
    return Replay(
        profile=profile,
        record=record(runs, profile.horizon_sessions),
        runs=tuple(runs),
        skipped=skipped,
        open=still_open,
        first=days[0],
        last=days[-1],
        version=source.version,
        synthetic=source.synthetic,
    )


def _scored(made: Screen, source: BarSource, entry: date, exit_day: date) -> ScoredRun:
    panel = source.panel(entry, exit_day, exit_day, ("open", "close"))
    came = outcome(panel, made.pool.tickers, made.profile.benchmark, entry, exit_day)
    count = min(len(made.picks), len(made.pool.tickers))
    return ScoredRun(
        entry=entry,
        exit=exit_day,
        position=session_number(entry),
        scores=np.asarray(made.pool.scores),
        returns=came.returns,
        picked=np.arange(count),
        benchmark=came.benchmark,
        confidence=np.full(count, np.nan),
        percentiles={name: np.asarray(values) for name, values in made.pool.percentiles.items()},
    )
