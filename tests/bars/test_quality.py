from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest

from falcon_pipelines.bars import quality
from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_sessions
from falcon_pipelines.bars.quality import QualityResult
from falcon_pipelines.bars.session_quality import ERROR_CHECKS, WARN_CHECKS, check_session, check_sessions
from falcon_pipelines.bars.store import BarStore, NoBars
from tests.bars.market import line, write_lines

DAYS = sessions_from(date(2014, 6, 2), 25)
LAST = DAYS[-1]


def bars(**closes: float) -> pl.DataFrame:
    return pl.DataFrame({"ticker": list(closes), "close": list(closes.values())})


def on(day: date, **closes: float) -> pl.DataFrame:
    return bars(**closes).with_columns(day=pl.lit(day))


def splits(*actions: CorporateAction) -> pl.DataFrame:
    return actions_table(list(actions))


@pytest.mark.parametrize(
    ("today", "passed"), [(10_000, True), (9_000, True), (8_999, False), (0, False), (20_000, True)]
)
def test_a_count_may_be_ten_percent_below_the_median(today: int, passed: bool) -> None:
    result = quality.count_drop("row_count", today, [10_000] * 18 + [1, 50_000])
    assert (result.passed, result.severity) == (passed, "ERROR")


def test_a_count_is_compared_with_the_last_twenty_sessions() -> None:
    assert quality.count_drop("row_count", 95, [1_000] * 30 + [100] * 20).passed
    assert quality.count_drop("row_count", 1, [100] * 4).passed


@pytest.mark.parametrize(("bad", "passed"), [(0, True), (10, True), (11, False)])
def test_a_tenth_of_a_percent_may_be_quarantined(bad: int, passed: bool) -> None:
    result = quality.quarantined_share(10_000 - bad, bad)
    assert (result.passed, result.severity, result.count) == (passed, "ERROR", bad)


def test_a_real_halving_is_warned_about() -> None:
    result = quality.large_moves(bars(A=48, B=61, C=141), on(DAYS[0], A=100, B=100, C=100), splits())
    assert (result.passed, result.severity, result.count) == (False, "WARN", 2)
    assert result.sample[0] == {
        "ticker": "A",
        "previous_close": 100,
        "close": 48,
        "move": pytest.approx(-0.52),
    }
    assert result.value == pytest.approx(0.52)


def test_a_split_is_no_move() -> None:
    seven = CorporateAction("A", "split", DAYS[1], ratio=7)
    assert quality.large_moves(bars(A=100), on(DAYS[0], A=700), splits(seven)).passed
    past = CorporateAction("A", "split", DAYS[0], ratio=7)
    assert not quality.large_moves(bars(A=100), on(DAYS[0], A=700), splits(past)).passed


def test_the_last_close_counts_even_if_it_is_days_old() -> None:
    before = pl.concat([on(DAYS[1], A=50, B=1), on(DAYS[0], A=100, B=1)])
    assert quality.large_moves(bars(A=55), before, splits()).passed


def test_only_the_twenty_worst_are_shown() -> None:
    closes = {f"T{n:02}": 200.0 + n for n in range(30)}
    result = quality.large_moves(bars(**closes), on(DAYS[0], **dict.fromkeys(closes, 100.0)), splits())
    assert result.count == 30
    assert [row["ticker"] for row in result.sample] == [f"T{n}" for n in range(29, 9, -1)]


def test_a_close_is_stale_after_five_sessions() -> None:
    days = DAYS[:6]
    recent = pl.concat(
        [
            on(day, SAME=5, MOVED=5 + (n == 2), NEW=7) if n > 1 else on(day, SAME=5, MOVED=5)
            for n, day in enumerate(days)
        ]
    )
    result = quality.stale_closes(recent, days)
    assert [row["ticker"] for row in result.sample] == ["SAME"]


def test_a_steady_ticker_that_is_absent_is_a_gap_unless_delisted() -> None:
    before = pl.concat(
        [on(day, A=1, B=1, GONE=1) if n != 2 else on(day, A=1, GONE=1) for n, day in enumerate(DAYS[:5])]
    )
    result = quality.gaps(bars(C=1), before, DAYS[:5], {"GONE"})
    assert [row["ticker"] for row in result.sample] == ["A"]


