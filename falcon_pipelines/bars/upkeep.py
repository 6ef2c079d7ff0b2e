"""What should be done about the bars now? Decisions as pure functions of times, sessions and ETags.

Who asks (a sensor, a check, a command) and what carries them out are elsewhere.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta

from falcon_pipelines.bars.calendar import NEW_YORK
from falcon_pipelines.bars.flat_files import RemoteFile

PUBLISHED_AT = time(11, 0)
"""New York time, on the day after the session, at which its flat file is complete."""
GRACE = timedelta(hours=6)
RECHECKED_SESSIONS = 10
ATTEMPTS = 5
FIRST_WAIT = timedelta(minutes=5)
"""After a failed attempt; three times as long after each further one."""


@dataclass(frozen=True)
class Freshness:
    """Whether the bars are as new as they can be expected to be.

    `expected` is the newest session that should be there, `newest` the newest that is, `missing` those up to
    `expected` that are not, oldest first.
    """

    expected: date | None
    newest: date | None
    missing: tuple[date, ...]

    @property
    def is_fresh(self) -> bool:
        """Whether the newest expected session is there; older holes are gaps, not staleness."""
        return self.expected is None or self.expected not in self.missing


def published_at(session: date) -> datetime:
    """When a session's flat file is complete: 11:00 New York on the next day, in that zone."""
    return datetime.combine(session + timedelta(days=1), PUBLISHED_AT, NEW_YORK)


def expected_sessions(calendar: Sequence[date], now: datetime, grace: timedelta = GRACE) -> tuple[date, ...]:
    """The sessions of `calendar` whose files should have arrived by `now`."""
    return tuple(session for session in calendar if published_at(session) + grace <= now)


def freshness(calendar: Sequence[date], present: Collection[date], now: datetime) -> Freshness:
    """Compares what is there with the trading calendar, not with the clock of the last run.

    So a backfill of an old session does not look fresh, and a long weekend does not look stale.
    """
    expected = expected_sessions(calendar, now)
    there = set(present)
    return Freshness(
        expected=expected[-1] if expected else None,
        newest=max(there, default=None),
        missing=tuple(session for session in expected if session not in there),
    )


def sessions_to_recheck(present: Collection[date], count: int = RECHECKED_SESSIONS) -> tuple[date, ...]:
    """The newest sessions, whose files may still be replaced, oldest first."""
    return tuple(sorted(present)[-count:])


def republished(known_etags: Mapping[date, str], files: Mapping[date, RemoteFile]) -> tuple[date, ...]:
    """The sessions whose file at the source is not the one that was ingested, oldest first.

    A file that has vanished is no republication: what was ingested stays.
    """
    return tuple(
        session for session, file in sorted(files.items()) if known_etags.get(session, file.etag) != file.etag
    )


def missing_sessions(
    calendar: Sequence[date], published: Collection[date], present: Collection[date]
) -> tuple[date, ...]:
    """Sessions the source has published and the store has not, oldest first; holidays never count."""
    wanted = set(published) - set(present)
    return tuple(session for session in calendar if session in wanted)


def as_ranges(sessions: Sequence[date], calendar: Sequence[date], most: int) -> tuple[tuple[date, date], ...]:
    """Runs of neighbouring trading sessions as (first, last), at most `most` sessions each: one run of work each."""
    position = {session: number for number, session in enumerate(calendar)}
    ranges: list[tuple[date, date]] = []
    length = 0
    for session in sorted(sessions):
        follows = ranges and position[session] == position[ranges[-1][1]] + 1
        if follows and length < most:
            ranges[-1] = ranges[-1][0], session
            length += 1
        else:
            ranges.append((session, session))
            length = 1
    return tuple(ranges)


def may_try(failures: int, last_failure: datetime | None, now: datetime) -> bool:
    """Whether work that failed that often may be tried again: at most ATTEMPTS times, further and further apart."""
    if failures == 0 or last_failure is None:
        return True
    return failures < ATTEMPTS and now >= last_failure + FIRST_WAIT * 3 ** (failures - 1)


def actions_due(newest: date | None, fetched_at: datetime | None) -> bool:
    """Whether corporate actions must be fetched before prices up to session `newest` are adjusted.

    They must when they were last fetched before that session's bars were published.
    """
    return newest is not None and (fetched_at is None or fetched_at < published_at(newest))


def sessions_kept(calendar: Sequence[date], newest: int) -> tuple[date, ...]:
    """The last `newest` sessions of `calendar`; none for 0."""
    return tuple(calendar[-newest:]) if newest else ()


def label_of(files: Collection[RemoteFile]) -> str:
    """A short name that changes as soon as one of the files does."""
    text = "\n".join(sorted(f"{file.session} {file.etag}" for file in files))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
