"""A whole session of 5,000 symbols through the trader."""

import pytest

from benchmarks.live_trading import run


@pytest.mark.slow
def test_a_session_of_5000_symbols_leaves_balanced_books_and_little_memory() -> None:
    found = run(390)
    assert found["bars"] == 390 * 5_000
    assert found["fills"] > 500
    assert found["resident_mb"] < 400  # the target of the service is 300; this process also makes the bars
