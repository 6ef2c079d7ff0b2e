"""Live bars for tests: rows of `live_bars` as the feed writes them."""

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import Engine, insert

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models import LiveBar

MONDAY = date(2026, 11, 2)
Prices = Sequence[float]
"""Open, high, low, close and, if not 10 million, volume."""


def minute(number: int, session: date = MONDAY) -> datetime:
    """The start of a regular minute, from 0."""
    return session_open_close(session)[0] + timedelta(minutes=number)


def arrive(
    engine: Engine,
    starts_at: datetime,
    bars: Mapping[str, Prices],
    *,
    revision: int = 0,
    late: bool = False,
    arrived_at: datetime | None = None,
    source: str = "alpaca",
) -> None:
    """Write bars of one minute in one transaction."""
    rows: list[dict[str, Any]] = []
    for ticker, prices in bars.items():
        open_, high, low, close, volume = [*prices, *([1e7] * (5 - len(prices)))]
        rows.append(
            {
                "ticker": ticker,
                "starts_at": starts_at,
                "revision": revision,
                "open": Decimal(str(open_)),
                "high": Decimal(str(high)),
                "low": Decimal(str(low)),
                "close": Decimal(str(close)),
                "volume": Decimal(str(volume)),
                "source": source,
                "basis": "sip",
                "late": late,
                "arrived_at": arrived_at or datetime.now(UTC),
            }
        )
    with transaction(engine) as session:
        session.execute(insert(LiveBar), rows)
