"""The state of the bar store as its manifest tells it."""

from datetime import date, datetime

from sqlalchemy import Select, func, select, true
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import ManifestEntry

SYNTHETIC = "synthetic"
"""The basis of bars that were made up, not traded."""


class Frequency(Value):
    """What is stored of bars of one length, counting only the newest revision of each session."""

    frequency: str
    first_session: date
    newest_session: date
    sessions: int
    rows: int
    quarantined: int
    newest_rows: int
    newest_quarantined: int


class DataHealth(Value):
    """The bar store at a glance; `version` is None while nothing was ever stored."""

    version: str | None
    stored_at: datetime | None
    sources: list[str]
    basis: list[str]
    synthetic: bool
    frequencies: list[Frequency]

    @property
    def day(self) -> Frequency | None:
        """The day bars, which everything else starts from."""
        return next((f for f in self.frequencies if f.frequency == "day"), None)


def _newest_revisions() -> Select:
    return (
        select(ManifestEntry.frequency, ManifestEntry.session, ManifestEntry.rows, ManifestEntry.quarantined)
        .where(ManifestEntry.kind == "bars")
        .distinct(ManifestEntry.frequency, ManifestEntry.session)
        .order_by(ManifestEntry.frequency, ManifestEntry.session, ManifestEntry.revision.desc())
    )


def any_synthetic(session: Session) -> bool:
    """Whether any stored bar was made up."""
    origins = select(ManifestEntry.source, ManifestEntry.basis).distinct().subquery()
    return bool(session.scalar(select(select(origins).where(origins.c.basis == SYNTHETIC).exists())))


def data_health(session: Session) -> DataHealth:
    """What the bar store holds."""
    newest = _newest_revisions().subquery()
    spans = (
        select(
            newest.c.frequency,
            func.min(newest.c.session).label("first_session"),
            func.max(newest.c.session).label("newest_session"),
            func.count().label("sessions"),
            func.sum(newest.c.rows).label("rows"),
            func.sum(newest.c.quarantined).label("quarantined"),
        )
        .group_by(newest.c.frequency)
        .subquery()
    )
    at_end = (
        select(ManifestEntry.rows, ManifestEntry.quarantined)
        .where(
            ManifestEntry.kind == "bars",
            ManifestEntry.frequency == spans.c.frequency,
            ManifestEntry.session == spans.c.newest_session,
        )
        .order_by(ManifestEntry.revision.desc())
        .limit(1)
        .lateral()
    )
    by_frequency = (
        select(
            spans,
            at_end.c.rows.label("newest_rows"),
            at_end.c.quarantined.label("newest_quarantined"),
        )
        .join(at_end, true())
        .subquery()
    )
    origins = select(ManifestEntry.source, ManifestEntry.basis).distinct().subquery()
    origin = select(func.jsonb_agg(func.jsonb_build_array(origins.c.source, origins.c.basis)))
    last = (
        select(ManifestEntry.seq, ManifestEntry.digest, ManifestEntry.created_at)
        .order_by(ManifestEntry.seq.desc())
        .limit(1)
        .subquery()
    )
    found = session.execute(
        select(last, by_frequency, origin.scalar_subquery().label("origins"))
        .outerjoin(by_frequency, true())
        .order_by(by_frequency.c.frequency)
    ).all()
    if not found:
        return DataHealth(version=None, stored_at=None, sources=[], basis=[], synthetic=False, frequencies=[])
    rows = [row for row in found if row.frequency is not None]
    basis = sorted({basis for _, basis in found[0].origins}) if rows else []
    return DataHealth(
        version=f"v{found[0].seq}-{found[0].digest[:12]}",
        stored_at=found[0].created_at,
        sources=sorted({source for source, _ in found[0].origins}) if rows else [],
        basis=basis,
        synthetic=SYNTHETIC in basis,
        frequencies=[
            Frequency(
                frequency=row.frequency,
                first_session=row.first_session,
                newest_session=row.newest_session,
                sessions=row.sessions,
                rows=row.rows,
                quarantined=row.quarantined,
                newest_rows=row.newest_rows,
                newest_quarantined=row.newest_quarantined,
            )
            for row in rows
        ],
    )
