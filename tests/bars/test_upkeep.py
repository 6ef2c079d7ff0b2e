from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

from falcon_pipelines.bars.calendar import NEW_YORK, sessions, sessions_from
from falcon_pipelines.bars.flat_files import RemoteFile
from falcon_pipelines.bars.upkeep import (
    actions_due,
    as_ranges,
    expected_sessions,
    freshness,
    label_of,
    may_try,
    missing_sessions,
    published_at,
    republished,
    sessions_kept,
    sessions_to_recheck,
)

CALENDAR = sessions(date(2014, 6, 27), date(2014, 7, 11))
THURSDAY, MONDAY, TUESDAY = date(2014, 7, 3), date(2014, 7, 7), date(2014, 7, 8)


def at(day: date, hour: int) -> datetime:
    return datetime(day.year, day.month, day.day, hour, tzinfo=NEW_YORK)


def file(session: date, etag: str) -> RemoteFile:
    return RemoteFile(session, "day", "key", etag, 1)


def test_a_file_is_expected_the_next_day_even_on_a_holiday() -> None:
    assert published_at(THURSDAY) == at(date(2014, 7, 4), 11)


def test_over_a_long_weekend_the_last_session_stays_the_expected_one() -> None:
    done = [session for session in CALENDAR if session <= THURSDAY]
    for moment in (at(date(2014, 7, 5), 9), at(MONDAY, 23), at(TUESDAY, 16)):
        state = freshness(CALENDAR, done, moment)
        assert state.is_fresh, moment
        assert state.expected == THURSDAY
    assert not freshness(CALENDAR, done, at(TUESDAY, 18)).is_fresh


def test_backfilling_an_old_session_does_not_look_fresh() -> None:
    now = at(date(2014, 7, 10), 12)
    old = freshness(CALENDAR, [date(2014, 6, 27), date(2014, 6, 30)], now)
    assert not old.is_fresh
    assert old.newest == date(2014, 6, 30)
    assert old.missing[0] == date(2014, 7, 1)


def test_a_hole_in_the_past_is_missing_but_not_stale() -> None:
    now = at(TUESDAY, 18)
    done = [session for session in CALENDAR if session not in (date(2014, 7, 1), *CALENDAR[-3:])]
    state = freshness(CALENDAR, done, now)
    assert state.missing == (date(2014, 7, 1),)
    assert state.is_fresh


def test_nothing_is_expected_before_the_first_publication() -> None:
    assert expected_sessions(CALENDAR, at(CALENDAR[0], 23)) == ()
    assert freshness(CALENDAR, [], at(CALENDAR[0], 23)).is_fresh


def test_the_newest_ten_sessions_are_looked_at_again() -> None:
    assert sessions_to_recheck(CALENDAR, 3) == CALENDAR[-3:]
    assert sessions_to_recheck([], 3) == ()


def test_only_a_changed_etag_is_a_republication() -> None:
    known = {THURSDAY: "a", MONDAY: "b"}
    files = {THURSDAY: file(THURSDAY, "a"), MONDAY: file(MONDAY, "c"), TUESDAY: file(TUESDAY, "d")}
    assert republished(known, files) == (MONDAY,)
    assert republished(known, {}) == ()


def test_published_sessions_not_in_the_store_are_missing_and_holidays_never_are() -> None:
    published = {THURSDAY, date(2014, 7, 4), MONDAY}
    assert missing_sessions(CALENDAR, published, {THURSDAY}) == (MONDAY,)


def test_neighbouring_sessions_become_ranges_across_weekends_and_holidays() -> None:
    wanted = [session for session in CALENDAR if session != date(2014, 7, 1)]
    assert as_ranges(wanted, CALENDAR, 4) == (
        (date(2014, 6, 27), date(2014, 6, 30)),
        (date(2014, 7, 2), TUESDAY),
        (date(2014, 7, 9), date(2014, 7, 11)),
    )
    assert as_ranges([], CALENDAR, 4) == ()


def test_each_session_is_in_exactly_one_range() -> None:
    calendar = sessions(date(2014, 1, 1), date(2014, 12, 31))
    wanted = [session for n, session in enumerate(calendar) if n % 5 != 3]
    covered: list[date] = []
    for first, last in as_ranges(wanted, calendar, 3):
        inside = [session for session in calendar if first <= session <= last]
        assert len(inside) <= 3
        assert last - first < timedelta(days=10)
        covered += inside
    assert covered == wanted


NOON = datetime(2024, 1, 10, 12, tzinfo=UTC)


def test_failed_work_is_tried_five_times_further_and_further_apart() -> None:
    waits = []
    for failures in range(1, 5):
        wait = next(n for n in range(1000) if may_try(failures, NOON, NOON + timedelta(minutes=n)))
        waits.append(wait)
    assert waits == [5, 15, 45, 135]
    assert may_try(0, None, NOON)
    assert not may_try(5, NOON, NOON + timedelta(days=30))


def test_actions_are_fetched_once_a_session_before_its_prices_are_adjusted() -> None:
    newest = date(2024, 1, 10)
    assert actions_due(newest, None)
    assert actions_due(newest, published_at(newest) - timedelta(minutes=1))
    assert not actions_due(newest, published_at(newest) + timedelta(minutes=1))
    assert not actions_due(None, None)


def test_minutes_are_kept_of_the_newest_sessions_only() -> None:
    days = sessions_from(date(2024, 1, 2), 30)
    assert sessions_kept(days, 3) == days[-3:]
    assert sessions_kept(days, 0) == ()


def test_a_label_of_files_changes_with_any_of_them() -> None:
    first, second = (RemoteFile(day, "day", "key", "etag", 1) for day in (date(2024, 1, 2), date(2024, 1, 3)))
    assert label_of([first, second]) == label_of([second, first])
    assert label_of([first, replace(second, etag="new")]) != label_of([first, second])
