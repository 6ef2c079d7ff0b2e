"""Condition trees against a slow, obvious reading of them: one ticker, one bar, one node at a time."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.strategies.signals import compute_signals
from falcon_pipelines.strategies.spec import validate_spec
from tests.strategies.panels import day_panel

Known = float | None
Truth = bool | None


def operand_at(operand: Any, bars: list[dict[str, float]], row: int) -> Known:
    """The operand's value on that bar, None where it is unknown."""
    if row < 0:
        return None
    if isinstance(operand, str):
        return bars[row][operand]
    if not isinstance(operand, dict):
        return float(operand)
    ((name, (first, second)),) = operand.items()
    if name == "lag":
        return operand_at(first, bars, row - second)
    if name in ("highest", "lowest"):
        window = [operand_at(first, bars, each) for each in range(row - second + 1, row + 1)]
        if any(value is None for value in window):
            return None
        return max(window) if name == "highest" else min(window)  # type: ignore[type-var]
    left = operand_at(first, bars, row)
    right = operand_at(first, bars, row - second) if name == "pct_change" else operand_at(second, bars, row)
    if left is None or right is None:
        return None
    if name == "pct_change":
        return None if right == 0 else (left - right) / abs(right) * 100
    if name == "div":
        return None if right == 0 else left / right
    return {"add": left + right, "sub": left - right, "mul": left * right}[name]


def opposite(truth: Truth) -> Truth:
    return None if truth is None else not truth


def every(truths: list[Truth]) -> Truth:
    return False if False in truths else None if None in truths else True


def condition_at(condition: Any, bars: list[dict[str, float]], row: int) -> Truth:
    """True, False, or None where it cannot be known."""
    if row < 0:
        return None
    ((name, parts),) = condition.items()
    if name == "not":
        return opposite(condition_at(parts, bars, row))
    if name == "all":
        return every([condition_at(part, bars, row) for part in parts])
    if name == "any":
        return opposite(every([opposite(condition_at(part, bars, row)) for part in parts]))
    if name in ("within_last", "for_n_bars"):
        over = [condition_at(parts["of"], bars, each) for each in range(row - parts["bars"] + 1, row + 1)]
        return every(over) if name == "for_n_bars" else opposite(every([opposite(each) for each in over]))
    if name == "between":
        of, low, high = parts
        return every(
            [condition_at({"gte": [of, low]}, bars, row), condition_at({"lte": [of, high]}, bars, row)]
        )
    if name == "crosses_above":
        now, before = (condition_at({"gt": parts}, bars, each) for each in (row, row - 1))
        return every([now, opposite(before)])
    if name == "crosses_below":
        return condition_at({"crosses_above": parts[::-1]}, bars, row)
    left, right = (operand_at(part, bars, row) for part in parts)
    if left is None or right is None:
        return None
    return {"gt": left > right, "gte": left >= right, "lt": left < right, "lte": left <= right}[name]


counts = st.integers(1, 4)


def one_key(names: tuple[str, ...], *parts: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """An object with one of the names as its key and a list of such parts."""
    return st.builds(lambda name, *values: {name: list(values)}, st.sampled_from(names), *parts)


operands = st.recursive(
    st.sampled_from(FIELDS) | st.integers(-2, 8),
    lambda inner: (
        one_key(("lag", "highest", "lowest", "pct_change"), inner, counts)
        | one_key(("add", "sub", "mul", "div"), inner, inner)
    ),
    max_leaves=4,
)
comparisons = one_key(
    ("gt", "gte", "lt", "lte", "crosses_above", "crosses_below"), operands, operands
) | one_key(("between",), operands, operands, operands)
conditions = st.recursive(
    comparisons,
    lambda inner: (
        one_key(("all", "any"), inner)
        | one_key(("all", "any"), inner, inner)
        | st.builds(lambda part: {"not": part}, inner)
        | st.builds(
            lambda name, bars, part: {name: {"bars": bars, "of": part}},
            st.sampled_from(["within_last", "for_n_bars"]),
            counts,
            inner,
        )
    ),
    max_leaves=5,
)


def whole_number_panel(seed: int) -> Panel:
    """14 bars of two tickers with small whole prices, so that equalities happen, and halted days."""
    random = np.random.default_rng(seed)
    close = random.integers(1, 6, (14, 2)).astype(float)
    others = {name: random.integers(0, 6, close.shape).astype(float) for name in FIELDS if name != "close"}
    halted = random.random(close.shape) < 0.15
    for values in (close, *others.values()):
        values[halted] = np.nan
    return day_panel(close, **others)


@settings(max_examples=300, deadline=None)
@given(condition=conditions, seed=st.integers(0, 1_000))
def test_a_condition_holds_where_a_slow_reading_of_it_says_so(condition: Any, seed: int) -> None:
    panel = whole_number_panel(seed)
    spec = validate_spec({"spec_version": 1, "name": "x", "entry": {"long": condition}})
    signals = compute_signals(spec, panel)
    for column in range(2):
        rows = [row for row in range(len(panel)) if np.isfinite(panel["close"][row, column])]
        bars = [{name: panel[name][row, column] for name in FIELDS} for row in rows]
        expected = [rows[bar] for bar in range(len(bars)) if condition_at(condition, bars, bar)]
        assert np.flatnonzero(signals.entry_long[:, column]).tolist() == expected
        assert all(bar >= signals.warm_up for bar in range(len(bars)) if condition_at(condition, bars, bar))


@settings(max_examples=100, deadline=None)
@given(condition=conditions, seed=st.integers(0, 1_000), stop=st.integers(0, 14))
def test_no_condition_looks_ahead(condition: Any, seed: int, stop: int) -> None:
    panel = whole_number_panel(seed)
    spec = validate_spec(
        {"spec_version": 1, "name": "x", "entry": {"long": condition, "short": {"not": condition}}}
    )
    whole, early = compute_signals(spec, panel), compute_signals(spec, panel.rows(0, stop))
    assert np.array_equal(early.entry_long, whole.entry_long[:stop])
    assert np.array_equal(early.entry_short, whole.entry_short[:stop])
    assert not (whole.entry_long & whole.entry_short).any()
