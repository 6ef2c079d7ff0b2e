"""Orders filled by an Alpaca paper account: brackets out, fills in, positions that must agree, never the live API."""

from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy import Engine

from falcon_pipelines.bars.calendar import next_session
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.alpaca_orders import AlpacaNotConfigured, AlpacaUnavailable, paper_client
from falcon_pipelines.trading.alpaca_paper import AlpacaPaper
from falcon_pipelines.trading.live.notices import tell
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, OrderRequest
from falcon_pipelines.trading.reconciliation import reconcile
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.store import create_account
from tests.trading.live.alpaca_server import Exchange, alpaca
from tests.trading.live.bars import MONDAY, minute
from tests.trading.live.books import buy, fills, hand_in, order, told


def settings(url: str, **more: Any) -> Settings:
    keys = {"alpaca_key_id": SecretStr("key"), "alpaca_secret_key": SecretStr("secret")}
    return Settings(home=Path("/nowhere"), alpaca_trading_url=url, **{**keys, **more})


@pytest.fixture
def exchange() -> Iterator[Exchange]:
    with alpaca() as running:
        yield running


class Account:
    """An account at the exchange, worked through minute after minute."""

    def __init__(self, engine: Engine, exchange: Exchange, rules: Rules | None = None) -> None:
        self.engine, self.exchange = engine, exchange
        with transaction(engine) as session:
            self.id = create_account(
                session,
                "at alpaca",
                Decimal(10_000),
                minute(0),
                rules or Rules(),
                live_sequence=0,
                broker="alpaca",
            )
        self.number, self.session = 0, MONDAY
        self.restart()

    def restart(self) -> tuple[str, ...]:
        self.broker = AlpacaPaper(self.engine, self.id, paper_client(settings(self.exchange.url)))
        return self.broker.start()

    def bars(self, price: float | tuple[float, ...], ticker: str = "X") -> Any:
        prices = price if isinstance(price, tuple) else (price,) * 4
        at, self.number = minute(self.number, self.session), self.number + 1
        return self.broker.work_live(
            *(Moment(at, at, self.session), {ticker: Bar(*prices, 1e6)}, self.number, self.number),
            record=tell,
        )

    def submit(self, *orders: Any) -> None:
        hand_in(self.engine, *orders, account="at alpaca")

    def agrees(self) -> bool:
        with transaction(self.engine) as session:
            return reconcile(session, self.id) == () and self.restart() == ()


def test_an_entry_goes_out_as_a_bracket_and_its_fills_come_back(engine: Engine, exchange: Exchange) -> None:
    account = Account(engine, exchange)
    account.submit(buy("in", minute(0), stop=95, target=110))
    account.bars(100)
    sent = exchange.by_client_id("in")
    assert (sent["qty"], sent["type"], sent["order_class"]) == ("10", "market", "bracket")
    assert {k: (o["stop_price"] or o["limit_price"]) for k, o in exchange.legs("in").items()} == {
        "stop": "95.0",
        "target": "110.0",
    }
    exchange.fill(sent, 100.5, 4)
    account.bars(100)
    exchange.fill(sent, 101)
    account.bars(100)
    assert fills(engine) == [("in", 4, 100.5, ("alpaca",)), ("in", 6, 101.0, ("alpaca",))]
    exchange.fill(exchange.legs("in")["target"], 110.2)
    outcome = account.bars(109)
    assert fills(engine)[-1] == ("in.target", 10, 110.2, ("alpaca",))
    assert order(engine, "in.stop").status == "cancelled"
    assert outcome.state.books.realised == Decimal("94.0")
    assert account.agrees()


def test_a_trailing_stop_moves_the_leg_and_an_edited_one_too(engine: Engine, exchange: Exchange) -> None:
    account = Account(engine, exchange)
    account.submit(buy("in", minute(0), stop=90, protect={"trail_pct": 5.0}))
    account.bars(100)
    assert exchange.legs("in")["stop"]["stop_price"] == "95.0"
    exchange.fill(exchange.by_client_id("in"), 100)
    account.bars(100)
    account.bars((100, 120, 100, 118))
    account.bars(118)
    assert exchange.legs("in")["stop"]["stop_price"] == "114.0"
    with transaction(engine) as session:
        request_command(session, account.id, "edit_stop", "ann", target="in.stop", stop=Decimal(116))
    account.broker.act(Moment(minute(5), minute(5), MONDAY))
    assert exchange.legs("in")["stop"]["stop_price"] == "116.0"


def test_flatten_releases_the_shares_and_sells_them(engine: Engine, exchange: Exchange) -> None:
    account = Account(engine, exchange)
    account.submit(buy("in", minute(0), stop=90))
    account.bars(100)
    exchange.fill(exchange.by_client_id("in"), 100)
    account.bars(100)
    with transaction(engine) as session:
        request_command(session, account.id, "flatten", "ann")
    account.broker.act(Moment(minute(3), minute(3), MONDAY))
    selling = [o for o in exchange.orders.values() if o["side"] == "sell" and o["type"] == "market"]
    assert [(o["qty"], o["status"]) for o in selling] == [("10", "new")]
    assert exchange.legs("in") == {}
    exchange.fill(selling[0], 99)
    account.bars(99)
    assert fills(engine)[-1][1:3] == (10, 99.0)
    assert account.agrees()


