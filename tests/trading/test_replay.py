"""Order scripts over bars give the fills, cash and positions that the fill rules and the ledger promise."""

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.trading.errors import CannotTrade
from falcon_pipelines.trading.replay import replay
from falcon_pipelines.trading.report import replay_document
from falcon_pipelines.trading.script import parse_script
from tests.trading.panels import days, flat, minutes, panel

D1, D2, D3, D4, D5 = (f"2026-11-0{day}" for day in range(2, 7))


def run(bars: Panel, *orders: dict[str, Any], cash: float = 10_000, **script: Any) -> dict[str, Any]:
    document = {"cash": cash, "orders": list(orders), **script}
    return replay_document(replay(parse_script(document), bars))


def buy(quantity: int = 100, at: str = D1, id: str = "in", **more: Any) -> dict[str, Any]:  # noqa: A002
    return {"id": id, "at": at, "ticker": "X", "side": "buy", "type": "market", "quantity": quantity, **more}


def sell(quantity: int = 100, at: str = D2, id: str = "out", **more: Any) -> dict[str, Any]:  # noqa: A002
    return {"id": id, "at": at, "ticker": "X", "side": "sell", "type": "market", "quantity": quantity, **more}


def fills(result: dict[str, Any]) -> list[tuple[str, str, int, float]]:
    return [(f["order"], f["side"], f["quantity"], float(f["price"])) for f in result["fills"]]


def order(result: dict[str, Any], name: str) -> dict[str, Any]:
    return next(row for row in result["orders"] if row["id"] == name)


def test_stop_gapped_through_fills_at_the_open() -> None:
    result = run(days([flat(100), (90, 93, 88, 92)]), buy(protect={"stop": 95}))
    assert fills(result) == [("in", "buy", 100, 100.0), ("in.stop", "sell", 100, 90.0)]
    assert result["cash"] == 9_000
    assert result["realised"] == -1_000
    assert result["positions"] == []


def test_slippage_is_against_the_seller_and_the_buyer() -> None:
    bars = days([flat(100), (90, 93, 88, 92)])
    result = run(bars, buy(protect={"stop": 95}), cash=20_000, costs={"slippage_bps": 10})
    assert fills(result) == [("in", "buy", 100, 100.1), ("in.stop", "sell", 100, 89.91)]


def test_limit_orders_do_not_slip() -> None:
    result = run(days([(99, 101, 97, 100)]), buy(type="limit", limit=98), costs={"slippage_bps": 10})
    assert fills(result) == [("in", "buy", 100, 98.0)]


def test_fees_are_part_of_the_cost_and_of_the_profit() -> None:
    result = run(days([flat(10), flat(11)]), buy(), sell(), costs={"fee_bps": 10})
    assert [float(f["fee"]) for f in result["fills"]] == [1.0, 1.1]
    assert float(result["realised"]) == pytest.approx(97.9)
    assert float(result["cash"]) == pytest.approx(10_097.9)


@pytest.mark.parametrize("first", [flat(100), (100, 106, 94, 100)], ids=["held", "entry bar"])
def test_stop_and_target_in_one_bar_take_the_stop_and_say_so(first: Sequence[float]) -> None:
    bars = days([first, (100, 106, 94, 100), flat(106)])
    result = run(bars, buy(protect={"stop": 95, "target": 105}))
    assert fills(result)[1:] == [("in.stop", "sell", 100, 95.0)]
    assert result["fills"][1]["flags"] == ["ambiguous"]
    assert order(result, "in.target")["status"] == "cancelled"


@pytest.mark.parametrize(
    ("bar", "price"),
    [((99, 100, 98.00, 99), None), ((99, 100, 97.99, 99), 98.0), ((97, 100, 96, 99), 97.0)],
    ids=["touched", "traded through", "better open"],
)
def test_limit_fills_only_when_traded_through(bar: Sequence[float], price: float | None) -> None:
    result = run(days([bar]), buy(type="limit", limit=98))
    assert [f[3] for f in fills(result)] == ([] if price is None else [price])


@pytest.mark.parametrize("way", ["protect", "order"])
def test_trailing_stop_follows_completed_bars_only(way: str) -> None:
    bars = days([(100, 101, 99, 100), (110, 120, 108, 119), (118, 119, 107, 110)])
    if way == "protect":
        result = run(bars, buy(protect={"trail_pct": 10}))
    else:
        result = run(bars, buy(), sell(at=D2, type="trailing", trail_pct=10))
    assert fills(result)[1][2:] == (100, 108.0)


