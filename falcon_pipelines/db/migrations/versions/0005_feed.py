"""Live minute bars and the feeds that bring them."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None

_TABLES = ("feed_symbols", "feeds", "live_bars", "live_sessions")


def upgrade() -> None:
    op.create_table(
        "feed_symbols",
        sa.Column("feed", sa.String(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column(
            "reasons",
            postgresql.JSONB(),
            nullable=False,
            comment="held, order, candidate, strategy, watchlist; empty when it is no longer watched",
        ),
        sa.Column(
            "cursor",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="start of the last bar before which none is missing",
        ),
        sa.PrimaryKeyConstraint("feed", "ticker", name=op.f("pk_feed_symbols")),
    )
    op.create_table(
        "feeds",
        sa.Column("name", sa.String(), nullable=False, comment="massive, alpaca, replay"),
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column(
            "state",
            sa.String(),
            nullable=False,
            comment="live: bars come; quiet: the exchange is closed; stale: they should come and do not",
        ),
        sa.Column("detail", sa.String(), nullable=True, comment="what is wrong, or how far a replay is"),
        sa.Column("last_message_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "last_bar_at", sa.DateTime(timezone=True), nullable=True, comment="start of the newest bar"
        ),
        sa.Column("stale_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "counts",
            postgresql.JSONB(),
            nullable=False,
            comment="since the service started: received, written, refused, reconnects, ...",
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "state IN ('connecting', 'live', 'quiet', 'stale', 'replaying', 'finished', 'stopped')",
            name=op.f("ck_feeds_state"),
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feeds")),
    )
    op.create_table(
        "live_bars",
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("starts_at", sa.DateTime(timezone=True), nullable=False, comment="start of the bar"),
        sa.Column(
            "revision",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="0 first; a higher one corrects",
        ),
        sa.Column(
            "sequence",
            sa.BigInteger(),
            sa.Identity(always=True),
            nullable=False,
            comment="order of arrival: rows become visible in this order",
        ),
        sa.Column("open", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("high", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("low", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("close", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("volume", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("source", sa.String(), nullable=False, comment="massive, alpaca, replay"),
        sa.Column("basis", sa.String(), nullable=False, comment="whose trades: sip, iex, synthetic"),
        sa.Column("late", sa.Boolean(), nullable=False, comment="came by back-fill, not as it happened"),
        sa.Column("arrived_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("revision >= 0", name=op.f("ck_live_bars_revision_not_negative")),
        sa.PrimaryKeyConstraint("ticker", "starts_at", "revision", name=op.f("pk_live_bars")),
    )
    op.create_index("ix_live_bars_sequence", "live_bars", ["sequence"], unique=True)
    op.create_index("ix_live_bars_starts_at", "live_bars", ["starts_at"], unique=False)
    op.create_table(
        "live_sessions",
        sa.Column("basis", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column(
            "segmented_through",
            sa.BigInteger(),
            nullable=False,
            comment="sequence of the last live bar that is in a segment file",
        ),
        sa.Column(
            "compacted_through",
            sa.BigInteger(),
            nullable=True,
            comment="sequence of the last one in the session's file",
        ),
        sa.Column(
            "outcome",
            sa.String(),
            nullable=True,
            comment="stored, or why the bar store has other bars of that session",
        ),
        sa.PrimaryKeyConstraint("basis", "session", name=op.f("pk_live_sessions")),
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
        )


def downgrade() -> None:
    op.drop_table("live_sessions")
    op.drop_index("ix_live_bars_starts_at", table_name="live_bars")
    op.drop_index("ix_live_bars_sequence", table_name="live_bars")
    op.drop_table("live_bars")
    op.drop_table("feeds")
    op.drop_table("feed_symbols")
