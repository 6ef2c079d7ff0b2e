"""Whatever is wrong: one clear line, the right exit code, nothing half-written, no traceback without --debug."""

import gzip
import os
import socket
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pytest

from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import file_key
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from tests.commandline import Outcome, falcon

SESSIONS = sessions_from(date(2024, 1, 2), 60)
SPEC = """
spec_version: 1
name: tiny
indicators: [{id: fast, fn: sma, source: close, params: {period: 3}}]
entry: {long: {gt: [close, fast]}}
exit: {signal: {lt: [close, fast]}}
"""
Run = Callable[..., Outcome]


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], database_url: str
) -> Run:
    """`falcon` with a home of its own, a migrated database and a folder of made-up flat files."""
    monkeypatch.setenv("FALCON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    monkeypatch.setenv("FALCON_FLATFILES_DIR", str(tmp_path / "flat"))
    monkeypatch.setenv("FALCON_SOURCE", "directory")
    write_synthetic_flat_files(tmp_path / "flat", tickers=8, sessions=60, start=SESSIONS[0])
    (tmp_path / "tiny.yaml").write_text(SPEC)
    return lambda *arguments: falcon(monkeypatch, capsys, *arguments)


@pytest.fixture
def flat_file(tmp_path: Path) -> Path:
    """The file of the fourth session."""
    return tmp_path / "flat" / file_key("day", SESSIONS[3])


def ingest(run: Run) -> Outcome:
    return run("ingest", "day", "--start", SESSIONS[0], "--end", SESSIONS[9])


def assert_one_clear_line(outcome: Outcome, code: int, *parts: str) -> None:
    assert outcome.code == code, outcome
    assert outcome.out == ""
    lines = [line for line in outcome.err.splitlines() if line.startswith("falcon: ")]
    assert len(lines) == 1, outcome.err
    assert "Traceback" not in outcome.err
    for part in parts:
        assert part in lines[0]


def test_no_postgresql(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FALCON_DATABASE_URL", "postgresql+psycopg2://falcon:hunter2@127.0.0.1:9/falcon")
    outcome = ingest(run)
    assert_one_clear_line(outcome, 1, "PostgreSQL at 127.0.0.1:9/falcon is not available")
    assert "hunter2" not in outcome.err
    assert not list((tmp_path / "home").rglob("*.parquet"))


def test_a_missing_flat_file(run: Run, flat_file: Path) -> None:
    flat_file.unlink()
    assert_one_clear_line(ingest(run), 1, str(SESSIONS[3]))


def test_a_truncated_gzip(run: Run, flat_file: Path, tmp_path: Path) -> None:
    flat_file.write_bytes(flat_file.read_bytes()[:200])
    assert_one_clear_line(ingest(run), 2, flat_file.name)
    stored = {path.name[:10] for path in (tmp_path / "home").rglob("*.parquet")}
    assert str(SESSIONS[3]) not in stored


def test_a_wrong_column(run: Run, flat_file: Path) -> None:
    flat_file.write_bytes(
        gzip.compress(gzip.decompress(flat_file.read_bytes()).replace(b"close", b"closing", 1))
    )
    assert_one_clear_line(ingest(run), 2, flat_file.name, "clos")


def test_after_the_file_is_mended_the_same_command_completes(run: Run, flat_file: Path) -> None:
    good = flat_file.read_bytes()
    flat_file.write_bytes(b"junk")
    assert ingest(run).code == 2
    flat_file.write_bytes(good)
    assert ingest(run).code == 0
    shown = run("bars", "MKT", "--start", SESSIONS[0], "--end", SESSIONS[9], "--json")
    assert shown.out.count('"timestamp"') == 10


def test_an_unknown_ticker_names_the_nearest(run: Run) -> None:
    assert ingest(run).code == 0
    outcome = run("bars", "SYN01", "--start", SESSIONS[0], "--end", SESSIONS[9])
    assert_one_clear_line(outcome, 2, "SYN01", "SYN001")


def test_no_bars_at_all(run: Run, tmp_path: Path) -> None:
    outcome = run("backtest", tmp_path / "tiny.yaml", "--tickers", "MKT")
    assert_one_clear_line(outcome, 2, "falcon ingest")
    assert_one_clear_line(run("screen", "run", "high_momentum"), 2, "falcon ingest day")


def test_an_invalid_spec_names_the_path_in_it(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(SPEC.replace("fn: sma", "fn: smaa"))
    assert_one_clear_line(run("backtest", path, "--tickers", "MKT"), 2, "indicators", "smaa", "sma")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_home_that_cannot_be_written_by_permission(
    run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    locked = tmp_path / "locked"
    locked.mkdir(mode=0o500)
    monkeypatch.setenv("FALCON_HOME", str(locked / "home"))
    assert_one_clear_line(run("demo", "--no-serve"), 2, str(locked / "home"))


def test_a_home_that_cannot_be_written(run: Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_the_way = tmp_path / "file"
    in_the_way.write_text("not a folder")
    monkeypatch.setenv("FALCON_HOME", str(in_the_way / "home"))
    assert_one_clear_line(run("demo", "--no-serve"), 2, str(in_the_way / "home"), "set FALCON_HOME")


def test_a_taken_port(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        monkeypatch.setenv("FALCON_DASHBOARD_PORT", port)
        assert_one_clear_line(run("demo"), 2, port, "FALCON_DASHBOARD_PORT")


def test_wrong_usage_exits_with_2(run: Run) -> None:
    assert run("backtest").code == 2
    assert run("no-such-command").code == 2


def test_debug_shows_where(run: Run, tmp_path: Path) -> None:
    with pytest.raises(Exception, match="falcon ingest day"):
        run("screen", "run", "high_momentum", "--debug")
