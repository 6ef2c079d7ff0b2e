"""The manifest's table: one writer at a time, entries only ever added at the end."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from falcon_pipelines.db.models.market_data import ManifestEntry

_WRITER_LOCK = 7_170_002


@dataclass(frozen=True)
class Tail:
    """The newest entry's number and digest; number 0 and an empty digest for an empty table."""

    seq: int
    digest: str


def lock_for_writing(session: Session) -> None:
    """Wait to be the only writer until the transaction ends."""
    session.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _WRITER_LOCK})


def tail(session: Session) -> Tail:
    """The newest entry."""
    row = session.execute(
        select(ManifestEntry.seq, ManifestEntry.digest).order_by(ManifestEntry.seq.desc()).limit(1)
    ).one_or_none()
    return Tail(0, "") if row is None else Tail(row.seq, row.digest)


def digest_of(session: Session, seq: int) -> str | None:
    """The digest of one entry, None when there is none of that number."""
    return session.scalar(select(ManifestEntry.digest).where(ManifestEntry.seq == seq))


def entries_after(session: Session, seq: int) -> Sequence[ManifestEntry]:
    """All entries with a higher number, in order."""
    return session.scalars(
        select(ManifestEntry).where(ManifestEntry.seq > seq).order_by(ManifestEntry.seq)
    ).all()


def append(session: Session, entries: Iterable[ManifestEntry]) -> None:
    """Add entries; they become visible together when the transaction commits."""
    session.add_all(entries)
    session.flush()
