"""Live bars in the order of their arrival, cut into the bars of one time each."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from sqlalchemy import String, any_, func, literal, select
from sqlalchemy.dialects.postgresql import ARRAY
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

    @property
    def fresh(self) -> Mapping[str, Bar]:
        """The bars that came in time: those on whose prices one may still decide."""
        return {ticker: bar for ticker, bar in self.bars.items() if ticker not in self.missed}


def newest_sequence(session: Session) -> int:
    """The cursor of a reader that wants only what is still to come."""
    return session.scalar(select(func.max(LiveBar.sequence))) or 0


def read_rows(
    session: Session,
    after: int,
    tickers: Collection[str],
    limit: int = READ_ROWS,
    until: datetime | None = None,
) -> tuple[Sequence[Row], int]:
    """Rows of those tickers that arrived after `after`, and up to which sequence they are all.

    Whole minutes where there are more than `limit`; with `until` those before the first bar that starts then or
    later. The feed writes from one transaction at a time, so rows become visible in the order of `sequence`.
    """
    newest = newest_sequence(session)
    if until is not None:
        later = select(func.min(LiveBar.sequence)).where(LiveBar.sequence > after, LiveBar.starts_at >= until)
        newest = min(newest, (session.scalar(later) or newest + 1) - 1)
    if newest <= after:
        return (), after
    wanted = literal(sorted(tickers), ARRAY(String))
    while True:
        query = (
            select(*_COLUMNS)
            .where(LiveBar.sequence > after, LiveBar.sequence <= newest, LiveBar.ticker == any_(wanted))
            .order_by(LiveBar.sequence)
            .limit(limit)
        )
        rows = [Row(*row) for row in session.execute(query).tuples()] if tickers else []
        if len(rows) < limit:
            return rows, newest
        last = rows[-1].starts_at
        kept = len(rows)
        while kept and rows[kept - 1].starts_at == last:
            kept -= 1
        if kept:
            return rows[:kept], rows[kept - 1].sequence
        limit *= 2


def rows_of_minute(
    session: Session, starts_at: datetime, through: int, tickers: Collection[str]
) -> Sequence[Row]:
    """The rows of those tickers and that minute up to the sequence `through`, again."""
    rows = session.execute(
        select(*_COLUMNS)
        .where(LiveBar.ticker.in_(tickers), LiveBar.starts_at == starts_at, LiveBar.sequence <= through)
        .order_by(LiveBar.sequence)
    )
    return [Row(*row) for row in rows.tuples()]


def batches(rows: Sequence[Row], now: datetime, through: int) -> Iterator[Batch]:
    """The rows by time, oldest first; of several revisions of a bar the first. `through` ends what was read.

    Where they did not arrive in order of time, the cursor stays before the first row that is still to come: a
    crash in between reads some again, and a ticker's own order keeps what was done from being done twice.
    """
    by_time: dict[datetime, list[Row]] = {}
    for row in rows:
        by_time.setdefault(row.starts_at, []).append(row)
    times = sorted(by_time)
    waiting = {time: min(row.sequence for row in by_time[time]) for time in times}
    for time in times:
        del waiting[time]
        done_up_to = min(waiting.values()) - 1 if waiting else through
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
