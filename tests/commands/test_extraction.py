"""`falcon extract` and `falcon eval extract`, as a person or a script meets them."""

import json
import math
import os
import subprocess
import sys
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from falcon_pipelines.bars.calendar import sessions_from

ROOT = Path(__file__).resolve().parents[2]
TALK = (
    "[00:10] i buy when the fifty day crosses above the two hundred day and i sell when it crosses back below\n"
    "[00:20] my stop is eight percent {{ 7*7 }} [bold red]hello[/] and i never buy below the two hundred day\n"
)


def falcon(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "falcon_pipelines", *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def talk(tmp_path: Path) -> Path:
    file = tmp_path / "talk.txt"
    file.write_text(TALK)
    return file


def test_json_is_one_document_with_the_promised_keys(talk: Path) -> None:
    done = falcon("extract", str(talk), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document: dict[str, Any] = json.loads(done.stdout)
    assert {"status", "spec", "rules", "variants", "claims", "refused", "flags"} <= document.keys()
    assert document["status"] == "runnable"
    [entry] = [rule for rule in document["rules"] if rule["field"] == "entry.long"]
    assert entry["start_seconds"] == 10.0
    assert entry["quote"] == "i buy when the fifty day crosses above the two hundred day"


def test_a_person_sees_status_rules_words_and_the_spec(talk: Path) -> None:
    done = falcon("extract", str(talk), COLUMNS="200")
    assert done.returncode == 0
    for shown in ("runnable", "entry.long", "0:10", "crosses_above", "spec_version: 1", "Flagged", "{{"):
        assert shown in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        ("extract", "nowhere.vtt"),
        ("extract", "https://evil.example/watch?v=dQw4w9WgXcQ"),
        ("extract", "http://www.youtube.com/watch?v=dQw4w9WgXcQ"),
        ("extract", "nowhere.txt", "--llm"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(arguments: tuple[str, ...], tmp_path: Path) -> None:
    done = falcon(*arguments, "--json", FALCON_HOME=str(tmp_path))
    assert done.returncode == 2
    assert done.stdout == ""
    assert len(done.stderr.strip().splitlines()) == 1


def test_the_evaluation_prints_precision_and_recall_per_family() -> None:
    done = falcon("eval", "extract", "--json")
    assert done.returncode == 0
    document = json.loads(done.stdout)
    assert document["talks"] == 32
    assert {"cross", "comparison", "stop", "target", "trailing", "time", "sizing"} <= {
        family["family"] for family in document["families"]
    }
    assert set(document["total"]) == {"family", "correct", "wrong", "missed", "precision", "recall"}


@pytest.fixture
def open_talk(tmp_path: Path) -> Path:
    file = tmp_path / "open.txt"
    file.write_text(
        "i buy when the two period r s i drops below thirty and i sell when the two period r s i goes above sixty "
        "my stop goes below the most recent swing low"
    )
    return file


@pytest.fixture
def wavy_bars(tmp_path: Path) -> Path:
    rows = ["ticker,timestamp,open,high,low,close,volume"]
    for n, day in enumerate(sessions_from(date(2024, 1, 2), 80)):
        price = 100 + 10 * math.sin(n / 3) - n / 20
        rows.append(f"ABC,{day},{price:.2f},{price + 2:.2f},{price - 2:.2f},{price + 0.5:.2f},100000")
    file = tmp_path / "bars.csv"
    file.write_text("\n".join(rows) + "\n")
    return file


def test_every_reading_of_an_open_rule_is_backtested_and_the_spread_shown(
    open_talk: Path, wavy_bars: Path
) -> None:
    done = falcon("readings", str(open_talk), "--bars", str(wavy_bars), "--json")
    assert (done.returncode, done.stderr) == (0, "")
    document = json.loads(done.stdout)
    readings = document["readings"]
    assert [row["value"] for row in readings] == [
        None,
        *({"swing": {"bars": bars}} for bars in (5, 10, 20)),
    ]
    equities = [row["final_equity"] for row in readings]
    assert document["spread"] == {
        "lowest": min(equities),
        "highest": max(equities),
        "difference": max(equities) - min(equities),
    }
    shown = falcon("readings", str(open_talk), "--bars", str(wavy_bars))
    assert "as stated" in shown.stdout
    assert "Between the readings lie $" in shown.stdout


def test_a_strategy_without_an_exit_runs_with_a_chosen_overlay_that_is_marked_as_assumed(
    tmp_path: Path, wavy_bars: Path
) -> None:
    talk = tmp_path / "cross.txt"
    talk.write_text("buy when the 5-day crosses above the 20-day")
    unknown = falcon("extract", str(talk), "--overlay", "no_such")
    assert unknown.returncode == 2
    assert len(unknown.stderr.strip().splitlines()) == 1
    refused = falcon("readings", str(talk), "--bars", str(wavy_bars))
    assert refused.returncode == 2
    assert "--overlay: when_the_entry_no_longer_holds, after_20_bars" in refused.stderr
    spec = tmp_path / "spec.yaml"
    done = falcon("extract", str(talk), "--overlay", "exit.time_stop.bars=7", "--save", str(spec), "--json")
    document = json.loads(done.stdout)
    assert document["status"] == "runnable"
    assert {"field": "exit.time_stop.bars", "value": 7, "why": "not said; laid over by choice"} in document[
        "assumptions"
    ]
    assert falcon("backtest", str(spec), "--bars", str(wavy_bars)).returncode == 0
    assert "assumed" in falcon("spec", "check", str(spec)).stdout
