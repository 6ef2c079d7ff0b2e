"""`falcon extract` and `falcon eval extract`, as a person or a script meets them."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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
