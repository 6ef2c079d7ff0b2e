"""Puts the feed together as the settings say."""

import time

from pydantic import SecretStr
from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.bars.flat_files import BadCredentials
from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.bars.store import BarStore, NoBars
from falcon_pipelines.bars.watchlist import AlpacaFeed
from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.errors import InputError
from falcon_pipelines.services.service import Service
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.feed.alpaca_stream import AlpacaStream
from falcon_pipelines.trading.feed.arrivals import Arrivals
from falcon_pipelines.trading.feed.backfill import AlpacaBackFill, MassiveBackFill, StoredBackFill
from falcon_pipelines.trading.feed.healing import Healer
from falcon_pipelines.trading.feed.loop import FeedLoop, Rules
from falcon_pipelines.trading.feed.massive_stream import MassiveStream
from falcon_pipelines.trading.feed.replay import Replay
from falcon_pipelines.trading.feed.segments import LiveKeeper
from falcon_pipelines.trading.feed.sources import BackFill, Source
from falcon_pipelines.trading.feed.symbols import MostTraded, wanted_symbols, watched
from falcon_pipelines.trading.feed.table import newest_sequence, read_feed, worked_through
from falcon_pipelines.trading.feed.upkeep import Upkeep

REPLAY_LEAD = 50_000
"""So many bars a replay may be ahead of the slowest account."""
MINUTES_SECONDS = 5.0
"""How often a replay looks whether there are minutes by now."""


class NoFeed(InputError):
    """The settings name no source of live bars."""


def require_feed(settings: Settings) -> None:
    """Raises NoFeed when the settings name no source."""
    if settings.feed == "off":
        raise NoFeed("FALCON_FEED is off: set it to replay, massive or alpaca")


def feed_from_settings(
    settings: Settings, engine: Engine, service: Service, *, stop_when_finished: bool = False
) -> FeedLoop:
    """The feed's loop, not yet running.

    Raises NoFeed, BadCredentials, NoBars, DatabaseUnavailable, and what opening the bar store raises.
    """
    require_feed(settings)
    arrivals = Arrivals(settings.feed_buffer_bars)
    store = BarStore(settings.market_data, engine)
    source, backfill = _source(settings, engine, arrivals, store)
    keeper = LiveKeeper(store, engine, source.name, source.basis) if source.live else None
    liquid, watchlist = MostTraded(store), watched(settings.watchlist)

    def symbols(session: Session) -> dict[str, tuple[str, ...]]:
        return wanted_symbols(session, watchlist, liquid)

    return FeedLoop(
        service,
        engine,
        source,
        arrivals,
        Healer(backfill, arrivals),
        symbols,
        Upkeep(
            service, engine, source.name, keeper, worked_through, keep_sessions=settings.feed_keep_sessions
        ),
        Rules(
            stale_seconds=settings.feed_stale_seconds,
            everything=settings.feed_symbols == "all",
            stop_when_finished=stop_when_finished,
        ),
    )


def feed_of_first_minutes(settings: Settings, engine: Engine, service: Service) -> FeedLoop | None:
    """As `feed_from_settings`, where a replay of a store without minutes waits for the first ones, and says so.

    None when the service has to stop first. A fresh node has no minutes, which is no reason for its feed to fail.
    """
    while True:
        try:
            loop = feed_from_settings(settings, engine, service)
        except NoBars as missing:
            service.trouble("minutes", f"no stored minutes: {missing}")
            service.ready("replay: no stored minutes")
            service.alive()
        else:
            service.trouble("minutes", None)
            return loop
        if service.stopping.wait(MINUTES_SECONDS):
            return None


def _source(
    settings: Settings, engine: Engine, arrivals: Arrivals, store: BarStore
) -> tuple[Source, BackFill]:
    if settings.feed == "replay":
        replay = Replay(
            store,
            arrivals,
            start=settings.feed_replay_start,
            end=settings.feed_replay_end,
            speed=settings.feed_replay_speed,
            resume_at=_resume_at(engine),
            room=ReadersKeepUp(engine),
        )
        return replay, StoredBackFill(replay.stored)
    if settings.feed == "massive":
        key = _secret(settings.massive_api_key)
        rest = MassiveRest(key, settings.massive_endpoint)
        return MassiveStream(key, arrivals, socket=settings.massive_socket), MassiveBackFill(rest)
    keys = _secret(settings.alpaca_key_id), _secret(settings.alpaca_secret_key)
    if not all(keys):
        raise BadCredentials("no Alpaca keys: set FALCON_ALPACA_KEY_ID and FALCON_ALPACA_SECRET_KEY")
    data = AlpacaFeed(*keys, endpoint=settings.alpaca_endpoint, basis=settings.alpaca_feed)
    stream = AlpacaStream(*keys, arrivals, basis=settings.alpaca_feed, socket=settings.alpaca_socket)
    return stream, AlpacaBackFill(data)


class ReadersKeepUp:
    """Whether the traders are at most REPLAY_LEAD bars behind; asked at most a few times a second."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._answer = True
        self._ask_at = 0.0

    def __call__(self) -> bool:
        if time.monotonic() >= self._ask_at:
            try:
                with transaction(self._engine) as session:
                    lag = newest_sequence(session) - worked_through(session)
            except DatabaseUnavailable:
                lag = 0
            self._answer = lag <= REPLAY_LEAD
            self._ask_at = time.monotonic() + 0.2
        return self._answer


def _resume_at(engine: Engine) -> int | None:
    """The minute a former replay got to: it is played again, because it may have been cut."""
    with transaction(engine) as session:
        row = read_feed(session, Replay.name)
    return None if row is None or row.last_bar_at is None else int(row.last_bar_at.timestamp())


def _secret(value: SecretStr | None) -> str:
    return value.get_secret_value() if value else ""
