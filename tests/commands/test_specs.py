"""`falcon spec` and `falcon lookahead` as a person at the shell sees them."""

import csv
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.strategies.panels import minute_panel, random_day_panel, weekdays

SPEC = """
spec_version: 1
name: mine
indicators: [{id: rsi, fn: rsi}]
entry: {long: {lt: [rsi, 40]}}
exit: {signal: {gt: [rsi, 60]}}
"""


def falcon(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "falcon_pipelines", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def spec(tmp_path: Path) -> Path:
    path = tmp_path / "mine.yaml"
    path.write_text(SPEC)
    return path


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    panel = random_day_panel(120, 2, seed=1)
    path = tmp_path / "bars.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "timestamp", "open", "high", "low", "close", "volume"])
        for row, moment in enumerate(panel.timestamps.astype("datetime64[s]").astype(int)):
            for column, ticker in enumerate(panel.tickers):
                values = [panel[name][row, column] for name in ("open", "high", "low", "close", "volume")]
                writer.writerow([ticker, datetime.fromtimestamp(moment, UTC).isoformat(), *values])
    return path


def test_check_explains_a_valid_spec(spec: Path) -> None:
    done = falcon("spec", "check", spec)
    assert done.returncode == 0
    assert "Buys at the next bar's open when rsi is below 40." in done.stdout
    assert "No entry before a ticker has 15 day bars." in done.stdout
    assert "indicators.rsi.params.period" in done.stdout
    assert "Wilder" in done.stdout


def test_check_prints_one_json_document(spec: Path) -> None:
    done = falcon("spec", "check", spec, "--json")
    document = json.loads(done.stdout)
    assert document["name"] == "mine"
    assert document["warm_up"] == 14
    assert len(document["hash"]) == 64
    period = next(each for each in document["assumptions"] if each["field"] == "indicators.rsi.params.period")
    assert (period["value"], period["state"]) == ("14", "default")


def test_check_refuses_an_invalid_spec_with_a_line_per_problem(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(SPEC.replace("fn: rsi", "fn: rsii").replace("exit", "exits"))
    done = falcon("spec", "check", path, "--json")
    assert done.returncode == 2
    assert done.stdout == ""
    assert "exits: unknown key; did you mean 'exit'?" in done.stderr
    assert "Traceback" not in done.stderr
    assert all(str(path) in line for line in done.stderr.strip().splitlines())


def test_list_and_indicators_show_what_is_built_in() -> None:
    specs = json.loads(falcon("spec", "list", "--json").stdout)["specs"]
    assert "golden_cross" in [each["name"] for each in specs]
    indicators = json.loads(falcon("spec", "indicators", "--json").stdout)["indicators"]
    macd = next(each for each in indicators if each["name"] == "macd")
    assert macd["outputs"] == ["line", "signal", "histogram"]
    assert macd["parameters"][0] == {
        "name": "fast",
        "allowed": "a whole number from 2 to 10,000",
        "default": 12,
    }


def test_lookahead_proves_a_spec_on_a_file_of_bars(spec: Path, bars: Path) -> None:
    done = falcon("lookahead", spec, "--bars", bars, "--tickers", "T1", "--json")
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert document["passed"] is True
    assert document["tickers"] == ["T1"]
    assert document["bars"] == 120
    assert document["warm_up"] == 14
    assert document["differences"] == []
    assert "mine does not look ahead" in falcon("lookahead", spec, "--bars", bars).stdout


def test_lookahead_refuses_what_it_cannot_use(spec: Path, bars: Path) -> None:
    done = falcon("lookahead", spec, "--bars", bars, "--tickers", "T7")
    assert done.returncode == 2
    assert "has no bars of T7; it has T0, T1" in done.stderr
    done = falcon("lookahead", "opening_range_breakout", "--bars", bars)
    assert done.returncode == 2
    assert "the strategy needs 5m bars, these are day bars" in done.stderr


def test_lookahead_makes_the_bars_of_the_strategys_timeframe(tmp_path: Path) -> None:
    panel = minute_panel(weekdays(2))
    path = tmp_path / "minutes.csv"
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["ticker", "timestamp", "open", "high", "low", "close", "volume"])
        for row, moment in enumerate(panel.timestamps.astype("datetime64[s]").astype(int)):
            values = [panel[name][row, 0] for name in ("open", "high", "low", "close", "volume")]
            writer.writerow(["M", datetime.fromtimestamp(moment, UTC).isoformat(), *values])
    document = json.loads(falcon("lookahead", "opening_range_breakout", "--bars", path, "--json").stdout)
    assert document["bars"] == 156
    assert document["passed"] is True
