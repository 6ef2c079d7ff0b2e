"""A condition found in canonical text, its opposite, and what other conditions tell of its indicators."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.atoms import IndicatorUse, State
from falcon_pipelines.strategies.extraction.operands import Operand

_MENTION = re.compile(rf"(?<!\S)(?:{operands.AVERAGE}|{operands.RSI})(?!\S)")
_NEGATED = {"lt": "gte", "lte": "gt", "gt": "lte", "gte": "lt"}


@dataclass(frozen=True)
class Condition:
    """A comparison found at `start` to `end` of the canonical text.

    `value` is None where the words leave a choice; then `readings` holds what they may mean and `why` what is
    open. `required` marks "has to be", `state_of_trend` a comparison of price with an average.
    """

    start: int
    end: int
    value: Any
    indicators: tuple[IndicatorUse, ...]
    readings: tuple[Any, ...] = ()
    why: str | None = None
    required: bool = False
    state_of_trend: bool = False
    elided: bool = False
    left: Operand | None = None
    right: Operand | None = None


def negate(value: dict[str, Any]) -> dict[str, Any]:
    """The opposite condition, written without `not` where the spec has a word for it."""
    (name, content), *_ = value.items()
    if name in _NEGATED:
        return {_NEGATED[name]: content}
    if name == "not":
        return dict(content)
    if name in ("all", "any"):
        return {"any" if name == "all" else "all": [negate(part) for part in content]}
    return {"not": value}


def mentioned_indicators(visible: str) -> tuple[IndicatorUse, ...]:
    """Averages with their type and oscillators with their period anywhere in canonical text, used or not."""
    found: list[IndicatorUse] = []
    for match in _MENTION.finditer(visible):
        try:
            operand = operands.read_operand(match[0])
        except operands.NotExpressible:
            continue
        found.extend(operand.indicators if operand is not None else ())
    return tuple(found)


def with_known_types(
    conditions: Sequence[Condition], mentioned: Sequence[IndicatorUse] = ()
) -> list[Condition]:
    """The conditions, in which an average whose type is not said has the one type its period is said to have.

    "The ten day e m a crosses above the thirty day e m a" tells what "the ten" is later; "the two period r s i"
    tells the period of "the r s i". `mentioned` are those spoken of outside conditions.
    """
    spoken: dict[tuple[float, str | None], set[str]] = {}
    periods: dict[float, IndicatorUse] = {}
    for use in (*mentioned, *(use for condition in conditions for use in condition.indicators)):
        states, params = dict(use.states), dict(use.params)
        if states.get("fn") == "stated":
            spoken.setdefault((params["period"], use.timeframe), set()).add(use.fn)
        if use.fn == "rsi" and "period" in params:
            periods[params["period"]] = use
    renamed: dict[str, IndicatorUse] = {}
    for use in (use for condition in conditions for use in condition.indicators):
        params = dict(use.params)
        types = spoken.get((params.get("period", 0.0), use.timeframe), set())
        if dict(use.states).get("fn") == "inferred" and use.source == "close" and len(types) == 1:
            known: tuple[tuple[str, State], ...] = (("fn", "stated"), ("params.period", "stated"))
            renamed[use.id] = operands.indicator(
                next(iter(types)), params["period"], known, timeframe=use.timeframe
            )
        if use.id == "rsi" and len(periods) == 1:
            renamed[use.id] = next(iter(periods.values()))
    return [_renamed(condition, renamed) for condition in conditions] if renamed else list(conditions)


def _renamed(condition: Condition, renamed: Mapping[str, IndicatorUse]) -> Condition:
    def swap(value: Any) -> Any:
        if isinstance(value, str):
            return renamed[value].id if value in renamed else value
        if isinstance(value, dict):
            return {key: swap(item) for key, item in value.items()}
        return [swap(item) for item in value] if isinstance(value, list | tuple) else value

    return replace(
        condition,
        value=swap(condition.value),
        readings=tuple(swap(condition.readings)),
        indicators=tuple(renamed.get(use.id, use) for use in condition.indicators),
    )
