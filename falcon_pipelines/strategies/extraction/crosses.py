"""Spoken crosses of two lines: of averages, of the MACD and its signal, and those that have a name."""

import re
from dataclasses import replace
from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.comparison_patterns import TO_A_SIDE
from falcon_pipelines.strategies.extraction.comparison_sides import make, read_sides, typed
from falcon_pipelines.strategies.extraction.condition import Condition
from falcon_pipelines.strategies.extraction.operands import NUMBER, Operand


def recross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    """The last cross spoken of, the other way round: "crosses back below" names no second average."""
    crosses = [c for c in before if isinstance(c.value, dict) and next(iter(c.value)).startswith("crosses_")]
    if not crosses or match.start() - crosses[-1].end > 700:
        return None
    last = crosses[-1]
    (name, pair), *_ = last.value.items()
    if match["left"] and not re.fullmatch(
        rf"{operands.PRONOUN}|that|(?:the )?(?:lines|2|average|fast .*)", match["left"]
    ):
        named = re.search(NUMBER, match["left"])
        period = dict(last.indicators[0].params).get("period")
        if named is None or float(named[0]) != period:
            return None
    direction = match["dir"]
    if direction in ("above", "up") or (
        direction in (None, "the other way", "again") and name == "crosses_below"
    ):
        value = {"crosses_above": pair}
    else:
        value = {"crosses_below": pair}
    return Condition(match.start(), match.end(), value, last.indicators, left=last.left, right=last.right)


def _cross(match: re.Match[str], left: Operand, right: Operand, up: bool | None, end: int = 0) -> Condition:
    """A cross; both ways as readings where the way is not said."""
    pair = [left.value, right.value]
    ways: tuple[dict[str, Any], ...] = ({"crosses_above": pair}, {"crosses_below": pair})
    if up is None:
        why = "a cross, but not which way"
        return make(match, None, left, right, readings=ways, why=why, left=left, right=right)
    found = make(match, ways[0] if up else ways[1], left, right, left=left, right=right)
    return replace(found, end=max(found.end, end))


def _upwards(tail: re.Match[str]) -> bool:
    return tail["side"] == "upside" or tail["origin"] == "below" or tail["way"] == "up"


def undirected(match: re.Match[str], before: list[Condition]) -> Condition | None:
    sides = read_sides(match, before)
    if sides is None:
        return None
    tail = TO_A_SIDE.match(match.string, match.end())
    return _cross(match, *sides, _upwards(tail) if tail else None, tail.end() if tail else 0)


def pair_verb(match: re.Match[str], before: list[Condition]) -> Condition | None:
    left, right = operands.read_operand(f"the {match['left']}"), operands.read_operand(match["right"])
    if left is None or right is None or left.kind != "average" or right.kind != "average":
        return None
    side = match["side"]
    return _cross(
        match,
        operands.as_average(left, right),
        right,
        None if side is None else side in ("bullish", "to the upside"),
    )


def pair_cross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    right = operands.read_operand(match["right"])
    left = operands.read_operand(match["left"])
    if left is None and re.fullmatch(NUMBER, match["left"]):
        left = operands.read_operand(f"the {match['left']}")
    if left is None or right is None or left.kind != "average" or right.kind != "average":
        return None
    if left.bare or (not typed(left) and typed(right)):
        left = operands.as_average(left, right)
    if right.bare:
        right = operands.as_average(right, left)
    up: bool | None = None
    if match["mood"]:
        up = match["mood"] in ("bullish", "upward")
    elif match["link"] in ("above", "below"):
        up = match["link"] == "above"
    return _cross(match, left, right, up)


def macd_cross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    line = operands.read_operand("macd")
    if line is None:
        return None
    if match["sign"]:
        last = before[-1].left if before else None
        if match["what"] == "it " and (last is None or last.kind != "macd"):
            return None
        histogram = "histogram" in match[0] or match["sign"] in ("green", "red")
        value = "macd.histogram" if histogram else "macd.line"
        return make(
            match, {"gt" if match["sign"] in ("positive", "green") else "lt": [value, 0.0]}, line, left=line
        )
    if match["way"] in ("positive", "negative"):
        return make(
            match,
            {"crosses_above" if match["way"] == "positive" else "crosses_below": ["macd.line", 0.0]},
            line,
            left=line,
        )
    up = (match["mood"] or match["way"]) in ("bullish", "up", "above")
    return make(
        match, {"crosses_above" if up else "crosses_below": ["macd.line", "macd.signal"]}, line, left=line
    )


def named_cross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    def conventional(period: float) -> Operand:
        use = operands.indicator("sma", period, (("fn", "inferred"), ("params.period", "inferred")))
        return Operand("average", use.id, (use,))

    fast, slow = conventional(50), conventional(200)
    name = "crosses_above" if match["name"] == "golden" else "crosses_below"
    return make(match, {name: [fast.value, slow.value]}, fast, slow, left=fast, right=slow)