def test_trailing_stop_is_not_raised_by_the_bar_that_ends_it() -> None:
    result = run(days([flat(100), (100, 130, 99, 118)]), buy(protect={"trail_pct": 10}))
    assert len(result["fills"]) == 1
    assert result["positions"][0]["orders"][0]["stop"] == Decimal("117")


def test_orders_take_at_most_a_tenth_of_a_bars_volume_and_the_rest_stays_open() -> None:
    bars = days([(*flat(1), volume) for volume in (12_000, 20_000, 30_000)])
    result = run(bars, buy(5_000))
    assert [f[2] for f in fills(result)] == [1_200, 2_000, 1_800]
    assert order(result, "in")["status"] == "filled"


def test_volume_cap_can_be_set_or_switched_off() -> None:
    bars = days([(*flat(1), 12_000)])
    assert fills(run(bars, buy(5_000), limits={"volume_share": 0.25}))[0][2] == 3_000
    assert fills(run(bars, buy(5_000), limits={"volume_share": None}))[0][2] == 5_000


def test_protective_orders_cover_what_has_filled_and_end_the_entry() -> None:
    bars = days([(*flat(10), 1_000), (10, 10, 8, 9, 50_000), flat(9)])
    result = run(bars, buy(500, protect={"stop": 9}))
    assert fills(result) == [
        ("in", "buy", 100, 10.0),
        ("in", "buy", 400, 10.0),
        ("in.stop", "sell", 500, 9.0),
    ]
    early = run(days([(*flat(10), 1_000), (8, 10, 8, 9, 500), flat(9)]), buy(500, protect={"stop": 9}))
    assert early["positions"] == []
    assert order(early, "in")["status"] == "cancelled"


def test_a_stop_that_the_volume_did_not_allow_sells_the_rest_at_the_next_open() -> None:
    bars = days([flat(10), (10, 10, 8, 9, 400), (9.5, 12, 9, 11)])
    result = run(bars, buy(100, protect={"stop": 9, "target": 11}))
    assert fills(result)[1:] == [("in.stop", "sell", 40, 9.0), ("in.stop", "sell", 60, 9.5)]
    assert order(result, "in.target")["reason"] == "in.stop was triggered"


def test_split_changes_quantity_cost_and_resting_prices_but_not_the_profit() -> None:
    result = run(
        days([flat(80), flat(20)]),
        buy(105, protect={"stop": 72}),
        actions=[{"at": D2, "ticker": "X", "split": 4}],
    )
    (position,) = result["positions"]
    assert (position["quantity"], position["cost"], position["cost_per_share"]) == (420, 8_400, 20)
    assert position["orders"][0]["stop"] == 18
    assert position["orders"][0]["quantity"] == 420
    assert result["realised"] == result["unrealised"] == 0
    assert result["equity"] == 10_000


def test_reverse_split_pays_fractions_in_cash_at_the_last_price() -> None:
    result = run(
        days([flat(2), flat(20), flat(20)]),
        buy(105, protect={"stop": 1.5}),
        actions=[{"at": D2, "ticker": "X", "split": 0.1}],
    )
    (position,) = result["positions"]
    assert (position["quantity"], position["cost"]) == (10, 200)
    assert position["orders"][0]["stop"] == 15
    assert result["cash"] == 10_000 - 210 + 10
    assert result["realised"] == 0


def test_a_third_means_one_for_three() -> None:
    bars = days([flat(2), flat(6)])
    result = run(bars, buy(300), actions=[{"at": D2, "ticker": "X", "split": 0.3333}])
    assert result["positions"][0]["quantity"] == 100
    assert result["equity"] == 10_000


def test_an_order_from_before_a_split_rests_at_the_split_price() -> None:
    bars = days([flat(80), (20, 20, 17, 18)])
    actions = [{"at": D2, "ticker": "X", "split": 4}]
    result = run(bars, buy(100, at=f"{D1}T16:30", type="limit", limit=72), actions=actions)
    assert fills(result) == [("in", "buy", 400, 18.0)]
    after = run(bars, buy(100, at=D2, type="limit", limit=18), actions=actions)
    assert fills(after) == [("in", "buy", 100, 18.0)]