def selling_at_market(order: dict[str, Any]) -> bool:
    return bool(order["side"] == "sell" and order["type"] == "market")


def held_with_a_bracket(engine: Engine, exchange: Exchange, **protect: Any) -> Account:
    """Ten shares bought at 100 whose exits rest at Alpaca."""
    account = Account(engine, exchange)
    account.submit(buy("in", minute(0), stop=90, target=120, protect=protect))
    account.bars(100)
    exchange.fill(exchange.by_client_id("in"), 100)
    account.bars(100)
    return account


def command(engine: Engine, account: Account, name: str, target: str | None = None) -> None:
    with transaction(engine) as session:
        request_command(session, account.id, name, "ann", target=target)
    account.broker.act(Moment(minute(account.number), minute(account.number), MONDAY), record=tell)


@pytest.mark.parametrize(("name", "target"), [("flatten", None), ("close", "X")])
def test_a_sale_that_alpaca_refuses_leaves_the_position_protected(
    engine: Engine, exchange: Exchange, name: str, target: str | None
) -> None:
    account = held_with_a_bracket(engine, exchange)
    exchange.refuse, exchange.refused = "the market is halted", selling_at_market
    command(engine, account, name, target)
    assert exchange.protection("X") == [("limit", "120.0", "10"), ("stop", "90.0", "10")]
    assert told(engine, "reject")[0].startswith(f"Refused: at alpaca:{name}:X")
    assert told(engine, "stop") == ["X: protected again at Alpaca"]
    account.bars(100)
    account.restart()
    account.bars(100)
    assert len(exchange.protection("X")) == 2
    assert told(engine, "stop") == ["X: protected again at Alpaca"]
    stop = next(o for o in exchange.orders.values() if o["type"] == "stop" and o["status"] == "new")
    exchange.fill(stop, 89.5)
    account.bars(89)
    assert fills(engine)[-1] == ("in.stop", 10, 89.5, ("alpaca",))
    assert exchange.protection("X") == []
    assert account.agrees()


def test_protection_that_was_sent_again_is_moved_released_and_sent_again_like_any(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange)
    exchange.refuse, exchange.refused = "the market is halted", selling_at_market
    command(engine, account, "flatten")
    with transaction(engine) as session:
        request_command(session, account.id, "edit_stop", "ann", target="in.stop", stop=Decimal(95))
    command(engine, account, "flatten")
    assert exchange.protection("X") == [("limit", "120.0", "10"), ("stop", "95.0", "10")]
    assert exchange.by_client_id("in.again2")["status"] == "new"
    assert exchange.by_client_id("in.again1")["status"] == "canceled"
    exchange.refuse = None
    command(engine, account, "flatten")
    selling = [o for o in exchange.orders.values() if selling_at_market(o)]
    assert exchange.protection("X") == []
    exchange.fill(selling[0], 101)
    account.bars(101)
    assert fills(engine)[-1][1:3] == (10, 101.0)
    assert account.agrees()


def test_what_a_leg_had_sold_before_it_was_released_is_not_protected_twice(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange)
    exchange.fill(exchange.legs("in")["target"], 120, 4)
    account.bars(119)
    exchange.refuse, exchange.refused = "the market is halted", selling_at_market
    command(engine, account, "flatten")
    assert exchange.protection("X") == [("limit", "120.0", "6"), ("stop", "90.0", "6")]
    exchange.fill(exchange.by_client_id("in.again1"), 121)
    account.bars(121)
    assert fills(engine)[1:] == [
        ("in.target", 4, 120.0, ("alpaca",)),
        ("in.target", 6, 121.0, ("alpaca",)),
    ]
    assert account.agrees()


def test_protection_that_alpaca_refuses_too_is_said_and_tried_on_every_bar(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange)
    exchange.refuse, exchange.refused = "the account is locked", lambda order: bool(order["side"] == "sell")
    command(engine, account, "flatten")
    account.bars(100)
    assert told(engine, "reject")[1:] == ["Refused: in.again1"]
    assert exchange.protection("X") == []
    exchange.refuse = None
    account.bars(100)
    assert exchange.protection("X") == [("limit", "120.0", "10"), ("stop", "90.0", "10")]


def test_legs_that_somebody_cancelled_at_alpaca_are_sent_again_while_shares_are_held(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange)
    for leg in exchange.legs("in").values():
        leg["status"] = "canceled"
    account.bars(100)
    assert exchange.protection("X") == [("limit", "120.0", "10"), ("stop", "90.0", "10")]


