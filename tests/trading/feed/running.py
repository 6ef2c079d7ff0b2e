"""A feed's loop in a thread of the test, on a market clock of the test's own, and what it left in the database."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine, select

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models import Feed, LiveBar, Notification
from falcon_pipelines.services.backoff import Backoff
from falcon_pipelines.services.service import Service
from falcon_pipelines.trading.feed.arrivals import Arrivals
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.healing import Healer
from falcon_pipelines.trading.feed.loop import FeedLoop, Rules
from falcon_pipelines.trading.feed.segments import LiveKeeper
from falcon_pipelines.trading.feed.sources import BackFill, Source
from falcon_pipelines.trading.feed.table import newest_sequence
from falcon_pipelines.trading.feed.upkeep import Upkeep

MONDAY = date(2026, 11, 23)
OPEN = int(session_open_close(MONDAY)[0].timestamp())
CLOSE = int(session_open_close(MONDAY)[1].timestamp())


class MarketClock:
    """Runs with the world's clock from a moment of the market, and can be set forward."""

    def __init__(self, start: float) -> None:
        self._offset = start - time.time()

    def __call__(self) -> float:
        return time.time() + self._offset

    def forward(self, seconds: float) -> None:
        self._offset += seconds


def bar(
    ticker: str, minute: int, price: float = 100.0, *, volume: float = 1_000.0, late: bool = False
) -> MinuteBar:
    """The bar of that minute of MONDAY's session."""
    return MinuteBar(ticker, OPEN + 60 * minute, price, price + 1, price - 1, price + 0.5, volume, late)


@dataclass
class Running:
    """The loop and what surrounds it."""

    service: Service
    engine: Engine
    arrivals: Arrivals

    def feed(self) -> Feed | None:
        with transaction(self.engine) as session:
            row = session.scalars(select(Feed)).one_or_none()
            session.expunge_all()
            return row


@contextmanager
def running_feed(
    engine: Engine,
    root: Path,
    arrivals: Arrivals,
    source: Source,
    backfill: BackFill,
    symbols: Callable[[], Iterable[str]],
    rules: Rules | None = None,
) -> Iterator[Running]:
    """The loop runs for the time of the block; a failure of it fails the test."""
    failures: list[BaseException] = []
    with Service("falcon-feed", engine, beat_seconds=0.2) as service:
        keeper = (
            LiveKeeper(BarStore(root, engine), engine, source.name, source.basis) if source.live else None
        )
        loop = FeedLoop(
            service,
            engine,
            source,
            arrivals,
            Healer(backfill, arrivals, Backoff(first=0.1, most=0.2)),
            lambda _session: dict.fromkeys(symbols(), ("watchlist",)),
            Upkeep(
                service, engine, source.name, keeper, newest_sequence, keep_sessions=5, segment_seconds=600
            ),
            replace(rules or Rules(), symbols_seconds=1.0, state_seconds=0.2),
        )

        def run() -> None:
            try:
                loop.run()
            except BaseException as error:  # noqa: BLE001 - shown in the test's own thread
                failures.append(error)

        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        try:
            yield Running(service, engine, arrivals)
        finally:
            service.stopping.set()
            thread.join(30)
    assert not failures, failures
    assert not thread.is_alive()


Row = tuple[str, int, int, Decimal, Decimal, Decimal, Decimal, Decimal, bool]


def rows(engine: Engine) -> list[Row]:
    """Everything in `live_bars` in order of arrival: ticker, minute of MONDAY's session, revision, o h l c v, late."""
    with transaction(engine) as session:
        return [
            (
                row.ticker, int(row.starts_at.astimezone(UTC).timestamp() - OPEN) // 60, row.revision,
                row.open, row.high, row.low, row.close, row.volume, row.late,
            )
            for row in session.scalars(select(LiveBar).order_by(LiveBar.sequence))
        ]  # fmt: skip


def minutes(engine: Engine, ticker: str) -> list[int]:
    """The minutes of MONDAY's session of which the ticker has bars, in order of arrival."""
    return [row[1] for row in rows(engine) if row[0] == ticker]


def notifications(engine: Engine) -> list[str]:
    """The kinds of what people were told."""
    with transaction(engine) as session:
        return list(session.scalars(select(Notification.kind).order_by(Notification.id)))


def moment(seconds: int) -> datetime:
    """Seconds since the epoch as UTC."""
    return datetime.fromtimestamp(seconds, UTC)
