"""The paper account's books on the bed: what must never be doubled, lost or off by a cent."""

import json
from typing import Any

from tests.cluster.bed import Bed
from tests.cluster.road import Road


def fills(bed: Bed) -> int:
    """How many fills are stored."""
    return int(bed.db.psql("SELECT count(*) FROM fills"))


def doubled(bed: Bed) -> list[str]:
    """Orders filled twice on one bar for the same quantity, and orders filled beyond their quantity."""
    found = bed.db.psql(
        "SELECT order_id FROM fills GROUP BY order_id, filled_at, quantity, price HAVING count(*) > 1 UNION "
        "SELECT o.id FROM orders o JOIN fills f ON f.order_id = o.id GROUP BY o.id HAVING sum(f.quantity) > o.quantity"
    )
    return found.splitlines()


def books_balance(road: Road) -> bool:
    """Every account's books proved from the database, by the asset that does so every evening; raises AssertionError."""
    assert doubled(road.bed) == []
    road.runs_succeed(120)
    broken = road.bed.db.psql(
        "SELECT count(*) FROM account_halts WHERE kind = 'reconciliation' AND until IS NULL"
    )
    assert broken == "0", "an account is halted because its books do not agree"
    return True


def committed(bed: Bed) -> dict[str, int]:
    """How many rows there are of what is never deleted."""
    tables = ("fills", "postings", "orders", "notifications", "requests", "manifest")
    rows = bed.db.psql(
        "SELECT json_object_agg(relname, (xpath('/row/c/text()', query_to_xml('SELECT count(*) AS c FROM '"
        " || quote_ident(relname), false, true, '')))[1]::text::int) FROM pg_class WHERE relkind = 'r' AND relname IN "
        f"({', '.join(repr(table) for table in tables)})"
    )
    found: dict[str, Any] = json.loads(rows)
    return {name: int(count) for name, count in found.items()}
