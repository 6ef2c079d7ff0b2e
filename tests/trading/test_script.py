"""Order scripts are read as written, and what is wrong with one is said with its place."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from falcon_pipelines.trading.errors import InvalidScript
from falcon_pipelines.trading.orders import Command, OrderRequest, Split
from falcon_pipelines.trading.script import exact_ratio, parse_script, read_script

ORDER = {"id": "a", "at": "2026-11-02", "ticker": "X", "side": "buy", "quantity": 1}


def with_order(**changes: Any) -> dict[str, Any]:
    order = {name: value for name, value in {**ORDER, **changes}.items() if value is not ...}
    return {"cash": 100, "orders": [order]}


def test_times_without_a_zone_are_new_yorks(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    path.write_text(
        "cash: 1\norders:\n"
        "  - {at: 2026-07-01, command: pause}\n"
        "  - {at: 2026-07-01 09:30, command: pause}\n"
        "  - {at: 2026-07-01 09:30:00, command: pause}\n"
        "  - {at: 2026-07-01T09:30:00-04:00, command: pause}\n"
        "  - {at: '2026-07-01T13:30Z', command: pause}\n"
    )
    half_past_nine = datetime(2026, 7, 1, 13, 30, tzinfo=UTC)
    expected = [datetime(2026, 7, 1, 4, tzinfo=UTC), *[half_past_nine] * 4]
    assert [request.at for request in read_script(path).requests] == expected


def test_tickers_that_look_like_truth_values_stay_text(tmp_path: Path) -> None:
    path = tmp_path / "script.yaml"
    rows = [
        f"  - {{id: {t}, at: 2026-11-02, ticker: {t}, side: buy, quantity: 1}}\n"
        for t in ("ON", "NO", "NULL", "TRUE", "NA")
    ]
    path.write_text("cash: 1\nlimits: {volume_share: null}\norders:\n" + "".join(rows))
    script = read_script(path)
    assert script.tickers == ("NA", "NO", "NULL", "ON", "TRUE")
    assert script.rules.limits.volume_share is None


def test_defaults_are_the_designs() -> None:
    script = parse_script({"cash": 5, "orders": [ORDER, {"at": "2026-11-03", "command": "pause"}]})
    assert script.rules.limits.volume_share == 0.10
    assert script.rules.costs.fee_bps == 0
    assert isinstance(script.requests[0], OrderRequest)
    assert script.requests[0].type == "market"
    assert isinstance(script.requests[1], Command)


def test_orders_are_tried_in_order_of_time() -> None:
    late, early = {**ORDER, "id": "late", "at": "2026-11-05"}, {**ORDER, "id": "early"}
    script = parse_script({"cash": 5, "orders": [late, early]})
    assert [request.id for request in script.requests if isinstance(request, OrderRequest)] == [
        "early",
        "late",
    ]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (4, Fraction(4)),
        (0.1, Fraction(1, 10)),
        (1.5, Fraction(3, 2)),
        (0.3333, Fraction(1, 3)),
        (0.05, Fraction(1, 20)),
    ],
)
def test_split_ratios_are_exact(written: float, meant: Fraction) -> None:
    assert exact_ratio(written) == meant
    (action,) = parse_script(
        {"cash": 1, "actions": [{"at": "2026-11-02", "ticker": "X", "split": written}]}
    ).actions
    assert isinstance(action, Split)
    assert action.ratio == meant


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"orders": []}, "cash: Field required"),
        ({"cash": 1, "order": []}, "order: is not a key"),
        (with_order(side="hold"), "orders.0.side"),
        (with_order(type="iceberg"), "orders.0.type"),
        (with_order(quantity=0), "orders.0.quantity"),
        (with_order(quantity=-5), "orders.0.quantity"),
        (with_order(quantity=1.5), "whole number of shares"),
        (with_order(quantity=...), "orders.0.quantity"),
        (with_order(quantity=True), "orders.0.quantity: true is no number"),
        (with_order(quantity=float("inf")), "orders.0.quantity"),
        (with_order(protect={"target_pct": float("inf")}), "orders.0.protect.target_pct"),
        (with_order(protect={"max_days": 10**9}), "orders.0.protect.max_days"),
        ({"cash": True}, "cash: true is no number"),
        (with_order(ticker=...), "orders.0.ticker"),
        (with_order(at="yesterday"), "orders.0.at: 'yesterday' is no ISO 8601"),
        (with_order(at=5), "orders.0.at"),
        (with_order(type="limit"), "a limit order needs `limit`"),
        (with_order(type="stop_limit", stop=5), "needs `limit`"),
        (with_order(type="trailing"), "needs `trail_pct`"),
        (with_order(stop=5), "a market order has no `stop`"),
        (with_order(type="limit", limit=0), "orders.0.limit: a price must be more than 0"),
        (with_order(type="limit", limit=float("nan")), "orders.0.limit"),
        (with_order(protect={"stop": 5, "stop_pct": 5}), "not both"),
        (with_order(protect={"stopp": 5}), "orders.0.protect.stopp: is not a key"),
        (with_order(side="sell", protect={"stop": 5}), "`protect` is for purchases"),
        ({"cash": 1, "orders": [{"at": "2026-11-02", "command": "explode"}]}, "orders.0.command"),
        ({"cash": 1, "orders": [ORDER, {**ORDER, "quantity": 2}]}, "orders.1.id: 'a' is another order's id"),
        ({"cash": 1, "orders": ["buy"]}, "orders.0"),
        ({"cash": 1, "limits": {"volume_share": 2}}, "limits.volume_share"),
        ({"cash": 1, "costs": {"fee_bps": -1}}, "costs.fee_bps"),
        ({"cash": 1, "actions": [{"at": "2026-11-02", "ticker": "X"}]}, "exactly one of"),
        ({"cash": 1, "actions": [{"at": "2026-11-02", "ticker": "X", "split": 0}]}, "actions.0.split"),
        (
            {"cash": 1, "actions": [{"at": "2026-11-02", "ticker": "X", "dividend": 1, "pay": "2026-10-02"}]},
            "`pay` is before the ex-date",
        ),
    ],
)
def test_a_mistake_is_named_with_its_place(document: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidScript) as caught:
        parse_script(document, "orders.yaml")
    assert message in str(caught.value)
    assert str(caught.value).startswith("orders.yaml: ")
    assert "\n" not in str(caught.value)
