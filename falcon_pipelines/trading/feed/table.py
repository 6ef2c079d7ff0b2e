"""Writing live bars and the feed's state to PostgreSQL, and reading what the feed needs from there."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import psycopg2
from psycopg2.extras import execute_values
from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.engine import DatabaseUnavailable
from falcon_pipelines.db.models import Account, Feed, FeedSymbol, LiveBar
from falcon_pipelines.errors import InputError
from falcon_pipelines.trading.feed.bars import MinuteBar

_WRITER_LOCK = 7_340_961
"""One writer at a time: a reader that has seen a sequence number has seen all below it."""

_INSERT = """
WITH made AS (
    INSERT INTO live_bars (ticker, starts_at, revision, open, high, low, close, volume, source, basis, late)
    SELECT i.ticker, to_timestamp(i.seconds),
           coalesce(known.newest + 1, 0)
               + row_number() OVER (PARTITION BY i.ticker, i.seconds ORDER BY i.place) - 1,
           i.open, i.high, i.low, i.close, i.volume, %(source)s, %(basis)s, i.late
    FROM unnest(
        %(tickers)s::text[], %(seconds)s::bigint[], %(opens)s::numeric[], %(highs)s::numeric[], %(lows)s::numeric[],
        %(closes)s::numeric[], %(volumes)s::numeric[], %(late)s::boolean[]
    ) WITH ORDINALITY AS i (ticker, seconds, open, high, low, close, volume, late, place)
    CROSS JOIN LATERAL (
        SELECT max(b.revision) AS newest,
               bool_or(b.basis <> %(basis)s) AS foreign_basis,
               bool_or((b.open, b.high, b.low, b.close, b.volume) = (i.open, i.high, i.low, i.close, i.volume))
                   AS seen
        FROM live_bars b
        WHERE b.ticker = i.ticker AND b.starts_at = to_timestamp(i.seconds)
    ) known
    WHERE known.newest IS NULL OR NOT (known.seen OR known.foreign_basis)
    ORDER BY i.place
    RETURNING revision
)
SELECT count(*), count(*) FILTER (WHERE revision > 0) FROM made
"""


class MixedLiveBars(InputError):
    """The table holds bars of another basis for the running session."""


@dataclass(frozen=True)
class Written:
    """What a batch came to: `corrected` are among the `inserted`; `known` changed nothing."""

    inserted: int
    corrected: int
    known: int


def write_bars(session: Session, bars: Sequence[MinuteBar], source: str, basis: str) -> Written:
    """Insert a batch in the caller's transaction, in its order.

    The first bar of a ticker and minute is revision 0, a different one the next revision; one that was there
    before, in whatever revision, changes nothing: a batch may come again, or older ones after newer ones. Neither
    does one of another basis. Raises DatabaseUnavailable.
    """
    with _cursor(session) as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_WRITER_LOCK,))
        cursor.execute(_INSERT, {"source": source, "basis": basis, **_arrays(_distinct(bars))})
        inserted, corrected = cursor.fetchone()
    return Written(inserted, corrected, len(bars) - inserted)


def _distinct(bars: Sequence[MinuteBar]) -> Collection[MinuteBar]:
    """The first of equal bars, with prices and volume as the table holds them."""
    found: dict[tuple[object, ...], MinuteBar] = {}
    for ticker, time, *numbers, late in bars:
        open_, high, low, close, volume = [round(number, 6) for number in numbers]
        bar = MinuteBar(ticker, time, open_, high, low, close, volume, late)
        found.setdefault(bar[:-1], bar)
    return found.values()


def _arrays(bars: Collection[MinuteBar]) -> dict[str, str]:
    """The columns as array literals: one short parse instead of a value list of thousands."""
    names = ("tickers", "seconds", "opens", "highs", "lows", "closes", "volumes", "late")
    columns = zip(*bars, strict=True)
    return {
        name: "{" + ",".join(f'"{value}"' if name == "tickers" else repr(value) for value in column) + "}"
        for name, column in zip(names, columns, strict=True)
    }


@contextmanager
def _cursor(session: Session) -> Iterator[Any]:
    """The driver's own cursor of the session's transaction."""
    connection: Any = session.connection().connection.driver_connection
    try:
        with connection.cursor() as cursor:
            yield cursor
    except psycopg2.Error as error:
        lost = connection.closed or isinstance(error, psycopg2.OperationalError | psycopg2.InterfaceError)
        if not lost:
            raise
        session.invalidate()  # a connection that is gone cannot be rolled back either
        first = (str(error).strip().splitlines() or ["connection lost"])[0]
        raise DatabaseUnavailable(f"PostgreSQL went away while writing: {first}; is it running?") from error


def require_one_basis(session: Session, basis: str, since: datetime) -> None:
    """Raises MixedLiveBars when bars of another basis are there from `since` on."""
    other = session.scalars(
        select(LiveBar.basis).where(LiveBar.starts_at >= since, LiveBar.basis != basis).limit(1)
    ).one_or_none()
    if other is not None:
        raise MixedLiveBars(
            f"the running session has live bars of basis {other}; {basis} bars may not be mixed with them: "
            "set FALCON_FEED back, or wait for the next session"
        )


def save_symbols(session: Session, feed: str, reasons: Mapping[str, Sequence[str]]) -> None:
    """What the feed watches now and why; cursors of what it no longer watches are kept, without a reason."""
    rows = [(feed, ticker, _json(why)) for ticker, why in sorted(reasons.items())]
    with _cursor(session) as cursor:
        cursor.execute(
            "UPDATE feed_symbols SET reasons = '[]' WHERE feed = %s AND reasons <> '[]' AND NOT ticker = ANY(%s)",
            (feed, list(reasons)),
        )
        execute_values(
            cursor,
            "INSERT INTO feed_symbols (feed, ticker, reasons) VALUES %s "
            "ON CONFLICT (feed, ticker) DO UPDATE SET reasons = excluded.reasons "
            "WHERE feed_symbols.reasons <> excluded.reasons",
            rows,
            page_size=1_000,
        )


def save_cursors(session: Session, feed: str, cursors: Mapping[str, int | None]) -> None:
    """Where each ticker's bars are complete; raises DatabaseUnavailable."""
    rows = [
        (feed, ticker, None if cursor is None else datetime.fromtimestamp(cursor, UTC))
        for ticker, cursor in sorted(cursors.items())
    ]
    with _cursor(session) as cursor:
        execute_values(
            cursor,
            "INSERT INTO feed_symbols (feed, ticker, reasons, cursor) VALUES %s "
            "ON CONFLICT (feed, ticker) DO UPDATE SET cursor = excluded.cursor",
            rows,
            template="(%s, %s, '[]', %s::timestamptz)",
            page_size=1_000,
        )