def test_dividend_is_receivable_on_the_ex_date_and_cash_on_the_pay_date() -> None:
    bars = days([flat(50), flat(50), flat(50), flat(50)])
    dividend = [{"at": D2, "ticker": "X", "dividend": 0.25, "pay": D4}]
    before = run(days([flat(50), flat(50), flat(50)]), buy(), actions=dividend)
    assert (before["receivables"], before["cash"], before["equity"]) == (25, 5_000, 10_025)
    paid = run(bars, buy(), actions=dividend)
    assert (paid["receivables"], paid["cash"], paid["settled_cash"]) == (0, 5_025, 5_025)
    assert paid["dividends"] == 25
    late = run(bars, buy(at=D2), actions=dividend)
    assert late["equity"] == 10_000


def test_who_sold_on_the_ex_date_still_gets_the_dividend() -> None:
    bars = days([flat(50)] * 4)
    result = run(bars, buy(), sell(at=D2), actions=[{"at": D2, "ticker": "X", "dividend": 1, "pay": D4}])
    assert result["cash"] == 10_100


def test_sale_without_a_position_is_refused() -> None:
    result = run(days([flat(100)]), sell(at=D1))
    assert result["fills"] == []
    assert result["cash"] == 10_000
    assert [row["order"] for row in result["rejections"]] == ["out"]
    assert "no position" in result["rejections"][0]["reason"]


@pytest.mark.parametrize("kind", ["stop", "limit", "trailing"])
def test_resting_sale_without_a_position_is_refused(kind: str) -> None:
    prices = {"stop": {"stop": 90}, "limit": {"limit": 110}, "trailing": {"trail_pct": 5}}[kind]
    result = run(days([flat(100), (100, 200, 50, 100)]), sell(at=D1, type=kind, **prices))
    assert result["fills"] == []
    assert len(result["rejections"]) == 1


def test_more_than_is_held_is_not_sold() -> None:
    result = run(days([flat(50), flat(50)]), buy(100), sell(150))
    assert len(result["fills"]) == 1
    assert "more than is held" in result["rejections"][0]["reason"]


def test_two_sales_of_one_position_sell_it_once() -> None:
    result = run(days([flat(50), flat(50)]), buy(100), sell(), sell(id="again"))
    assert [f[0] for f in fills(result)] == ["in", "out"]
    assert [row["order"] for row in result["rejections"]] == ["again"]


@pytest.mark.parametrize("kind", ["market", "limit", "stop"])
def test_concurrent_buys_beyond_cash_are_refused(kind: str) -> None:
    prices = {"market": {}, "limit": {"limit": 50}, "stop": {"stop": 50}}[kind]
    bars = days([(50, 51, 49, 50)])
    result = run(bars, *(buy(id=name, type=kind, **prices) for name in "abc"))
    assert [f[0] for f in fills(result)] == ["a", "b"]
    assert [row["order"] for row in result["rejections"]] == ["c"]
    assert result["cash"] == 0


def test_cash_kept_for_a_resting_order_is_not_spent_twice() -> None:
    bars = days([flat(50), (50, 51, 30, 50)])
    result = run(bars, buy(150, id="rest", type="limit", limit=40), buy(150, id="now", at=D2))
    assert [row["order"] for row in result["rejections"]] == ["now"]
    assert fills(result) == [("rest", "buy", 150, 40.0)]


def test_cancelling_gives_the_reserved_cash_back() -> None:
    bars = days([flat(50), flat(50)])
    result = run(
        bars,
        buy(150, id="rest", type="limit", limit=40),
        {"id": "c", "at": D2, "cancel": "rest"},
        buy(150, id="now", at=D2),
    )
    assert fills(result) == [("now", "buy", 150, 50.0)]
    assert order(result, "rest")["status"] == "cancelled"


def test_cancelling_what_is_not_open_is_refused() -> None:
    result = run(days([flat(50)]), {"id": "c", "at": D1, "cancel": "nothing"})
    assert [row["order"] for row in result["rejections"]] == ["c"]


def test_proceeds_of_a_sale_pay_for_a_purchase_at_the_same_open_but_settle_a_session_later() -> None:
    bars = days({"X": [flat(100), flat(100), flat(100)], "Y": [flat(50)] * 3})
    orders = [buy(), sell(), {**buy(200, at=D2, id="y"), "ticker": "Y"}]
    result = run(bars, *orders)
    assert result["rejections"] == []
    assert (result["cash"], result["positions"][0]["quantity"]) == (0, 200)
    sold = run(days([flat(100), flat(100)]), buy(), sell())
    assert (sold["cash"], sold["settled_cash"]) == (10_000, 0)
    assert [p["settles_on"] for p in sold["postings"] if p["ledger"] == "unsettled"] == [date(2026, 11, 4)]
    settled = run(days([flat(100), flat(100), flat(100)]), buy(), sell())
    assert settled["settled_cash"] == 10_000


