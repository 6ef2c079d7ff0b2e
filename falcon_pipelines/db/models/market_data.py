"""What is known of the bars on disk; the bars themselves are Parquet on the compute node."""

from datetime import date

from sqlalchemy import BigInteger, CheckConstraint, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Moment


class ManifestEntry(Base):
    """One line of the append-only log of everything ever added to the bar store."""

    __tablename__ = "manifest"
    __table_args__ = (
        CheckConstraint("kind IN ('bars', 'actions', 'securities')", name="kind"),
        CheckConstraint(
            "(kind = 'bars') = (session IS NOT NULL AND frequency IS NOT NULL)", name="bars_session"
        ),
        Index("ix_manifest_session", "kind", "frequency", "session"),
        Index(
            "ix_manifest_newest",
            "frequency",
            "session",
            text("revision DESC"),
            postgresql_include=["rows", "quarantined"],
            postgresql_where=text("kind = 'bars'"),
        ),
        Index("ix_manifest_source", "source", "basis"),
    )

    seq: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    digest: Mapped[str] = mapped_column(comment="SHA-256 over this entry and all before it")
    kind: Mapped[str]
    frequency: Mapped[str | None] = mapped_column(comment="day or minute, for bars")
    session: Mapped[date | None]
    revision: Mapped[int] = mapped_column(comment="counts the versions of one session, or of one kind")
    source: Mapped[str] = mapped_column(comment="s3, directory, synthetic, ...")
    basis: Mapped[str] = mapped_column(comment="whose trades: sip, iex, yahoo, synthetic")
    etag: Mapped[str] = mapped_column(comment="of the source file")
    sha256: Mapped[str] = mapped_column(comment="of the Parquet file")
    path: Mapped[str] = mapped_column(comment="relative to the store's root")
    rows: Mapped[int] = mapped_column(BigInteger)
    quarantined: Mapped[int] = mapped_column(BigInteger)
    created_at: Mapped[Moment]
