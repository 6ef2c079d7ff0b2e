"""Spoken comparisons ("the fifty day crosses above the two hundred day") as conditions of a spec."""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.comparison_patterns import (
    AT_A_BAND,
    BETWEEN,
    BREAKOUT,
    CHANGE,
    COMPARE,
    ELIDED,
    EXTREME,
    LEVEL_OR,
    MACD_CROSS,
    NAMED_CROSS,
    PAIR_CROSS,
    PAIR_VERB,
    REACHES,
    RECROSS,
    STREAK,
    TO_A_SIDE,
    UNDIRECTED,
    UP,
)
from falcon_pipelines.strategies.extraction.condition import Condition, negate
from falcon_pipelines.strategies.extraction.operands import NUMBER, NotExpressible, Operand

PATTERNS = (
    CHANGE,
    COMPARE,
    LEVEL_OR,
    AT_A_BAND,
    PAIR_VERB,
    RECROSS,
    BETWEEN,
    PAIR_CROSS,
    MACD_CROSS,
    NAMED_CROSS,
    UNDIRECTED,
    BREAKOUT,
    REACHES,
    STREAK,
    EXTREME,
    ELIDED,
)


def find_conditions(visible: str) -> tuple[list[Condition], list[tuple[int, int, str]]]:
    """Conditions in canonical text in spoken order, and (start, end, why) of those that cannot be used."""
    found: list[Condition] = []
    refused: list[tuple[int, int, str]] = []
    for match in _matches(visible):
        try:
            condition = _read(match, found)
        except NotExpressible as error:
            refused.append((match.start(), match.end(), str(error)))
            continue
        if condition is not None:
            found.append(condition)
    return found, refused


def _matches(visible: str) -> Iterator[re.Match[str]]:
    """The longest match at each place, patterns earlier in the table first, none overlapping."""
    position = 0
    ahead = {pattern: pattern.search(visible) for pattern in PATTERNS}
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


def _read(match: re.Match[str], before: list[Condition]) -> Condition | None:
    reader = {
        COMPARE: _compare,
        LEVEL_OR: _level_or,
        AT_A_BAND: _at_a_band,
        PAIR_VERB: _pair_verb,
        RECROSS: _recross,
        ELIDED: _elided,
        BREAKOUT: _breakout,
        UNDIRECTED: _undirected,
        PAIR_CROSS: _pair_cross,
        MACD_CROSS: _macd_cross,
        NAMED_CROSS: _named_cross,
        REACHES: _reaches,
        BETWEEN: _between,
        EXTREME: _extreme,
        STREAK: _streak,
        CHANGE: _change,
    }[match.re]
    return reader(match, before)


def _make(match: re.Match[str], value: Any, *sides: Operand, **more: Any) -> Condition:
    uses = {use.id: use for side in sides for use in side.indicators}
    return Condition(match.start(), match.end(), value, tuple(uses.values()), **more)


def _last_oscillator(match: re.Match[str], before: list[Condition]) -> Operand | None:
    """What "it" is when compared with a number: the oscillator spoken of last, within about 60 words."""
    for condition in reversed(before):
        if match.start() - condition.end > 400:
            return None
        if condition.left is not None and condition.left.kind in ("oscillator", "macd"):
            return condition.left
    nearby = re.findall(operands.RSI, match.string[max(0, match.start() - 250) : match.start()])
    return operands.read_operand(nearby[-1]) if nearby else None


