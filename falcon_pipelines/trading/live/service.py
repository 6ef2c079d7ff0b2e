"""`falcon-trader`: the long-running process around the trading desk."""

import logging
import time
from collections.abc import Mapping
from datetime import UTC, datetime

from sqlalchemy import Engine

from falcon_pipelines.bars.calendar import NEW_YORK
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.screening.reference import BadReferenceData, ReferenceSource
from falcon_pipelines.screening.sources import configured_reference
from falcon_pipelines.services.backoff import Backoff
from falcon_pipelines.services.logs import log_json_lines
from falcon_pipelines.services.service import Service
from falcon_pipelines.services.wakeups import Wakeups
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.brokers import Broker, PaperLedger
from falcon_pipelines.trading.live.accounts import LiveAccount
from falcon_pipelines.trading.live.candidate_desk import CandidateDesk
from falcon_pipelines.trading.live.desk import TradingDesk
from falcon_pipelines.trading.live.facts import FactBook, known_tickers
from falcon_pipelines.trading.live.lock import SingleTrader
from falcon_pipelines.trading.live.metrics import Metrics
from falcon_pipelines.trading.live.outbox import Sender, receivers_of
from falcon_pipelines.trading.live.routing import load_routing
from falcon_pipelines.trading.watch import STALE_AFTER, live_state, stale_since, tell_stale

log = logging.getLogger(__name__)

NAME = "falcon-trader"
WAKERS = ("live_bars", "operator_commands", "promotions", "screen_runs", "accounts")
REFRESH_SECONDS = 15.0
REFERENCE_SECONDS = 900.0
"""How old what is known of tickers may get; data that cannot be read are tried again at every refresh."""
IDLE_SECONDS = 1.0
WITHOUT_DATABASE = "resting orders stand as they were and missed bars are made up for"


def run_trader(settings: Settings, database_url: str) -> None:
    """Trade until SIGTERM or Ctrl-C.

    Raises the errors of the settings it reads; whatever happens to the database is waited out.
    """
    log_json_lines()
    routing = load_routing(settings.routing_file)
    reference = configured_reference(settings)
    receivers = receivers_of(settings.notify_urls)
    engine = database_engine(database_url, statement_timeout_ms=30_000)
    store = BarStore(settings.market_data)
    book = FactBook(store, {})
    with Service(
        NAME, engine, host="127.0.0.1", port=settings.trader_port, without_database=WITHOUT_DATABASE
    ) as service:
        desk = TradingDesk(
            engine=engine,
            store=store,
            candidates=CandidateDesk(routing, book),
            make_broker=lambda account: make_broker(settings, engine, account, book.sectors),
            cash=settings.paper_cash_usd,
            broker=settings.broker,
            metrics=Metrics(service.registry),
        )
        sender = Sender(engine, receivers)
        try:
            trade(service, desk, engine, reference)
        finally:
            sender.close()
    engine.dispose()


def make_broker(
    settings: Settings, engine: Engine, account: LiveAccount, sectors: Mapping[str, str]
) -> Broker:
    """The broker that an account was opened with."""
    if account.broker == "alpaca":
        from falcon_pipelines.trading.alpaca_orders import paper_client
        from falcon_pipelines.trading.alpaca_paper import AlpacaPaper

        return AlpacaPaper(engine, account.id, paper_client(settings), sectors)
    return PaperLedger(engine, account.id, sectors)


def trade(service: Service, desk: TradingDesk, engine: Engine, reference: ReferenceSource | None) -> None:
    """The loop: wait for news, take a turn, say that all is well or what is not."""
    wakeups = Wakeups(engine, WAKERS)
    lock = SingleTrader(engine)
    pauses = Backoff(most=5.0)
    refreshed = learned = -REFERENCE_SECONDS
    is_ready = False
    try:
        while not service.stopping.is_set():
            service.alive()
            try:
                if not lock.held():
                    service.trouble("lock", "another trader works on this database; waiting for it to end")
                    service.stopping.wait(2.0)
                    continue
                service.trouble("lock", None)
                now = datetime.now(UTC)
                if time.monotonic() - refreshed >= REFRESH_SECONDS:
                    if time.monotonic() - learned >= REFERENCE_SECONDS and _learn(service, desk, reference):
                        learned = time.monotonic()
                    desk.refresh(now)
                    _look_for_stale(service, desk, engine, now)
                    refreshed = time.monotonic()
                worked = desk.turn(now, service.stopping.is_set)
            except DatabaseUnavailable as error:
                service.database_away(error)
                desk.workers.clear()  # read everything again: what was written last is not known
                refreshed = -REFRESH_SECONDS
                service.stopping.wait(pauses.pause())
                continue
            pauses.reset()
            service.trouble("database", None)
            service.trouble("accounts", desk.troubles)
            service.doing(_doing(desk))
            if not is_ready:
                service.ready(_doing(desk))
                is_ready = True
            if not worked:
                wakeups.wait(IDLE_SECONDS, service.stopping)
    finally:
        lock.release()
        wakeups.close()


def _doing(desk: TradingDesk) -> str:
    held = sum(len(worker.state.books.lots) for worker in desk.workers.values())
    newest = "no live bar yet" if desk.newest_bar is None else f"newest bar {desk.newest_bar:%Y-%m-%dT%H:%MZ}"
    return f"{len(desk.workers)} accounts, {held} positions, {newest}"


def _learn(service: Service, desk: TradingDesk, reference: ReferenceSource | None) -> bool:
    """Read the reference data. Where they cannot be read the last ones hold and trading goes on: no exit needs them."""
    try:
        known = known_tickers(reference, datetime.now(NEW_YORK).date())
    except BadReferenceData as error:
        service.trouble("reference data", str(error))
        return False
    desk.candidates.book.learn(known)
    service.trouble("reference data", None)
    return True


def _look_for_stale(service: Service, desk: TradingDesk, engine: Engine, now: datetime) -> None:
    """Say when bars should come and do not; positions then keep their last price and its time."""
    with transaction(engine) as session:
        since = None if desk.market.replayed is not None else stale_since(live_state(session), now)
        if since is not None:
            tell_stale(session, since)
    service.trouble("bars", None if since is None else f"no live bar since {since:%Y-%m-%dT%H:%MZ}")
    market = desk.market.now(now)
    desk.metrics.stale.set(
        sum(
            market - worker.state.last_bars.get(ticker, market) > STALE_AFTER
            for worker in desk.workers.values()
            for ticker in worker.state.books.lots
        )
    )
