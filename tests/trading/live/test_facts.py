"""Facts for routing and limits come from the one reference source that screens use too."""

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from falcon_pipelines.screening.reference import BadReferenceData, save_snapshot
from falcon_pipelines.screening.sources import configured_reference
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.live.facts import Reference, known_tickers

TODAY = date(2026, 11, 2)


def settings(folder: Path, **values: object) -> Settings:
    return Settings(home=folder, **values)  # type: ignore[arg-type]


def test_the_file_of_the_screens_says_what_a_ticker_is(tmp_path: Path) -> None:
    path = tmp_path / "own.csv"
    path.write_text("symbol,ETF,Market Cap,Sector\nSPY,yes,,\nNA,no,2.9T,Technology\nX,,,\n")
    source = configured_reference(settings(tmp_path, reference_csv=path))
    assert known_tickers(source, TODAY) == {
        "SPY": Reference(True, None, None),
        "NA": Reference(False, 2.9e12, "Technology"),
        "X": Reference(None, None, None),
    }
    path.write_text("ticker,etf\nSPY,maybe\n")
    with pytest.raises(BadReferenceData, match=r"own.csv: line 2: etf: 'maybe' is neither true nor false"):
        known_tickers(source, TODAY)


def test_of_a_service_what_the_screens_kept_counts_and_it_is_not_asked(tmp_path: Path) -> None:
    configured = settings(
        tmp_path,
        reference_source="massive",
        massive_api_key="none",
        massive_endpoint="http://127.0.0.1:9",
    )
    source = configured_reference(configured)
    assert known_tickers(source, TODAY) == {}
    rows = pl.DataFrame({"ticker": ["A"], "market_cap": [5e9], "sector": ["Energy"]})
    save_snapshot(configured.market_data / "reference" / "massive", date(2026, 10, 30), rows)
    assert known_tickers(source, TODAY) == {"A": Reference(None, 5e9, "Energy")}
    assert known_tickers(None, TODAY) == {}
