"""A whole session of 5,000 symbols through the trader."""

from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from benchmarks.live_trading import TARGET_MB, run


@pytest.mark.slow
def test_a_session_of_5000_symbols_leaves_balanced_books_and_little_memory() -> None:
    """In a process of its own, which also makes the bars: what other tests have loaded does not count."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as alone:
        found = alone.submit(run, 390).result()
    assert found["bars"] == 390 * 5_000
    assert found["fills"] > 500
    assert found["resident_mb"] < TARGET_MB
