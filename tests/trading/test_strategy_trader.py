"""A spec on paper trades what its backtest traded: same bars, same prices, same quantities."""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from falcon_pipelines.backtesting.run import run_backtest
from falcon_pipelines.bars.calendar import midnight, session_open_close, sessions_from
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.strategies.spec import Spec, validate_spec
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.engine import open_account
from falcon_pipelines.trading.orders import Costs
from falcon_pipelines.trading.replay import ReplayResult, replay_spec
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.strategy_trader import intents
from tests.trading.panels import MONDAY, panel


def random_walk(seed: int, bars: int = 260, tickers: int = 4, gaps: float = 0.0) -> Panel:
    """Bars whose prices have two decimals and whose ranges overlap, and of which a part `gaps` is missing."""
    random = np.random.default_rng(seed)
    rows: dict[str, list[Any]] = {}
    for number in range(tickers):
        close = np.round(40 * np.exp(np.cumsum(random.normal(0, 0.02, bars))), 2)
        open_ = np.round(close * np.exp(random.normal(0, 0.012, bars)), 2)
        high = np.round(np.maximum(open_, close) * (1 + abs(random.normal(0, 0.01, bars))), 2)
        low = np.round(np.minimum(open_, close) * (1 - abs(random.normal(0, 0.01, bars))), 2)
        made = [tuple(map(float, bar)) for bar in zip(open_, high, low, close, strict=True)]
        rows[f"T{number}"] = [
            None if 20 < i < bars - 2 and random.random() < gaps else bar for i, bar in enumerate(made)
        ]
    return panel(rows, [midnight(day) for day in sessions_from(MONDAY.replace(year=2020), bars)])


BASE = {
    "spec_version": 1,
    "name": "differential",
    "indicators": [{"id": "fast", "fn": "sma", "source": "close", "params": {"period": 5}}],
    "entry": {"long": {"crosses_above": ["close", "fast"]}},
    "exit": {"signal": {"crosses_below": ["close", "fast"]}},
}
EXITS: dict[str, dict[str, Any]] = {
    "signal only": {},
    "stop and target": {"exit": {"stop": {"percent": 3}, "target": {"percent": 4}}},
    "costs": {"execution": {"fee_bps": 5, "slippage_bps": 7}},
    "target first": {
        "exit": {"stop": {"percent": 1}, "target": {"percent": 1}},
        "execution": {"conflict": "target_first"},
    },
    "atr stop, r target": {
        "exit": {"stop": {"atr": {"period": 5, "multiple": 1}}, "target": {"r_multiple": 2}}
    },
    "swing stop at risk": {
        "exit": {"stop": {"swing": {"bars": 5}}, "target": {"r_multiple": 1}},
        "sizing": {"risk_per_trade": 1.0},
    },
    "trailing": {"exit": {"trailing": {"percent": 3}}},
    "trailing and stop": {"exit": {"trailing": {"percent": 3}, "stop": {"percent": 2}}},
    "breakeven": {"exit": {"stop": {"percent": 3}, "breakeven": {"percent": 2}, "target": {"percent": 6}}},
    "time stop": {"exit": {"time_stop": {"bars": 3}, "stop": {"percent": 2}}},
    "partial": {
        "exit": {
            "stop": {"percent": 3},
            "target": {"percent": 6},
            "partial": [{"at": {"percent": 2}, "fraction": 0.5}, {"at": {"r_multiple": 1}, "fraction": 0.2}],
        }
    },
    "volatility": {"sizing": {"volatility_target": 15}},
    "few slots by rank": {
        "execution": {"max_positions": 2, "rank_by": {"pct_change": ["close", 3]}},
        "sizing": {"percent_of_equity": 50},
    },
    "fixed shares": {"sizing": {"fixed_shares": 7}},
}


def paper(spec: Spec, bars: Panel) -> ReplayResult:
    execution = spec.execution
    rules = Rules(
        Costs(execution.fee_bps, execution.slippage_bps),
        Limits(volume_share=execution.volume_share, max_positions=execution.max_positions),
    )
    return replay_spec(spec, bars, Decimal(100_000), rules)


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("name", EXITS)
def test_paper_fills_are_the_backtests_fills(name: str, seed: int) -> None:
    same_fills(validate_spec({**BASE, **EXITS[name]}).with_params(), random_walk(seed))


