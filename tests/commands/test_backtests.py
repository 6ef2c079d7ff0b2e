"""`falcon backtest` and `falcon verdict` on bar files, as a person at the shell sees them."""

import csv
import json
import subprocess
import sys
from datetime import date
from pathlib import Path

import numpy as np
import pytest

from tests.backtesting.real_bars import real_panel

SMA_CROSS = """
spec_version: 1
name: sma_cross
params: {fast: {value: 20, values: [10, 20]}, slow: {value: 50, values: [50, 100]}}
indicators:
  - {id: fast, fn: sma, source: close, params: {period: $fast}}
  - {id: slow, fn: sma, source: close, params: {period: $slow}}
entry: {long: {crosses_above: [fast, slow]}}
exit: {signal: {crosses_below: [fast, slow]}}
sizing: {percent_of_equity: 100}
"""


def falcon(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "falcon_pipelines", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


def write_bars(path: Path, tickers: dict[str, np.ndarray], start: str = "2018-01-02") -> Path:
    """A CSV of daily closes of some tickers; each bar opens at the close before and moves 1 % around."""
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "timestamp", "open", "high", "low", "close", "volume"])
        for ticker, closes in tickers.items():
            before = closes[0]
            for i, close in enumerate(closes):
                high, low = max(before, close) * 1.01, min(before, close) * 0.99
                writer.writerow([ticker, np.datetime64(start) + i, before, high, low, close, 10_000])
                before = close
    return path


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "sma_cross.yaml"
    path.write_text(SMA_CROSS)
    return path


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    rng = np.random.default_rng(7)
    walks = 100 * np.exp(rng.normal(0.0003, 0.012, (900, 2)).cumsum(axis=0))
    return write_bars(tmp_path / "bars.csv", {"AAA": walks[:, 0], "BBB": walks[:, 1]})