def test_a_purchase_uses_settled_cash_first_and_then_the_oldest_proceeds() -> None:
    bars = days({"X": [flat(60)] * 2, "Y": [flat(50)] * 2})
    result = run(bars, buy(), sell(), {**buy(150, at=D2, id="y"), "ticker": "Y"})
    paid = [(row["ledger"], row["amount"]) for row in result["postings"] if row["kind"] == "buy"][-2:]
    assert paid == [("cash", -4_000), ("unsettled", -3_500)]
    assert (result["settled_cash"], result["cash"]) == (0, 2_500)


def test_entry_on_an_early_close_friday_afternoon_fills_on_monday() -> None:
    bars = days([flat(10), flat(11), flat(12)], start=date(2026, 11, 25))
    result = run(bars, buy(at="2026-11-27T13:05"))
    assert result["fills"][0]["time"].date() == date(2026, 11, 30)
    assert fills(result) == [("in", "buy", 100, 12.0)]


def test_day_bar_takes_orders_from_before_its_open_only() -> None:
    bars = days([flat(10), flat(11)])
    assert fills(run(bars, buy(at=f"{D1}T09:29")))[0][3] == 10.0
    assert fills(run(bars, buy(at=f"{D1}T09:31")))[0][3] == 11.0
    assert fills(run(bars, buy(at=f"{D1}T16:30:00-05:00")))[0][3] == 11.0


def test_minutes_outside_the_session_never_fill() -> None:
    friday = date(2026, 11, 27)
    bars = minutes([flat(10 + i) for i in range(3)], session=friday, first=208)  # 12:58 to 13:00
    late = minutes([flat(10)] * 60, session=friday, first=210)
    early = minutes([flat(10)] * 30, session=friday, first=-30)
    assert fills(run(bars, buy(at="2026-11-27T12:59")))[0][3] == 11.0
    assert fills(run(bars, buy(at="2026-11-27T13:00"))) == []
    assert fills(run(late, buy(at="2026-11-27"))) == []
    assert fills(run(early, buy(at="2026-11-27"))) == []


def test_bars_on_a_holiday_never_fill() -> None:
    holiday = datetime.fromisoformat("2026-11-26T00:00-05:00")
    bars = panel({"X": [flat(10), flat(11)]}, [holiday, holiday + timedelta(days=1)])
    assert fills(run(bars, buy(at="2026-11-26"))) == [("in", "buy", 100, 11.0)]


def test_minute_order_waits_for_the_next_bar() -> None:
    bars = minutes([flat(10), flat(11), flat(12)])
    assert fills(run(bars, buy(at=f"{D1}T09:30:30")))[0][3] == 11.0


def test_exit_after_max_days_comes_at_the_open_and_before_a_stop_of_that_bar() -> None:
    bars = days([flat(10), flat(10), (9.5, 9.6, 8, 9), flat(9)])
    result = run(bars, buy(protect={"stop": 9, "max_days": 2}))
    assert fills(result)[1] == ("in.time", "sell", 100, 9.5)
    assert result["fills"][1]["time"].date() == date(2026, 11, 4)
    assert order(result, "in.stop")["status"] == "cancelled"


def test_an_exit_scheduled_beyond_the_known_calendar_is_no_error() -> None:
    result = run(days([flat(10)]), buy(protect={"max_days": 5_000}))
    assert result["positions"][0]["orders"][0]["due"].year > 2040


def test_percent_levels_follow_the_fill_price_and_hold_on_the_entry_bar() -> None:
    result = run(days([(102, 103, 91, 95)]), buy(10, protect={"stop_pct": 10, "target_pct": 20}))
    assert fills(result)[1] == ("in.stop", "sell", 10, 91.8)
    result = run(days([flat(50), (50, 61, 49, 60)]), buy(protect={"stop_pct": 10, "target_pct": 20}))
    assert fills(result)[1] == ("in.target", "sell", 100, 60.0)


def test_a_limit_entry_is_not_sold_at_a_high_from_before_it() -> None:
    bar = (110, 120, 98, 101)
    result = run(days([bar]), buy(10, type="limit", limit=100, protect={"target": 115}))
    assert fills(result) == [("in", "buy", 10, 100.0)]


