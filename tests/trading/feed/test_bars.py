"""Which minute bars can be matched: sound content, in a regular session, of the right day."""

from datetime import date

import pytest

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.trading.feed.bars import Gate, Hours, MinuteBar, fault
from tests.trading.feed.running import OPEN, bar

GOOD = bar("AAPL", 0)
NAN, INFINITY = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({}, None),
        ({"volume": 0.0}, None),
        ({"ticker": "BRK.B"}, None),
        ({"ticker": "NAN"}, None),
        ({"high": 99.0}, "bad price"),
        ({"low": 100.4}, "bad price"),
        ({"open": -1.0}, "bad price"),
        ({"low": 0.0}, "bad price"),
        ({"close": NAN}, "bad price"),
        ({"high": NAN}, "bad price"),
        ({"high": INFINITY}, "bad price"),
        ({"high": 1e12}, "bad price"),
        ({"volume": -1.0}, "bad volume"),
        ({"volume": NAN}, "bad volume"),
        ({"volume": INFINITY}, "bad volume"),
        ({"time": OPEN + 1}, "bad time"),
        ({"time": -1}, "bad time"),
        ({"ticker": ""}, "bad ticker"),
        ({"ticker": "A\tB"}, "bad ticker"),
        ({"ticker": "A\\N"}, "bad ticker"),
        ({"ticker": "A B"}, "bad ticker"),
        ({"ticker": 'A"B'}, "bad ticker"),
        ({"ticker": "Ä"}, "bad ticker"),
        ({"ticker": "A" * 33}, "bad ticker"),
    ],
)
def test_a_bar_that_cannot_be_true_has_a_fault(changes: dict[str, object], reason: str | None) -> None:
    assert fault(GOOD._replace(**changes)) == reason  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("session", "minutes"),
    [
        (date(2015, 12, 24), 210),  # early close at 13:00
        (date(2015, 12, 23), 390),
        (date(2013, 3, 8), 390),  # the Friday before the clocks go forward
        (date(2013, 3, 11), 390),  # and the Monday after: an hour earlier in UTC
        (date(2025, 10, 31), 390),
        (date(2025, 11, 3), 390),
        (date(2026, 11, 27), 210),
    ],
)
def test_a_session_has_its_minutes_and_no_others(session: date, minutes: int) -> None:
    opens, closes = (int(moment.timestamp()) for moment in session_open_close(session))
    day = [GOOD._replace(time=time) for time in range(opens - 4 * 3600, closes + 4 * 3600, 60)]
    gate = Gate(Hours())
    admitted = gate.admit(day, closes + 8 * 3600, live=False)
    assert [bar.time for bar in admitted] == list(range(opens, closes, 60))
    assert len(admitted) == minutes
    assert gate.refused == {"outside the session": len(day) - minutes}


def test_holidays_and_weekends_have_no_minutes() -> None:
    gate = Gate(Hours())
    thanksgiving, saturday = OPEN + 3 * 86_400, OPEN + 5 * 86_400
    bars = [GOOD._replace(time=time) for time in (thanksgiving, saturday)]
    assert gate.admit(bars, OPEN + 30 * 86_400, live=False) == []


def test_a_live_bar_of_another_day_is_refused_unless_it_came_by_back_fill() -> None:
    gate = Gate(Hours())
    tomorrow = OPEN + 86_400
    old = MinuteBar(*GOOD[:-1], late=False)
    assert gate.admit([old], tomorrow, live=True) == []
    assert gate.refused == {"wrong day": 1}
    assert gate.admit([old._replace(late=True)], tomorrow, live=True) == [old._replace(late=True)]
