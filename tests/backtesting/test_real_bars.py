"""On real bars, trades and final equity equal those of backtesting.py and of the replay through vectorbt."""

from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import talib

from falcon_pipelines.backtesting.portfolio import replay
from falcon_pipelines.backtesting.run import BacktestResult, assemble, simulate_fills
from falcon_pipelines.bars.panel import Panel
from tests.backtesting.builders import parameters, signals_for
from tests.backtesting.real_bars import real_panel

pytestmark = pytest.mark.filterwarnings("ignore:Some trades remain open")
START, END = date(2001, 4, 1), date(2021, 3, 31)


def crosses(panel: Panel, fast: int, slow: int) -> tuple[np.ndarray, np.ndarray]:
    """Bars on which the fast average crosses above, and below, the slow one."""
    above = np.sign(talib.SMA(panel["close"][:, 0], fast) - talib.SMA(panel["close"][:, 0], slow))
    before = np.concatenate([[np.nan], above[:-1]])
    return (above > 0) & (before <= 0), (above < 0) & (before >= 0)


def falcon(panel: Panel, fast: int, slow: int, cash: float, **rules: float) -> BacktestResult:
    up, down = crosses(panel, fast, slow)
    p = parameters(size=100.0, fee_bps=10.0, **rules)
    signals = signals_for(panel, entry_long=up[:, None], exit_long=down[:, None])
    return assemble(panel, simulate_fills(panel, signals, p, cash), p, cash)


def backtesting_py(panel: Panel, fast: int, slow: int, cash: float, stop: float, target: float) -> pd.Series:
    """The same strategy in backtesting.py; it looks up the next open, as its stops take absolute prices only."""
    from backtesting import Backtest, Strategy

    up, down = crosses(panel, fast, slow)
    opens = panel["open"][:, 0]

    class Cross(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            t = len(self.data) - 1
            if self.position:
                if down[t]:
                    self.position.close()
            elif up[t]:
                fill = opens[t + 1]
                self.buy(
                    sl=fill * (1 - stop / 100) if stop else None,
                    tp=fill * (1 + target / 100) if target else None,
                )

    frame = pd.DataFrame(
        {name.title(): panel[name][:, 0] for name in ("open", "high", "low", "close", "volume")},
        index=pd.DatetimeIndex(panel.timestamps),
    )
    return Backtest(frame, Cross, cash=cash, commission=0.001, finalize_trades=False).run()


@pytest.mark.parametrize("ticker", ["SPY", "AAPL", "IBM", "BAC"])
@pytest.mark.parametrize(("fast", "slow"), [(20, 50), (50, 200)])
@pytest.mark.parametrize("rules", [(0.0, 0.0), (5.0, 10.0)])
def test_trades_and_final_equity_equal_backtesting_py(
    lean: Path, ticker: str, fast: int, slow: int, rules: tuple[float, float]
) -> None:
    panel = real_panel(lean, ticker, START, END)
    if ticker == "IBM":
        # 2002-12-23 is misprinted: an open of twice the price, which backtesting.py refuses to set a stop by.
        bad = int(np.searchsorted(panel.timestamps, np.datetime64("2002-12-23")))
        panel["open"][bad] = panel["high"][bad] = panel["close"][bad]
    stop, target = rules
    given = {"stop_percent": stop, "target_percent": target} if stop else {}
    ours = falcon(panel, fast, slow, 100_000.0, **given)
    theirs = backtesting_py(panel, fast, slow, 100_000.0, stop, target)
    trades = theirs["_trades"].sort_values("EntryBar")
    assert [trade.entry_time for trade in ours.trades] == list(trades["EntryTime"].to_numpy("datetime64[ns]"))
    assert [trade.quantity for trade in ours.trades] == trades["Size"].tolist()
    assert [trade.exit_price for trade in ours.trades] == pytest.approx(
        trades["ExitPrice"].tolist(), rel=1e-12
    )
    assert ours.final_equity == pytest.approx(theirs["Equity Final [$]"], rel=1e-12)


def test_sma_20_50_of_spy_closes_51_trades_and_ends_at_the_published_multiple(lean: Path) -> None:
    panel = real_panel(lean, "SPY", START, END)
    # What rounding down to whole shares leaves idle: nothing at 1e13 dollars, half a thousandth at 1e5.
    for cash, multiple in ((1e13, 2.9634876065), (1e6, 2.9633706162), (1e5, 2.9620443401)):
        result = falcon(panel, 20, 50, cash)
        assert len(result.trades) == 51
        assert result.final_equity / cash == pytest.approx(multiple, abs=6e-11)


@pytest.mark.parametrize("given", [{}, {"stop_percent": 3.0, "target_percent": 4.0, "slippage_bps": 5.0}])
def test_the_vectorbt_replay_ends_with_the_same_equity(lean: Path, given: dict[str, float]) -> None:
    panels = [real_panel(lean, ticker, START, END) for ticker in ("SPY", "AAPL", "IBM")]
    panel = Panel(
        panels[0].timestamps,
        ("SPY", "AAPL", "IBM"),
        {name: np.hstack([one[name] for one in panels]) for name in panels[0].fields},
        "day",
        "lean",
    )
    rsi = np.column_stack([talib.RSI(panel["close"][:, i], 5) for i in range(3)])
    signals = signals_for(
        panel, entry_long=rsi < 30, exit_long=rsi > 60, entry_short=rsi > 80, exit_short=rsi < 50, rank=-rsi
    )
    p = parameters(size=40.0, fee_bps=10.0, **given)
    result = assemble(panel, simulate_fills(panel, signals, p, 100_000.0), p, 100_000.0)
    assert len(result.trades) > 500
    portfolio, rows = replay(result)
    assert portfolio.value().to_numpy()[rows] == pytest.approx(result.equity, rel=1e-9)
    assert portfolio.orders.count() == len(result.orders)
