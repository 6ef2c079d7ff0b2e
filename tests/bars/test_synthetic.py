from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars.calendar import next_session, session_open_close
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_actions, ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import SyntheticMarket, write_synthetic_flat_files


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        write_synthetic_flat_files(tmp_path / name, tickers=20, sessions=60, seed=seed)
    files = sorted(path.relative_to(tmp_path / "a") for path in (tmp_path / "a").rglob("*.gz"))
    assert len(files) == 60
    assert all((tmp_path / "a" / f).read_bytes() == (tmp_path / "b" / f).read_bytes() for f in files)
    assert all((tmp_path / "a" / f).read_bytes() != (tmp_path / "c" / f).read_bytes() for f in files)


@pytest.fixture
def ingested(tmp_path: Path, store: BarStore) -> tuple[BarStore, SyntheticMarket]:
    market = write_synthetic_flat_files(tmp_path / "in", tickers=30, sessions=300)
    results = ingest_range(
        DirectorySource(tmp_path / "in"), store, "day", market.sessions[0], market.sessions[-1]
    )
    assert sum(result.quarantined for result in results) == 1
    ingest_actions(store, market.actions_file)
    return store, market


def test_it_has_every_oddity_of_real_data(ingested: tuple[BarStore, SyntheticMarket]) -> None:
    store, market = ingested
    first, last = market.sessions[0], market.sessions[-1]
    panel = store.panel(market.tickers, first, last)
    assert panel.synthetic
    assert {"NA", "TRUE"} < set(panel.tickers)
    close = dict(zip(panel.tickers, panel["close"].T, strict=True))
    row = {session: n for n, session in enumerate(market.sessions)}
    assert np.isnan(close[market.halted[0]][row[market.halted[1]]])
    assert np.isnan(close[market.delisting.ticker][row[market.delisting.ex_date] :]).all()
    assert np.isnan(close[market.bad_row[0]][row[market.bad_row[1]]])
    assert store.quarantined(market.bad_row[1])["raw"][0].startswith(market.bad_row[0] + ",")
    assert date(2023, 11, 24) in market.early_closes
    split = market.split
    raw = store.history(split.ticker, first, last)["close"].to_numpy()
    adjusted = store.history(split.ticker, first, last, "splits", last)["close"].to_numpy()
    assert raw[row[split.ex_date] - 1] / raw[row[split.ex_date]] > 3
    assert adjusted[row[split.ex_date] - 1] / adjusted[row[split.ex_date]] < 1.2


def test_prices_trend_and_revert_enough_to_trade(ingested: tuple[BarStore, SyntheticMarket]) -> None:
    store, market = ingested
    panel = store.panel(market.tickers[5:25], market.sessions[0], market.sessions[-1])
    close = panel["close"]
    crossings = 0
    for column in close.T:
        column = column[~np.isnan(column)]
        fast = np.convolve(column, np.ones(10) / 10, "valid")[20:]
        slow = np.convolve(column, np.ones(30) / 30, "valid")
        crossings += int((np.diff(np.sign(fast[-len(slow) :] - slow)) != 0).sum())
    assert 40 < crossings < 400
    moves = np.abs(np.diff(np.log(close), axis=0))
    assert 0.005 < np.nanmedian(moves) < 0.03
    assert np.nanmax(moves) < 0.4


def test_too_small_a_market_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least"):
        write_synthetic_flat_files(tmp_path, tickers=3)


def test_minutes_go_on_where_the_day_bars_end_and_change_none_of_them(
    tmp_path: Path, store: BarStore
) -> None:
    for name, minute_sessions in (("days", 0), ("both", 2)):
        write_synthetic_flat_files(tmp_path / name, 20, 60, minute_sessions=minute_sessions)
    for path in (tmp_path / "days").rglob("day_aggs_v1/**/*.gz"):
        assert (tmp_path / "both" / path.relative_to(tmp_path / "days")).read_bytes() == path.read_bytes()
    market = write_synthetic_flat_files(tmp_path / "both", 20, 60, minute_sessions=2)
    first, last = market.minute_sessions
    assert first == next_session(market.sessions[-1])
    source = DirectorySource(tmp_path / "both")
    assert list(source.sessions("minute")) == [first, last]
    results = list(ingest_range(source, store, "minute", first, last))
    assert sum(result.quarantined for result in results) == 0
    list(ingest_range(source, store, "day", market.sessions[-1], market.sessions[-1]))
    day = store.cross_section(market.sessions[-1])
    minutes = store.cross_section(first, frequency="minute")
    opens, closes = session_open_close(first)
    assert minutes["timestamp"].min() < opens  # type: ignore[operator]
    assert minutes["timestamp"].max() >= closes  # type: ignore[operator]
    start = minutes.filter(timestamp=opens).join(day, on="ticker")
    assert start.height == 19  # one is delisted
    assert (np.abs(np.log(start["open"] / start["close_right"])) < 0.1).all()
    next_day = store.cross_section(last, frequency="minute")
    ends = minutes.filter(pl.col("timestamp") < closes).group_by("ticker").agg(pl.col("close").last())
    opens_next = next_day.filter(timestamp=session_open_close(last)[0]).join(ends, on="ticker")
    assert (np.abs(np.log(opens_next["open"] / opens_next["close_right"])) < 0.1).all()