def test_shares_beside_a_resting_sale_stay_protected_and_all_are_once_it_is_cancelled(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange)
    account.submit(OrderRequest("part", minute(0), "X", "sell", "limit", 4, limit=Decimal(130)))
    account.bars(100)
    assert exchange.protection("X") == [
        ("limit", "120.0", "6"),
        ("limit", "130.0", "4"),
        ("stop", "90.0", "6"),
    ]
    command(engine, account, "cancel", "part")
    account.bars(100)
    assert exchange.protection("X") == [
        ("limit", "120.0", "4"),
        ("limit", "120.0", "6"),
        ("stop", "90.0", "4"),
        ("stop", "90.0", "6"),
    ]
    for name in ("in.again1", "in.again2"):
        exchange.fill(exchange.by_client_id(name), 120)
    account.bars(120)
    assert fills(engine)[-1] == ("in.target", 10, 120.0, ("alpaca",))
    assert account.agrees()


def test_an_exit_that_an_operator_cancels_goes_at_alpaca_and_the_others_stay(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange)
    command(engine, account, "cancel", "in.target")
    assert exchange.protection("X") == [("stop", "90.0", "10")]
    account.bars(100)
    assert exchange.protection("X") == [("stop", "90.0", "10")]
    command(engine, account, "cancel", "in.stop")
    assert exchange.protection("X") == []
    assert account.agrees()


def test_a_time_exit_that_alpaca_refuses_leaves_the_position_protected_and_is_tried_the_next_session(
    engine: Engine, exchange: Exchange
) -> None:
    account = held_with_a_bracket(engine, exchange, max_bars=2)
    exchange.refuse, exchange.refused = "the market is halted", selling_at_market
    for _ in range(3):
        account.bars(100)
    assert told(engine, "reject") == ["Refused: in.time"]
    assert exchange.protection("X") == [("limit", "120.0", "10"), ("stop", "90.0", "10")]
    exchange.refuse = None
    account.bars(100)
    assert not [o for o in exchange.orders.values() if selling_at_market(o)]
    account.session = next_session(MONDAY)
    account.bars(100)
    exchange.fill(exchange.by_client_id("in.time"), 99)
    account.bars(99)
    assert fills(engine)[-1] == ("in.time", 10, 99.0, ("alpaca",))
    assert account.agrees()


def test_sending_twice_after_a_crash_places_one_order_and_books_a_fill_once(
    engine: Engine, exchange: Exchange
) -> None:
    account = Account(engine, exchange)
    account.submit(buy("in", minute(0)))
    account.bars(100)
    account.restart()
    account.bars(100)
    assert len(exchange.orders) == 1
    exchange.fill(exchange.by_client_id("in"), 100)
    assert account.restart() == ()  # fills made while the trader was away are booked first
    account.bars(100)
    assert len(fills(engine)) == 1


def test_positions_that_do_not_agree_are_found_at_the_start(engine: Engine, exchange: Exchange) -> None:
    account = Account(engine, exchange)
    exchange.positions["GME"] = 7
    assert account.restart() == ("GME: Alpaca holds 7, the ledger 0",)


def test_what_alpaca_or_risk_refuses_is_refused_here(engine: Engine, exchange: Exchange) -> None:
    account = Account(engine, exchange, Rules(limits=Limits(max_positions=1)))
    exchange.refuse = "insufficient day trading buying power"
    account.submit(buy("in", minute(0)))
    account.bars(100)
    assert order(engine, "in").reason == "Alpaca refused it: insufficient day trading buying power"
    assert told(engine, "reject") == ["Refused: in"]
    exchange.refuse = None
    account.submit(buy("rich", minute(1), quantity=101), buy("one", minute(1)), buy("two", minute(1), "Y"))
    account.bars(100)
    account.bars(50, "Y")
    assert order(engine, "rich").reason == "not enough cash: 10,100.00 dollars are needed, 10,000.00 are free"
    assert order(engine, "two").reason == "max_positions: 1 are held or ordered already"
    assert [o["client_order_id"] for o in exchange.orders.values()] == ["one"]


def test_alpaca_out_of_reach_is_said_and_nothing_is_lost(engine: Engine, exchange: Exchange) -> None:
    account = Account(engine, exchange)
    account.submit(buy("in", minute(0)))
    right = account.broker
    account.broker = AlpacaPaper(engine, account.id, paper_client(settings("http://127.0.0.1:9")))
    with pytest.raises(AlpacaUnavailable, match="not reached"):
        account.bars(100)
    account.broker = right
    account.bars(100)
    assert exchange.by_client_id("in")["qty"] == "10"


@pytest.mark.parametrize(
    "url",
    [
        "https://api.alpaca.markets",
        "http://paper-api.alpaca.markets",
        "https://paper-api.alpaca.markets.evil.example",
    ],
)
def test_only_the_paper_api_is_ever_traded_at(url: str) -> None:
    with pytest.raises(AlpacaNotConfigured, match="only https://paper-api"):
        paper_client(settings(url))
    with pytest.raises(AlpacaNotConfigured, match="FALCON_ALPACA_KEY_ID"):
        paper_client(settings("https://paper-api.alpaca.markets", alpaca_key_id=None))
