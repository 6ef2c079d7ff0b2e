"""Skipped trades, deliveries of notifications, accounts on live bars."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

_TABLES = ("notification_deliveries", "skipped_trades")


def upgrade() -> None:
    op.create_table(
        "notification_deliveries",
        sa.Column("notification_id", sa.Integer(), nullable=False),
        sa.Column("receiver", sa.String(), nullable=False, comment="kind of service and a digest of its URL"),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column(
            "attempted_at", sa.DateTime(timezone=True), nullable=True, comment="written before it is sent"
        ),
        sa.Column(
            "sent_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="written after the receiver took it",
        ),
        sa.ForeignKeyConstraint(
            ["notification_id"],
            ["notifications.id"],
            name=op.f("fk_notification_deliveries_notification_id_notifications"),
        ),
        sa.PrimaryKeyConstraint("notification_id", "receiver", name=op.f("pk_notification_deliveries")),
    )
    op.create_table(
        "skipped_trades",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False, comment="whose close it was screened on"),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column(
            "profiles",
            postgresql.JSONB(),
            nullable=False,
            comment="names of the profiles that picked it",
        ),
        sa.Column("strategy", sa.String(), nullable=True, comment="the strategy it was routed to"),
        sa.Column("account_id", sa.Integer(), nullable=True),
        sa.Column(
            "rule",
            sa.String(),
            nullable=False,
            comment="age, price, stop_distance, confidence, routing, held, risk, ...",
        ),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("skipped_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("close", sa.Numeric(precision=20, scale=6), nullable=False, comment="when it was screened"),
        sa.Column("entry_low", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("entry_high", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("stop", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("target", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.Column("scored_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("scored_through", sa.Date(), nullable=True, comment="last session of the score"),
        sa.Column("outcome", sa.String(), nullable=True, comment="stop, target, open, no_entry, no_bars"),
        sa.Column(
            "entry_price",
            sa.Numeric(precision=20, scale=6),
            nullable=True,
            comment="open of the next session, had it been bought",
        ),
        sa.Column("exit_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column(
            "outcome_return", sa.Double(), nullable=True, comment="of the trade not made, 0.05 for 5 %"
        ),
        sa.CheckConstraint(
            "outcome IN ('stop', 'target', 'open', 'no_entry', 'no_bars')",
            name=op.f("ck_skipped_trades_outcome"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_skipped_trades_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_skipped_trades")),
        sa.UniqueConstraint("session", "ticker", name=op.f("uq_skipped_trades_session")),
    )
    op.create_index("ix_skipped_trades_skipped_at", "skipped_trades", ["skipped_at"], unique=False)
    op.create_index(op.f("ix_skipped_trades_ticker"), "skipped_trades", ["ticker"], unique=False)
    op.create_index(
        "ix_skipped_trades_unscored",
        "skipped_trades",
        ["session"],
        unique=False,
        postgresql_where=sa.text("scored_at IS NULL"),
    )
    op.add_column(
        "accounts",
        sa.Column(
            "live_sequence",
            sa.BigInteger(),
            nullable=True,
            comment="last live bar worked through; null for an account that trades stored bars",
        ),
    )
    op.add_column(
        "accounts",
        sa.Column(
            "broker",
            sa.String(),
            nullable=False,
            server_default="paper",
            comment="who fills its orders: paper, alpaca",
        ),
    )
    op.alter_column("accounts", "broker", server_default=None)
    op.create_index("ix_orders_newest", "orders", ["account_id", "submitted_at", "id"], unique=False)
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
        )


def downgrade() -> None:
    op.drop_index("ix_orders_newest", table_name="orders")
    op.drop_column("accounts", "broker")
    op.drop_column("accounts", "live_sequence")
    op.drop_table("skipped_trades")
    op.drop_table("notification_deliveries")
