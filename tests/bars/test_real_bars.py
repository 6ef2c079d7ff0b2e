"""The store on prices nobody here made up: seven tickers, 1998 to 2021, from an S3 server."""

from datetime import date
from functools import cache
from pathlib import Path

import boto3
import numpy as np
import pytest
from sqlalchemy import Engine

from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.s3 import S3Source
from falcon_pipelines.bars.store import BarStore
from tests.bars.conftest import BUCKET

AAPL_SPLITS = [
    CorporateAction("AAPL", "split", date(2000, 6, 21), ratio=2),
    CorporateAction("AAPL", "split", date(2005, 2, 28), ratio=2),
    CorporateAction("AAPL", "split", date(2014, 6, 9), ratio=7),
    CorporateAction("AAPL", "split", date(2020, 8, 31), ratio=4),
]


@cache
def upload(folder: Path, endpoint: str, pattern: str) -> None:
    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )
    for path in folder.glob(pattern):
        client.put_object(Bucket=BUCKET, Key=path.relative_to(folder).as_posix(), Body=path.read_bytes())


@pytest.fixture
def spring(real_flat_files: Path, s3_endpoint: str, store: BarStore) -> BarStore:
    """June 2014 over S3, with AAPL's splits."""
    upload(real_flat_files, s3_endpoint, "us_stocks_sip/*/2014/06/*.csv.gz")
    source = S3Source(s3_endpoint, BUCKET, "key", "secret")
    results = list(ingest_range(source, store, "day", date(2014, 6, 2), date(2014, 6, 30)))
    assert len(results) == 21
    assert sum(result.quarantined for result in results) == 0
    store.add_actions(actions_table(AAPL_SPLITS), "csv", "1")
    return store


def test_published_closes_come_through_unaltered(spring: BarStore) -> None:
    raw = spring.history("AAPL", date(2014, 6, 5), date(2014, 6, 10))
    assert raw["close"].to_list() == [647.35, 645.57, 93.7, 94.25]


def test_aapl_across_its_seven_for_one_split(spring: BarStore) -> None:
    range_ = date(2014, 6, 5), date(2014, 6, 10)
    before_2020 = spring.history("AAPL", *range_, "splits", date(2014, 12, 31))
    np.testing.assert_allclose(before_2020["close"], [647.35 / 7, 645.57 / 7, 93.7, 94.25], rtol=1e-12)
    after_2020 = spring.history("AAPL", *range_, "splits", date(2021, 3, 31))
    np.testing.assert_allclose(
        after_2020["close"], [647.35 / 28, 645.57 / 28, 93.7 / 4, 94.25 / 4], rtol=1e-12
    )
    raw = spring.history("AAPL", *range_)
    np.testing.assert_allclose(after_2020["volume"], raw["volume"] * np.array([28, 28, 4, 4]))


def test_minutes_of_a_split_day_keep_their_mixed_prices(real_flat_files: Path, store: BarStore) -> None:
    days = date(2014, 6, 5), date(2014, 6, 9)
    assert (
        sum(r.quarantined for r in ingest_range(DirectorySource(real_flat_files), store, "minute", *days))
        == 0
    )
    minutes = store.history("AAPL", days[1], days[1], frequency="minute")
    assert minutes["open"][0] == 645.57
    assert minutes["close"][0] == 92.42
    assert minutes["timestamp"][0].isoformat() == "2014-06-09T08:00:00+00:00"
    store.add_actions(actions_table(AAPL_SPLITS), "csv", "1")
    adjusted = store.history("AAPL", days[0], days[1], "splits", days[1], frequency="minute")["close"]
    regular = adjusted.to_numpy()
    assert np.abs(np.diff(np.log(regular))).max() < 0.03


def test_minutes_of_an_early_close_end_early(real_flat_files: Path, store: BarStore) -> None:
    day = date(2015, 12, 24)
    list(ingest_range(DirectorySource(real_flat_files), store, "minute", day, day))
    bars = store.cross_section(day, frequency="minute")
    assert bars["ticker"].unique().to_list() == ["GOOG"]
    assert bars["timestamp"].max().isoformat() < "2015-12-24T22:00"  # type: ignore[union-attr]


@pytest.mark.slow
def test_twenty_three_years_of_seven_tickers(
    real_flat_files: Path, s3_endpoint: str, tmp_path: Path, engine: Engine
) -> None:
    upload(real_flat_files, s3_endpoint, "us_stocks_sip/day_aggs_v1/*/*/*.csv.gz")
    store = BarStore(tmp_path / "store", engine)
    start, end = date(1998, 1, 2), date(2021, 3, 31)
    results = list(ingest_range(S3Source(s3_endpoint, BUCKET, "key", "secret"), store, "day", start, end))
    assert len(results) == 5849
    assert sum(result.quarantined for result in results) == 0
    store.build_history("day")
    spy = store.history("SPY", start, end)
    assert spy.height == 5849
    assert spy["close"][0] == 97.36
    store.add_actions(actions_table(AAPL_SPLITS), "csv", "1")
    panel = store.panel(["AAPL", "QQQ", "FB"], start, end, adjust="splits", as_of=end)
    apple = panel["close"][:, 0]
    assert np.nanmax(np.abs(np.diff(np.log(apple)))) < 0.8
    hole = (panel.timestamps > np.datetime64("2004-12-02")) & (panel.timestamps < np.datetime64("2011-03-01"))
    assert np.isnan(panel["close"][hole, 1]).all()
    assert not np.isnan(panel["close"][-1]).any()