def read_cursors(session: Session, feed: str) -> dict[str, int]:
    """Up to where each ticker was complete when the feed last said so, in seconds since the epoch."""
    rows = session.execute(
        select(FeedSymbol.ticker, FeedSymbol.cursor).where(
            FeedSymbol.feed == feed, FeedSymbol.cursor.is_not(None)
        )
    )
    return {ticker: int(cursor.timestamp()) for ticker, cursor in rows if cursor is not None}


def save_feed(session: Session, name: str, **values: Any) -> None:
    """The state of a feed: columns of `feeds`."""
    row = {**values, "updated_at": datetime.now(UTC)}
    statement = insert(Feed).values(name=name, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["name"], set_=row))


def read_feed(session: Session, name: str) -> Feed | None:
    """What the feed last said of itself."""
    row = session.get(Feed, name)
    if row is not None:
        session.expunge(row)
    return row


def newest_sequence(session: Session) -> int:
    """Sequence number of the newest live bar, 0 without any."""
    return session.scalar(select(func.max(LiveBar.sequence))) or 0


def worked_through(session: Session) -> int:
    """Up to which sequence number no account needs the live bars any more."""
    slowest = session.scalar(
        select(func.min(Account.live_sequence)).where(
            Account.closed_at.is_(None), Account.live_sequence.is_not(None)
        )
    )
    return newest_sequence(session) if slowest is None else slowest


def delete_bars(session: Session, source: str, before: datetime, through: int, *, most: int) -> int:
    """Of the `most` bars that came first, delete those of `source` before a time and with a sequence up to `through`.

    Returns how many. Looks at no more than that, so that it is quick when there is nothing to do.
    """
    oldest = (
        select(LiveBar.sequence, LiveBar.starts_at)
        .where(LiveBar.sequence <= through, LiveBar.source == source)
        .order_by(LiveBar.sequence)
        .limit(most)
        .subquery()
    )
    gone = session.execute(
        delete(LiveBar)
        .where(LiveBar.sequence.in_(select(oldest.c.sequence).where(oldest.c.starts_at < before)))
        .returning(LiveBar.sequence),
        execution_options={"synchronize_session": False},
    )
    return len(gone.all())


def _json(words: Sequence[str]) -> str:
    return json.dumps(sorted(words))