def test_days_are_compared_with_their_regular_minutes_only() -> None:
    opens, closes = datetime(2014, 6, 9, 13, 30, tzinfo=UTC), datetime(2014, 6, 9, 20, tzinfo=UTC)
    day = pl.DataFrame({"ticker": ["A", "B", "C"], "high": [10.0, 10.0, 10.0], "low": [9.0, 9.0, 9.0]})
    early = datetime(2014, 6, 9, 9, tzinfo=UTC)
    rows = [
        ("A", early, 645.0, 9.5),
        ("A", opens, 10.0, 9.0),
        ("B", opens, 10.0, 9.5),
        ("A", closes, 99.0, 9.0),
    ]
    minutes = pl.DataFrame(rows, schema=["ticker", "timestamp", "high", "low"], orient="row").with_columns(
        pl.col("timestamp").cast(pl.Datetime("ns", "UTC"))
    )
    result = quality.day_against_minutes(day, minutes, opens, closes)
    assert [row["ticker"] for row in result.sample] == ["B"]
    assert result.value == pytest.approx(9.5 / 9 - 1)


@pytest.fixture
def market(tmp_path: Path, store: BarStore) -> BarStore:
    """24 ordinary sessions of 30 tickers, and a last one with a crash, a split, a halt, a stale and a bad row."""
    for n, day in enumerate(DAYS):
        rows = []
        for number in range(30):
            close = 10 + 0.1 * ((n + number) % 7)
            volume = 1000
            if number == 0 and day == LAST:
                close = 4.8
            if number == 1:
                close = 70 if day != LAST else 10
            if number == 2 and day == LAST:
                volume = 0
            if number == 3:
                close = 10
            if number == 4 and day == LAST:
                continue
            rows.append(line(f"T{number:02}", day, close, close, close, close, volume))
        if day == LAST:
            rows.append(line("BAD", day, high=1))
        write_lines(tmp_path / "in", day, rows)
    list(ingest_sessions(DirectorySource(tmp_path / "in"), store, "day", DAYS))
    store.add_actions(splits(CorporateAction("T01", "split", LAST, ratio=7)), "csv", "1")
    return store


def test_a_session_is_checked_for_everything_at_once(market: BarStore) -> None:
    results = {result.name: result for result in check_session(market, LAST)}
    assert tuple(results) == ERROR_CHECKS + WARN_CHECKS

    def worst(result: QualityResult) -> list[str]:
        return [row["ticker"] for row in result.sample]

    assert results["row_count"].passed
    assert results["ticker_count"].passed
    assert not results["quarantined_share"].passed
    assert results["quarantined_share"].sample[0]["raw"].startswith("BAD,")
    assert Path(results["quarantined_share"].quarantine_file or "").is_file()
    assert worst(results["large_moves"]) == ["T00"]
    assert worst(results["zero_volume"]) == ["T02"]
    assert worst(results["stale_closes"]) == ["T03"]
    assert worst(results["gaps"]) == ["T04"]
    assert results["day_against_minutes"].passed
    assert market.history("T00", LAST, LAST)["close"].to_list() == [4.8]


def test_an_ordinary_session_passes_but_for_what_is_stale(market: BarStore) -> None:
    failed = [result.name for result in check_session(market, DAYS[-2]) if not result.passed]
    assert failed == ["stale_closes"]


def test_looking_at_many_sessions_finds_what_looking_at_each_finds(market: BarStore) -> None:
    def failed(results: tuple[QualityResult, ...]) -> dict[str, int]:
        return {result.name: result.count for result in results if not result.passed}

    market.add_actions(splits(CorporateAction("T05", "split", DAYS[12], ratio=0.5)), "csv", "2")
    many = {session: failed(results) for session, results in check_sessions(market, DAYS)}
    each = {session: failed(check_session(market, session)) for session in DAYS}
    assert many == each
    assert "large_moves" in many[DAYS[12]]


def test_a_delisted_ticker_is_no_gap(market: BarStore) -> None:
    market.add_actions(splits(CorporateAction("T04", "delisting", LAST)), "csv", "2")
    assert next(r for r in check_session(market, LAST) if r.name == "gaps").passed


def test_a_session_that_is_not_there_is_named(market: BarStore) -> None:
    with pytest.raises(NoBars, match="2014-01-02"):
        check_session(market, date(2014, 1, 2))


def test_real_days_agree_with_their_minutes(real_flat_files: Path, store: BarStore) -> None:
    source = DirectorySource(real_flat_files)
    days = [date(2014, 6, day) for day in (2, 3, 4, 5, 6, 9)]
    list(ingest_sessions(source, store, "day", days))
    list(ingest_sessions(source, store, "minute", days[3:]))
    store.add_actions(splits(CorporateAction("AAPL", "split", date(2014, 6, 9), ratio=7)), "csv", "1")
    results = {result.name: result for result in check_session(store, days[-1])}
    assert results["day_against_minutes"].value is not None
    assert [result.name for result in results.values() if not result.passed] == []
    minute_checks = {result.name: result.passed for result in check_session(store, days[-1], "minute")}
    assert set(minute_checks) == set(ERROR_CHECKS)