def test_a_trailing_stop_of_a_limit_entry_does_not_follow_a_high_from_before_it() -> None:
    bars = days([(110, 120, 98, 101), (101, 102, 95, 100)])
    result = run(bars, buy(10, type="limit", limit=100, protect={"trail_pct": 10}))
    assert fills(result) == [("in", "buy", 10, 100.0)]
    assert result["positions"][0]["orders"][0]["stop"] == Decimal("91.8")


def test_what_an_exit_inside_a_bar_brings_does_not_pay_for_an_entry_inside_it() -> None:
    bars = days({"X": [flat(100), (100, 100, 90, 92), flat(92)], "Y": [flat(50), (50, 54, 50, 53), flat(53)]})
    into_y = {"id": "y", "at": D1, "ticker": "Y", "side": "buy", "type": "trailing", "quantity": 10}
    result = run(bars, buy(protect={"stop": 95}), {**into_y, "trail_pct": 5})
    assert fills(result) == [("in", "buy", 100, 100.0), ("in.stop", "sell", 100, 95.0)]
    assert order(result, "y")["reason"].startswith("not enough cash: 10 Y at 52.50 cost 525.00 dollars, 0.00")


def test_a_stop_limit_may_stay_unfilled_until_price_comes_back() -> None:
    bars = days([flat(100), (90, 92, 85, 88), (93, 96, 92, 95)])
    result = run(bars, buy(), sell(type="stop_limit", stop=95, limit=94))
    assert fills(result)[1] == ("out", "sell", 100, 94.0)
    assert result["fills"][1]["time"].date() == date(2026, 11, 4)


def test_a_manual_sale_ends_the_protection_of_what_it_sold() -> None:
    bars = days([flat(50), flat(50), flat(40)])
    result = run(bars, buy(protect={"stop": 45}), sell(60))
    assert fills(result)[1:] == [("out", "sell", 60, 50.0), ("in.stop", "sell", 40, 40.0)]


def test_lots_are_sold_first_in_first_out() -> None:
    bars = days([flat(10), flat(20), flat(30)])
    result = run(bars, buy(id="a"), buy(id="b", at=D2), sell(150, at=D3))
    assert result["realised"] == 100 * 20 + 50 * 10
    assert [(lot["quantity"], lot["cost"]) for lot in result["positions"][0]["lots"]] == [(50, 1_000)]


def test_max_positions_refuses_the_next_ticker() -> None:
    bars = days({name: [flat(10)] * 2 for name in "XYZ"})
    orders = [{**buy(id=name), "ticker": name} for name in "XYZ"]
    result = run(bars, *orders, limits={"max_positions": 2})
    assert [row["order"] for row in result["rejections"]] == ["Z"]
    assert "max_positions" in result["rejections"][0]["reason"]


def test_pause_refuses_entries_and_lets_exits_run_until_resumed() -> None:
    bars = days([flat(50), (50, 50, 44, 45), flat(46), flat(47)])
    result = run(
        bars,
        buy(50, protect={"stop": 45}),
        buy(10, id="rest", at=D1, type="limit", limit=49),
        {"at": D2, "command": "pause"},
        {"at": D2, "command": "pause"},
        buy(id="no", at=D2),
        {"at": D3, "command": "resume"},
        buy(10, id="yes", at=D4),
    )
    assert [f[0] for f in fills(result)] == ["in", "in.stop", "rest", "yes"]
    assert [row["order"] for row in result["rejections"]] == ["no"]
    assert result["halts"] == []
    assert len(result["past_halts"]) == 1


def test_flatten_cancels_entries_and_sells_everything_at_the_next_open() -> None:
    bars = days({"X": [flat(50)] * 3, "Y": [flat(20)] * 3})
    result = run(
        bars,
        buy(protect={"stop": 45}),
        {**buy(id="y"), "ticker": "Y"},
        buy(10, id="rest", type="limit", limit=40),
        {"at": D2, "command": "flatten"},
        {"at": D2, "command": "flatten"},
    )
    assert [f[1:] for f in fills(result)[2:]] == [("sell", 100, 50.0), ("sell", 100, 20.0)]
    assert order(result, "rest")["status"] == "cancelled"
    assert result["cash"] == 10_000
    assert [row for row in result["orders"] if row["status"] == "open"] == []


