"""`falcon screen` as a person or a script meets it."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars.panel import FIELDS, Panel
from tests.commandline import Outcome, falcon
from tests.screening.markets import names, random_panel

COARSE = """name: coarse
title: Coarse strength
theme: strength on volume over four sessions
filters:
  - {name: price, above: 5, unit: usd}
  - {name: dollar_volume_5, above: 1, unit: million_usd}
factors:
  - {name: return_4, direction: higher, weight: 0.6}
  - {name: relative_volume_4, direction: higher, weight: 0.4}
levels: {atr_period: 4}
top_k: 8
"""


def write_bars(path: Path, panel: Panel) -> Path:
    sessions, tickers = panel["close"].shape
    days = np.repeat(panel.timestamps.astype("datetime64[D]"), tickers)
    columns = {"ticker": list(panel.tickers) * sessions, "timestamp": days}
    pl.DataFrame(columns | {name: panel[name].ravel() for name in FIELDS}).write_parquet(path)
    return path


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("FALCON_HOME", str(tmp_path / "home"))
    for name in ("FALCON_DATABASE_URL", "FALCON_REFERENCE_SOURCE", "FALCON_LLM_PROVIDERS"):
        monkeypatch.delenv(name, raising=False)

    def command(*arguments: object) -> Outcome:
        return falcon(monkeypatch, capsys, "screen", *arguments)

    return command


def test_bars_of_a_file_are_screened_with_a_bundled_profile(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bars = write_bars(tmp_path / "bars.parquet", random_panel(names(120)))
    outcome = run("run", "high_momentum", "--bars", bars, "--json")
    document = json.loads(outcome.out)
    assert outcome.code == 0
    assert (document["profile"], document["state"], document["session"]) == (
        "high_momentum",
        "done",
        "2024-01-16",
    )
    assert document["universe"] >= len(document["picks"]) == 10
    first = document["picks"][0]
    assert {"rank", "ticker", "score", "factors", "entry_low", "entry_high", "stop", "target"} <= first.keys()
    assert (first["confidence"], first["judged_by"]) == (None, "factor score, not AI")
    assert first["version"] == document["version"]
    assert "rank" not in run("run", "high_momentum", "--bars", bars).out.lower()[:1]


def test_what_is_not_configured_is_said_and_nothing_is_picked(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bars = write_bars(tmp_path / "bars.parquet", random_panel(names(60)))
    document = json.loads(run("run", "momentum_breakouts", "--bars", bars, "--json").out)
    assert (document["state"], document["picks"]) == ("skipped", [])
    assert "minute bars" in document["reason"]
    assert "FALCON_REFERENCE_SOURCE" in document["reason"]


def test_with_sectors_and_earnings_the_profile_gives_its_picks(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    tickers = names(60)
    bars = write_bars(tmp_path / "bars.parquet", random_panel(tickers))
    csv = tmp_path / "reference.csv"
    lines = [f"{ticker},Energy,2024-01-{18 + i % 3}" for i, ticker in enumerate(tickers)]
    csv.write_text("ticker,sector,earnings_date\n" + "\n".join(lines))
    document = json.loads(run("run", "earnings_plays", "--bars", bars, "--reference", csv, "--json").out)
    assert (document["state"], len(document["picks"])) == ("done", 10)
    assert {pick["factors"]["sessions_to_earnings"] for pick in document["picks"]} <= {2.0, 3.0}


def test_one_candidate_names_every_profile_that_picked_it(run, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    bars = write_bars(tmp_path / "bars.parquet", random_panel(names(40)))
    for name in ("one", "two"):
        (tmp_path / f"{name}.yaml").write_text(COARSE.replace("name: coarse\n", f"name: {name}\n"))
    files = [tmp_path / "one.yaml", tmp_path / "two.yaml"]
    document = json.loads(run("candidates", *files, "high_momentum", "--bars", bars, "--json").out)
    tickers = [candidate["ticker"] for candidate in document["candidates"]]
    assert len(set(tickers)) == len(tickers)
    assert {"one", "two"} <= set(document["candidates"][0]["profiles"])
    assert len(document["candidates"][0]["profiles"]) >= len(document["candidates"][-1]["profiles"])


def test_real_cross_sections_of_a_whole_market_are_screened(run, tmp_path: Path, lean: Path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "coarse.yaml"
    path.write_text(COARSE)
    document = json.loads(run("run", path, "--bars", lean / "coarse", "--json").out)
    assert document["considered"] > 7000
    assert document["universe"] > 3000
    assert len(document["picks"]) == 8
    for pick in document["picks"]:
        assert 0 < pick["stop"] < pick["entry_low"] < pick["close"] < pick["entry_high"] < pick["target"]
        assert pick["factors"]["return_4"] > 0
    skipped = json.loads(run("run", "high_momentum", "--bars", lean / "coarse", "--json").out)
    assert skipped["reason"] == "distance_to_high_252 needs 252 sessions of day bars, there are 5"


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "high_momentun"), "did you mean high_momentum"),
        (("run", "high_momentum", "--at", "mornin"), "did you mean 'morning'"),
        (("run", "high_momentum", "--bars", "nowhere.csv"), "no such file"),
        (("run", "high_momentum", "--llm"), "FALCON_LLM_PROVIDERS"),
        (("run", "high_momentum", "--session", "2024-01-01"), "no trading session"),
    ],
)
def test_mistakes_are_one_clear_line(run, tmp_path: Path, arguments: tuple[str, ...], words: str) -> None:  # type: ignore[no-untyped-def]
    bars = (
        ()
        if "--bars" in arguments
        else ("--bars", write_bars(tmp_path / "b.parquet", random_panel(names(30))))
    )
    outcome = run(*arguments, *bars)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_profiles_are_stored_changed_and_exported(
    run, tmp_path: Path, monkeypatch, database_url: str
) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    path = tmp_path / "coarse.yaml"
    path.write_text(COARSE)
    assert run("profiles", "import", path).code == 0
    path.write_text(COARSE.replace("top_k: 8", "top_k: 3"))
    assert "version 2" in run("profiles", "import", path).out
    listed = json.loads(run("profiles", "list", "--json").out)["profiles"]
    assert len(listed) == 6
    copy = tmp_path / "copy.yaml"
    assert run("profiles", "export", "coarse", "--to", copy, "--version", 1).code == 0
    assert copy.read_text() == COARSE
    bars = write_bars(tmp_path / "bars.parquet", random_panel(names(40)))
    saved = json.loads(run("run", "coarse", "--bars", bars, "--save", "--json").out)
    assert (saved["run"], len(saved["picks"])) == (1, 3)
    assert run("profiles", "restore", "coarse", "--version", 1).code == 0
    assert len(json.loads(run("profiles", "history", "coarse", "--json").out)["profiles"]) == 3
    assert run("profiles", "delete", "coarse").code == 0
    outcome = run("run", "coarse", "--bars", bars)
    assert (outcome.code, "no screening profile is called 'coarse'" in outcome.err) == (2, True)
