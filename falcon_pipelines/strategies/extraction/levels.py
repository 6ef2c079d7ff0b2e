"""Spoken comparisons with a level: a band, a past high, a number of an oscillator, days in a row."""

import re
from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.comparison_sides import last_oscillator, make, read_sides
from falcon_pipelines.strategies.extraction.condition import Condition
from falcon_pipelines.strategies.extraction.operands import Operand


def offset(match: re.Match[str], before: list[Condition]) -> Condition | None:
    """ "Two percent above the fifty day": an average with a margin."""
    read = read_sides(match, before)
    if read is None:
        return None
    left, right = read
    up = match["dir"] == "above"
    factor = round(1 + float(match["percent"]) / 100 * (1 if up else -1), 6)
    value = {"gt" if up else "lt": [left.value, {"mul": [right.value, factor]}]}
    return make(match, value, left, right, left=left, right=right)


def elided(match: re.Match[str], before: list[Condition]) -> Condition | None:
    right = operands.read_operand(match["right"])
    if right is None or right.bare:
        return None
    left = Operand("price", "close")
    name = "gt" if match["dir"] == "above" else "lt"
    return make(
        match,
        {name: ["close", right.value]},
        left,
        right,
        elided=True,
        state_of_trend=True,
        left=left,
        right=right,
    )


def breakout(match: re.Match[str], before: list[Condition]) -> Condition | None:
    words = match["right"].removeprefix("new ")
    right = operands.read_operand(words)
    if right is None:
        return None
    low = re.search(r"\blow", words) is not None
    direction = match["dir"]
    if direction in ("above", "below") and (direction == "below") != low:
        low = direction == "below"
    left = Operand("price", "close")
    return make(match, {"lt" if low else "gt": ["close", right.value]}, left, right, left=left, right=right)


def _touched_band(match: re.Match[str], **more: Any) -> Condition | None:
    """The low at or below the lower band, the high at or above the upper; the middle can be met from both sides."""
    band = operands.read_operand(match["right"])
    if band is None or band.value == "bollinger.middle":
        return None
    low = band.value == "bollinger.lower"
    field = "low" if low else "high"
    value = {"lte" if low else "gte": [field, band.value]}
    return make(match, value, band, left=Operand("price", field), right=band, **more)


def at_a_band(match: re.Match[str], before: list[Condition]) -> Condition | None:
    return _touched_band(match, elided=True)


def level_or(match: re.Match[str], before: list[Condition]) -> Condition | None:
    left = operands.read_operand(match["left"])
    if left is None:
        return None
    name = "lte" if match["dir"] in ("below", "lower", "less") else "gte"
    return make(match, {name: [left.value, float(match["level"])]}, left, left=left)


def reaches(match: re.Match[str], before: list[Condition]) -> Condition | None:
    if re.fullmatch(operands.BAND, match["right"]) and (touched := _touched_band(match)) is not None:
        return touched
    sides = read_sides(match, before)
    if sides is None:
        return None
    left, right = sides
    required = bool(re.search(r"has to|must|need", match["aux"]))
    if right.kind == "level":
        if re.search(r" (?:up|rises|climbs)\b", match[0]):
            name = "gte"
        elif re.search(r" (?:down|drops|falls|dips)\b", match[0]):
            name = "lte"
        elif right.value == 50:
            pair = [left.value, right.value]
            return make(
                match,
                None,
                left,
                right,
                readings=({"gte": pair}, {"lte": pair}),
                why="from which side is not said",
                left=left,
                right=right,
            )
        else:
            name = "gte" if right.value > 50 else "lte"
        return make(
            match, {name: [left.value, right.value]}, left, right, required=required, left=left, right=right
        )
    if right.kind == "channel":
        words = match["right"]
        name = "lt" if re.search(r"\blow", words) else "gt"
        return make(match, {name: ["close", right.value]}, left, right, left=left, right=right)
    pulls_down = {"all": [{"lte": ["low", right.value]}, {"gte": ["high", right.value]}]}
    return make(
        match,
        None,
        left,
        right,
        readings=(pulls_down,),
        why="a touch, but not from which side",
        left=left,
        right=right,
    )


def between(match: re.Match[str], before: list[Condition]) -> Condition | None:
    left = operands.read_operand(match["left"])
    low, high = float(match["low"]), float(match["high"])
    if left is None or low >= high:
        return None
    return make(match, {"between": [left.value, low, high]}, left, left=left)


def extreme(match: re.Match[str], before: list[Condition]) -> Condition | None:
    named = match["left"] or match["named"]
    left = operands.read_operand(named) if named else None
    if left is None or left.kind != "oscillator":
        left = last_oscillator(match, before)
    if left is None:
        return make(match, None, why=f"{match['mood']}, but by which measure and at which level is not said")
    low = match["mood"] == "oversold"
    levels = (30.0, 20.0) if low else (70.0, 80.0)
    readings = tuple({"lt" if low else "gt": [left.value, number]} for number in levels)
    return make(
        match, None, left, readings=readings, why=f"{match['mood']}, but the level is not said", left=left
    )


def streak(match: re.Match[str], before: list[Condition]) -> Condition | None:
    bars = float(match["bars"] or match["count"])
    in_a_row = re.search(r"in a row|straight|consecutive|running", match[0])
    if not 2 <= bars <= 20 or bars != int(bars) or not in_a_row:
        return None
    mood = match["mood"] or match["verbal"]
    earlier: Any = "open" if mood in ("red", "green") else {"lag": ["close", 1]}
    name = "lt" if mood in ("red", "down", "lower", "losing") else "gt"
    value = {"for_n_bars": {"bars": int(bars), "of": {name: ["close", earlier]}}}
    return make(match, value, left=Operand("price", "close"))


def change(match: re.Match[str], before: list[Condition]) -> Condition | None:
    bars = int(float(match["bars"]) * operands.BARS_PER_UNIT[match["unit"]])
    percent = float(match["percent"])
    down = re.search("drop|fall|los|down", match["verb"]) is not None
    value = {"lte" if down else "gte": [{"pct_change": ["close", bars]}, -percent if down else percent]}
    return make(match, value, left=Operand("price", "close"))
