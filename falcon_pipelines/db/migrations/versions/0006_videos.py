"""What became of videos and dropped files, what was extracted, and the variants of a strategy."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_TABLES = ("transcript_files", "extractions", "strategy_variants")


def upgrade() -> None:
    op.create_table(
        "transcript_files",
        sa.Column("name", sa.String(), nullable=False, comment="path within the watched folder"),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("detail", sa.String(), nullable=True, comment="why, and what happens next, in words"),
        sa.Column("size_bytes", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("transcript_id", sa.String(), nullable=True, comment="hash of its content"),
        sa.Column(
            "seen_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="when it was looked at as it is now",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('arriving', 'accepted', 'studied', 'duplicate', 'unknown_format', 'unreadable', 'failed')",
            name=op.f("ck_transcript_files_state"),
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_transcript_files")),
    )
    op.create_index(
        op.f("ix_transcript_files_transcript_id"), "transcript_files", ["transcript_id"], unique=False
    )
    op.create_table(
        "extractions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("transcript_id", sa.String(), nullable=False),
        sa.Column("extractor", sa.String(), nullable=False, comment="grammar, llm"),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column(
            "document",
            postgresql.JSONB(),
            nullable=False,
            comment="what `falcon extract --json` prints: rules, variants, overlays, claims, refused, flags",
        ),
        sa.Column("document_hash", sa.String(), nullable=False),
        sa.Column(
            "in_force",
            sa.Boolean(),
            nullable=False,
            comment="whether its strategies are the ones that are run",
        ),
        sa.Column(
            "spec_id",
            sa.Integer(),
            nullable=True,
            comment="the strategy as stated; null where no entry is clear",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "status IN ('runnable', 'needs_overlay', 'not_mechanisable')", name=op.f("ck_extractions_status")
        ),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["strategy_specs.id"], name=op.f("fk_extractions_spec_id_strategy_specs")
        ),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name=op.f("fk_extractions_transcript_id_transcripts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_extractions")),
        sa.UniqueConstraint(
            "transcript_id", "extractor", "document_hash", name=op.f("uq_extractions_transcript_id")
        ),
    )
    op.create_table(
        "strategy_variants",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("extraction_id", sa.Integer(), nullable=False),
        sa.Column("spec_id", sa.Integer(), nullable=False),
        sa.Column("base_spec_id", sa.Integer(), nullable=True, comment="what an overlay was laid over"),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column(
            "field",
            sa.String(),
            nullable=False,
            comment="the place in the spec that differs; several joined by a comma",
        ),
        sa.Column("value", postgresql.JSONB(), nullable=False, comment="what stands there in this variant"),
        sa.Column("why", sa.String(), nullable=True, comment="what is open, or who chose it"),
        sa.Column(
            "runnable",
            sa.Boolean(),
            nullable=False,
            comment="whether it has an entry and an exit, and so is backtested",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("kind IN ('reading', 'overlay')", name=op.f("ck_strategy_variants_kind")),
        sa.ForeignKeyConstraint(
            ["base_spec_id"],
            ["strategy_specs.id"],
            name=op.f("fk_strategy_variants_base_spec_id_strategy_specs"),
        ),
        sa.ForeignKeyConstraint(
            ["extraction_id"], ["extractions.id"], name=op.f("fk_strategy_variants_extraction_id_extractions")
        ),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["strategy_specs.id"], name=op.f("fk_strategy_variants_spec_id_strategy_specs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategy_variants")),
        sa.UniqueConstraint("extraction_id", "spec_id", name=op.f("uq_strategy_variants_extraction_id")),
    )
    op.create_index(
        op.f("ix_strategy_variants_extraction_id"), "strategy_variants", ["extraction_id"], unique=False
    )
    op.create_index(op.f("ix_strategy_variants_spec_id"), "strategy_variants", ["spec_id"], unique=False)
    op.add_column(
        "videos", sa.Column("next_step", sa.String(), nullable=True, comment="what happens next, in words")
    )
    op.add_column(
        "videos",
        sa.Column(
            "asked_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="when somebody or a channel asked for it last",
        ),
    )
    op.add_column(
        "videos",
        sa.Column(
            "attempted_at", sa.DateTime(timezone=True), nullable=True, comment="when YouTube was asked last"
        ),
    )
    op.add_column(
        "watched_feeds",
        sa.Column(
            "failures", sa.Integer(), server_default="0", nullable=False, comment="failed looks in a row"
        ),
    )
    op.add_column(
        "watched_feeds",
        sa.Column("next_poll_at", sa.DateTime(timezone=True), nullable=True, comment="null: at once"),
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
        )


def downgrade() -> None:
    op.drop_column("watched_feeds", "next_poll_at")
    op.drop_column("watched_feeds", "failures")
    op.drop_column("videos", "attempted_at")
    op.drop_column("videos", "asked_at")
    op.drop_column("videos", "next_step")
    op.drop_index(op.f("ix_strategy_variants_spec_id"), table_name="strategy_variants")
    op.drop_index(op.f("ix_strategy_variants_extraction_id"), table_name="strategy_variants")
    op.drop_table("strategy_variants")
    op.drop_table("extractions")
    op.drop_index(op.f("ix_transcript_files_transcript_id"), table_name="transcript_files")
    op.drop_table("transcript_files")
