"""Limits refuse purchases and losses halt entries; exits always run."""

from typing import Any

from tests.trading.panels import days, flat, minutes
from tests.trading.test_replay import D1, D2, D3, D4, D5, buy, fills, run, sell


def refusals(result: dict[str, Any]) -> dict[str, str]:
    return {row["order"]: row["reason"].split(":")[0] for row in result["rejections"]}


def named(ticker: str, quantity: int, **more: Any) -> dict[str, Any]:
    return {**buy(quantity, id=ticker, **more), "ticker": ticker}


def test_cash_share_limits_what_is_invested() -> None:
    bars = days({"X": [flat(10)] * 2, "Y": [flat(10)] * 2})
    result = run(bars, named("X", 900), named("Y", 60), limits={"cash_share": 0.95})
    assert refusals(result) == {"Y": "cash_share"}


def test_strategy_share_limits_one_strategy_but_not_another() -> None:
    bars = days({name: [flat(10)] * 2 for name in "XYZ"})
    result = run(
        bars,
        named("X", 400, strategy="a"),
        named("Y", 200, strategy="a"),
        named("Z", 200, strategy="b"),
        limits={"strategy_share": 0.5},
    )
    assert refusals(result) == {"Y": "strategy_share"}


def test_what_no_strategy_asked_for_counts_as_one_more_strategy() -> None:
    bars = days({name: [flat(10)] * 2 for name in "XY"})
    result = run(bars, named("X", 400), named("Y", 200), limits={"strategy_share": 0.5})
    assert refusals(result) == {"Y": "strategy_share"}


def test_sector_share_limits_a_sector_and_says_when_it_is_not_known() -> None:
    bars = days({name: [flat(10)] * 2 for name in "XYZ"})
    limits = {"sector_share": 0.3, "sectors": {"X": "technology", "Y": "technology"}}
    result = run(bars, named("X", 250), named("Y", 100), named("Z", 10), limits=limits)
    assert refusals(result) == {"Y": "sector_share", "Z": "sector_share"}
    assert "not known" in result["rejections"][-1]["reason"]


def test_cooldown_keeps_out_of_a_ticker_after_a_loss() -> None:
    bars = days([flat(10), flat(9), flat(9), flat(9), flat(9)])
    orders = [buy(10), sell(10), *(buy(1, id=f"again{day}", at=day) for day in (D2, D3, D4))]
    result = run(bars, *orders, limits={"cooldown": 1})
    assert refusals(result).keys() == {f"again{D2}", f"again{D3}"}
    won = run(days([flat(9), flat(10), flat(10), flat(10)]), *orders, limits={"cooldown": 1})
    assert won["rejections"] == []


def test_stop_exits_in_a_row_halt_entries_for_a_while() -> None:
    loser = [flat(10), (10, 10, 8, 9), flat(9), flat(9), flat(9)]
    bars = days({"X": loser, "Y": loser, "Z": [flat(10)] * 5})
    orders = [
        named("X", 10, protect={"stop": 9}),
        named("Y", 10, protect={"stop": 9}),
        named("Z", 1, at=D3),
        {**buy(1, id="later", at=D5), "ticker": "Z"},
    ]
    result = run(bars, *orders, limits={"guard_stops": 2, "guard_sessions": 2})
    assert refusals(result).keys() == {"Z"}
    assert result["past_halts"][0]["kind"] == "stop_guard"
    assert fills(result)[-1][0] == "later"


def test_a_halt_holds_resting_entries_back_and_lets_exits_through() -> None:
    bars = minutes([flat(100), flat(90), (90, 90, 79, 80), flat(80)])
    result = run(
        bars,
        buy(50, at=D1, protect={"stop": 85}),
        buy(10, id="rest", at=D1, type="limit", limit=95),
        limits={"daily_loss": 0.03},
    )
    assert [row[0] for row in fills(result)] == ["in", "rest", "in.stop"]
    late = run(
        bars,
        buy(50, at=D1, protect={"stop": 85}),
        buy(10, id="rest", at=D1, type="limit", limit=85),
        limits={"daily_loss": 0.03},
    )
    assert [row[0] for row in fills(late)] == ["in", "in.stop"]
    assert next(row for row in late["orders"] if row["id"] == "rest")["status"] == "open"


def test_closing_one_position_leaves_the_others() -> None:
    bars = days({"X": [flat(10)] * 2, "Y": [flat(10)] * 2})
    result = run(bars, named("X", 10), named("Y", 10), {"at": D2, "command": "close", "ticker": "X"})
    assert [position["ticker"] for position in result["positions"]] == ["Y"]


def test_moving_a_stop_changes_where_it_sells() -> None:
    bars = days([flat(100), flat(100), (100, 100, 80, 90)])
    result = run(bars, buy(10, protect={"stop": 85}), {"at": D2, "edit_stop": "in.stop", "stop": 95})
    assert fills(result)[1] == ("in.stop", "sell", 10, 95.0)
