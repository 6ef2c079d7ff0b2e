"""What the pages need to be quick and complete: reports from compute, totals of positions, indexes."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

_TABLES = (
    "check_results",
    "corporate_actions",
    "disk_usage",
    "pipeline_runs",
    "position_totals",
    "quarantine_counts",
)
_MOMENT = sa.DateTime(timezone=True)
_AMOUNT = sa.Numeric(precision=20, scale=6)

_TOTAL_POSITIONS = """
CREATE FUNCTION total_positions() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP <> 'INSERT' THEN
        UPDATE position_totals AS t SET quantity = t.quantity - gone.quantity, cost = t.cost - gone.cost
        FROM (
            SELECT account_id, ticker, sum(coalesce(quantity, 0)) AS quantity, sum(amount) AS cost
            FROM removed WHERE ledger = 'securities' AND ticker IS NOT NULL GROUP BY account_id, ticker
        ) AS gone
        WHERE t.account_id = gone.account_id AND t.ticker = gone.ticker;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        INSERT INTO position_totals AS t (account_id, ticker, quantity, cost)
        SELECT account_id, ticker, sum(coalesce(quantity, 0)), sum(amount)
        FROM added WHERE ledger = 'securities' AND ticker IS NOT NULL
        GROUP BY account_id, ticker ORDER BY account_id, ticker
        ON CONFLICT (account_id, ticker) DO UPDATE
        SET quantity = t.quantity + excluded.quantity, cost = t.cost + excluded.cost;
    END IF;
    RETURN NULL;
END
$$
"""
_ACCOUNT_OF_FILL = """
CREATE FUNCTION account_of_fill() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    SELECT account_id INTO NEW.account_id FROM orders WHERE id = NEW.order_id;
    RETURN NEW;
