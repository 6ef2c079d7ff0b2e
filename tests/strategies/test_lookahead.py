"""The look-ahead and warm-up checks find what they are for."""

from collections.abc import Iterator

import numpy as np
import pytest

from falcon_pipelines.strategies.indicators import INDICATORS, Column, Indicator
from falcon_pipelines.strategies.lookahead import check_lookahead
from falcon_pipelines.strategies.spec import parse_spec
from tests.strategies.panels import random_day_panel

TEXT = "spec_version: 1\nname: x\nindicators: [{id: i, fn: FN}]\nentry: {long: {gt: [close, i]}}"


def tomorrow(bars: Column) -> tuple[np.ndarray, ...]:
    return (np.append(bars.close[1:], bars.close[-1]),)


def centred(bars: Column) -> tuple[np.ndarray, ...]:
    return (np.full(len(bars), bars.close.mean()),)


@pytest.fixture(params=[tomorrow, centred])
def cheating(request: pytest.FixtureRequest) -> Iterator[str]:
    name = request.param.__name__
    INDICATORS[name] = Indicator(name, "cheat", "knows what comes", request.param, lambda: 0)
    yield name
    del INDICATORS[name]


def test_an_indicator_that_knows_the_future_is_caught(cheating: str) -> None:
    report = check_lookahead(parse_spec(TEXT.replace("FN", cheating)), random_day_panel(120, 2))
    assert not report.passed
    first = report.differences[0]
    assert first.part == "entry_long"
    assert first.ticker in ("T0", "T1")
    assert first.before != first.after


def test_an_entry_before_the_declared_warm_up_is_caught() -> None:
    INDICATORS["hasty"] = Indicator("hasty", "hasty", "says 50", lambda bars: (bars.open,), lambda: 50)
    try:
        report = check_lookahead(parse_spec(TEXT.replace("FN", "hasty")), random_day_panel(120, 1))
    finally:
        del INDICATORS["hasty"]
    assert report.differences
    assert report.first_entry is not None
    assert report.first_entry < report.warm_up == 50
    assert not report.passed


def test_an_honest_strategy_passes_and_its_memory_is_measured() -> None:
    text = TEXT.replace("fn: FN", "fn: sma, params: {period: 30}")
    report = check_lookahead(parse_spec(text), random_day_panel(300, 2))
    assert report.passed
    assert report.warm_up == 29
    assert report.first_entry is not None
    assert report.first_entry >= 29
    assert report.settles_after == 29, "a simple average forgets everything older than its window"


def test_signals_that_depend_on_where_history_starts_are_told() -> None:
    text = "spec_version: 1\nname: x\nindicators: [{id: i, fn: obv}]\nentry: {long: {gt: [i, 0]}}"
    report = check_lookahead(parse_spec(text), random_day_panel(300, 1, seed=2))
    assert report.passed
    assert report.settles_after is None


def test_a_few_bars_are_enough_to_ask() -> None:
    report = check_lookahead(
        parse_spec(TEXT.replace("fn: FN", "fn: sma, params: {period: 30}")), random_day_panel(1, 1)
    )
    assert report.passed
    assert report.first_entry is None
