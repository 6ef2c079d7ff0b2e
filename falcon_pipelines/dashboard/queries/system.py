"""The database and how recently each stage of the pipeline wrote to it."""

from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, literal_column, select, text
from sqlalchemy.orm import InstrumentedAttribute, Session

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import (
    Backtest,
    Base,
    Fill,
    ManifestEntry,
    ScreenRun,
    StrategySpec,
    Transcript,
    Verdict,
)


class Stage(Value):
    """A stage of the pipeline and when it last wrote."""

    name: str
    writes: str
    last_at: datetime | None


class TableSize(Value):
    """A table; `rows` is PostgreSQL's estimate, None before it has made one."""

    name: str
    rows: int | None
    bytes: int


class SystemState(Value):
    """The database as the dashboard sees it; `revision` is that of its schema."""

    postgres: str
    revision: str | None
    started_at: datetime
    database_bytes: int
    connections: int
    max_connections: int
    stages: list[Stage]
    tables: list[TableSize]


_STAGES: tuple[tuple[str, str, InstrumentedAttribute, InstrumentedAttribute], ...] = (
    ("Bars", "manifest", ManifestEntry.created_at, ManifestEntry.seq),
    ("Screens", "screen_runs", ScreenRun.created_at, ScreenRun.id),
    ("Transcripts", "transcripts", Transcript.created_at, Transcript.created_at),
    ("Strategies", "strategy_specs", StrategySpec.created_at, StrategySpec.id),
    ("Backtests", "backtests", Backtest.created_at, Backtest.id),
    ("Verdicts", "verdicts", Verdict.created_at, Verdict.id),
    ("Paper trading", "fills", Fill.created_at, Fill.filled_at),
)
"""Name, table, when a row was written, and the indexed column that grows with it."""


_SERVER = (
    "current_setting('server_version')",
    "pg_postmaster_start_time()",
    "pg_database_size(current_database())",
    "(SELECT count(*) FROM pg_stat_activity WHERE datname = current_database())",
    "current_setting('max_connections')::int",
    "(SELECT version_num FROM alembic_version)",
)


def system_state(session: Session) -> SystemState:
    """What runs where the data is, and what wrote last."""
    server: list[ColumnElement[Any]] = [literal_column(expression) for expression in _SERVER]
    newest = [
        select(written).order_by(grows.desc()).limit(1).scalar_subquery() for _, _, written, grows in _STAGES
    ]
    row = session.execute(select(*server, *newest)).one()
    tables = session.execute(
        text(
            "SELECT relname, reltuples::bigint, pg_total_relation_size(oid) FROM pg_class "
            "WHERE relkind = 'r' AND relname = ANY(:names) AND relnamespace = current_schema()::regnamespace "
            "ORDER BY 3 DESC, 1"
        ),
        {"names": [table.name for table in Base.metadata.sorted_tables]},
    ).all()
    return SystemState(
        postgres=row[0].split()[0],
        revision=row[5],
        started_at=row[1],
        database_bytes=row[2],
        connections=row[3],
        max_connections=row[4],
        stages=[
            Stage(name=name, writes=writes, last_at=last)
            for (name, writes, *_), last in zip(_STAGES, row[len(_SERVER) :], strict=True)
        ],
        tables=[
            TableSize(name=table[0], rows=None if table[1] < 0 else table[1], bytes=table[2])
            for table in tables
        ],
    )