def _sides(match: re.Match[str], before: list[Condition]) -> tuple[Operand, Operand] | None:
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
        if right is not None and (right.kind == "level" or (right.bare and _last_oscillator(match, before))):
            left = _last_oscillator(match, before)
            right = operands.level(match["right"])
        elif right is not None:
            left = Operand("price", "close")
    if left is None or right is None:
        return None
    if left.kind == "average" and right.kind == "average":
        left = operands.as_average(left, right) if left.bare or (not _typed(left) and _typed(right)) else left
        right = (
            operands.as_average(right, left) if right.bare or (not _typed(right) and _typed(left)) else right
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


def _typed(operand: Operand) -> bool:
    return dict(operand.indicators[0].states).get("fn") == "stated"


def _compare(match: re.Match[str], before: list[Condition]) -> Condition | None:
    if re.fullmatch(operands.SOME_AVERAGE, match["right"]) or re.fullmatch(
        operands.SOME_AVERAGE, match["left"]
    ):
        return _make(match, None, why="the average's period is not said")
    sides = _sides(match, before)
    if sides is None:
        return None
    left, right = sides
    verb, direction = match["verb"] or "", match["dir"]
    crosses = verb.startswith("cross") or (
        verb
        and left.kind == right.kind == "average"
        and verb not in ("stays", "is", "holding", "holds", "trading")
    )
    more: dict[str, Any] = {
        "required": bool(re.search(r"has to|have to|must|need|should", match["aux"])),
        "state_of_trend": not crosses and left.kind in ("price", "volume", "average"),
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
            return _make(match, None, left, right, readings=both, why="through, but not which way", **more)
        direction, crosses = way, True
    up = re.fullmatch(UP, direction) is not None
    name = ("crosses_above" if up else "crosses_below") if crosses else ("gt" if up else "lt")
    if direction.split()[-1] in ("least", "most") or direction == "no less than":
        name = {"gt": "gte", "lt": "lte"}.get(name, name)
    if direction == "no more than":
        name = "lte"
    value: dict[str, Any] = {name: [left.value, right.value]}
    return _make(match, negate(value) if match["neg"] else value, left, right, **more)


def _recross(match: re.Match[str], before: list[Condition]) -> Condition | None:
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


def _elided(match: re.Match[str], before: list[Condition]) -> Condition | None:
    right = operands.read_operand(match["right"])
    if right is None or right.bare:
        return None
    left = Operand("price", "close")
    name = "gt" if match["dir"] == "above" else "lt"
    return _make(
        match,
        {name: ["close", right.value]},
        left,
        right,
        elided=True,
        state_of_trend=True,
        left=left,
        right=right,
    )


def _breakout(match: re.Match[str], before: list[Condition]) -> Condition | None:
    words = match["right"].removeprefix("new ")
    right = operands.read_operand(words)
    if right is None:
        return None
    low = re.search(r"\blow", words) is not None
    direction = match["dir"]
    if direction in ("above", "below") and (direction == "below") != low:
        low = direction == "below"
    left = Operand("price", "close")
    return _make(match, {"lt" if low else "gt": ["close", right.value]}, left, right, left=left, right=right)


def _cross(match: re.Match[str], left: Operand, right: Operand, up: bool | None, end: int = 0) -> Condition:
    """A cross; both ways as readings where the way is not said."""
    pair = [left.value, right.value]
    ways: tuple[dict[str, Any], ...] = ({"crosses_above": pair}, {"crosses_below": pair})
    if up is None:
        why = "a cross, but not which way"
        return _make(match, None, left, right, readings=ways, why=why, left=left, right=right)
    found = _make(match, ways[0] if up else ways[1], left, right, left=left, right=right)
    return replace(found, end=max(found.end, end))


def _undirected(match: re.Match[str], before: list[Condition]) -> Condition | None:
    sides = _sides(match, before)
    if sides is None:
        return None
    tail = TO_A_SIDE.match(match.string, match.end())
    return _cross(match, *sides, tail["side"] == "upside" if tail else None, tail.end() if tail else 0)


def _pair_verb(match: re.Match[str], before: list[Condition]) -> Condition | None:
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


def _touched_band(match: re.Match[str], **more: Any) -> Condition | None:
    """The low at or below the lower band, the high at or above the upper; the middle can be met from both sides."""
    band = operands.read_operand(match["right"])
    if band is None or band.value == "bollinger.middle":
        return None
    low = band.value == "bollinger.lower"
    field = "low" if low else "high"
    value = {"lte" if low else "gte": [field, band.value]}
    return _make(match, value, band, left=Operand("price", field), right=band, **more)


def _at_a_band(match: re.Match[str], before: list[Condition]) -> Condition | None:
    return _touched_band(match, elided=True)


def _level_or(match: re.Match[str], before: list[Condition]) -> Condition | None:
    left = operands.read_operand(match["left"])
    if left is None:
        return None
    name = "lte" if match["dir"] in ("below", "lower", "less") else "gte"
    return _make(match, {name: [left.value, float(match["level"])]}, left, left=left)


def _pair_cross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    right = operands.read_operand(match["right"])
    left = operands.read_operand(match["left"])
    if left is None and re.fullmatch(NUMBER, match["left"]):
        left = operands.read_operand(f"the {match['left']}")
    if left is None or right is None or left.kind != "average" or right.kind != "average":
        return None
    if left.bare or (not _typed(left) and _typed(right)):
        left = operands.as_average(left, right)
    if right.bare:
        right = operands.as_average(right, left)
    up: bool | None = None
    if match["mood"]:
        up = match["mood"] in ("bullish", "upward")
    elif match["link"] in ("above", "below"):
        up = match["link"] == "above"
    return _cross(match, left, right, up)


def _macd_cross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    line = operands.read_operand("macd")
    if line is None:
        return None
    if match["sign"]:
        last = before[-1].left if before else None
        if match["what"] == "it " and (last is None or last.kind != "macd"):
            return None
        histogram = "histogram" in match[0] or match["sign"] in ("green", "red")
        value = "macd.histogram" if histogram else "macd.line"
        return _make(
            match, {"gt" if match["sign"] in ("positive", "green") else "lt": [value, 0.0]}, line, left=line
        )
    if match["way"] in ("positive", "negative"):
        return _make(
            match,
            {"crosses_above" if match["way"] == "positive" else "crosses_below": ["macd.line", 0.0]},
            line,
            left=line,
        )
    up = (match["mood"] or match["way"]) in ("bullish", "up", "above")
    return _make(
        match, {"crosses_above" if up else "crosses_below": ["macd.line", "macd.signal"]}, line, left=line
    )


def _named_cross(match: re.Match[str], before: list[Condition]) -> Condition | None:
    def conventional(period: float) -> Operand:
        use = operands.indicator("sma", period, (("fn", "inferred"), ("params.period", "inferred")))
        return Operand("average", use.id, (use,))

    fast, slow = conventional(50), conventional(200)
    name = "crosses_above" if match["name"] == "golden" else "crosses_below"
    return _make(match, {name: [fast.value, slow.value]}, fast, slow, left=fast, right=slow)


def _reaches(match: re.Match[str], before: list[Condition]) -> Condition | None:
    if re.fullmatch(operands.BAND, match["right"]) and (touched := _touched_band(match)) is not None:
        return touched
    sides = _sides(match, before)
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
            return _make(
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
        return _make(
            match, {name: [left.value, right.value]}, left, right, required=required, left=left, right=right
        )
    if right.kind == "channel":
        words = match["right"]
        name = "lt" if re.search(r"\blow", words) else "gt"
        return _make(match, {name: ["close", right.value]}, left, right, left=left, right=right)
    pulls_down = {"all": [{"lte": ["low", right.value]}, {"gte": ["high", right.value]}]}
    return _make(
        match,
        None,
        left,
        right,
        readings=(pulls_down,),
        why="a touch, but not from which side",
        left=left,
        right=right,
    )


def _between(match: re.Match[str], before: list[Condition]) -> Condition | None:
    left = operands.read_operand(match["left"])
    low, high = float(match["low"]), float(match["high"])
    if left is None or low >= high:
        return None
    return _make(match, {"between": [left.value, low, high]}, left, left=left)


def _extreme(match: re.Match[str], before: list[Condition]) -> Condition | None:
    left = operands.read_operand(match["left"]) if match["left"] else None
    if left is None or left.kind != "oscillator":
        left = _last_oscillator(match, before)
    if left is None:
        return _make(match, None, why=f"{match['mood']}, but by which measure and at which level is not said")
    low = match["mood"] == "oversold"
    levels = (30.0, 20.0) if low else (70.0, 80.0)
    readings = tuple({"lt" if low else "gt": [left.value, number]} for number in levels)
    return _make(
        match, None, left, readings=readings, why=f"{match['mood']}, but the level is not said", left=left
    )


def _streak(match: re.Match[str], before: list[Condition]) -> Condition | None:
    bars = float(match["bars"] or match["count"])
    in_a_row = re.search(r"in a row|straight|consecutive|running", match[0])
    if not 2 <= bars <= 20 or bars != int(bars) or not in_a_row:
        return None
    mood = match["mood"] or match["verbal"]
    earlier: Any = "open" if mood in ("red", "green") else {"lag": ["close", 1]}
    name = "lt" if mood in ("red", "down", "lower", "losing") else "gt"
    value = {"for_n_bars": {"bars": int(bars), "of": {name: ["close", earlier]}}}
    return _make(match, value, left=Operand("price", "close"))


def _change(match: re.Match[str], before: list[Condition]) -> Condition | None:
    bars = int(float(match["bars"]) * operands.BARS_PER_UNIT[match["unit"]])
    percent = float(match["percent"])
    down = re.search("drop|fall|los|down", match["verb"]) is not None
    value = {"lte" if down else "gte": [{"pct_change": ["close", bars]}, -percent if down else percent]}
    return _make(match, value, left=Operand("price", "close"))
