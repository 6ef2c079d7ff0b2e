from pathlib import Path

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars.bar_files import BadBarFile, read_bar_file

HEADER = "ticker,timestamp,open,high,low,close,volume"


def csv(tmp_path: Path, *lines: str, header: str = HEADER) -> Path:
    path = tmp_path / "bars.csv"
    path.write_text("\n".join([header, *lines, ""]))
    return path


def test_plain_dates_make_a_day_panel_at_new_york_midnight(tmp_path: Path) -> None:
    panel = read_bar_file(
        csv(tmp_path, "A,2014-06-10,2,3,1,2,10", "A,2014-01-09,1,1,1,1,5", "NA,2014-06-10,4,4,4,4,0")
    )
    assert panel.frequency == "day"
    assert panel.tickers == ("A", "NA")
    assert [str(t) for t in panel.timestamps] == [
        "2014-01-09T05:00:00.000000000",
        "2014-06-10T04:00:00.000000000",
    ]
    np.testing.assert_array_equal(panel["close"], [[1, np.nan], [2, 4]])
    assert panel.version.startswith("file-")
    assert panel.adjust == "none"


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2014-06-10 09:30", "2014-06-10T13:30"),
        ("2014-06-10T09:30:00", "2014-06-10T13:30"),
        ("2014-06-10 09:30:00.000", "2014-06-10T13:30"),
        ("2014-06-10T13:30:00Z", "2014-06-10T13:30"),
        ("2014-06-10T13:30Z", "2014-06-10T13:30"),
        ("2014-06-10 09:30:00-04:00", "2014-06-10T13:30"),
        ("2014-06-10T15:30:00.000+02:00", "2014-06-10T13:30"),
        ("2014-06-10T15:30:00+0200", "2014-06-10T13:30"),
    ],
)
def test_times_are_new_yorks_unless_they_name_a_zone(tmp_path: Path, text: str, utc: str) -> None:
    panel = read_bar_file(csv(tmp_path, f"A,{text},1,1,1,1,1"))
    assert panel.frequency == "minute"
    assert panel.timestamps[0] == np.datetime64(utc)


def test_columns_may_stand_in_any_order_with_others_between(tmp_path: Path) -> None:
    path = csv(
        tmp_path, "7,x,1,2,3,1.5,2014-06-10,TRUE", header="volume,note,low,open,high,close,timestamp,ticker"
    )
    panel = read_bar_file(path)
    assert panel.tickers == ("TRUE",)
    assert [panel[name][0, 0] for name in ("open", "high", "low", "close", "volume")] == [2, 3, 1, 1.5, 7]


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (",2014-06-11,1,1,1,1,1", "no ticker"),
        ("A,yesterday,1,1,1,1,1", "timestamp"),
        ("A,1402286400000000000,1,1,1,1,1", "timestamp"),
        ("A,,1,1,1,1,1", "timestamp"),
        ("A,2014-02-30,1,1,1,1,1", "timestamp"),
        ("A,2014-03-09 02:30,1,1,1,1,1", "timestamp"),
        ("A,2014-06-11,x,1,1,1,1", "open is missing or no number"),
        ("A,2014-06-11,1,1,1,nan,1", "close is missing or no number"),
        ("A,2014-06-11,1,1,1,1,", "volume is missing"),
        ("A,2014-06-11,1,1,0,1,1", "low is not above zero"),
        ("A,2014-06-11,1,1,1,1,-1", "volume is below zero"),
        ("A,2014-06-11,2,1,2,2,1", "high is below low"),
        ("A,2014-06-11,3,2,1,2,1", "high is below open"),
        ("A,2014-06-11,2,4,3,4,1", "low is above open"),
        ("A,2014-06-10,1,1,1,1,1", "repeats"),
    ],
)
def test_a_wrong_line_is_named_with_its_problem(tmp_path: Path, line: str, problem: str) -> None:
    with pytest.raises(BadBarFile, match=f"line 3: .*{problem}"):
        read_bar_file(csv(tmp_path, "A,2014-06-10,1,1,1,1,1", line, "B,2014-06-10,1,1,1,1,1"))


def test_missing_columns_files_and_contents_are_named(tmp_path: Path) -> None:
    with pytest.raises(BadBarFile, match="lacks the columns high, volume"):
        read_bar_file(csv(tmp_path, "A", header="ticker,timestamp,open,low,close"))
    with pytest.raises(BadBarFile, match="no such file"):
        read_bar_file(tmp_path / "none.csv")
    with pytest.raises(BadBarFile, match="no bars"):
        read_bar_file(csv(tmp_path))
    (tmp_path / "x.parquet").write_bytes(b"no parquet")
    (tmp_path / "empty.csv").write_bytes(b"")
    with pytest.raises(BadBarFile, match="Parquet"):
        read_bar_file(tmp_path / "x.parquet")
    with pytest.raises(BadBarFile):
        read_bar_file(tmp_path / "empty.csv")
    with pytest.raises(BadBarFile):
        read_bar_file(tmp_path)


@pytest.mark.parametrize(
    "dtype",
    [pl.Date, pl.Datetime("us"), pl.Datetime("ns", "America/New_York"), pl.Datetime("ms", "UTC"), pl.String],
)
def test_parquet_gives_what_csv_gives(tmp_path: Path, dtype: pl.DataType) -> None:
    lines = ["A,2014-06-10,2,3,1,2,10", "B,2014-06-11,1,1,1,1,5"]
    expected = read_bar_file(csv(tmp_path, *lines))
    table = pl.read_csv(tmp_path / "bars.csv")
    if dtype != pl.String:
        days = pl.col("timestamp").str.to_date()
        zone = getattr(dtype, "time_zone", None)
        if zone:
            local = days.cast(pl.Datetime("ms")).dt.replace_time_zone("America/New_York")
            table = table.with_columns(local.dt.convert_time_zone(zone).cast(dtype))
        else:
            table = table.with_columns(days.cast(dtype))
    table.write_parquet(tmp_path / "bars.parquet")
    panel = read_bar_file(tmp_path / "bars.parquet")
    np.testing.assert_array_equal(panel.timestamps, expected.timestamps)
    np.testing.assert_array_equal(panel["close"], expected["close"])
    assert panel.frequency == "day"


def test_the_version_follows_the_content(tmp_path: Path) -> None:
    one = read_bar_file(csv(tmp_path, "A,2014-06-10,1,1,1,1,1")).version
    assert read_bar_file(csv(tmp_path, "A,2014-06-10,1,1,1,1,1")).version == one
    assert read_bar_file(csv(tmp_path, "A,2014-06-10,1,1,1,1,2")).version != one