def test_paper_fills_are_the_backtests_fills_where_bars_are_missing() -> None:
    quarter = {
        "sizing": {"percent_of_equity": 20},
        "exit": {"stop": {"percent": 3}, "time_stop": {"bars": 4}},
    }
    same_fills(validate_spec({**BASE, **quarter}).with_params(), random_walk(5, gaps=0.05))


def _trade(row: tuple[Any, ...]) -> tuple[Any, ...]:
    return row[:3]


def same_fills(spec: Spec, bars: Panel) -> None:
    backtest = run_backtest(spec, bars, cash=100_000)
    expected = [
        (bars.tickers[o["column"]], bars.timestamps[o["bar"]], int(o["size"]), float(o["price"]))
        for o in backtest.orders
    ]
    result = paper(spec, bars)
    found = [
        (
            fill.ticker,
            np.datetime64(fill.time.replace(tzinfo=None), "ns"),
            fill.quantity if fill.side == "buy" else -fill.quantity,
            float(fill.price),
        )
        for fill in result.fills
    ]
    assert len(found) > 20
    found, expected = sorted(found, key=_trade), sorted(expected, key=_trade)
    assert list(map(_trade, found)) == list(map(_trade, expected))
    assert [row[3] for row in found] == pytest.approx([row[3] for row in expected], abs=2e-6)
    assert float(result.state.equity) == pytest.approx(backtest.final_equity, abs=1.0)


@pytest.mark.parametrize("name", ["stop and target", "trailing and stop", "time stop", "costs"])
def test_paper_fills_are_the_backtests_fills_where_volume_is_short(name: str) -> None:
    bars = random_walk(6)
    bars.fields["volume"][:] = np.random.default_rng(6).integers(500, 20_000, bars["volume"].shape)  # type: ignore[index]
    document = {**BASE, **EXITS[name]}
    document["execution"] = {**document.get("execution", {}), "volume_share": 0.1}
    document["sizing"] = {"percent_of_equity": 20}
    same_fills(validate_spec(document).with_params(), bars)


def test_paper_fills_are_the_backtests_fills_on_minutes() -> None:
    walk = random_walk(8, bars=240, tickers=2)
    opens = [session_open_close(day)[0] for day in sessions_from(MONDAY, 8)]
    stamps = [start + timedelta(minutes=15 * i) for start in opens for i in range(30)]
    starts = [start for start in stamps if start < start.replace(hour=21, minute=0)][: 26 * 8]
    rows = {
        ticker: [
            tuple(float(walk[field][bar, column]) for field in ("open", "high", "low", "close"))
            for bar in range(len(starts))
        ]
        for column, ticker in enumerate(walk.tickers)
    }
    document = {**BASE, **EXITS["time stop"], "timeframe": "15m"}
    same_fills(validate_spec(document).with_params(), panel(rows, starts, "minute"))


def test_short_entries_are_refused_and_say_why() -> None:
    spec = validate_spec({**BASE, "entry": {"short": {"crosses_below": ["close", "fast"]}}, "exit": {}})
    result = replay_spec(spec.with_params(), random_walk(3, bars=60), Decimal(10_000))
    assert result.fills == ()
    assert result.rejections
    assert all("no short sales" in refused.reason for refused in result.rejections)


def test_the_decision_after_each_bar_needs_only_the_bars_until_then() -> None:
    bars = random_walk(9, bars=40)
    spec = validate_spec({**BASE, "exit": {"stop": {"percent": 3}}}).with_params()
    whole = replay_spec(spec, bars, Decimal(100_000))
    state = open_account("replay", Decimal(100_000), midnight(MONDAY)).state
    asked = []
    for stop in range(1, len(bars) + 1):
        found = intents(spec, bars.rows(0, stop), state)
        assert found == intents(spec, bars.rows(0, stop), state)
        asked += [intent.id for intent in found if intent.side == "buy"]
    entries = {order.id for order in whole.orders if order.side == "buy"}
    assert len(entries) > 5
    assert entries <= set(asked)
