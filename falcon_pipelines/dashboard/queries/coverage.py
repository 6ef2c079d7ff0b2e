"""Which sessions the bar store holds, and the log of what was added to it."""

from datetime import date, datetime, timedelta
from typing import Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.models import ManifestEntry

DayState = Literal["stored", "revised", "quarantined", "absent", "weekend", "outside"]


class StoredSession(Value):
    """The newest revision of one session's bars."""

    session: date
    revision: int
    rows: int
    quarantined: int


class Day(Value):
    """One day of the calendar; `absent` is a weekday without bars: a holiday, or a gap."""

    day: date
    state: DayState
    stored: StoredSession | None


class Month(Value):
    """The days of one month."""

    name: str
    days: list[Day]


class Coverage(Value):
    """One year of one frequency, and what else there is to choose from."""

    frequency: str | None
    frequencies: list[str]
    year: int | None
    years: list[int]
    months: list[Month]
    quarantined: list[StoredSession]
    absent: int


class LogEntry(Value):
    """One addition to the bar store."""

    version: str
    added_at: datetime
    kind: str
    frequency: str | None
    session: date | None
    revision: int
    source: str
    basis: str
    rows: int
    quarantined: int


def coverage(session: Session, frequency: str | None = None, year: int | None = None) -> Coverage:
    """The calendar of one year, by default the newest of the day bars."""
    spans = session.execute(
        select(ManifestEntry.frequency, func.min(ManifestEntry.session), func.max(ManifestEntry.session))
        .where(ManifestEntry.kind == "bars")
        .group_by(ManifestEntry.frequency)
        .order_by(ManifestEntry.frequency)
    ).all()
    found = {name: (first, last) for name, first, last in spans if name and first and last}
    chosen = frequency if frequency in found else next(iter(found), None)
    if chosen is None:
        return Coverage(
            frequency=None, frequencies=[], year=None, years=[], months=[], quarantined=[], absent=0
        )
    first, last = found[chosen]
    years = list(range(last.year, first.year - 1, -1))
    shown = year if year in years else years[0]
    stored = {item.session: item for item in _sessions(session, chosen, shown)}
    months = [_month(shown, number, stored, first, last) for number in range(1, 13)]
    days = [day for month in months for day in month.days]
    return Coverage(
        frequency=chosen,
        frequencies=list(found),
        year=shown,
        years=years,
        months=months,
        quarantined=[item for item in stored.values() if item.quarantined],
        absent=sum(day.state == "absent" for day in days),
    )


def newest_entries(session: Session, *, before: int | None = None, limit: int = 50) -> Page[LogEntry]:
    """Additions, newest first; `before` is the number that a page ended with."""
    query = select(ManifestEntry).order_by(ManifestEntry.seq.desc()).limit(limit + 1)
    if before is not None:
        query = query.where(ManifestEntry.seq < before)
    rows = session.scalars(query).all()
    items = [
        LogEntry(
            version=f"v{row.seq}-{row.digest[:12]}",
            added_at=row.created_at,
            kind=row.kind,
            frequency=row.frequency,
            session=row.session,
            revision=row.revision,
            source=row.source,
            basis=row.basis,
            rows=row.rows,
            quarantined=row.quarantined,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=str(rows[limit - 1].seq) if len(rows) > limit else None)


def _sessions(session: Session, frequency: str, year: int) -> list[StoredSession]:
    rows = session.execute(
        select(ManifestEntry.session, ManifestEntry.revision, ManifestEntry.rows, ManifestEntry.quarantined)
        .where(
            ManifestEntry.kind == "bars",
            ManifestEntry.frequency == frequency,
            ManifestEntry.session >= date(year, 1, 1),
            ManifestEntry.session <= date(year, 12, 31),
        )
        .distinct(ManifestEntry.session)
        .order_by(ManifestEntry.session, ManifestEntry.revision.desc())
    ).all()
    return [StoredSession(session=row[0], revision=row[1], rows=row[2], quarantined=row[3]) for row in rows]


def _month(year: int, number: int, stored: dict[date, StoredSession], first: date, last: date) -> Month:
    day = date(year, number, 1)
    days = []
    while day.month == number:
        days.append(Day(day=day, state=_state(day, stored.get(day), first, last), stored=stored.get(day)))
        day += timedelta(days=1)
    return Month(name=f"{date(year, number, 1):%B}", days=days)


def _state(day: date, stored: StoredSession | None, first: date, last: date) -> DayState:
    if stored is not None:
        if stored.quarantined:
            return "quarantined"
        return "revised" if stored.revision > 1 else "stored"
    if not first <= day <= last:
        return "outside"
    return "weekend" if day.weekday() > 4 else "absent"
