"""The most traded tickers are chosen by what came before the test, the same for a file and for the store."""

from datetime import date, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.panel import session_of
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.commands.backtest_inputs import load_panel
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.strategies.spec import parse_spec
from falcon_pipelines.strategies.universe import (
    SELECTION_SESSIONS,
    TooShort,
    split_sessions,
    universe_bars,
)

SPEC = parse_spec("spec_version: 1\nname: s\nuniverse: {liquid: 2}\nentry: {long: {gt: [close, 0]}}\n")
DAYS = tuple(date(2024, 1, 1) + timedelta(days=i) for i in range(100))


def test_the_sixty_sessions_before_the_start_choose() -> None:
    assert split_sessions(DAYS, DAYS[80]) == (DAYS[20], DAYS[79], DAYS[80])
    assert split_sessions(DAYS, DAYS[5]) == (DAYS[0], DAYS[4], DAYS[5])


@pytest.mark.parametrize("start", [None, DAYS[0], date(2000, 1, 1)])
def test_with_nothing_before_the_start_the_first_sessions_choose_and_are_not_tested_on(
    start: date | None,
) -> None:
    assert split_sessions(DAYS, start) == (DAYS[0], DAYS[SELECTION_SESSIONS - 1], DAYS[SELECTION_SESSIONS])


@pytest.mark.parametrize(("sessions", "start"), [(DAYS[:60], None), (DAYS, date(2025, 1, 1))])
def test_too_few_sessions_are_refused(sessions: tuple[date, ...], start: date | None) -> None:
    with pytest.raises(TooShort, match="name the tickers instead"):
        split_sessions(sessions, start)


def test_file_and_store_give_the_same_tickers_and_bars_and_the_future_changes_nothing(
    database_url: str, tmp_path: Path
) -> None:
    engine = database_engine(database_url)
    store = BarStore(tmp_path / "store", engine)
    market = write_synthetic_flat_files(tmp_path / "in", tickers=12, sessions=130)
    list(
        ingest_range(DirectorySource(tmp_path / "in"), store, "day", market.sessions[0], market.sessions[-1])
    )
    whole = store.panel(None, market.sessions[0], market.sessions[-1])
    rows = [
        (
            ticker,
            whole.timestamps[t],
            *(whole[name][t, i] for name in ("open", "high", "low", "close", "volume")),
        )
        for i, ticker in enumerate(whole.tickers)
        for t in np.flatnonzero(np.isfinite(whole["close"][:, i]))
    ]
    names = ["ticker", "timestamp", "open", "high", "low", "close", "volume"]
    frame = pl.DataFrame(rows, schema=names, orient="row").with_columns(
        pl.col("timestamp").cast(pl.Datetime("ns")).dt.replace_time_zone("UTC")
    )
    frame.write_parquet(tmp_path / "bars.parquet")
    start = market.sessions[90]
    stored = universe_bars(SPEC, store, store.current_version(), start)
    read = load_panel(SPEC, None, tmp_path / "bars.parquet", start.isoformat(), None)
    assert stored.tickers == read.tickers
    assert len(stored.tickers) == 2
    assert session_of(stored.timestamps[0]) == session_of(read.timestamps[0]) == start
    shorter = universe_bars(SPEC, store, store.current_version(), start, market.sessions[100])
    assert shorter.tickers == stored.tickers
    engine.dispose()
