"""Live bars in the order of their arrival, cut into the bars of one time each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import LiveBar
from falcon_pipelines.trading.orders import Bar

READ_ROWS = 20_000
MISSED_AFTER = timedelta(seconds=60)
"""A bar that waited longer than this to be worked through was missed, whoever was late."""


class Row(NamedTuple):
    """One row of `live_bars`."""

    sequence: int
    ticker: str
    starts_at: datetime
    revision: int
    open: Decimal
    high: Decimal
    low: Decimal
    close: Decimal
    volume: Decimal
    late: bool
    arrived_at: datetime
    source: str


_COLUMNS = [getattr(LiveBar, name) for name in Row._fields]


@dataclass(frozen=True)
class Batch:
    """The bars of one time that were read together.

    `highest` is the sequence of the last of them, `done_up_to` the reader's cursor once they are worked through;
    `missed` are the tickers whose bar came by back-fill or waited too long.
    """

    starts_at: datetime
    bars: Mapping[str, Bar]
    missed: frozenset[str]
    highest: int
    done_up_to: int
    newest_arrival: datetime
    from_replay: bool


def newest_sequence(session: Session) -> int:
    """The cursor of a reader that wants only what is still to come."""
    return session.scalar(select(func.max(LiveBar.sequence))) or 0


def read_rows(session: Session, after: int, limit: int = READ_ROWS) -> Sequence[Row]:
    """Rows that arrived after `after`, whole minutes where there are more than `limit`.

    The feed writes from one transaction at a time, so rows become visible in the order of `sequence`.
    """
    rows: list[Row] = []
    while True:
        query = select(*_COLUMNS).where(LiveBar.sequence > after).order_by(LiveBar.sequence).limit(limit)
        rows = [Row(*row) for row in session.execute(query).tuples()]
        if len(rows) < limit:
            return rows
        last = rows[-1].starts_at
        kept = len(rows)
        while kept and rows[kept - 1].starts_at == last:
            kept -= 1
        if kept:
            return rows[:kept]
        limit *= 2


def batches(rows: Sequence[Row], now: datetime) -> Iterator[Batch]:
    """The rows by time, oldest first; of several revisions of a bar the first.

    Where they did not arrive in order of time, the cursor stays before the first row that is still to come: a
    crash in between reads some again, and a ticker's own order keeps what was done from being done twice.
    """
    by_time: dict[datetime, list[Row]] = {}
    for row in rows:
        by_time.setdefault(row.starts_at, []).append(row)
    times = sorted(by_time)
    waiting = {time: min(row.sequence for row in by_time[time]) for time in times}
    newest = max((row.sequence for row in rows), default=0)
    for time in times:
        del waiting[time]
        done_up_to = min(waiting.values()) - 1 if waiting else newest
        first: dict[str, Row] = {}
        for row in by_time[time]:
            known = first.get(row.ticker)
            if known is None or row.revision < known.revision:
                first[row.ticker] = row
        yield Batch(
            starts_at=time,
            bars={ticker: _bar(row) for ticker, row in first.items()},
            missed=frozenset(
                t for t, row in first.items() if row.late or now - row.arrived_at > MISSED_AFTER
            ),
            highest=max(row.sequence for row in by_time[time]),
            done_up_to=done_up_to,
            newest_arrival=max(row.arrived_at for row in first.values()),
            from_replay=any(row.source == "replay" for row in first.values()),
        )


def _bar(row: Row) -> Bar:
    return Bar(float(row.open), float(row.high), float(row.low), float(row.close), float(row.volume))
