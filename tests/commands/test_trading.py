"""`falcon trade replay` as a user runs it: files in, one document out, one line when something is wrong."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from falcon_pipelines.db.engine import database_engine, transaction
from tests.trading.panels import days, flat
from tests.trading.test_store import buy, hand_in, opened, work_through

BARS = """ticker,timestamp,open,high,low,close,volume
X,2026-11-25,100,101,99,100,1000000
X,2026-11-27,90,93,88,92,1000000
X,2026-11-30,91,94,90,93,1000000
"""
SCRIPT = """cash: 10000
costs: {fee_bps: 0, slippage_bps: 0}
orders:
  - {id: in, at: 2026-11-25, ticker: X, side: buy, type: market, quantity: 100, protect: {stop: 95}}
  - {id: late, at: 2026-11-27 13:05, ticker: X, side: buy, type: market, quantity: 10}
  - {id: naked, at: 2026-11-25, ticker: X, side: sell, type: limit, limit: 120, quantity: 300}
"""
KEYS = {
    "orders",
    "fills",
    "rejections",
    "postings",
    "positions",
    "cash",
    "settled_cash",
    "receivables",
    "equity",
    "realised",
    "halts",
}


def falcon(
    *arguments: str | Path, cwd: Path, trade: str = "replay", **settings: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "falcon_pipelines", "trade", trade, *map(str, arguments)]
    root = Path(__file__).resolve().parents[2]
    return subprocess.run(
        command,
        cwd=cwd,
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(root), "FALCON_HOME": str(cwd / "home"), "PATH": "/usr/bin:/bin", **settings},
        check=False,
    )


@pytest.fixture
def bars(tmp_path: Path) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text(BARS)
    return path


def test_replay_prints_one_document_with_fills_and_books(bars: Path, tmp_path: Path) -> None:
    script = tmp_path / "orders.yaml"
    script.write_text(SCRIPT)
    done = falcon(script, "--bars", bars, "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result: dict[str, Any] = json.loads(done.stdout)
    assert set(result) >= KEYS
    assert [(f["side"], f["price"], f["time"]) for f in result["fills"]] == [
        ("buy", 100.0, "2026-11-25T05:00:00+00:00"),
        ("sell", 90.0, "2026-11-27T05:00:00+00:00"),
        ("buy", 91.0, "2026-11-30T05:00:00+00:00"),
    ]
    assert [row["order"] for row in result["rejections"]] == ["naked"]
    assert result["cash"] == 9_000 - 910
    assert result["realised"] == -1_000
    table = falcon(script, "--bars", bars, cwd=tmp_path)
    assert "in.stop" in table.stdout
    assert "refused naked" in table.stdout


def test_replay_takes_a_strategy_spec_too(bars: Path, tmp_path: Path) -> None:
    spec = {"spec_version": 1, "name": "up", "entry": {"long": {"lt": ["close", "open"]}}}
    file = tmp_path / "spec.json"
    file.write_text(json.dumps({**spec, "entry": {"long": {"gt": ["close", "open"]}}}))
    done = falcon(file, "--bars", bars, "--cash", "1000", "--json", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert [(f["side"], f["quantity"], f["price"]) for f in result["fills"]] == [("buy", 10, 91.0)]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("cash: 1\norders: [{id: a, at: 2026-11-25, ticker: X, side: hold, quantity: 1}]", "orders.0.side"),
        ("cash: 1\norders: [{id: a, at: 2026-11-25, ticker: Q, side: buy, quantity: 1}]", "Q: the bars"),
        ("cash: [", "not valid YAML"),
        ("just text", "must be an object with the keys of an order script"),
    ],
)
def test_a_bad_script_is_one_line_and_exit_code_2(
    script: str, message: str, bars: Path, tmp_path: Path
) -> None:
    path = tmp_path / "orders.yaml"
    path.write_text(script)
    done = falcon(path, "--bars", bars, "--json", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_orders_that_were_not_filled_are_shown_with_their_reason(bars: Path, tmp_path: Path) -> None:
    script = tmp_path / "orders.yaml"
    script.write_text(
        """cash: 10000
orders:
  - {id: low, at: 2026-11-25, ticker: X, side: buy, type: limit, limit: 0.5, quantity: 3}
  - {id: later, at: 2026-12-01, ticker: X, side: buy, quantity: 4}
"""
    )
    shown = falcon(script, "--bars", bars, cwd=tmp_path).stdout
    assert "open low: buy 3 X limit 0.500000\n" in shown
    assert "open later: buy 4 X market: no bar has started since\n" in shown
    printed = json.loads(falcon(script, "--bars", bars, "--json", cwd=tmp_path).stdout)
    assert printed["orders"][0].keys() == printed["orders"][1].keys()


def test_replay_knows_the_built_in_specs_by_name(bars: Path, tmp_path: Path) -> None:
    done = falcon("golden_cross", "--bars", bars, "--tickers", "X", "--json", cwd=tmp_path)
    assert json.loads(done.stdout)["equity"] == 100_000


def test_a_range_that_ends_before_it_starts_is_refused(bars: Path, tmp_path: Path) -> None:
    script = tmp_path / "orders.yaml"
    script.write_text(SCRIPT)
    done = falcon(script, "--bars", bars, "--start", "2026-11-30", "--end", "2026-11-25", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (2, "falcon: --start 2026-11-30 is after --end 2026-11-25\n")


def test_missing_files_are_one_line_and_exit_code_2(bars: Path, tmp_path: Path) -> None:
    script = tmp_path / "orders.yaml"
    script.write_text(SCRIPT)
    for arguments in ((tmp_path / "none.yaml", "--bars", bars), (script, "--bars", tmp_path / "none.csv")):
        done = falcon(*arguments, cwd=tmp_path)
        assert done.returncode == 2
        assert "none." in done.stderr
        assert len(done.stderr.strip().splitlines()) == 1


def test_operators_see_accounts_and_tell_them_what_to_do(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    account = opened(engine)
    hand_in(engine, account, buy())
    work_through(engine, account, days([flat(50)]))
    told = falcon(
        "paper", "flatten", "--by", "ann", cwd=tmp_path, trade="tell", FALCON_DATABASE_URL=database_url
    )
    assert told.returncode == 0, told.stderr
    work_through(engine, account, days([flat(50), flat(49)]))
    listed = falcon("--json", cwd=tmp_path, trade="accounts", FALCON_DATABASE_URL=database_url)
    (row,) = json.loads(listed.stdout)["accounts"]
    assert (row["name"], row["equity"], row["positions"]) == ("paper", 9_900.0, {})
    wrong = falcon("papr", "pause", cwd=tmp_path, trade="tell", FALCON_DATABASE_URL=database_url)
    assert wrong.returncode == 2
    assert "there are paper" in wrong.stderr
    engine.dispose()


def test_reconcile_fails_and_halts_when_books_are_broken(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    work_through(engine, opened(engine), days([flat(50)]))
    sound = falcon(cwd=tmp_path, trade="reconcile", FALCON_DATABASE_URL=database_url)
    assert (sound.returncode, sound.stdout.strip()) == (0, "the books of all accounts balance")
    with transaction(engine) as session:
        session.execute(text("UPDATE postings SET amount = amount + 1 WHERE leg = 0"))
    broken = falcon(cwd=tmp_path, trade="reconcile", FALCON_DATABASE_URL=database_url)
    assert broken.returncode == 1
    assert "off by 1" in broken.stderr
    engine.dispose()
