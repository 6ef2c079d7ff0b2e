"""Spoken comparisons ("the fifty day crosses above the two hundred day") as conditions of a spec."""

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from falcon_pipelines.strategies.extraction import comparison_patterns as said
from falcon_pipelines.strategies.extraction import crosses, levels, operands
from falcon_pipelines.strategies.extraction.comparison_sides import make, read_sides
from falcon_pipelines.strategies.extraction.condition import Condition, negate
from falcon_pipelines.strategies.extraction.operands import NotExpressible

Reader = Callable[[re.Match[str], list[Condition]], Condition | None]


def find_conditions(visible: str) -> tuple[list[Condition], list[tuple[int, int, str]]]:
    """Conditions in canonical text in spoken order, and (start, end, why) of those that cannot be used."""
    found: list[Condition] = []
    refused: list[tuple[int, int, str]] = []
    for match in _matches(visible):
        try:
            condition = _READERS[match.re](match, found)
        except NotExpressible as error:
            refused.append((match.start(), match.end(), str(error)))
            continue
        if condition is not None:
            found.append(_for_bars(visible, condition))
    return found, refused


def _for_bars(visible: str, condition: Condition) -> Condition:
    """The condition held for some bars, where the words after it say so: "for two days in a row"."""
    tail = said.FOR_BARS.match(visible, condition.end)
    bars = float(tail["counted"] or tail["bars"]) if tail else 0.0
    if tail is None or not 2 <= bars <= 100 or bars != int(bars):
        return condition

    def held(value: Any) -> Any:
        return {"for_n_bars": {"bars": int(bars), "of": value}}

    return replace(
        condition,
        end=tail.end(),
        value=None if condition.value is None else held(condition.value),
        readings=tuple(held(reading) for reading in condition.readings),
    )


def _matches(visible: str) -> Iterator[re.Match[str]]:
    """The longest match at each place, patterns earlier in the table first, none overlapping."""
    position = 0
    ahead = {pattern: pattern.search(visible) for pattern in _READERS}
    while True:
        for pattern, hit in ahead.items():
            if hit is not None and hit.start() < position:
                ahead[pattern] = pattern.search(visible, position)
        hits = [hit for hit in ahead.values() if hit is not None]
        if not hits:
            return
        best = min(hits, key=lambda hit: (hit.start(), hit.start() - hit.end()))
        yield best
        position = best.end()


def _compare(match: re.Match[str], before: list[Condition]) -> Condition | None:
    if re.fullmatch(operands.SOME_AVERAGE, match["right"]) or re.fullmatch(
        operands.SOME_AVERAGE, match["left"]
    ):
        return make(match, None, why="the average's period is not said")
    sides = read_sides(match, before)
    if sides is None:
        return None
    left, right = sides
    verb, direction = match["verb"] or "", match["dir"]
    is_cross = verb.startswith("cross") or (
        verb
        and left.kind == right.kind == "average"
        and verb not in ("stays", "is", "holding", "holds", "trading")
    )
    more: dict[str, Any] = {
        "required": bool(re.search(r"has to|have to|must|need|should", match["aux"])),
        "state_of_trend": not is_cross and left.kind in ("price", "volume", "average"),
        "left": left,
        "right": right,
    }
    if direction == "through":
        way = "above" if "up" in match["back"] else "below" if "down" in match["back"] else None
        if re.match("drop|fall|fell|dip|sink|sank|slid|crash|plunge|tank", verb):
            way = "below"
        elif re.match("ris|climb|pop|push|spike|jump|shoot", verb):
            way = "above"
        if way is None:
            both = (
                {"crosses_above": [left.value, right.value]},
                {"crosses_below": [left.value, right.value]},
            )
            return make(match, None, left, right, readings=both, why="through, but not which way", **more)
        direction, is_cross = way, True
    up = re.fullmatch(said.UP, direction) is not None
    name = ("crosses_above" if up else "crosses_below") if is_cross else ("gt" if up else "lt")
    if direction.split()[-1] in ("least", "most") or direction == "no less than":
        name = {"gt": "gte", "lt": "lte"}.get(name, name)
    if direction == "no more than" or direction.endswith(("or equal to", "or below", "or above")):
        name = {"gt": "gte", "lt": "lte"}.get(name, name)
    value: dict[str, Any] = {name: [left.value, right.value]}
    return make(match, negate(value) if match["neg"] else value, left, right, **more)


# Of two that match equally far from the same place, the one above wins.
_READERS: dict[re.Pattern[str], Reader] = {
    said.CHANGE: levels.change,
    said.COMPARE: _compare,
    said.OFFSET: levels.offset,
    said.LEVEL_OR: levels.level_or,
    said.AT_A_BAND: levels.at_a_band,
    said.PAIR_VERB: crosses.pair_verb,
    said.RECROSS: crosses.recross,
    said.BETWEEN: levels.between,
    said.PAIR_CROSS: crosses.pair_cross,
    said.MACD_CROSS: crosses.macd_cross,
    said.NAMED_CROSS: crosses.named_cross,
    said.UNDIRECTED: crosses.undirected,
    said.BREAKOUT: levels.breakout,
    said.REACHES: levels.reaches,
    said.STREAK: levels.streak,
    said.EXTREME: levels.extreme,
    said.ELIDED: levels.elided,
}
