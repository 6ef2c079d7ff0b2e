import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from falcon_pipelines.cli import main
from tests.bars.market import MONDAY, TUESDAY, line, write_lines


@dataclass(frozen=True)
class Done:
    """What a run of the command left for its user."""

    returncode: int
    stdout: str
    stderr: str


Falcon = Callable[..., Done]


@pytest.fixture
def falcon(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Falcon:
    """The command, run in this process with a home and a database of its own."""
    write_lines(tmp_path / "in", MONDAY, [line("AAPL", close=11), line("NA", high=1)])
    write_lines(tmp_path / "in", TUESDAY, [line("AAPL", TUESDAY, 5, 5.5, 6, 4, "100.5")])
    monkeypatch.setenv("FALCON_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    monkeypatch.setenv("FALCON_SOURCE", "directory")
    monkeypatch.setenv("FALCON_FLATFILES_DIR", str(tmp_path / "in"))

    def run(*arguments: str, **environment: str) -> Done:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["falcon", *arguments])
            for name, value in environment.items():
                patch.setenv(name, value)
            capsys.readouterr()
            code = 0
            try:
                main()
            except SystemExit as error:
                code = int(error.code or 0)
        return Done(code, *capsys.readouterr())

    return run


RANGE = ("--start", "2014-06-09", "--end", "2014-06-10")


def failure(done: Done, code: int) -> str:
    assert done.returncode == code, done.stderr
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    return lines[0]


def test_ingested_bars_are_shown_adjusted_with_their_version(falcon: Falcon, tmp_path: Path) -> None:
    done = falcon("ingest", "day", *RANGE, "--json")
    assert done.returncode == 0, done.stderr
    ingested = json.loads(done.stdout)
    assert (ingested["sessions"], ingested["new_revisions"], ingested["quarantined"]) == (2, 2, 1)
    actions = tmp_path / "actions.csv"
    actions.write_text("ticker,kind,ex_date,ratio,amount,pay_date\nAAPL,split,2014-06-10,2,,\n")
    assert falcon("ingest", "actions", str(actions)).returncode == 0
    # Reading needs no database at all.
    shown = falcon(
        "bars", "AAPL", *RANGE, "--adjust", "splits", "--as-of", "2014-06-10", "--json",
        FALCON_DATABASE_URL="postgresql://127.0.0.1:9/none",
    )  # fmt: skip
    document = json.loads(shown.stdout)
    assert {"ticker", "version", "adjust", "as_of", "rows", "synthetic"} <= set(document)
    assert document["as_of"] == "2014-06-10"
    assert document["rows"] == [
        {
            "timestamp": "2014-06-09T04:00:00+00:00",
            "open": 5,
            "high": 6,
            "low": 4.5,
            "close": 5.5,
            "volume": 2000,
        },
        {
            "timestamp": "2014-06-10T04:00:00+00:00",
            "open": 5,
            "high": 6,
            "low": 4,
            "close": 5.5,
            "volume": 100.5,
        },
    ]
    pinned = falcon("bars", "AAPL", *RANGE, "--version", ingested["version"], "--json")
    assert json.loads(pinned.stdout)["version"] == ingested["version"] != document["version"]
    table = falcon("bars", "AAPL", *RANGE)
    assert "5.5000" in table.stdout
    assert document["version"] in table.stdout


def test_bad_questions_get_one_line_and_exit_2(falcon: Falcon) -> None:
    assert "falcon ingest day" in failure(falcon("bars", "AAPL", *RANGE), 2)
    assert falcon("ingest", "day", *RANGE).returncode == 0
    assert "nearest: AAPL" in failure(falcon("bars", "AAPLE", *RANGE), 2)
    assert "as-of" in failure(falcon("bars", "AAPL", *RANGE, "--adjust", "all"), 2)
    assert "no version" in failure(falcon("bars", "AAPL", *RANGE, "--version", "v7-0123456789ab"), 2)
    assert "nowhere" in failure(falcon("ingest", "day", *RANGE, "--directory", "/nowhere"), 2)
    assert "FALCON_S3_ACCESS_KEY" in failure(falcon("ingest", "day", *RANGE, "--source", "s3"), 1)


def test_without_postgresql_ingest_fails_before_anything_is_written(falcon: Falcon, tmp_path: Path) -> None:
    done = falcon("ingest", "day", *RANGE, FALCON_DATABASE_URL="postgresql://127.0.0.1:9/none")
    assert "PostgreSQL at 127.0.0.1:9/none is not available" in failure(done, 1)
    assert not (tmp_path / "home" / "market_data").exists()


def test_a_missing_file_on_a_session_is_a_failure(falcon: Falcon) -> None:
    done = falcon("ingest", "day", "--start", "2014-06-09", "--end", "2014-06-11")
    assert "2014-06-11.csv.gz" in failure(done, 1)
    several = failure(falcon("ingest", "day", "--start", "2014-06-09", "--end", "2014-06-13"), 1)
    assert "2014-06-11.csv.gz" in several
    assert "2 more sessions failed: 2014-06-12, 2014-06-13" in several
    report = falcon("ingest", "day", "--start", "2014-06-09", "--end", "2014-06-13", "--json")
    assert report.returncode == 1
    document = json.loads(report.stdout)
    assert document["sessions"] == 2
    assert [(item["session"], item["error"]) for item in document["failed"]] == [
        (f"2014-06-{day}", "SessionMissing") for day in (11, 12, 13)
    ]


def test_securities_actions_and_the_store_are_looked_after_from_the_shell(
    falcon: Falcon, tmp_path: Path
) -> None:
    assert falcon("ingest", "day", *RANGE).returncode == 0
    securities = tmp_path / "securities.csv"
    securities.write_text("security_id,ticker,first,last,name\nnew,AAPL,2014-06-10,,Apple\n")
    added = json.loads(falcon("ingest", "securities", str(securities), "--json").stdout)
    assert (added["securities"], added["status"]) == (1, "new_revision")
    assert len(json.loads(falcon("bars", "AAPL", *RANGE, "--json").stdout)["rows"]) == 1
    assert len(json.loads(falcon("bars", "AAPL@2014-06-09", *RANGE, "--json").stdout)["rows"]) == 1
    size = json.loads(falcon("store", "size", "--json").stdout)
    assert (size["sessions"], size["rows"], size["revisions"]) == (2, 2, 2)
    assert json.loads(falcon("store", "sweep", "--json").stdout)["orphaned_files"] == 0
    assert json.loads(falcon("store", "verify", "--json").stdout)["damaged"] == []
    assert "Sessions" not in falcon("store", "verify").stderr
    securities.write_text("security_id,ticker\n")
    assert "lacks the columns first" in failure(falcon("ingest", "securities", str(securities)), 2)
