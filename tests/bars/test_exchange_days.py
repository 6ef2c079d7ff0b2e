"""The listed sessions are those of the library that knows the exchange's rules."""

from datetime import date

import numpy as np

from falcon_pipelines.bars.exchange_days import LAST, library_sessions, listed_sessions, sessions_until


def test_the_list_agrees_with_the_library_on_every_session() -> None:
    """Where it fails after an update of exchange_calendars: python -m falcon_pipelines.bars.exchange_days."""
    for listed, known in zip(listed_sessions(), library_sessions(LAST), strict=True):
        assert np.array_equal(listed, known)


def test_dates_after_the_list_are_asked_of_the_library() -> None:
    end = date(LAST.year + 1, 1, 31)
    assert sessions_until(end).days[-1] == np.datetime64("2030-01-31")
    assert sessions_until(LAST).days[-1] == np.datetime64("2029-12-31")
