"""Which things on the overview need a person, by time of day and state."""

from datetime import date, datetime

import pytest

from falcon_pipelines.dashboard.attention import missed_weekdays, notices
from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.overview import Overview
from falcon_pipelines.dashboard.queries.control import HaltRow
from falcon_pipelines.dashboard.queries.market_data import DataHealth, Frequency


def overview_of(newest: date, *, synthetic: bool = False, quarantined: int = 0) -> Overview:
    day = Frequency(
        frequency="day",
        first_session=date(2024, 1, 2),
        newest_session=newest,
        sessions=700,
        rows=6_000_000,
        quarantined=quarantined,
        newest_rows=9_000,
        newest_quarantined=quarantined,
    )
    data = DataHealth(
        version="v1-a", stored_at=None, sources=["s3"], basis=["sip"], synthetic=synthetic, frequencies=[day]
    )
    return Overview(
        accounts=[],
        account=None,
        standing=None,
        positions=[],
        halts=[],
        rejected=0,
        screens=[],
        strategies=[],
        data=data,
    )


def at(day: int, hour: int) -> datetime:
    """A New York time in November 2026."""
    return datetime(2026, 11, day, hour, tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("newest", "now", "missed"),
    [
        (date(2026, 11, 20), at(21, 12), 0),  # Friday's bars on Saturday
        (date(2026, 11, 20), at(23, 12), 0),  # still all there is on Monday
        (date(2026, 11, 20), at(24, 10), 0),  # Monday's file is not due before 11:00 on Tuesday
        (date(2026, 11, 20), at(24, 11), 1),
        (date(2026, 11, 20), at(25, 12), 2),
        (date(2026, 11, 24), at(20, 12), 0),
    ],
)
def test_only_weekdays_whose_file_is_due_are_missed(newest: date, now: datetime, missed: int) -> None:
    assert missed_weekdays(newest, now) == missed


def test_one_missing_weekday_may_be_a_holiday_two_are_stale_data() -> None:
    view = overview_of(date(2026, 11, 20))
    assert notices(view, at(24, 12)) == []
    assert [notice.kind for notice in notices(view, at(25, 12))] == ["act"]


def test_synthetic_data_is_never_stale_and_always_said() -> None:
    found = notices(overview_of(date(2024, 1, 5), synthetic=True), at(25, 12))
    assert [notice.kind for notice in found] == ["note"]
    assert "SYNTHETIC" in found[0].message


@pytest.mark.parametrize(("quarantined", "needs_a_person"), [(90, False), (95, True)])
def test_more_than_a_hundredth_in_quarantine_needs_a_person(quarantined: int, needs_a_person: bool) -> None:
    found = notices(overview_of(date(2026, 11, 20), quarantined=quarantined), at(21, 12))
    assert bool(found) is needs_a_person


def test_a_halt_that_lasts_needs_a_person_one_that_is_over_does_not() -> None:
    since = at(20, 10)
    over = HaltRow(kind="daily_loss", since=since, until=at(21, 10), reason="lost 3 % in a day")
    lasting = HaltRow(kind="drawdown", since=since, until=None, reason="20 % below the peak")
    view = overview_of(date(2026, 11, 20)).model_copy(update={"halts": [lasting, over]})
    assert [notice.message for notice in notices(view, at(21, 12))] == [
        "No new entries: drawdown since 2026-11-20 10:00, 20 % below the peak. Exits still run."
    ]
