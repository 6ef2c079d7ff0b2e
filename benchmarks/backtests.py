"""Backtests beside vectorbt and backtesting.py: time and memory, as ratios within this one run.

    python benchmarks/backtests.py [sweep] [symbols] [walk] [start]

Synthetic bars, seeded. backtesting.py is timed on a few runs and multiplied, as a whole sweep would take hours.
Each contender does the whole task: indicators, signals, fills, equity, drawdown, Sharpe ratio.
"""

import itertools
import json
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.local.memory import peak_rss_mb

SWEEP = """
spec_version: 1
name: sma_cross
params: {fast: {value: 20, low: 5, high: 104, step: 1}, slow: {value: 150, low: 110, high: 308, step: 2}}
indicators:
  - {id: fast, fn: sma, source: close, params: {period: $fast}}
  - {id: slow, fn: sma, source: close, params: {period: $slow}}
entry: {long: {crosses_above: [fast, slow]}}
exit: {signal: {crosses_below: [fast, slow]}}
sizing: {percent_of_equity: 100}
"""
WALK = SWEEP.replace("high: 104", "high: 24").replace("high: 308, step: 2", "high: 302, step: 8")
SYMBOLS = """
spec_version: 1
name: rsi_stop_target
indicators: [{id: rsi, fn: rsi, source: close, params: {period: 14}}]
entry: {long: {crosses_below: [rsi, 30]}}
exit: {signal: {gt: [rsi, 70]}, stop: {percent: 5}, target: {percent: 10}}
sizing: {fixed_shares: 10}
execution: {max_positions: 500}
"""
FEE = 0.001


def bars(count: int, tickers: int, seed: int = 7) -> Panel:
    """Random walks with open, high and low around the closes."""
    rng = np.random.default_rng(seed)
    close = 100 * np.exp(rng.normal(0.0003, 0.012, (count, tickers)).cumsum(axis=0))
    open_ = np.vstack([close[:1], close[:-1]]) * np.exp(rng.normal(0, 0.004, close.shape))
    high = np.maximum(open_, close) * np.exp(np.abs(rng.normal(0, 0.006, close.shape)))
    low = np.minimum(open_, close) * np.exp(-np.abs(rng.normal(0, 0.006, close.shape)))
    fields = {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(close.shape, 1e6)}
    days = np.datetime64("2001-01-01T05:00", "ns") + np.arange(count) * np.timedelta64(1, "D")
    return Panel(days, tuple(f"T{i:03}" for i in range(tickers)), fields, "day", "benchmark", synthetic=True)


