"""A decision has the key of the press that made it, so that a double click decides once."""

import sqlalchemy as sa
from alembic import op

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


def downgrade() -> None:
    op.drop_constraint(op.f("uq_decisions_request_key"), "decisions", type_="unique")
    op.drop_column("decisions", "request_key")