def test_backtest_prints_one_document_with_trades_equity_and_benchmark(spec: Path, bars: Path) -> None:
    done = falcon("backtest", spec, "--bars", bars, "--fee-bps", 10, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["tickers"] == ["AAA", "BBB"]
    assert document["initial_cash"] == 100_000
    assert document["closed_trades"] == len(document["trades"]) > 5
    assert document["equity"][-1]["equity"] == document["final_equity"]
    assert document["equity"][0]["timestamp"] == "2018-01-02T05:00:00+00:00"
    pnl = sum(t["pnl"] for t in document["trades"]) + sum(t["pnl"] for t in document["open_positions"])
    assert document["final_equity"] == pytest.approx(100_000 + pnl)
    assert set(document["trades"][0]) >= {
        "ticker", "side", "quantity", "entry_time", "entry_price", "exit_time", "exit_price", "exit_reason", "pnl",
        "ambiguous",
    }  # fmt: skip
    assert document["benchmark"]["final_equity"] > 0
    assert {"spec", "version", "open_trades", "stats", "warnings"} <= set(document)


def test_sma_20_50_of_spy_has_51_closed_trades(spec: Path, lean: Path, tmp_path: Path) -> None:
    panel = real_panel(lean, "SPY", date(1998, 1, 2), date(2021, 3, 31))
    path = tmp_path / "spy.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "timestamp", "open", "high", "low", "close", "volume"])
        columns = [panel[name][:, 0].tolist() for name in ("open", "high", "low", "close", "volume")]
        for when, *values in zip(panel.timestamps, *columns, strict=True):
            writer.writerow(["SPY", str(when)[:10], *values])
    done = falcon(
        "backtest", spec, "--bars", path, "--tickers", "SPY", "--cash", "1e13", "--fee-bps", 10,
        "--start", "2001-04-01", "--end", "2021-03-31", "--json",
    )  # fmt: skip
    document = json.loads(done.stdout)
    assert document["closed_trades"] == 51
    # The published multiple is that of fractional shares; whole ones reach its ten digits where cash is plenty.
    assert round(document["final_equity"] / 1e13, 10) == 2.9634876065


def test_without_json_a_table_is_printed(spec: Path, bars: Path) -> None:
    done = falcon("backtest", spec, "--bars", bars, "--tickers", "BBB")
    assert done.returncode == 0
    assert "buy-and-hold" in done.stdout
    assert "Max drawdown" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--tickers", "ZZZ"], "ZZZ"),
        (["--start", "2030-01-01"], "2030-01-01"),
        (["--start", "2019-05-01", "--end", "2019-04-01"], "after"),
        (["--start", "soon"], "soon"),
    ],
)
def test_bad_input_is_one_clear_line_and_exit_2(
    spec: Path, bars: Path, arguments: list[str], says: str
) -> None:
    done = falcon("backtest", spec, "--bars", bars, *arguments, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert says in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_an_invalid_spec_exits_2_and_names_the_path(bars: Path, tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(SMA_CROSS.replace("crosses_above", "jumps_above"))
    done = falcon("backtest", path, "--bars", bars)
    assert done.returncode == 2
    assert "entry.long" in done.stderr


def test_sweep_prints_the_best_combinations_and_the_sum_of_all(spec: Path, bars: Path) -> None:
    done = falcon("sweep", spec, "--bars", bars, "--fee-bps", 10, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["combinations"] == len(document["best"]) == 4
    sharpes = [one["sharpe"] for one in document["best"]]
    assert sharpes == sorted(sharpes, reverse=True)
    returns = [one["final_equity"] / 100_000 - 1 for one in document["best"]]
    assert document["sum_total_return"] == pytest.approx(sum(returns))
    assert {"params", "final_equity", "sharpe", "max_drawdown", "closed_trades"} <= set(document["best"][0])
    assert document["seconds"] > 0
    assert document["peak_memory_mb"] > 10


def test_the_tearsheet_is_written_where_asked(spec: Path, bars: Path, tmp_path: Path) -> None:
    page = tmp_path / "sheet.html"
    assert falcon("backtest", spec, "--bars", bars, "--report", page).returncode == 0
    assert "Equity against buy-and-hold" in page.read_text()
    refused = falcon("backtest", spec, "--bars", bars, "--report", tmp_path / "absent" / "sheet.html")
    assert refused.returncode == 2
    assert "absent" in refused.stderr


def test_minute_bars_trade_regular_sessions_only(tmp_path: Path) -> None:
    path = tmp_path / "minutes.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "timestamp", "open", "high", "low", "close", "volume"])
        for minute in range(9 * 60, 16 * 60 + 30):
            price = 100 + (minute % 7)
            stamp = f"2019-06-03T{minute // 60:02}:{minute % 60:02}:00-04:00"
            writer.writerow(["AAA", stamp, price, price + 1, price - 1, price, 500])
    spec = tmp_path / "minute.yaml"
    spec.write_text(
        "spec_version: 1\nname: always\ntimeframe: 5m\nentry: {long: {gt: [close, 0]}}\nexit: {time_stop: {bars: 1}}\n"
    )
    done = falcon("backtest", spec, "--bars", path, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert len(document["equity"]) == 78
    assert document["equity"][0]["timestamp"] == "2019-06-03T13:30:00+00:00"
    assert document["equity"][-1]["timestamp"] == "2019-06-03T19:55:00+00:00"
    assert document["closed_trades"] > 30


def test_verdict_prints_inputs_with_thresholds_and_sources(spec: Path, bars: Path) -> None:
    done = falcon("verdict", spec, "--bars", bars, "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"] in {
        "works", "promising", "no better than buy-and-hold", "does not work", "insufficient evidence",
    }  # fmt: skip
    assert document["reason"]
    assert all(
        {"name", "value", "low", "high", "threshold", "passed", "source"} <= set(i)
        for i in document["inputs"]
    )
    assert document["trials"] >= 1
