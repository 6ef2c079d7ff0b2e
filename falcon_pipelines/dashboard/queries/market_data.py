"""The state of the bar store as its manifest tells it."""

from datetime import date, datetime

from sqlalchemy import Select, case, func, select, true
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
        select(ManifestEntry)
        .where(ManifestEntry.kind == "bars", ManifestEntry.session.is_not(None))
        .distinct(ManifestEntry.frequency, ManifestEntry.session)
        .order_by(ManifestEntry.frequency, ManifestEntry.session, ManifestEntry.revision.desc())
    )


def any_synthetic(session: Session) -> bool:
    """Whether any stored bar was made up."""
    return bool(
        session.scalar(select(select(ManifestEntry).where(ManifestEntry.basis == SYNTHETIC).exists()))
    )


def data_health(session: Session) -> DataHealth:
    """What the bar store holds."""
    newest = _newest_revisions().subquery()
    ranked = select(
        newest,
        func.max(newest.c.session).over(partition_by=newest.c.frequency).label("newest_session"),
    ).subquery()
    is_newest = ranked.c.session == ranked.c.newest_session
    by_frequency = (
        select(
            ranked.c.frequency,
            func.min(ranked.c.session).label("first_session"),
            func.max(ranked.c.session).label("newest_session"),
            func.count().label("sessions"),
            func.sum(ranked.c.rows).label("rows"),
            func.sum(ranked.c.quarantined).label("quarantined"),
            func.sum(case((is_newest, ranked.c.rows), else_=0)).label("newest_rows"),
            func.sum(case((is_newest, ranked.c.quarantined), else_=0)).label("newest_quarantined"),
            func.array_agg(ranked.c.source.distinct()).label("sources"),
            func.array_agg(ranked.c.basis.distinct()).label("basis"),
        )
        .group_by(ranked.c.frequency)
        .subquery()
    )
    last = (
        select(ManifestEntry.seq, ManifestEntry.digest, ManifestEntry.created_at)
        .order_by(ManifestEntry.seq.desc())
        .limit(1)
        .subquery()
    )
    found = session.execute(
        select(last, by_frequency).outerjoin(by_frequency, true()).order_by(by_frequency.c.frequency)
    ).all()
    if not found:
        return DataHealth(version=None, stored_at=None, sources=[], basis=[], synthetic=False, frequencies=[])
    rows = [row for row in found if row.frequency is not None]
    basis = sorted({name for row in rows for name in row.basis})
    return DataHealth(
        version=f"v{found[0].seq}-{found[0].digest[:12]}",
        stored_at=found[0].created_at,
        sources=sorted({source for row in rows for source in row.sources}),
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