def timed(task: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """The best of some runs in seconds, and what the last returned."""
    best, result = float("inf"), None
    for _ in range(repeats):
        began = time.perf_counter()
        result = task()
        best = min(best, time.perf_counter() - began)
    return best, result


def row(what: str, seconds: float, rivals: dict[str, tuple[float, float]]) -> None:
    """Print seconds and ratios beside what must be reached."""
    print(f"{what}: Falcon {seconds:.3f} s")
    for name, (theirs, least) in rivals.items():
        ratio = theirs / seconds
        print(
            f"    {name}: {theirs:,.2f} s, {ratio:,.1f} x  (must reach {least:g} x: {'yes' if ratio >= least else 'NO'})"
        )


def crosses(close: np.ndarray, combinations: list[tuple[int, int]]) -> tuple[np.ndarray, np.ndarray]:
    """Entries and exits of vectorbt's orders at the next open: (T, K) each."""
    import pandas as pd

    series = pd.Series(close)
    averages = {n: series.rolling(n).mean().to_numpy() for n in {n for pair in combinations for n in pair}}
    fast = np.column_stack([averages[n] for n, _ in combinations])
    slow = np.column_stack([averages[n] for _, n in combinations])
    side = np.where(np.isnan(fast) | np.isnan(slow), 0, np.sign(fast - slow))
    none = np.zeros((1, side.shape[1]), dtype=bool)
    up = (side[1:] > 0) & (side[:-1] < 0)
    down = (side[1:] < 0) & (side[:-1] > 0)
    # Signalled on bar t + 1 of the slice, filled at the open of the bar after it.
    return np.vstack([none, none, up[:-1]]), np.vstack([none, none, down[:-1]])


def vectorbt_sweep(panel: Panel, combinations: list[tuple[int, int]], chunk: int = 500) -> np.ndarray:
    """Total return, drawdown and Sharpe ratio of each combination, in chunks of columns."""
    import pandas as pd
    import vectorbt as vbt

    index = pd.DatetimeIndex(panel.timestamps)
    close = pd.Series(panel["close"][:, 0], index)
    found = []
    for first in range(0, len(combinations), chunk):
        entries, exits = crosses(panel["close"][:, 0], combinations[first : first + chunk])
        portfolio = vbt.Portfolio.from_signals(
            close, entries, exits, price=panel["open"], fees=FEE, freq="1D", init_cash=1e5, size_granularity=1
        )
        figures = (portfolio.total_return(), portfolio.max_drawdown(), portfolio.sharpe_ratio())
        found.append(np.column_stack(figures))
    return np.vstack(found)


def backtesting_py(panel: Panel, column: int, entries: np.ndarray, exits: np.ndarray, stops: bool) -> float:
    """Seconds of one run in backtesting.py."""
    import pandas as pd
    from backtesting import Backtest, Strategy

    opens = panel["open"][:, column]

    class Replay(Strategy):
        def init(self) -> None:
            pass

        def next(self) -> None:
            t = len(self.data) - 1
            if self.position:
                if exits[t]:
                    self.position.close()
            elif entries[t] and t + 1 < len(opens):
                fill = opens[t + 1]
                self.buy(**({"size": 10, "sl": fill * 0.95, "tp": fill * 1.1} if stops else {}))

    names = ("open", "high", "low", "close", "volume")
    frame = pd.DataFrame(
        {name.title(): panel[name][:, column] for name in names}, index=pd.DatetimeIndex(panel.timestamps)
    )
    began = time.perf_counter()
    Backtest(frame, Replay, cash=1e5, commission=FEE, finalize_trades=False).run()
    return time.perf_counter() - began


def sweep() -> None:
    """10,000 SMA-cross combinations over 20 years of one ticker."""
    from falcon_pipelines.backtesting.sweep import sweep as falcon_sweep
    from falcon_pipelines.strategies.spec import parse_spec

    panel, spec = bars(5_040, 1), parse_spec(SWEEP)
    falcon_sweep(spec, panel, fee_bps=10, grid=({"fast": 5, "slow": 110},))
    seconds, swept = timed(lambda: falcon_sweep(spec, panel, fee_bps=10))
    memory = peak_rss_mb()
    combinations = list(itertools.product(range(5, 105), range(110, 310, 2)))
    vectorbt_sweep(panel, combinations[:500])
    theirs, figures = timed(lambda: vectorbt_sweep(panel, combinations), repeats=1)
    entries, exits = crosses(panel["close"][:, 0], combinations[:3])
    slow = np.mean([backtesting_py(panel, 0, entries[:, k], exits[:, k], stops=False) for k in range(3)])
    row(
        f"10,000 combinations x {len(panel):,} bars",
        seconds,
        {"vectorbt, 500 columns at a time": (theirs, 25), "backtesting.py": (float(slow) * 10_000, 1_000)},
    )
    print(f"    peak memory of Falcon {memory:.0f} MB (must stay below 500)")
    difference = np.abs(swept.total_returns - figures[:, 0]).max()
    print(f"    largest difference of total returns from vectorbt's: {difference:.1e}")


def symbols() -> None:
    """500 symbols over 10 years, RSI with stop and target."""
    import pandas as pd
    import talib
    import vectorbt as vbt

    from falcon_pipelines.backtesting.run import run_backtest
    from falcon_pipelines.strategies.spec import parse_spec

    panel, spec = bars(2_520, 500), parse_spec(SYMBOLS)
    run_backtest(spec, panel.rows(0, 300), cash=1e8, fee_bps=10)
    seconds, result = timed(lambda: run_backtest(spec, panel, cash=1e8, fee_bps=10))
    index = pd.DatetimeIndex(panel.timestamps)
    frames = {
        name: pd.DataFrame(panel[name], index, list(panel.tickers))
        for name in ("open", "high", "low", "close")
    }

    def signals() -> tuple[np.ndarray, np.ndarray]:
        close = panel["close"]
        rsi = np.column_stack([talib.RSI(close[:, j], 14) for j in range(close.shape[1])])
        below = np.zeros(rsi.shape, dtype=bool)
        below[1:] = (rsi[1:] < 30) & (rsi[:-1] >= 30)
        return below, rsi > 70

    def vectorbt_run() -> Any:
        below, above = signals()
        none = np.zeros((1, below.shape[1]), dtype=bool)
        portfolio = vbt.Portfolio.from_signals(
            frames["close"], np.vstack([none, below[:-1]]), np.vstack([none, above[:-1]]), price=frames["open"],
            open=frames["open"], high=frames["high"], low=frames["low"], sl_stop=0.05, tp_stop=0.1,
            stop_entry_price="fillprice", stop_exit_price="stoplimit", size=10, fees=FEE, freq="1D", init_cash=2e5,
        )  # fmt: skip
        return (
            portfolio.total_return(),
            portfolio.max_drawdown(),
            portfolio.sharpe_ratio(),
            portfolio.trades.count(),
        )

    vectorbt_run()
    theirs, _ = timed(vectorbt_run)
    below, above = signals()
    slow = np.mean([backtesting_py(panel, j, below[:, j], above[:, j], stops=True) for j in range(4)])
    row(
        f"500 symbols x {len(panel):,} bars, {len(result.trades):,} trades",
        seconds,
        {"vectorbt": (theirs, 10), "backtesting.py": (float(slow) * 500, 300)},
    )


def walk() -> None:
    """Walk-forward, 10 folds x 500 combinations."""
    import pandas as pd
    import vectorbt as vbt

    from falcon_pipelines.backtesting.sweep import grid_of
    from falcon_pipelines.backtesting.walk_forward import folds, walk_forward
    from falcon_pipelines.strategies.spec import parse_spec

    panel, spec = bars(5_040, 1), parse_spec(WALK)
    grid = grid_of(spec)
    walk_forward(spec, panel.rows(0, 600), grid=grid[:2], count=2)
    seconds, _ = timed(lambda: walk_forward(spec, panel, grid=grid, count=10, fee_bps=10))
    combinations = [(int(params["fast"]), int(params["slow"])) for params in grid]
    close, opens = panel["close"][:, 0], panel["open"]
    index = pd.DatetimeIndex(panel.timestamps)

    def portfolio(rows: slice, entries: np.ndarray, exits: np.ndarray) -> Any:
        return vbt.Portfolio.from_signals(
            pd.Series(close[rows], index[rows]), entries[rows], exits[rows], price=opens[rows], fees=FEE, freq="1D",
            init_cash=1e5, size_granularity=1,
        )  # fmt: skip

    def vectorbt_walk() -> list[Any]:
        entries, exits = crosses(close, combinations)
        found = []
        for fold in folds(len(panel), 10):
            sharpe = np.asarray(portfolio(slice(*fold.train), entries, exits).sharpe_ratio())
            best = int(np.argmax(np.where(np.isfinite(sharpe), sharpe, -np.inf)))
            tested = portfolio(slice(*fold.test), entries[:, [best]], exits[:, [best]])
            found.append((tested.total_return(), tested.sharpe_ratio()))
        return found

    vectorbt_walk()
    theirs, _ = timed(vectorbt_walk, repeats=1)
    row(f"walk-forward, 10 folds x {len(grid)} combinations", seconds, {"vectorbt": (theirs, 10)})


_CHILD = """
import json, sys, time
began = time.perf_counter()
sys.path.insert(0, {root!r})
from benchmarks.backtests import SYMBOLS, bars
from falcon_pipelines.backtesting.run import run_backtest
from falcon_pipelines.local.memory import peak_rss_mb
from falcon_pipelines.strategies.spec import parse_spec
panel = bars(5_040, 1)
result = run_backtest(parse_spec(SYMBOLS), panel)
if {replayed}:
    from falcon_pipelines.backtesting.portfolio import replay
    replay(result)[0].stats()
print(json.dumps([time.perf_counter() - began, peak_rss_mb()]))
"""


def start() -> None:
    """The first result in a new process, with the compiled kernel on disk."""
    root = str(Path(__file__).resolve().parents[1])
    for what, replayed, most_seconds, most_mb in (
        ("first result in a new process", False, 2, 300),
        ("the same with vectorbt's statistics", True, 9, 500),
    ):
        best = [float("inf"), 0.0]
        for _ in range(3):
            done = subprocess.run(
                [sys.executable, "-c", _CHILD.format(root=root, replayed=replayed)],
                capture_output=True, text=True, check=True, cwd=root,
            )  # fmt: skip
            best = min(best, json.loads(done.stdout.splitlines()[-1]))
        print(f"{what}: {best[0]:.2f} s, {best[1]:.0f} MB  (must stay within {most_seconds} s, {most_mb} MB)")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    tasks = {"sweep": sweep, "symbols": symbols, "walk": walk, "start": start}
    if len(sys.argv) == 2:
        tasks[sys.argv[1]]()
    else:  # each in a process of its own, so that memory is its own too
        for name in sys.argv[1:] or tasks:
            subprocess.run([sys.executable, __file__, name], check=True)
