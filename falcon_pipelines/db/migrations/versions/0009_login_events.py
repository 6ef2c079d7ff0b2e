"""Logins that every dashboard process knows of; videos by the page."""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "login_events",
        sa.Column("id", sa.BigInteger(), nullable=False),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="tried: a password, wrong until let_in follows; withdrawn: that try could not be judged; "
            "left: logged out",
        ),
        sa.Column(
            "name",
            sa.String(),
            nullable=False,
            comment="the user; what somebody else typed is kept as a keyed hash",
        ),
        sa.Column(
            "network", sa.String(), nullable=True, comment="address of who tried, 64 bits of it for IPv6"
        ),
        sa.Column("session", sa.String(), nullable=True, comment="SHA-256 of the session's id"),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "kind IN ('tried', 'let_in', 'withdrawn', 'left')", name=op.f("ck_login_events_kind")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_login_events")),
    )
    op.create_index("ix_login_events_name", "login_events", ["name", "id"], unique=False)
    op.create_index("ix_login_events_network", "login_events", ["network", "id"], unique=False)
    op.execute(
        "CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON login_events "
        "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
    )
    op.create_index("ix_transcripts_newest", "transcripts", ["created_at", "id"], unique=False)
    op.create_index("ix_videos_newest", "videos", ["created_at", "id"], unique=False)
    op.create_index("ix_transcript_files_newest", "transcript_files", ["seen_at", "name"], unique=False)


def downgrade() -> None:
    op.drop_index("ix_transcript_files_newest", table_name="transcript_files")
    op.drop_index("ix_videos_newest", table_name="videos")
    op.drop_index("ix_transcripts_newest", table_name="transcripts")
    op.drop_table("login_events")
