"""What was last shown to work from end to end: the canary, backups, restore drills."""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_MOMENT = sa.DateTime(timezone=True)


def upgrade() -> None:
    op.create_table(
        "proofs",
        sa.Column("name", sa.String(), nullable=False, comment="canary, backup, archiving, restore_drill"),
        sa.Column("ok", sa.Boolean(), nullable=False),
        sa.Column("detail", sa.String(), nullable=False, comment="what was proved, or what went wrong"),
        sa.Column("seconds", sa.Float(), nullable=False, comment="how long it took"),
        sa.Column("proved_at", _MOMENT, nullable=False),
        sa.Column("last_good_at", _MOMENT, nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_proofs")),
    )
    op.execute(
        "CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON proofs "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
    )


def downgrade() -> None:
    op.drop_table("proofs")
