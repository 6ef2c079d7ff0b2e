"""First schema."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

_TELL_CHANGE = """
CREATE FUNCTION tell_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('falcon_changes', TG_TABLE_NAME);
    RETURN NULL;
END
$$
"""


def upgrade() -> None:
    op.create_table(
        "llm_calls",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.String(), nullable=False, comment="the run whose budget it counted against"),
        sa.Column("purpose", sa.String(), nullable=False),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("rung", sa.String(), nullable=False, comment="json_schema, json_object, repair"),
        sa.Column("model_asked", sa.String(), nullable=False),
        sa.Column("model_returned", sa.String(), nullable=True),
        sa.Column("prompt_hash", sa.String(), nullable=False),
        sa.Column("parameters", postgresql.JSONB(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("http_status", sa.Integer(), nullable=True),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("reply", sa.String(), nullable=True, comment="the body as it came, keys blotted out"),
        sa.Column("prompt_tokens", sa.Integer(), nullable=True, comment="null: the provider did not say"),
        sa.Column("completion_tokens", sa.Integer(), nullable=True),
        sa.Column(
            "cost_usd",
            sa.Numeric(precision=14, scale=8),
            nullable=True,
            comment="null: usage or price unknown",
        ),
        sa.Column(
            "reserved_usd",
            sa.Numeric(precision=14, scale=8),
            nullable=False,
            comment="the most it can have cost; counts while the cost is unknown",
        ),
        sa.Column("latency_ms", sa.Integer(), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_llm_calls")),
    )
    op.create_index(op.f("ix_llm_calls_prompt_hash"), "llm_calls", ["prompt_hash"], unique=False)
    op.create_index(op.f("ix_llm_calls_run_id"), "llm_calls", ["run_id"], unique=False)
    op.create_index("ix_llm_calls_started_at", "llm_calls", ["started_at"], unique=False)
    op.create_table(
        "llm_replies",
        sa.Column(
            "key", sa.String(), nullable=False, comment="SHA-256 of provider, model, messages, schema, code"
        ),
        sa.Column("provider", sa.String(), nullable=False),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("content", sa.String(), nullable=True, comment="the validated JSON text, byte for byte"),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("model_returned", sa.String(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_llm_replies")),
    )
    op.create_table(
        "manifest",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("digest", sa.String(), nullable=False, comment="SHA-256 over this entry and all before it"),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("frequency", sa.String(), nullable=True, comment="day or minute, for bars"),
        sa.Column("session", sa.Date(), nullable=True),
        sa.Column(
            "revision",
            sa.Integer(),
            nullable=False,
            comment="counts the versions of one session, or of one kind",
        ),
        sa.Column("source", sa.String(), nullable=False, comment="s3, directory, synthetic, ..."),
        sa.Column("basis", sa.String(), nullable=False, comment="whose trades: sip, iex, yahoo, synthetic"),
        sa.Column("etag", sa.String(), nullable=False, comment="of the source file"),
        sa.Column("sha256", sa.String(), nullable=False, comment="of the Parquet file"),
        sa.Column("path", sa.String(), nullable=False, comment="relative to the store's root"),
        sa.Column("rows", sa.BigInteger(), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint(
            "(kind = 'bars') = (session IS NOT NULL AND frequency IS NOT NULL)",
            name=op.f("ck_manifest_bars_session"),
        ),
        sa.CheckConstraint("kind IN ('bars', 'actions', 'securities')", name=op.f("ck_manifest_kind")),
        sa.PrimaryKeyConstraint("seq", name=op.f("pk_manifest")),
    )
    op.create_index("ix_manifest_session", "manifest", ["kind", "frequency", "session"], unique=False)
    op.create_table(
        "screen_runs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("profile", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("data_version", sa.String(), nullable=False),
        sa.Column("universe", sa.Integer(), nullable=False, comment="tickers that passed the filters"),
        sa.Column("judged_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_screen_runs")),
        sa.UniqueConstraint("profile", "session", "data_version", name=op.f("uq_screen_runs_profile")),
    )
    op.create_index(op.f("ix_screen_runs_session"), "screen_runs", ["session"], unique=False)
    op.create_table(
        "transcripts",
        sa.Column("id", sa.String(), nullable=False, comment="video id, or a hash of the file"),
        sa.Column("title", sa.String(), nullable=False),
        sa.Column("url", sa.String(), nullable=True),
        sa.Column("channel", sa.String(), nullable=True),
        sa.Column("origin", sa.String(), nullable=False, comment="bundled, file, youtube"),
        sa.Column(
            "words", postgresql.JSONB(), nullable=False, comment="[word, start_seconds] in spoken order"
        ),
        sa.Column("original", sa.LargeBinary(), nullable=False, comment="the caption file as it came"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_transcripts")),
    )
    op.create_table(
        "trials",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column(
            "spec_family",
            sa.String(),
            nullable=False,
            comment="hash of the spec without its parameter values",
        ),
        sa.Column("params_hash", sa.String(), nullable=False),
        sa.Column("data_version", sa.String(), nullable=False),
        sa.Column("sharpe", sa.Double(), nullable=True),
        sa.Column("evaluated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_trials")),
        sa.UniqueConstraint("spec_family", "params_hash", "data_version", name=op.f("uq_trials_spec_family")),
    )
    op.create_index("ix_trials_family", "trials", ["spec_family"], unique=False)
    op.create_table(
        "videos",
        sa.Column("id", sa.String(), nullable=False, comment="YouTube's id of the video"),
        sa.Column(
            "origin",
            sa.String(),
            nullable=False,
            comment="submitted, or the address of the channel that showed it",
        ),
        sa.Column(
            "state", sa.String(), nullable=False, comment="requested, fetched, or why there is no transcript"
        ),
        sa.Column("detail", sa.String(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_attempt_at", sa.DateTime(timezone=True), nullable=True, comment="null: never again"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_videos")),
    )
    op.create_index("ix_videos_next_attempt_at", "videos", ["next_attempt_at"], unique=False)
    op.create_table(
        "watched_feeds",
        sa.Column("url", sa.String(), nullable=False),
        sa.Column("cursor", postgresql.JSONB(), nullable=False, comment="ids seen, newest first"),
        sa.Column(
            "polled_at", sa.DateTime(timezone=True), nullable=True, comment="last time it could be read"
        ),
        sa.Column("problem", sa.String(), nullable=True, comment="why the latest look failed"),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.PrimaryKeyConstraint("url", name=op.f("pk_watched_feeds")),
    )
    op.create_table(
        "screen_picks",
        sa.Column("run_id", sa.Integer(), nullable=False),
        sa.Column("rank", sa.Integer(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("factors", postgresql.JSONB(), nullable=False),
        sa.Column("close", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("entry_low", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("entry_high", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("stop", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("target", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("confidence", sa.Numeric(), nullable=True),
        sa.ForeignKeyConstraint(
            ["run_id"],
            ["screen_runs.id"],
            name=op.f("fk_screen_picks_run_id_screen_runs"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("run_id", "rank", name=op.f("pk_screen_picks")),
    )
    op.create_index(op.f("ix_screen_picks_ticker"), "screen_picks", ["ticker"], unique=False)
    op.create_table(
        "strategy_specs",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("spec_hash", sa.String(), nullable=False),
        sa.Column("document", postgresql.JSONB(), nullable=False),
        sa.Column("transcript_id", sa.String(), nullable=True),
        sa.Column(
            "extraction",
            postgresql.JSONB(),
            nullable=True,
            comment="status, rules with quote and second, claims, refused, flags",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["transcript_id"], ["transcripts.id"], name=op.f("fk_strategy_specs_transcript_id_transcripts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_strategy_specs")),
        sa.UniqueConstraint("name", "spec_hash", name=op.f("uq_strategy_specs_name")),
    )
    op.create_index(op.f("ix_strategy_specs_name"), "strategy_specs", ["name"], unique=False)
    op.create_table(
        "accounts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("spec_id", sa.Integer(), nullable=True),
        sa.Column("synthetic", sa.Boolean(), nullable=False, comment="trades synthetic bars"),
        sa.Column("opened_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "cursor",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="timestamp of the last bar that was worked through",
        ),
        sa.Column("rules", postgresql.JSONB(), nullable=False, comment="costs and limits"),
        sa.Column(
            "memory",
            postgresql.JSONB(),
            nullable=False,
            comment="what risk control remembers: peak, start of the day, cooldowns, stop exits",
        ),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["strategy_specs.id"], name=op.f("fk_accounts_spec_id_strategy_specs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_accounts")),
        sa.UniqueConstraint("name", name=op.f("uq_accounts_name")),
    )
    op.create_table(
        "backtests",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("spec_id", sa.Integer(), nullable=False),
        sa.Column("spec_hash", sa.String(), nullable=False),
        sa.Column("data_version", sa.String(), nullable=False),
        sa.Column("code_version", sa.String(), nullable=False),
        sa.Column("seed", sa.Integer(), nullable=False),
        sa.Column("settings", postgresql.JSONB(), nullable=False, comment="tickers, dates, cash, costs"),
        sa.Column("first_session", sa.Date(), nullable=False),
        sa.Column("last_session", sa.Date(), nullable=False),
        sa.Column("initial_cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("final_equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("closed_trades", sa.Integer(), nullable=False),
        sa.Column("open_trades", sa.Integer(), nullable=False),
        sa.Column("stats", postgresql.JSONB(), nullable=False),
        sa.Column("benchmark", postgresql.JSONB(), nullable=False),
        sa.Column("trades", postgresql.JSONB(), nullable=False),
        sa.Column("equity", postgresql.JSONB(), nullable=False, comment="[timestamp, strategy, benchmark]"),
        sa.Column("warnings", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["strategy_specs.id"], name=op.f("fk_backtests_spec_id_strategy_specs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_backtests")),
    )
    op.create_index(op.f("ix_backtests_spec_id"), "backtests", ["spec_id"], unique=False)
    op.create_table(
        "decisions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("spec_id", sa.Integer(), nullable=False),
        sa.Column("choice", sa.String(), nullable=False),
        sa.Column("decided_by", sa.String(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("choice IN ('approve', 'retire')", name=op.f("ck_decisions_choice")),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["strategy_specs.id"], name=op.f("fk_decisions_spec_id_strategy_specs")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
    )
    op.create_index(op.f("ix_decisions_spec_id"), "decisions", ["spec_id"], unique=False)
    op.create_table(
        "account_halts",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="paused, daily_loss, drawdown, stop_guard, reconciliation",
        ),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.String(), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_halts_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "kind", "since", name=op.f("pk_account_halts")),
    )
    op.create_table(
        "account_marks",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("cash", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("market_value", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("receivable", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("equity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column(
            "benchmark",
            sa.Numeric(precision=20, scale=6),
            nullable=True,
            comment="the same start held in the benchmark",
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_account_marks_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "session", name=op.f("pk_account_marks")),
    )
    op.create_table(
        "operator_commands",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("request_key", sa.String(), nullable=True, comment="the same press has the same key"),
        sa.Column("command", sa.String(), nullable=False),
        sa.Column(
            "target", sa.String(), nullable=True, comment="ticker to close, or order to cancel or edit"
        ),
        sa.Column("stop_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("requested_by", sa.String(), nullable=False),
        sa.Column(
            "requested_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False
        ),
        sa.Column(
            "applied_at",
            sa.DateTime(timezone=True),
            nullable=True,
            comment="timestamp of the bar on which it took effect",
        ),
        sa.Column("result", sa.String(), nullable=True, comment="done, or why it was refused"),
        sa.CheckConstraint(
            "command IN ('pause', 'resume', 'close', 'flatten', 'cancel', 'edit_stop', 'acknowledge')",
            name=op.f("ck_operator_commands_command"),
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_operator_commands_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_operator_commands")),
        sa.UniqueConstraint("request_key", name=op.f("uq_operator_commands_request_key")),
    )
    op.create_index(
        "ix_operator_commands_waiting", "operator_commands", ["account_id", "applied_at"], unique=False
    )
    op.create_table(
        "orders",
        sa.Column("id", sa.String(), nullable=False, comment="client order id, derived from the intent"),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("side", sa.String(), nullable=False),
        sa.Column("type", sa.String(), nullable=False, comment="market, limit, stop, stop_limit, trailing"),
        sa.Column(
            "quantity",
            sa.Numeric(precision=20, scale=6),
            nullable=False,
            comment="0 while a sizing rule has not decided it",
        ),
        sa.Column("limit_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("stop_price", sa.Numeric(precision=20, scale=6), nullable=True),
        sa.Column("trail_pct", sa.Numeric(precision=10, scale=4), nullable=True),
        sa.Column("parent_id", sa.String(), nullable=True),
        sa.Column("role", sa.String(), nullable=False, comment="order, stop, trail, target, partial, time"),
        sa.Column("due", sa.Date(), nullable=True, comment="session of a scheduled exit"),
        sa.Column(
            "status", sa.String(), nullable=False, comment="submitted, open, filled, cancelled, rejected"
        ),
        sa.Column("reason", sa.String(), nullable=True),
        sa.Column(
            "submitted_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="acts on the first bar that starts then or later",
        ),
        sa.Column("sequence", sa.Integer(), nullable=False, comment="order of arrival in the account"),
        sa.Column(
            "detail",
            postgresql.JSONB(),
            nullable=False,
            comment="what matching remembers, in today's shares: filled, best, protection, ...",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.CheckConstraint("side IN ('buy', 'sell')", name=op.f("ck_orders_side")),
        sa.CheckConstraint("quantity >= 0", name=op.f("ck_orders_quantity_not_negative")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.id"], name=op.f("fk_orders_account_id_accounts")),
        sa.ForeignKeyConstraint(["parent_id"], ["orders.id"], name=op.f("fk_orders_parent_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_orders")),
    )
    op.create_index("ix_orders_account", "orders", ["account_id", "status"], unique=False)
    op.create_table(
        "position_marks",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("priced_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_position_marks_account_id_accounts")
        ),
        sa.PrimaryKeyConstraint("account_id", "ticker", name=op.f("pk_position_marks")),
    )
    op.create_table(
        "verdicts",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("backtest_id", sa.Integer(), nullable=False),
        sa.Column("verdict", sa.String(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("inputs", postgresql.JSONB(), nullable=False),
        sa.Column("trials", sa.Integer(), nullable=False),
        sa.Column(
            "evidence",
            postgresql.JSONB(),
            nullable=False,
            comment="sweep, walk-forward, sensitivity, regimes, claims: what `falcon verdict --json` prints",
        ),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["backtest_id"], ["backtests.id"], name=op.f("fk_verdicts_backtest_id_backtests")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_verdicts")),
        sa.UniqueConstraint("backtest_id", name=op.f("uq_verdicts_backtest_id")),
    )
    op.create_table(
        "fills",
        sa.Column("id", sa.String(), nullable=False, comment="hash of order, bar and sequence"),
        sa.Column("order_id", sa.String(), nullable=False),
        sa.Column("quantity", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("price", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column("fee", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column(
            "filled_at",
            sa.DateTime(timezone=True),
            nullable=False,
            comment="start of the bar it was filled on",
        ),
        sa.Column("flags", postgresql.JSONB(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(["order_id"], ["orders.id"], name=op.f("fk_fills_order_id_orders")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_fills")),
    )
    op.create_index(op.f("ix_fills_filled_at"), "fills", ["filled_at"], unique=False)
    op.create_index(op.f("ix_fills_order_id"), "fills", ["order_id"], unique=False)
    op.create_table(
        "promotions",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("spec_id", sa.Integer(), nullable=False),
        sa.Column("promoted", sa.Boolean(), nullable=False),
        sa.Column("reason", sa.String(), nullable=False),
        sa.Column("verdict_id", sa.Integer(), nullable=True),
        sa.Column("decision_id", sa.Integer(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), server_default=sa.text("now()"), nullable=False),
        sa.ForeignKeyConstraint(
            ["decision_id"], ["decisions.id"], name=op.f("fk_promotions_decision_id_decisions")
        ),
        sa.ForeignKeyConstraint(
            ["spec_id"], ["strategy_specs.id"], name=op.f("fk_promotions_spec_id_strategy_specs")
        ),
        sa.ForeignKeyConstraint(
            ["verdict_id"], ["verdicts.id"], name=op.f("fk_promotions_verdict_id_verdicts")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_promotions")),
    )
    op.create_index(op.f("ix_promotions_spec_id"), "promotions", ["spec_id"], unique=False)
    op.create_table(
        "postings",
        sa.Column("entry_id", sa.Uuid(), nullable=False),
        sa.Column("leg", sa.Integer(), nullable=False),
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False, comment="of the entry, from 0 in each account"),
        sa.Column(
            "kind",
            sa.String(),
            nullable=False,
            comment="deposit, buy, sell, settlement, split, dividend, ...",
        ),
        sa.Column(
            "ledger",
            sa.String(),
            nullable=False,
            comment="cash, unsettled, securities, receivable, capital, realised, dividends",
        ),
        sa.Column("ticker", sa.String(), nullable=True),
        sa.Column("amount", sa.Numeric(precision=20, scale=6), nullable=False),
        sa.Column(
            "quantity",
            sa.Numeric(precision=20, scale=6),
            nullable=True,
            comment="shares moved, on a securities leg",
        ),
        sa.Column("fill_id", sa.String(), nullable=True),
        sa.Column("booked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("settles_on", sa.Date(), nullable=True),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.id"], name=op.f("fk_postings_account_id_accounts")
        ),
        sa.ForeignKeyConstraint(["fill_id"], ["fills.id"], name=op.f("fk_postings_fill_id_fills")),
        sa.PrimaryKeyConstraint("entry_id", "leg", name=op.f("pk_postings")),
    )
    op.create_index("ix_postings_account", "postings", ["account_id", "ledger"], unique=False)
    op.create_index(op.f("ix_postings_fill_id"), "postings", ["fill_id"], unique=False)
    op.create_index("ix_postings_order", "postings", ["account_id", "number", "leg"], unique=True)
    op.execute(_TELL_CHANGE)
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
        )


def downgrade() -> None:
    op.drop_index("ix_postings_order", table_name="postings")
    op.drop_index(op.f("ix_postings_fill_id"), table_name="postings")
    op.drop_index("ix_postings_account", table_name="postings")
    op.drop_table("postings")
    op.drop_index(op.f("ix_promotions_spec_id"), table_name="promotions")
    op.drop_table("promotions")
    op.drop_index(op.f("ix_fills_order_id"), table_name="fills")
    op.drop_index(op.f("ix_fills_filled_at"), table_name="fills")
    op.drop_table("fills")
    op.drop_table("verdicts")
    op.drop_table("position_marks")
    op.drop_index("ix_orders_account", table_name="orders")
    op.drop_table("orders")
    op.drop_index("ix_operator_commands_waiting", table_name="operator_commands")
    op.drop_table("operator_commands")
    op.drop_table("account_marks")
    op.drop_table("account_halts")
    op.drop_index(op.f("ix_decisions_spec_id"), table_name="decisions")
    op.drop_table("decisions")
    op.drop_index(op.f("ix_backtests_spec_id"), table_name="backtests")
    op.drop_table("backtests")
    op.drop_table("accounts")
    op.drop_index(op.f("ix_strategy_specs_name"), table_name="strategy_specs")
    op.drop_table("strategy_specs")
    op.drop_index(op.f("ix_screen_picks_ticker"), table_name="screen_picks")
    op.drop_table("screen_picks")
    op.drop_table("watched_feeds")
    op.drop_index("ix_videos_next_attempt_at", table_name="videos")
    op.drop_table("videos")
    op.drop_index("ix_trials_family", table_name="trials")
    op.drop_table("trials")
    op.drop_table("transcripts")
    op.drop_index(op.f("ix_screen_runs_session"), table_name="screen_runs")
    op.drop_table("screen_runs")
    op.drop_index("ix_manifest_session", table_name="manifest")
    op.drop_table("manifest")
    op.drop_table("llm_replies")
    op.drop_index("ix_llm_calls_started_at", table_name="llm_calls")
    op.drop_index(op.f("ix_llm_calls_run_id"), table_name="llm_calls")
    op.drop_index(op.f("ix_llm_calls_prompt_hash"), table_name="llm_calls")
    op.drop_table("llm_calls")
    op.execute("DROP FUNCTION tell_change()")


_TABLES = (
    "account_halts",
    "account_marks",
    "accounts",
    "backtests",
    "decisions",
    "fills",
    "llm_calls",
    "llm_replies",
    "manifest",
    "operator_commands",
    "orders",
    "position_marks",
    "postings",
    "promotions",
    "screen_picks",
    "screen_runs",
    "strategy_specs",
    "transcripts",
    "trials",
    "verdicts",
    "videos",
    "watched_feeds",
)
