"""What `falcon up` tells the trader and the feed: made-up minutes are replayed unless a setting says otherwise."""

from collections.abc import Callable
from pathlib import Path

import pytest

from falcon_pipelines import settings
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_session
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.local.serve import live_settings
from falcon_pipelines.local.stack import SYNTHETIC_FOLDER


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FALCON_HOME", str(tmp_path))
    for name in ("FALCON_FEED", "FALCON_REFERENCE_CSV", "FALCON_DATA_DIR"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


@pytest.fixture
def fill(home: Path, database_url: str) -> Callable[[str], None]:
    """Fills the home's store with made-up bars of a frequency."""
    folder = home / SYNTHETIC_FOLDER
    market = write_synthetic_flat_files(folder, 8, 60, minute_sessions=1)
    store = BarStore(settings.load().market_data, database_engine(database_url))
    sessions = {"day": market.sessions[-1], "minute": market.minute_sessions[0]}
    return lambda frequency: ingest_session(  # type: ignore[return-value]
        DirectorySource(folder),
        store,
        frequency,
        sessions[frequency],  # type: ignore[arg-type]
    )


def test_made_up_minutes_are_replayed_with_their_reference_data(
    home: Path, fill: Callable[[str], None]
) -> None:
    assert live_settings(settings.load()) == {}
    fill("day")
    assert live_settings(settings.load()) == {}
    fill("minute")
    assert live_settings(settings.load()) == {
        "FALCON_FEED": "replay",
        "FALCON_REFERENCE_CSV": str(home / SYNTHETIC_FOLDER / "reference.csv"),
    }


def test_what_the_settings_say_is_left_alone(
    home: Path, fill: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    fill("minute")
    monkeypatch.setenv("FALCON_FEED", "off")
    monkeypatch.setenv("FALCON_REFERENCE_CSV", str(home / "own.csv"))
    assert live_settings(settings.load()) == {}
