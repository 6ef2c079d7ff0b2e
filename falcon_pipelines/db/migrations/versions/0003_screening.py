"""Screening: stored profiles, runs that say what they saw, what models replied, outcomes, records, proposals."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_TABLES = (
    "screen_judgements",
    "screen_outcomes",
    "screen_pools",
    "screen_profiles",
    "screen_proposals",
    "screen_records",
)


def upgrade() -> None:
    op.create_table(
        "screen_profiles",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False, comment="1, 2, 3, ... of this name"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("document", sa.String(), nullable=False, comment="the profile as YAML, as it was written"),
        sa.Column(
            "content", postgresql.JSONB(), nullable=False, comment="the same, validated, defaults filled in"
        ),
        sa.Column("content_hash", sa.String(), nullable=False),
        sa.Column("origin", sa.String(), nullable=False),
        sa.Column("note", sa.String(), nullable=True),
        sa.Column(
            "deleted", sa.Boolean(), nullable=False, comment="this version takes the profile out of use"
        ),
        sa.Column("saved_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "origin IN ('bundled', 'person', 'proposal', 'restored')", name=op.f("ck_screen_profiles_origin")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_profiles")),
        sa.UniqueConstraint("name", "version", name=op.f("uq_screen_profiles_name")),
    )
    op.create_table(
        "screen_proposals",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("base_version", sa.Integer(), nullable=False),
        sa.Column("current", postgresql.JSONB(), nullable=False, comment="factor: weight"),
        sa.Column(
            "proposed", postgresql.JSONB(), nullable=False, comment="factor: weight, shrunk to the current"
        ),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.Column("state", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=True),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "made_version", sa.Integer(), nullable=True, comment="the profile version that approval made"
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint(
            "state IN ('proposed', 'approved', 'rejected', 'reverted')",
            name=op.f("ck_screen_proposals_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_proposals")),
    )
    op.create_index(op.f("ix_screen_proposals_profile"), "screen_proposals", ["profile"], unique=False)
    op.create_table(
        "screen_records",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("runs", sa.Integer(), nullable=False),
        sa.Column("picks", sa.Integer(), nullable=False),
        sa.Column(
            "verdict",
            sa.String(),
            nullable=False,
            comment="in words; insufficient (n of N) under the number needed",
        ),
        sa.Column("through", sa.Date(), nullable=True, comment="exit session of the newest run that counts"),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_records")),
    )
    op.create_index("ix_screen_records_profile", "screen_records", ["profile", "id"], unique=False)
    op.create_table(
        "screen_judgements",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("permutation", sa.Integer(), nullable=False),
        sa.Column("ids", postgresql.JSONB(), nullable=False, comment="opaque id: ticker, in the order shown"),
        sa.Column("system", sa.String(), nullable=False),
        sa.Column("prompt", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False, comment="ok, malformed, or the client's status"),
        sa.Column("detail", sa.String(), nullable=True, comment="why the reply was not used"),
        sa.Column("reply", sa.String(), nullable=True, comment="the reply as JSON"),
        sa.Column("provider", sa.String(), nullable=True),
        sa.Column("model", sa.String(), nullable=True),
        sa.Column("cached", sa.Boolean(), nullable=False),
        sa.Column("cost_usd", sa.Numeric(precision=14, scale=8), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["screen_runs.id"],
            name=op.f("fk_screen_judgements_run_id_screen_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "permutation", name=op.f("pk_screen_judgements")),
    )
    op.create_table(
        "screen_outcomes",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("data_version", sa.String(), nullable=False),
        sa.Column(
            "benchmark_return", sa.Double(), nullable=True, comment="a fraction; null without its bars"
        ),
        sa.Column(
            "returns",
            postgresql.ARRAY(sa.Float()),
            nullable=False,
            comment="per ticker of the pool, a fraction; null: could not be bought",
        ),
        sa.Column(
            "ended_early",
            sa.Integer(),
            nullable=False,
            comment="tickers whose last bar came before the exit session",
        ),
        sa.Column("measured_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["screen_runs.id"],
            name=op.f("fk_screen_outcomes_run_id_screen_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_screen_outcomes")),
    )
    op.create_table(
        "screen_pools",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("tickers", postgresql.ARRAY(sa.String()), nullable=False, comment="best first"),
        sa.Column("scores", postgresql.ARRAY(sa.Float()), nullable=False),
        sa.Column(
            "percentiles", postgresql.JSONB(), nullable=False, comment="factor: its percentile per ticker"
        ),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["screen_runs.id"],
            name=op.f("fk_screen_pools_run_id_screen_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", name=op.f("pk_screen_pools")),
    )
    op.add_column(
        "screen_picks",
        sa.Column(
            "contributions",
            postgresql.JSONB(),
            nullable=True,
            comment="name: {percentile, weight, points}; points sum to the score",
        ),
    )
    op.add_column("screen_picks", sa.Column("atr", sa.Numeric(precision=20, scale=6), nullable=True))
    op.add_column("screen_picks", sa.Column("sector", sa.String(), nullable=True))
    op.add_column(
        "screen_picks",
        sa.Column("factor_rank", sa.Integer(), nullable=True, comment="rank by the factor score alone"),
    )
    op.add_column(
        "screen_picks",
        sa.Column("model_rank", sa.Double(), nullable=True, comment="median rank over the permutations"),
    )
    op.add_column(
        "screen_picks",
        sa.Column("rejected", sa.Boolean(), nullable=True, comment="by most of the permutations"),
    )
    op.add_column(
        "screen_picks",
        sa.Column(
            "agreement", sa.Double(), nullable=True, comment="of the permutations on this pick, 0 to 1"
        ),
    )
    op.add_column("screen_picks", sa.Column("low_agreement", sa.Boolean(), nullable=True))
    op.add_column("screen_picks", sa.Column("model_note", sa.String(), nullable=True))
    op.add_column(
        "screen_picks",
        sa.Column("snapshot", postgresql.JSONB(), nullable=True, comment="what the model was shown of it"),
    )
    op.add_column(
        "screen_picks",
        sa.Column("replies", postgresql.JSONB(), nullable=True, comment="what each permutation said of it"),
    )
    op.add_column(
        "screen_picks",
        sa.Column(
            "cost_usd",
            sa.Numeric(precision=14, scale=8),
            nullable=True,
            comment="its share of the run's cost",
        ),
    )
    op.alter_column(
        "screen_picks",
        "factors",
        existing_type=postgresql.JSONB(),
        comment="name: value, in the feature's unit",
        existing_nullable=False,
    )
    op.alter_column(
        "screen_picks",
        "confidence",
        existing_type=sa.NUMERIC(),
        comment="the model's, 0 to 1; null without a model",
        existing_nullable=True,
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "profile_version", sa.Integer(), nullable=True, comment="null: a profile that was never stored"
        ),
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "slot", sa.String(), nullable=True, comment="morning 04:00, midday 10:00, evening 19:00 New York"
        ),
    )
    op.add_column("screen_runs", sa.Column("attempt", sa.Integer(), nullable=True))
    op.add_column("screen_runs", sa.Column("state", sa.String(), nullable=True))
    op.add_column(
        "screen_runs",
        sa.Column(
            "reason", sa.String(), nullable=True, comment="why it was skipped: what was missing, what to do"
        ),
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "notes",
            postgresql.ARRAY(sa.String()),
            nullable=True,
            comment="what a reader of the picks should know",
        ),
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "bars_session", sa.Date(), nullable=True, comment="the newest session whose day bars it saw"
        ),
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "reference_version", sa.String(), nullable=True, comment="sectors, fundamentals, earnings dates"
        ),
    )
    op.add_column(
        "screen_runs", sa.Column("seed", sa.Integer(), nullable=True, comment="of tie-breaking and shuffles")
    )
    op.add_column(
        "screen_runs", sa.Column("considered", sa.Integer(), nullable=True, comment="tickers with a bar")
    )
    op.add_column("screen_runs", sa.Column("horizon_sessions", sa.Integer(), nullable=True))
    op.add_column("screen_runs", sa.Column("benchmark", sa.String(), nullable=True))
    op.add_column(
        "screen_runs",
        sa.Column(
            "entry_session", sa.Date(), nullable=True, comment="first session that opens after the run"
        ),
    )
    op.add_column(
        "screen_runs",
        sa.Column("exit_session", sa.Date(), nullable=True, comment="the horizon closes with this session"),
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "forward",
            sa.Boolean(),
            nullable=True,
            comment="stored before the entry session opened: nothing of the outcome was known",
        ),
    )
    op.add_column(
        "screen_runs",
        sa.Column(
            "model_status",
            sa.String(),
            nullable=True,
            comment="null: not asked; ok; or why it does not count",
        ),
    )
    op.add_column("screen_runs", sa.Column("model_detail", sa.String(), nullable=True))
    op.add_column(
        "screen_runs", sa.Column("model", sa.String(), nullable=True, comment="as the provider named it")
    )
    op.add_column(
        "screen_runs",
        sa.Column("model_cutoff", sa.Date(), nullable=True, comment="the model knows nothing after this day"),
    )
    op.add_column("screen_runs", sa.Column("prompt_version", sa.Integer(), nullable=True))
    op.add_column(
        "screen_runs",
        sa.Column("agreement", sa.Double(), nullable=True, comment="Kendall's W of the permutations, 0 to 1"),
    )
    op.add_column("screen_runs", sa.Column("cost_usd", sa.Numeric(precision=14, scale=8), nullable=True))
    op.add_column(
        "screen_runs",
        sa.Column(
            "watched",
            postgresql.JSONB(),
            nullable=True,
            comment="each of the watchlist: ticker, rank if it passed, the filters it failed",
        ),
    )
    op.alter_column(
        "screen_runs",
        "session",
        existing_type=sa.DATE(),
        comment="the session the run was made on",
        existing_nullable=False,
    )
    op.alter_column(
        "screen_runs",
        "universe",
        existing_type=sa.INTEGER(),
        comment="tickers that passed the filters: the candidate pool",
        existing_comment="tickers that passed the filters",
        existing_nullable=False,
    )
    op.drop_constraint(op.f("uq_screen_runs_profile"), "screen_runs", type_="unique")
    op.create_unique_constraint(
        op.f("uq_screen_runs_profile"),
        "screen_runs",
        ["profile", "profile_version", "session", "slot", "data_version", "attempt"],
    )
    op.execute("UPDATE screen_picks SET contributions = '{}'::jsonb, rejected = false, low_agreement = false")
    for column in ("contributions", "rejected", "low_agreement"):
        op.alter_column("screen_picks", column, nullable=False)
    op.execute(
        "UPDATE screen_runs SET slot = 'evening', attempt = 1, state = 'done', notes = '{}', seed = 0, "
        "considered = universe, forward = false, watched = '[]'::jsonb"
    )
    for column in ("slot", "attempt", "state", "notes", "seed", "considered", "forward", "watched"):
        op.alter_column("screen_runs", column, nullable=False)
    op.create_check_constraint(
        op.f("ck_screen_runs_slot"), "screen_runs", "slot IN ('morning', 'midday', 'evening')"
    )
    op.create_check_constraint(op.f("ck_screen_runs_state"), "screen_runs", "state IN ('done', 'skipped')")
    op.create_check_constraint(
        op.f("ck_screen_runs_reason"), "screen_runs", "(state = 'skipped') = (reason IS NOT NULL)"
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
        )


def downgrade() -> None:
    for name in ("slot", "state", "reason"):
        op.drop_constraint(op.f(f"ck_screen_runs_{name}"), "screen_runs", type_="check")
    op.drop_constraint(op.f("uq_screen_runs_profile"), "screen_runs", type_="unique")
    op.create_unique_constraint(
        op.f("uq_screen_runs_profile"), "screen_runs", ["profile", "session", "data_version"]
    )
    op.alter_column(
        "screen_runs",
        "universe",
        existing_type=sa.INTEGER(),
        comment="tickers that passed the filters",
        existing_comment="tickers that passed the filters: the candidate pool",
        existing_nullable=False,
    )
    op.alter_column(
        "screen_runs",
        "session",
        existing_type=sa.DATE(),
        comment=None,
        existing_comment="the session the run was made on",
        existing_nullable=False,
    )
    op.drop_column("screen_runs", "watched")
    op.drop_column("screen_runs", "cost_usd")
    op.drop_column("screen_runs", "agreement")
    op.drop_column("screen_runs", "prompt_version")
    op.drop_column("screen_runs", "model_cutoff")
    op.drop_column("screen_runs", "model")
    op.drop_column("screen_runs", "model_detail")
    op.drop_column("screen_runs", "model_status")
    op.drop_column("screen_runs", "forward")
    op.drop_column("screen_runs", "exit_session")
    op.drop_column("screen_runs", "entry_session")
    op.drop_column("screen_runs", "benchmark")
    op.drop_column("screen_runs", "horizon_sessions")
    op.drop_column("screen_runs", "considered")
    op.drop_column("screen_runs", "seed")
    op.drop_column("screen_runs", "reference_version")
    op.drop_column("screen_runs", "bars_session")
    op.drop_column("screen_runs", "notes")
    op.drop_column("screen_runs", "reason")
    op.drop_column("screen_runs", "state")
    op.drop_column("screen_runs", "attempt")
    op.drop_column("screen_runs", "slot")
    op.drop_column("screen_runs", "profile_version")
    op.alter_column(
        "screen_picks",
        "confidence",
        existing_type=sa.NUMERIC(),
        comment=None,
        existing_comment="the model's, 0 to 1; null without a model",
        existing_nullable=True,
    )
    op.alter_column(
        "screen_picks",
        "factors",
        existing_type=postgresql.JSONB(),
        comment=None,
        existing_comment="name: value, in the feature's unit",
        existing_nullable=False,
    )
    op.drop_column("screen_picks", "cost_usd")
    op.drop_column("screen_picks", "replies")
    op.drop_column("screen_picks", "snapshot")
    op.drop_column("screen_picks", "model_note")
    op.drop_column("screen_picks", "low_agreement")
    op.drop_column("screen_picks", "agreement")
    op.drop_column("screen_picks", "rejected")
    op.drop_column("screen_picks", "model_rank")
    op.drop_column("screen_picks", "factor_rank")
    op.drop_column("screen_picks", "sector")
    op.drop_column("screen_picks", "atr")
    op.drop_column("screen_picks", "contributions")
    op.drop_table("screen_pools")
    op.drop_table("screen_outcomes")
    op.drop_table("screen_judgements")
    op.drop_index("ix_screen_records_profile", table_name="screen_records")
    op.drop_table("screen_records")
    op.drop_index(op.f("ix_screen_proposals_profile"), table_name="screen_proposals")
    op.drop_table("screen_proposals")
    op.drop_table("screen_profiles")
