"""Tells the pages what only the disk knows of the bar store: sizes, why lines are in quarantine, corporate actions.

The pages run where there is no bar store. Everything here can be made again from the store.
"""

import platform
import shutil
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, get_args

import polars as pl
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.bars.housekeeping import size_report
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.bars.staging import quarantine_path
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.models import CorporateActionRow, DiskUsage, QuarantineCount

SESSIONS_A_REPORT = 500
"""Quarantine files read at one go, so that the first report on an old store is not slow."""
ACTIONS_SHOWN = 20_000
EXAMPLE_LENGTH = 200
FREE = "free"
"""The area that is not the store's: what the disk has left."""


def report_store(session: Session, store: BarStore, *, node: str | None = None) -> None:
    """Write what has changed since the last report, in the caller's transaction."""
    _report_sizes(session, store, node or platform.node())
    _report_quarantine(session, store)
    _report_actions(session, store)


def _report_sizes(session: Session, store: BarStore, node: str) -> None:
    if not store.root.is_dir():
        return
    areas = {tier.tier: (tier.files, tier.size_bytes) for tier in size_report(store).tiers}
    areas[FREE] = 0, shutil.disk_usage(store.root).free
    stored = {
        row.area: (row.files, row.bytes)
        for row in session.scalars(select(DiskUsage).where(DiskUsage.node == node))
    }
    if {**stored, FREE: ()} == {**areas, FREE: ()} and not _moved(stored.get(FREE), areas[FREE]):
        return
    now = datetime.now(UTC)
    statement = insert(DiskUsage).values(
        [
            {"node": node, "area": area, "files": files, "bytes": size, "measured_at": now}
            for area, (files, size) in areas.items()
        ]
    )
    changed = {name: statement.excluded[name] for name in ("files", "bytes", "measured_at")}
    session.execute(statement.on_conflict_do_update(index_elements=["node", "area"], set_=changed))


def _moved(before: tuple[int, int] | None, now: tuple[int, int]) -> bool:
    """Whether the free space has changed by more than a percent: it always changes a little."""
    return before is None or abs(before[1] - now[1]) > 0.01 * before[1]


def _report_quarantine(session: Session, store: BarStore) -> None:
    known = set(
        session.execute(
            select(QuarantineCount.frequency, QuarantineCount.session, QuarantineCount.revision).distinct()
        )
        .tuples()
        .all()
    )
    log = store.log()
    todo = [
        entry
        for frequency in get_args(Frequency)
        for entry in log.sessions(frequency).values()
        if entry.quarantined and (entry.frequency, entry.session, entry.revision) not in known
    ]
    rows = []
    for entry in todo[-SESSIONS_A_REPORT:]:
        path = store.root / quarantine_path(entry.path)
        if path.is_file():
            key = {"frequency": entry.frequency, "session": entry.session, "revision": entry.revision}
            rows += [{**key, **count} for count in _by_rule(pl.read_parquet(path))]
    if rows:
        session.execute(insert(QuarantineCount).on_conflict_do_nothing(), rows)


def _by_rule(lines: pl.DataFrame) -> Iterable[dict[str, Any]]:
    counted = (
        lines.sort("line")
        .group_by("rule")
        .agg(pl.len().alias("lines"), pl.first("line"), pl.first("raw"))
        .sort("rule")
    )
    for rule, count, line, raw in counted.select("rule", "lines", "line", "raw").iter_rows():
        text = str(raw).replace("\0", "")[:EXAMPLE_LENGTH]
        yield {"rule": rule, "lines": count, "example_line": line, "example": text}


def _report_actions(session: Session, store: BarStore) -> None:
    entry = store.log().latest("actions")
    if entry is None or session.scalar(select(func.max(CorporateActionRow.revision))) == entry.revision:
        return
    newest = store.actions().sort("ex_date", "ticker", "kind", descending=[True, False, False])
    session.execute(delete(CorporateActionRow))
    rows = newest.head(ACTIONS_SHOWN).unique(subset=["ticker", "kind", "ex_date"], keep="last").to_dicts()
    if rows:
        session.execute(insert(CorporateActionRow), [{**row, "revision": entry.revision} for row in rows])
