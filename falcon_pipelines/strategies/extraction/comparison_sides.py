"""The two sides of a spoken comparison: what "it" is, and averages that take their type from each other."""

import re
from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.condition import Condition
from falcon_pipelines.strategies.extraction.operands import Operand


def make(match: re.Match[str], value: Any, *sides: Operand, **more: Any) -> Condition:
    """The condition at a match, with the indicators of its sides."""
    uses = {use.id: use for side in sides for use in side.indicators}
    return Condition(match.start(), match.end(), value, tuple(uses.values()), **more)


def last_oscillator(match: re.Match[str], before: list[Condition]) -> Operand | None:
    """What "it" is when compared with a number: the oscillator spoken of last, within about 60 words."""
    for condition in reversed(before):
        if match.start() - condition.end > 400:
            return None
        if condition.left is not None and condition.left.kind in ("oscillator", "macd"):
            return condition.left
    nearby = re.findall(operands.RSI, match.string[max(0, match.start() - 250) : match.start()])
    return operands.read_operand(nearby[-1]) if nearby else None


def read_sides(match: re.Match[str], before: list[Condition]) -> tuple[Operand, Operand] | None:
    """Both sides of a comparison, each read in the light of the other; None where they cannot be compared."""
    left, right = operands.read_operand(match["left"]), operands.read_operand(match["right"])
    if left is not None and left.kind == "volume":
        if "average" not in match["right"]:
            return None
        right = operands.average_volume(match["right"])
        return (left, right) if right else None
    if right is None or right.bare:
        number = operands.level(match["right"])
        if left is not None and left.kind in ("oscillator", "macd") and number is not None:
            right = number
    if left is not None and left.kind == "pronoun":
        if right is None:
            right = operands.level(match["right"]) if re.fullmatch(operands.LEVEL, match["right"]) else None
        if right is not None and (right.kind == "level" or (right.bare and last_oscillator(match, before))):
            left = last_oscillator(match, before)
            right = operands.level(match["right"])
        elif right is not None:
            left = Operand("price", "close")
    if left is None or right is None:
        return None
    if left.kind == "average" and right.kind == "average":
        left = operands.as_average(left, right) if left.bare or (not typed(left) and typed(right)) else left
        right = (
            operands.as_average(right, left) if right.bare or (not typed(right) and typed(left)) else right
        )
    if left.kind == "macd" and right.kind == "level" and right.value != 0:
        return None
    if right.kind == "level" and left.kind not in ("oscillator", "macd"):
        return None
    if left.kind == "price" and right.kind not in ("average", "band", "channel", "vwap"):
        return None
    if left.kind == "average" and left.bare and right.kind != "average":
        return None
    if left.kind == "oscillator" and right.kind != "level":
        return None
    if left.kind == "macd" and right.kind not in ("macd", "level"):
        return None
    return left, right


def typed(operand: Operand) -> bool:
    """Whether the type of an average was said."""
    return dict(operand.indicators[0].states).get("fn") == "stated"
