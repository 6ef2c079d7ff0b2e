from datetime import UTC, date, datetime

import pytest

from falcon_pipelines.bars import calendar


def test_holidays_and_weekends_are_no_sessions() -> None:
    assert not calendar.is_session(date(2014, 7, 4))
    assert not calendar.is_session(date(2014, 6, 7))
    assert calendar.is_session(date(2014, 6, 9))


def test_sessions_include_both_ends_and_skip_closed_days() -> None:
    assert calendar.sessions(date(2014, 7, 3), date(2014, 7, 7)) == (date(2014, 7, 3), date(2014, 7, 7))
    assert calendar.sessions(date(2014, 7, 4), date(2014, 7, 6)) == ()
    assert calendar.sessions(date(2014, 7, 7), date(2014, 7, 3)) == ()


def test_christmas_eve_of_2015_closes_early() -> None:
    assert calendar.session_open_close(date(2015, 12, 24)) == (
        datetime(2015, 12, 24, 14, 30, tzinfo=UTC),
        datetime(2015, 12, 24, 18, 0, tzinfo=UTC),
    )
    assert calendar.is_early_close(date(2015, 12, 24))
    assert not calendar.is_early_close(date(2015, 12, 23))


def test_neighbours_of_a_session_and_of_a_holiday() -> None:
    assert calendar.next_session(date(2014, 7, 3)) == date(2014, 7, 7)
    assert calendar.next_session(date(2014, 7, 5)) == date(2014, 7, 7)
    assert calendar.previous_session(date(2014, 7, 7)) == date(2014, 7, 3)


def test_the_first_known_session_covers_the_oldest_real_bars() -> None:
    assert calendar.first_session() < date(1998, 1, 2) < calendar.last_session()


def test_a_date_the_calendar_does_not_know_is_named() -> None:
    with pytest.raises(calendar.OutsideCalendar, match="1850-01-01"):
        calendar.sessions(date(1850, 1, 1), date(1850, 2, 1))
    with pytest.raises(calendar.OutsideCalendar, match="no trading session"):
        calendar.session_open_close(date(2014, 7, 4))


def test_midnight_follows_daylight_saving_time() -> None:
    assert calendar.midnight(date(2014, 6, 9)) == datetime(2014, 6, 9, 4, tzinfo=UTC)
    assert calendar.midnight(date(2014, 12, 9)) == datetime(2014, 12, 9, 5, tzinfo=UTC)