def test_daily_loss_halts_entries_until_the_next_session() -> None:
    bars = days([flat(100), flat(90), flat(90), flat(90)])
    result = run(bars, buy(50), buy(1, id="no", at=D3), buy(1, id="yes", at=D4), limits={"daily_loss": 0.03})
    assert [row["order"] for row in result["rejections"]] == []
    assert [f[0] for f in fills(result)] == ["in", "no", "yes"]
    intraday = minutes([flat(100), flat(90), flat(90)])
    result = run(intraday, buy(50, at=D1), buy(1, id="no", at=f"{D1}T09:32"), limits={"daily_loss": 0.03})
    assert [row["order"] for row in result["rejections"]] == ["no"]
    assert result["halts"][0]["kind"] == "daily_loss"


def test_drawdown_halts_entries_until_acknowledged() -> None:
    bars = days([flat(100), flat(80), flat(80), flat(80)])
    result = run(
        bars,
        buy(100),
        sell(10, at=D3, id="exit"),
        buy(1, id="no", at=D3),
        {"at": D4, "command": "acknowledge"},
        buy(1, id="yes", at=D4),
        limits={"drawdown": 0.15},
    )
    assert [row["order"] for row in result["rejections"]] == ["no"]
    assert [f[0] for f in fills(result)] == ["in", "exit", "yes"]


def test_an_order_waits_for_the_next_bar_of_its_ticker() -> None:
    bars = days({"X": [flat(10), None, flat(12)], "Y": [flat(1)] * 3})
    assert fills(run(bars, buy(at=D2))) == [("in", "buy", 100, 12.0)]


def test_an_id_given_twice_is_one_order() -> None:
    result = run(days([flat(10)]), *[buy() for _ in range(50)])
    assert len(result["orders"]) == len(result["fills"]) == 1


def test_a_position_without_new_bars_keeps_its_last_price() -> None:
    bars = days({"X": [flat(10), None, None], "Y": [flat(1)] * 3})
    assert run(bars, buy())["positions"][0]["price"] == 10


def test_an_order_after_the_last_bar_stays_open() -> None:
    result = run(days([flat(10)]), buy(at=D3))
    assert (order(result, "in")["status"], result["cash"]) == ("open", 10_000)


@pytest.mark.parametrize(
    ("orders", "actions"),
    [
        ([{**buy(), "ticker": "Q"}], []),
        ([buy(), {"at": D2, "command": "close", "ticker": "Q"}], []),
        ([buy()], [{"at": D2, "ticker": "Q", "split": 4}]),
        ([buy()], [{"at": D2, "ticker": "Q", "dividend": 1}]),
    ],
)
def test_a_ticker_that_the_script_names_and_the_bars_do_not_have_is_an_error(
    orders: list[Any], actions: list[Any]
) -> None:
    with pytest.raises(CannotTrade, match="Q: the bars have no such ticker, but the script names it"):
        run(days([flat(10), flat(10)]), *orders, actions=actions)


def test_an_action_of_a_ticker_that_is_not_held_changes_nothing() -> None:
    bars = days({"X": [flat(10)] * 3, "Y": [flat(40), flat(10), flat(10)]})
    result = run(bars, buy(), actions=[{"at": D2, "ticker": "Y", "split": 4}])
    assert result == run(bars, buy())


def test_every_entry_of_the_postings_sums_to_zero() -> None:
    bars = days([flat(50), flat(52.337), flat(51), flat(50)])
    result = run(
        bars,
        buy(97, protect={"stop_pct": 20}),
        sell(33, at=D3),
        costs={"fee_bps": 3.7, "slippage_bps": 1.3},
        actions=[
            {"at": D2, "ticker": "X", "split": 1.5},
            {"at": D3, "ticker": "X", "dividend": 0.1234567, "pay": D5},
        ],
    )
    totals: dict[int, Decimal] = {}
    for row in result["postings"]:
        totals[row["entry"]] = totals.get(row["entry"], Decimal(0)) + row["amount"]
    assert set(totals.values()) == {Decimal(0)}
    assert len(totals) > 4


def test_an_open_beyond_the_target_fills_it_there_though_the_bar_falls_to_the_stop_later() -> None:
    bars = days([flat(100), (107, 108, 94, 96)])
    result = run(bars, buy(protect={"stop": 95, "target": 105}))
    assert fills(result)[1:] == [("in.target", "sell", 100, 107.0)]
    assert result["fills"][1]["flags"] == []
    assert order(result, "in.stop")["status"] == "cancelled"
