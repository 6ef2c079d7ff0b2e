"""What the dashboard needs: a key for each decision, so that a double click decides once, and bars to draw."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column(
        "decisions",
        sa.Column("request_key", sa.String(), nullable=True, comment="the same press has the same key"),
    )
    op.create_unique_constraint(op.f("uq_decisions_request_key"), "decisions", ["request_key"])
    op.create_table(
        "price_charts",
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("synthetic", sa.Boolean(), nullable=False),
        sa.Column("data_version", sa.String(), nullable=False),
        sa.Column(
            "as_of",
            sa.Date(),
            nullable=False,
            comment="splits and dividends up to this session are adjusted for",
        ),
        sa.Column(
            "bars",
            postgresql.JSONB(),
            nullable=False,
            comment="[session, open, high, low, close, volume], oldest first",
        ),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("ticker", name=op.f("pk_price_charts")),
    )
    op.execute(
        "CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON price_charts "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
    )


def downgrade() -> None:
    op.drop_table("price_charts")
    op.drop_constraint(op.f("uq_decisions_request_key"), "decisions", type_="unique")
    op.drop_column("decisions", "request_key")
