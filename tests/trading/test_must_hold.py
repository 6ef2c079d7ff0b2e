"""The scenarios that the paper account must get right, with the inputs they are known by and with others, in PostgreSQL."""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine

from falcon_pipelines.db.engine import database_engine
from tests.trading.panels import days, flat
from tests.trading.stored_accounts import stored
from tests.trading.test_replay import D1, D2, buy, sell

Prices = Sequence[float]


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    made = database_engine(database_url)
    yield made
    made.dispose()


@pytest.mark.parametrize(
    ("shares", "entry", "stop", "bar", "price", "cash", "profit"),
    [
        (100, 100, 95, (90, 93, 88, 92), 90, 9_000, -1_000),
        (200, 50, 47, (40, 41, 39, 40), 40, 8_000, -2_000),
        (1_000, 0.8, 0.75, (0.7012, 0.71, 0.6, 0.65), 0.7012, 9_901.2, -98.8),
        (100, 100, 95, (99, 99, 94, 96), 95, 9_500, -500),
        (10, 20, 19.5, (19.5, 20, 19, 19.8), 19.5, 9_995, -5),
    ],
    ids=["as known", "other", "penny", "reached inside the bar", "opens at the stop"],
)
def test_a_stop_sells_at_the_open_below_it_or_at_its_price(
    engine: Engine,
    shares: int,
    entry: float,
    stop: float,
    bar: Prices,
    price: float,
    cash: float,
    profit: float,
) -> None:
    found = stored(engine, days([flat(entry), bar]), buy(shares, protect={"stop": stop}))
    assert found.fills == [("in", "buy", shares, entry), ("in.stop", "sell", shares, price)]
    assert (float(found.cash), float(found.realised)) == (cash, profit)
    assert found.held == {}


@pytest.mark.parametrize(
    ("bps", "bought", "open_", "sold"),
    [(10, 100.1, 90, 89.91), (10, 100.1, 40, 39.96), (25, 100.25, 80, 79.8), (0, 100, 90, 90)],
)
def test_slippage_is_against_the_account_on_both_sides(
    engine: Engine, bps: float, bought: float, open_: float, sold: float
) -> None:
    bars = days([flat(100), (open_, open_ + 3, open_ - 2, open_)])
    found = stored(engine, bars, buy(50, protect={"stop": 95}), costs={"slippage_bps": bps})
    assert [fill[3] for fill in found.fills] == [bought, sold]


@pytest.mark.parametrize(
    ("entry", "stop", "target", "bar"),
    [
        (100, 95, 105, (100, 106, 94, 100)),
        (50, 48, 55, (51, 56, 47, 52)),
        (0.5, 0.45, 0.6, (0.5, 0.61, 0.44, 0.6)),
        (80, 79.99, 80.01, (80, 80.02, 79.98, 80)),
    ],
)
def test_a_bar_that_reaches_stop_and_target_takes_the_stop_once_and_says_so(
    engine: Engine, entry: float, stop: float, target: float, bar: Prices
) -> None:
    bars = days([flat(entry), bar, flat(target * 1.1)])
    found = stored(engine, bars, buy(100, protect={"stop": stop, "target": target}))
    assert found.fills[1:] == [("in.stop", "sell", 100, stop)]
    assert found.flags == {"in": [], "in.stop": ["ambiguous"]}
    assert found.orders["in.target"].status == "cancelled"


@pytest.mark.parametrize(
    ("limit", "bar", "price"),
    [
        (98, (99, 100, 98.00, 99), None),
        (98, (99, 100, 97.99, 99), 98),
        (98, (97, 100, 96, 99), 97),
        (20, (20.5, 21, 20, 20.2), None),
        (20, (20.5, 21, 19.9999, 20.2), 20),
        (20, (19.5, 21, 19, 20), 19.5),
        (0.9, (0.91, 0.95, 0.8999, 0.9), 0.9),
    ],
)
def test_a_limit_fills_only_when_traded_through(
    engine: Engine, limit: float, bar: Prices, price: float | None
) -> None:
    found = stored(engine, days([bar]), buy(10, type="limit", limit=limit))
    assert [fill[3] for fill in found.fills] == ([] if price is None else [price])


@pytest.mark.parametrize(
    ("percent", "high", "bar", "price"),
    [
        (10, 120, (118, 119, 107, 110), 108),
        (5, 200, (195, 196, 189, 190), 190),
        (10, 120, (105, 106, 104, 105), 105),
        (20, 150, (140, 160, 121, 150), None),
        (2.5, 104, (103, 103.5, 101, 102), 101.4),
    ],
    ids=["as known", "other", "gapped through", "not reached, high of the bar itself", "fraction"],
)
def test_a_trailing_stop_follows_the_high_of_completed_bars(
    engine: Engine, percent: float, high: float, bar: Prices, price: float | None
) -> None:
    bars = days([flat(100), (100, high, 99, high - 1), bar])
    found = stored(engine, bars, buy(10, protect={"trail_pct": percent}))
    assert [fill[3] for fill in found.fills[1:]] == ([] if price is None else [price])


