"""The state of the bar store as its manifest tells it."""

from datetime import date, datetime

from sqlalchemy import Select, case, func, select
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
    last = session.execute(
        select(ManifestEntry.seq, ManifestEntry.digest, ManifestEntry.created_at)
        .order_by(ManifestEntry.seq.desc())
        .limit(1)
    ).first()
    if last is None:
        return DataHealth(version=None, stored_at=None, sources=[], basis=[], synthetic=False, frequencies=[])
    newest = _newest_revisions().subquery()
    ranked = select(
        newest,
        func.max(newest.c.session).over(partition_by=newest.c.frequency).label("newest_session"),
    ).subquery()
    is_newest = ranked.c.session == ranked.c.newest_session
    rows = session.execute(
        select(
            ranked.c.frequency,
            func.min(ranked.c.session),
            func.max(ranked.c.session),
            func.count(),
            func.sum(ranked.c.rows),
            func.sum(ranked.c.quarantined),
            func.sum(case((is_newest, ranked.c.rows), else_=0)),
            func.sum(case((is_newest, ranked.c.quarantined), else_=0)),
            func.array_agg(ranked.c.source.distinct()),
            func.array_agg(ranked.c.basis.distinct()),
        )
        .group_by(ranked.c.frequency)
        .order_by(ranked.c.frequency)
    ).all()
    basis = sorted({name for row in rows for name in row[9]})
    return DataHealth(
        version=f"v{last.seq}-{last.digest[:12]}",
        stored_at=last.created_at,
        sources=sorted({source for row in rows for source in row[8]}),
        basis=basis,
        synthetic=SYNTHETIC in basis,
        frequencies=[
            Frequency(
                frequency=row[0] or "unknown",
                first_session=row[1],
                newest_session=row[2],
                sessions=row[3],
                rows=row[4],
                quarantined=row[5],
                newest_rows=row[6],
                newest_quarantined=row[7],
            )
            for row in rows
        ],
    )