END
$$
"""
_TRIGGERS = {
    "INSERT": "REFERENCING NEW TABLE AS added",
    "DELETE": "REFERENCING OLD TABLE AS removed",
    "UPDATE": "REFERENCING OLD TABLE AS removed NEW TABLE AS added",
}


def upgrade() -> None:
    _reports()
    op.create_table(
        "position_totals",
        sa.Column("account_id", sa.Integer(), nullable=False),
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("quantity", _AMOUNT, nullable=False),
        sa.Column("cost", _AMOUNT, nullable=False),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.id"],
            name=op.f("fk_position_totals_account_id_accounts"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("account_id", "ticker", name=op.f("pk_position_totals")),
    )
    op.execute(_TOTAL_POSITIONS)
    for event, tables in _TRIGGERS.items():
        op.execute(
            f"CREATE TRIGGER total_positions_{event.lower()} AFTER {event} ON postings {tables} "
            "FOR EACH STATEMENT EXECUTE FUNCTION total_positions()"
        )
    op.execute(
        "INSERT INTO position_totals SELECT account_id, ticker, sum(coalesce(quantity, 0)), sum(amount) "
        "FROM postings WHERE ledger = 'securities' AND ticker IS NOT NULL GROUP BY account_id, ticker"
    )
    op.create_index(
        "ix_postings_ticker",
        "postings",
        ["account_id", "ticker", "number"],
        unique=False,
        postgresql_where=sa.text("ledger = 'securities'"),
    )
    op.create_index("ix_strategy_specs_newest", "strategy_specs", ["name", "id"], unique=False)
    op.add_column(
        "backtests",
        sa.Column(
            "excess_return",
            sa.Double(),
            sa.Computed(
                "CASE WHEN initial_cash > 0 THEN "
                "((final_equity - (benchmark ->> 'final_equity')::numeric) / initial_cash)::double precision END",
                persisted=True,
            ),
            nullable=True,
            comment="over the benchmark, as a ratio of the starting cash",
        ),
    )
    op.create_index(
        "ix_backtests_newest",
        "backtests",
        ["spec_id", "id"],
        unique=False,
        postgresql_include=["excess_return"],
    )
    op.create_index("ix_verdicts_of_backtest", "verdicts", ["backtest_id", "verdict"], unique=False)
    op.create_index(
        "ix_manifest_newest",
        "manifest",
        ["frequency", "session", sa.text("revision DESC")],
        unique=False,
        postgresql_include=["rows", "quarantined"],
        postgresql_where=sa.text("kind = 'bars'"),
    )
    op.create_index("ix_manifest_source", "manifest", ["source", "basis"], unique=False)
    op.create_index("ix_orders_ticker", "orders", ["account_id", "ticker"], unique=False)
    op.add_column(
        "fills",
        sa.Column(
            "account_id",
            sa.Integer(),
            nullable=True,
            comment="its order's, set by a trigger: so that an account's newest fills are found at once",
        ),
    )
    op.execute("UPDATE fills SET account_id = orders.account_id FROM orders WHERE orders.id = fills.order_id")
    op.execute(_ACCOUNT_OF_FILL)
    op.execute(
        "CREATE TRIGGER account_of_fill BEFORE INSERT ON fills "
        "FOR EACH ROW WHEN (NEW.account_id IS NULL) EXECUTE FUNCTION account_of_fill()"
    )
    op.create_index("ix_fills_account", "fills", ["account_id", "filled_at", "id"], unique=False)
    op.add_column(
        "strategy_specs",
        sa.Column(
            "meaning",
            postgresql.JSONB(),
            nullable=True,
            comment="the rules in plain English, the conventions of its indicators, its assumptions",
        ),
    )
    for table in _TABLES:
        op.execute(
            f"CREATE TRIGGER tell_change AFTER INSERT OR UPDATE OR DELETE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION tell_change()"
        )


def _reports() -> None:
    op.create_table(
        "check_results",
        sa.Column("asset", sa.String(), nullable=False),
        sa.Column("name", sa.String(), nullable=False),
        sa.Column("partition", sa.String(), nullable=False, comment="empty: the check's newest evaluation"),
        sa.Column(
            "evaluated_partition",
            sa.String(),
            nullable=True,
            comment="what was evaluated; null: the whole run",
        ),
        sa.Column("passed", sa.Boolean(), nullable=False),
        sa.Column("severity", sa.String(), nullable=False, comment="ERROR or WARN"),
        sa.Column("description", sa.String(), nullable=True),
        sa.Column("run_id", sa.String(), nullable=False),
        sa.Column("evaluated_at", _MOMENT, nullable=False),
        sa.Column("storage_id", sa.BigInteger(), nullable=False, comment="Dagster's: larger is newer"),
        sa.PrimaryKeyConstraint("asset", "name", "partition", name=op.f("pk_check_results")),
    )
    op.create_table(
        "corporate_actions",
        sa.Column("ticker", sa.String(), nullable=False),
        sa.Column("kind", sa.String(), nullable=False),
        sa.Column("ex_date", sa.Date(), nullable=False),
        sa.Column("ratio", sa.Double(), nullable=True, comment="new shares per old, for splits"),
        sa.Column("amount", sa.Double(), nullable=True, comment="US dollars per share"),
        sa.Column("pay_date", sa.Date(), nullable=True),
        sa.Column("revision", sa.Integer(), nullable=False, comment="of the actions in the manifest"),
        sa.PrimaryKeyConstraint("ticker", "kind", "ex_date", name=op.f("pk_corporate_actions")),
    )
    op.create_index("ix_corporate_actions_ex_date", "corporate_actions", ["ex_date"], unique=False)
    op.create_table(
        "disk_usage",
        sa.Column("node", sa.String(), nullable=False),
        sa.Column("area", sa.String(), nullable=False, comment="bars/day, history, quarantine, ..., free"),
        sa.Column("files", sa.BigInteger(), nullable=False),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("measured_at", _MOMENT, nullable=False),
        sa.PrimaryKeyConstraint("node", "area", name=op.f("pk_disk_usage")),
    )
    op.create_table(
        "pipeline_runs",
        sa.Column("id", sa.String(), nullable=False, comment="Dagster's run id"),
        sa.Column("job", sa.String(), nullable=False),
        sa.Column("partition", sa.String(), nullable=True, comment="partition, or first to last of a range"),
        sa.Column("status", sa.String(), nullable=False),
        sa.Column("problem", sa.String(), nullable=True, comment="why it failed, in one line"),
        sa.Column("created_at", _MOMENT, nullable=False),
        sa.Column("started_at", _MOMENT, nullable=True),
        sa.Column("ended_at", _MOMENT, nullable=True),
        sa.Column(
            "updated_at",
            _MOMENT,
            nullable=False,
            comment="when Dagster last changed it: reports go on from there",
        ),
        sa.CheckConstraint(
            "status IN ('queued', 'running', 'succeeded', 'failed', 'canceled')",
            name=op.f("ck_pipeline_runs_status"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_pipeline_runs")),
    )
    op.create_index("ix_pipeline_runs_created_at", "pipeline_runs", ["created_at"], unique=False)
    op.create_index("ix_pipeline_runs_status", "pipeline_runs", ["status", "created_at"], unique=False)
    op.create_table(
        "quarantine_counts",
        sa.Column("frequency", sa.String(), nullable=False),
        sa.Column("session", sa.Date(), nullable=False),
        sa.Column("revision", sa.Integer(), nullable=False),
        sa.Column("rule", sa.String(), nullable=False),
        sa.Column("lines", sa.BigInteger(), nullable=False),
        sa.Column("example_line", sa.BigInteger(), nullable=False, comment="its number in the source file"),
        sa.Column("example", sa.String(), nullable=False, comment="the raw line, cut to 200 characters"),
        sa.PrimaryKeyConstraint(
            "frequency", "session", "revision", "rule", name=op.f("pk_quarantine_counts")
        ),
    )


def downgrade() -> None:
    op.drop_column("strategy_specs", "meaning")
    op.drop_index("ix_fills_account", table_name="fills")
    op.execute("DROP TRIGGER account_of_fill ON fills")
    op.execute("DROP FUNCTION account_of_fill()")
    op.drop_column("fills", "account_id")
    op.drop_index("ix_orders_ticker", table_name="orders")
    op.drop_index("ix_manifest_source", table_name="manifest")
    op.drop_index("ix_manifest_newest", table_name="manifest", postgresql_where=sa.text("kind = 'bars'"))
    op.drop_index("ix_verdicts_of_backtest", table_name="verdicts")
    op.drop_index("ix_backtests_newest", table_name="backtests")
    op.drop_column("backtests", "excess_return")
    op.drop_index("ix_strategy_specs_newest", table_name="strategy_specs")
    op.drop_index(
        "ix_postings_ticker",
        table_name="postings",
        postgresql_where=sa.text("ledger = 'securities'"),
    )
    for event in _TRIGGERS:
        op.execute(f"DROP TRIGGER total_positions_{event.lower()} ON postings")
    op.execute("DROP FUNCTION total_positions()")
    for table in reversed(_TABLES):
        op.drop_table(table)