@pytest.mark.parametrize(
    ("share", "wanted", "volumes", "filled"),
    [
        (0.10, 5_000, (12_000, 20_000, 30_000), [1_200, 2_000, 1_800]),
        (0.05, 700, (4_000, 8_000, 10_000), [200, 400, 100]),
        (0.25, 10, (3, 20, 100), [5, 5]),
        (0.10, 100, (999, 0, 5), [99]),
    ],
)
def test_no_more_is_filled_than_the_share_of_a_bars_volume(
    engine: Engine, share: float, wanted: int, volumes: Sequence[int], filled: list[int]
) -> None:
    bars = days([(*flat(1), volume) for volume in volumes])
    found = stored(engine, bars, buy(wanted), limits={"volume_share": share})
    assert [fill[2] for fill in found.fills] == filled
    assert found.orders["in"].status == ("filled" if sum(filled) == wanted else "open")


@pytest.mark.parametrize(
    ("ratio", "shares", "price", "stop", "after", "at", "stop_after", "cash"),
    [
        (4, 105, 80, 72, 420, 20, 18, 1_600),
        (7, 10, 70, 63, 70, 10, 9, 9_300),
        (1.5, 101, 60, 54, 151, 40, 36, 3_960),
        (0.1, 105, 2, 1.5, 10, 20, 15, 9_800),
        (20, 3, 2_000, 1_800, 60, 100, 90, 4_000),
    ],
    ids=["as known", "7:1", "3:2 with a fraction", "1:10 with a fraction", "20:1"],
)
def test_a_split_changes_shares_cost_and_stop_but_makes_no_profit(
    engine: Engine,
    ratio: float,
    shares: int,
    price: float,
    stop: float,
    after: int,
    at: float,
    stop_after: float,
    cash: float,
) -> None:
    found = stored(
        engine,
        days([flat(price), flat(at)]),
        buy(shares, protect={"stop": stop}),
        actions=[{"at": D2, "ticker": "X", "split": ratio}],
    )
    quantity, cost = found.held["X"]
    resting = found.orders["in.stop"]
    assert (quantity, float(cost) / quantity) == (after, at)
    assert (int(resting.quantity), float(resting.stop or 0)) == (after, stop_after)
    assert (float(found.realised), float(found.cash)) == (0, cash)


@pytest.mark.parametrize(
    ("shares", "more"),
    [
        (100, {}),
        (1, {}),
        (40, {"type": "limit", "limit": 90}),
        (40, {"type": "stop", "stop": 110}),
        (40, {"type": "trailing", "trail_pct": 5}),
        (40, {"type": "stop_limit", "stop": 110, "limit": 90}),
    ],
)
def test_nothing_is_sold_that_is_not_held(engine: Engine, shares: int, more: dict[str, Any]) -> None:
    found = stored(engine, days([flat(100), (100, 150, 50, 100)]), sell(shares, at=D1, **more))
    assert (found.fills, found.cash) == ([], 10_000)
    assert "no position" in found.reason("out")


@pytest.mark.parametrize(("held", "asked"), [(100, 101), (1, 5_000)])
def test_no_more_is_sold_than_is_held(engine: Engine, held: int, asked: int) -> None:
    found = stored(engine, days([flat(50), flat(50)]), buy(held), sell(asked))
    assert [fill[0] for fill in found.fills] == ["in"]
    assert "more than is held" in found.reason("out")


@pytest.mark.parametrize(
    ("count", "shares", "price", "filled", "cash"),
    [(3, 100, 50, 2, 0), (5, 30, 80, 4, 400), (4, 3_333, 1, 3, 1), (2, 101, 100, 0, 10_000)],
)
@pytest.mark.parametrize("kind", ["market", "limit", "stop"])
def test_purchases_together_never_spend_more_than_the_cash(
    engine: Engine, count: int, shares: int, price: float, filled: int, cash: float, kind: str
) -> None:
    levels = {"market": {}, "limit": {"limit": price}, "stop": {"stop": price}}[kind]
    bars = days([(price, price * 1.01, price * 0.99, price)])
    found = stored(engine, bars, *(buy(shares, id=f"b{n}", type=kind, **levels) for n in range(count)))
    assert [fill[0] for fill in found.fills] == [f"b{n}" for n in range(filled)]
    assert found.cash == Decimal(str(cash))
    assert [name for name, order in found.orders.items() if order.status == "rejected"] == [
        f"b{n}" for n in range(filled, count)
    ]


@pytest.mark.parametrize(
    ("ordered", "sessions_from", "filled_on"),
    [
        ("2026-11-27T13:05", date(2026, 11, 25), "2026-11-30"),
        ("2026-11-27T12:59", date(2026, 11, 25), "2026-11-30"),
        ("2026-11-25T16:01", date(2026, 11, 24), "2026-11-27"),
        ("2026-11-26T10:00", date(2026, 11, 24), "2026-11-27"),
        ("2026-12-24T13:30", date(2026, 12, 23), "2026-12-28"),
        ("2026-07-02T16:30", date(2026, 7, 1), "2026-07-06"),
        ("2026-04-02T18:00", date(2026, 4, 1), "2026-04-06"),
    ],
)
def test_an_order_after_the_close_fills_on_the_next_session(
    engine: Engine, ordered: str, sessions_from: date, filled_on: str
) -> None:
    bars = days([flat(10 + n) for n in range(6)], start=sessions_from)
    found = stored(engine, bars, buy(1, at=ordered))
    assert found.filled_on == [filled_on]
    assert datetime.fromisoformat(filled_on).weekday() < 5
