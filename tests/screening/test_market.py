"""What a run may see: minutes that are over, seasons of former years, bars of the session before in the morning."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from falcon_pipelines.bars.calendar import NEW_YORK, sessions_from
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.profiles.documents import bundled_profiles
from falcon_pipelines.screening.bar_sources import FileBars
from falcon_pipelines.screening.coarse_files import BadCoarseFiles, read_coarse_folder
from falcon_pipelines.screening.feature_files import read_features, serves, write_features
from falcon_pipelines.screening.features import features_of
from falcon_pipelines.screening.market import NoBarsToScreen
from falcon_pipelines.screening.minutes import minute_features
from falcon_pipelines.screening.reference_csv import CsvReference
from falcon_pipelines.screening.run import gather, run_screens
from falcon_pipelines.screening.seasons import sector_seasons
from tests.screening.markets import market, names, panel_of, profile, random_panel

DAY = date(2024, 1, 16)


def at(clock: str, day: date = DAY) -> datetime:
    hour, minute = clock.split(":")
    return datetime(day.year, day.month, day.day, int(hour), int(minute), tzinfo=NEW_YORK)


def minutes(**closes: dict[str, float]) -> pl.DataFrame:
    rows = [(t, at(clock), close) for t, bars in closes.items() for clock, close in bars.items()]
    schema = {"ticker": pl.String, "timestamp": pl.Datetime("ns", "UTC"), "close": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")


def of(table: pl.DataFrame | None, name: str) -> dict[str, float | None]:
    assert table is not None
    return dict(zip(table["ticker"], table[name], strict=True))


def test_five_minutes_and_the_premarket_gap_end_with_the_run() -> None:
    days = panel_of(np.full((20, 2), 50.0), ("A", "B"), first=date(2023, 12, 15))  # ends on the 16th
    days["close"][-2] = 40.0
    bars = minutes(
        A={
            "08:00": 44,
            "09:29": 42,
            "09:30": 43,
            "09:54": 45,
            "09:59": 46,
            "10:00": 99,
            "15:54": 50,
            "15:59": 55,
        },
        B={"09:31": 10, "09:40": 11},
    )
    midday = minute_features(bars, DAY, "midday", days)
    assert of(midday, "performance_5m") == {"A": pytest.approx((46 / 45 - 1) * 100), "B": None}
    assert of(midday, "premarket_gap") == {"A": pytest.approx(5), "B": None}
    evening = minute_features(bars, DAY, "evening", days)
    assert of(evening, "performance_5m")["A"] == pytest.approx(10)
    assert minute_features(bars, DAY, "morning", days) is None
    later = bars.with_columns(
        close=pl.when(pl.col("timestamp") >= at("10:00").astimezone(UTC)).then(1.0).otherwise("close")
    )
    assert minute_features(later, DAY, "midday", days).equals(midday)  # type: ignore[union-attr]


def source(tickers: tuple[str, ...] = names(60), sessions: int = 262) -> FileBars:
    return FileBars(random_panel(tickers, sessions))


def test_morning_and_midday_see_the_bars_of_the_session_before() -> None:
    bars = source()
    last = bars.sessions()[-1]
    assert gather(bars, frozenset({"bars"}), None, last, "evening").bars_session == last
    for slot in ("morning", "midday"):
        seen = gather(bars, frozenset({"bars"}), None, last, slot)
        assert (seen.session, seen.bars_session) == (last, bars.sessions()[-2])
    changed = source()
    for field in changed.days.fields.values():
        field[-1] *= 3
    chosen = bundled_profiles()["high_momentum"]
    [before] = run_screens([chosen], bars, None, last, "morning")
    [after] = run_screens([chosen], changed, None, last, "morning")
    assert [(p.ticker, p.score, p.stop) for p in before.picks] == [
        (p.ticker, p.score, p.stop) for p in after.picks
    ]
    assert len(before.picks) == 10


def test_nothing_after_the_session_changes_an_earlier_screen() -> None:
    bars = source(sessions=300)
    day = bars.sessions()[270]
    chosen = [bundled_profiles()[name] for name in ("mean_reversion", "high_momentum")]
    before = run_screens(chosen, bars, None, day)
    for field in bars.days.fields.values():
        field[271:] *= 5
    assert run_screens(chosen, bars, None, day) == before


def test_sessions_that_cannot_be_screened_are_named() -> None:
    bars = source(sessions=30)
    first = bars.sessions()[0]
    with pytest.raises(NoBarsToScreen, match="no bars before"):
        gather(bars, frozenset(), None, first, "morning")
    with pytest.raises(Exception, match="no trading session"):
        gather(bars, frozenset(), None, date(2023, 1, 16))
    cut = bars.days
    keep = [i for i, day in enumerate(bars.sessions()) if day != date(2023, 1, 10)]
    holed = Panel(cut.timestamps[keep], cut.tickers, {k: v[keep] for k, v in cut.fields.items()}, "day", "x")
    with pytest.raises(NoBarsToScreen, match="no bars of 2023-01-10"):
        gather(FileBars(holed), frozenset(), None, date(2023, 1, 10))


def seasonal_panel(years: int) -> tuple[FileBars, list[date], pl.DataFrame]:
    """Years in which the first sector rises by a tenth every January and the second falls."""
    days = sessions_from(date(2015, 1, 2), 252 * years + 5)
    tickers = names(8)
    close = np.full((len(days), 8), 50.0)
    for row, day in enumerate(days[1:], start=1):
        close[row] = close[row - 1]
        if day.month == 1 and day.day > 15:
            close[row, :4] *= 1.01
            close[row, 4:] *= 0.99
    sectors = pl.DataFrame({"ticker": list(tickers), "sector": ["Up"] * 4 + ["Down"] * 4})
    return FileBars(panel_of(close, tickers, first=date(2015, 1, 2))), list(days), sectors


def test_seasons_are_the_means_of_former_years_and_never_of_this_one() -> None:
    bars, days, sectors = seasonal_panel(6)
    session = max(day for day in days if (day.month, day.day) <= (1, 15))
    known = [day for day in days if day <= session]
    found, years = sector_seasons(bars, known, session, sectors)
    assert years >= 4
    assert found["Up"] > 5
    assert found["Down"] < -5
    bars.days["close"][len(known) :] *= 9
    assert sector_seasons(bars, known, session, sectors) == (found, years)


def test_fewer_than_three_former_years_give_no_season() -> None:
    bars, days, sectors = seasonal_panel(3)
    assert sector_seasons(bars, days[:520], days[519], sectors)[0] == {}


def test_with_all_inputs_every_bundled_profile_gives_its_picks(tmp_path: Path) -> None:
    tickers = names(90)
    panel = random_panel(tickers, 252 * 4 + 20, first=date(2021, 1, 4))
    panel["close"][-1] = np.maximum(panel["close"][-2] * 1.01, 6.0)
    scale = 12.0 / panel["close"][-1]
    for name in ("open", "high", "low", "close"):
        panel.fields[name][:] *= scale
    panel["volume"][-1] = 2.5 * panel["volume"][-21:-1].mean(axis=0)
    day = panel.timestamps[-1].astype("datetime64[D]").item()
    rng = np.random.default_rng(8)
    moments = [at(clock, day) for clock in ("15:50", "15:54", "15:58", "15:59")]
    stamps = (
        np.array([m.astimezone().timestamp() * 1e9 for m in moments]).astype("int64").astype("datetime64[ns]")
    )
    closes = 12 * np.exp(np.cumsum(rng.normal(0, 0.002, (4, 90)), axis=0))
    minute_panel = Panel(stamps, tickers, dict.fromkeys(panel.fields, closes), "minute", "minutes-1")
    csv = tmp_path / "reference.csv"
    lines = [
        f"{t},{['Energy', 'Technology', 'Healthcare'][i % 3]},{day + timedelta(days=3)}"
        for i, t in enumerate(tickers)
    ]
    csv.write_text("ticker,sector,earnings_date\n" + "\n".join(lines))
    chosen = list(bundled_profiles().values())
    made = {
        one.profile.name: one for one in run_screens(chosen, FileBars(panel, minute_panel), CsvReference(csv))
    }
    assert {name: one.reason for name, one in made.items()} == dict.fromkeys(made)
    for name in ("momentum_breakouts", "earnings_plays", "seasonal_sector_rotation", "high_momentum"):
        assert made[name].picks, name


def test_features_kept_on_disk_are_the_same(tmp_path: Path) -> None:
    made = features_of(market(random_panel(names(30), 60)), ["return_5", "rsi_14"], [14])
    write_features(tmp_path, made)
    back = read_features(tmp_path, made.session, "evening", made.version)
    assert back is not None
    assert back.table.equals(made.table)
    assert {k: v for k, v in vars(back).items() if k != "table"} == {
        k: v for k, v in vars(made).items() if k != "table"
    }
    assert read_features(tmp_path, made.session, "evening", "another version") is None
    assert read_features(tmp_path, made.session, "morning", made.version) is None
    assert serves(back, ("return_5",), 14)
    assert not serves(back, ("return_6",), 14)


def test_coarse_files_are_adjusted_and_follow_a_security_by_its_id(tmp_path: Path) -> None:
    (tmp_path / "20140324.csv").write_text(
        "ID1,OLD,100,1000,100000,True,0.9,0.5\nID2,GONE,5,10,50,False,1,1\n"
    )
    (tmp_path / "20140325.csv").write_text("ID1,NEW,51,2000,102000,True,0.9,1\nID3,OLD,7,10,70,False,1,1\n")
    panel = read_coarse_folder(tmp_path)
    assert panel.tickers == ("GONE", "NEW", "OLD")
    np.testing.assert_allclose(panel["close"][:, 1], [50, 51])
    np.testing.assert_allclose(panel["volume"][:, 1], [2000, 2000])
    assert np.isnan(panel["close"][0, 2])
    with pytest.raises(BadCoarseFiles, match="no file like"):
        read_coarse_folder(tmp_path / "empty")


def test_a_real_market_is_ranked_without_care_for_names_or_order(lean: Path) -> None:
    from tests.screening.test_ties import renamed, reversed_columns

    panel = read_coarse_folder(lean / "coarse")
    assert len(panel.tickers) > 7000
    factors = [
        {"name": "return_4", "direction": "higher", "weight": 1},
        {"name": "relative_volume_4", "direction": "higher", "weight": 1},
    ]
    chosen = profile(factors=factors, top_k=50, levels={"atr_period": 4})
    [before] = run_screens([chosen], FileBars(panel))
    mapping = {ticker: f"Z{len(panel.tickers) - i}" for i, ticker in enumerate(panel.tickers)}
    [other_way] = run_screens([chosen], FileBars(reversed_columns(panel)))
    [other_names] = run_screens([chosen], FileBars(renamed(panel, mapping)))
    assert other_way.picks == before.picks
    assert [p.ticker for p in other_names.picks] == [mapping[p.ticker] for p in before.picks]
    assert len(before.picks) == 50
