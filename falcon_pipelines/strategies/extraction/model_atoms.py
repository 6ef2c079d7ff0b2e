"""From a language model's report of a rule to an atom: numbers, directions and shape must be those of its quote."""

from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.atoms import Atom, Evidence, IndicatorUse, tidy
from falcon_pipelines.strategies.extraction.model_reply import ModelAtom, Thing
from falcon_pipelines.strategies.extraction.operands import NotExpressible, Operand
from falcon_pipelines.strategies.extraction.verification import denies, says_direction


class Contradiction(ValueError):
    """A model's atom does not hold together, or says more than its quote; the message says how."""


_FIELDS = {
    "entry_long": "entry.long",
    "entry_short": "entry.short",
    "exit_signal": "exit.signal",
    "exit_signal_short": "exit.signal.short",
    "filter_long": "filter.long",
    "filter_short": "filter.short",
    "stop": "exit.stop",
    "target": "exit.target",
    "trailing": "exit.trailing",
    "breakeven": "exit.breakeven",
    "partial_exit": "exit.partial",
    "time_stop": "exit.time_stop",
    "sizing": "sizing",
    "timeframe": "timeframe",
}
_CONDITIONS = ("entry_long", "entry_short", "exit_signal", "exit_signal_short", "filter_long", "filter_short")
_COMPARISONS = {
    "above": "gt",
    "below": "lt",
    "at_or_above": "gte",
    "at_or_below": "lte",
    "crosses_above": "crosses_above",
    "crosses_below": "crosses_below",
}
_MEASURES: dict[tuple[str, str], str] = {
    ("stop", "percent"): "percent",
    ("target", "percent"): "percent",
    ("target", "r_multiple"): "r_multiple",
    ("trailing", "percent"): "percent",
    ("breakeven", "percent"): "percent",
    ("breakeven", "r_multiple"): "r_multiple",
    ("time_stop", "bars"): "bars",
    ("sizing", "percent_of_equity"): "percent_of_equity",
    ("sizing", "risk_percent"): "risk_per_trade",
    ("sizing", "volatility_percent"): "volatility_target",
    ("sizing", "fixed_shares"): "fixed_shares",
}
_SPOKEN = {
    "macd_line": "macd line",
    "macd_signal": "signal line",
    "macd_histogram": "macd histogram",
    "bollinger_upper": "upper band",
    "bollinger_middle": "middle band",
    "bollinger_lower": "lower band",
    "vwap": "vwap",
    "previous_high": "previous day high",
    "previous_low": "previous day low",
    "previous_close": "previous day close",
}
_CHANNELS = {
    "highest_high": "{} day high",
    "lowest_low": "{} day low",
    "highest_close": "highest close of the last {} day",
    "lowest_close": "lowest close of the last {} day",
}
_AVERAGES: dict[str, str | None] = {
    "sma": "sma",
    "ema": "ema",
    "wma": "wma",
    "hma": "hma",
    "average_of_unknown_type": None,
}
_OSCILLATORS = ("rsi", "stochastic", "adx", "cci", "mfi", "williams_r")
_BARS_PER_UNIT = (5, 21)
_PARTS = {50.0: "half", 25.0: "quarter"}
_THIRDS = (33.0, 33.3, 33.33)


def to_atom(said: ModelAtom, evidence: Evidence, spoken_numbers: set[float], group: int) -> Atom:
    """The atom that a verified report of a model amounts to.

    `spoken_numbers` are those in the quote: a number that is not among them was not said. Raises Contradiction.
    """
    _check_numbers(said, evidence.quote.lower(), spoken_numbers)
    if said.comparison is not None and said.comparison != "between":
        _check_direction(said, evidence.quote)
    value: Any
    uses: tuple[IndicatorUse, ...] = ()
    if said.place in _CONDITIONS:
        value, uses = _condition(said)
    elif said.place == "timeframe":
        if said.timeframe is None:
            raise Contradiction("a timeframe without its length")
        value = said.timeframe
    elif said.measure == "at_the_indicator":
        value, uses = _indicator_stop(said)
    else:
        value = _amount(said)
    readings: tuple[Any, ...] = ()
    if said.state == "ambiguous":
        readings, value = (tidy(value),), None
    why = "the model reports it as open" if readings else None
    return Atom(
        _FIELDS[said.place],
        said.state,
        tidy(value),
        evidence,
        uses,
        readings,
        why,
        group,
        "any" if said.joined_to_previous == "or" else "all",
    )


def _check_numbers(said: ModelAtom, quote: str, spoken: set[float]) -> None:
    """Raises Contradiction for a number of the report that is not in its quote."""
    plain = (
        said.left_period,
        said.right_number,
        said.right_upper,
        said.right_multiple,
        said.margin_percent,
        said.bars_in_a_row,
        said.atr_period,
    )
    wrong = [number for number in plain if number is not None and number not in spoken]
    if said.amount is not None and said.amount not in spoken:
        weeks = said.measure in ("bars", "swing_bars") and any(
            said.amount / bars in spoken for bars in _BARS_PER_UNIT
        )
        wrong += [] if weeks else [said.amount]
    if said.part_percent is not None and said.part_percent not in spoken:
        named = _PARTS.get(said.part_percent, "third" if said.part_percent in _THIRDS else "")
        wrong += [] if named and named in quote else [said.part_percent]
    if wrong:
        raise Contradiction(f"the number {wrong[0]:g} is not in the quote")


def _check_direction(said: ModelAtom, quote: str) -> None:
    """Raises Contradiction where the quote says the other direction, or denies what is reported as stated."""
    up = said.comparison in ("above", "at_or_above", "crosses_above")
    filtering = said.place in ("filter_long", "filter_short")
    denied = denies(quote)
    number = said.right_number
    if says_direction(quote, up, number) or (filtering and denied and says_direction(quote, not up, number)):
        if denied and said.state == "stated" and not filtering:
            raise Contradiction("the quote denies it")
        return
    raise Contradiction(f"the quote does not say {'above' if up else 'below'}")


def _amount(said: ModelAtom) -> Any:
    if said.measure is None or said.amount is None or said.amount <= 0:
        raise Contradiction("neither a condition nor an amount")
    if said.place == "partial_exit":
        return _partial(said)
    if (said.place, said.measure) == ("stop", "atr_multiple"):
        period = _whole(said.atr_period or 14, "an ATR")
        return {"atr": {"period": period, "multiple": tidy(said.amount)}}
    if (said.place, said.measure) == ("stop", "swing_bars"):
        return {"swing": {"bars": _whole(said.amount, "a swing", least=1)}}
    key = _MEASURES.get((said.place, said.measure))
    if key is None:
        raise Contradiction(f"a {said.place} is not measured in {said.measure}")
    return {key: _whole(said.amount, key, least=1) if key in ("bars", "fixed_shares") else tidy(said.amount)}


def _partial(said: ModelAtom) -> Any:
    if said.part_percent is None or not 0 < said.part_percent < 100:
        raise Contradiction("a partial exit without its part")
    if said.measure not in ("percent", "r_multiple") or said.amount is None:
        raise Contradiction(f"a partial exit is not measured in {said.measure}")
    third = said.part_percent in _THIRDS
    return [
        {
            "at": {said.measure: tidy(said.amount)},
            "fraction": 0.3333 if third else round(said.part_percent / 100, 4),
        }
    ]


def _indicator_stop(said: ModelAtom) -> tuple[dict[str, Any], tuple[IndicatorUse, ...]]:
    if said.place != "stop" or said.left is None:
        raise Contradiction("only a stop can lie at an indicator")
    operand = _operand(said.left, said.left_period, said.left_unit)
    if operand.kind not in ("average", "band", "vwap") or not isinstance(operand.value, str):
        raise Contradiction(f"a stop cannot lie at {said.left}")
    return {"indicator": operand.value}, operand.indicators


def _condition(said: ModelAtom) -> tuple[dict[str, Any], tuple[IndicatorUse, ...]]:
    if said.comparison is None or said.left is None:
        raise Contradiction("a condition without its comparison")
    left = _operand(said.left, said.left_period, said.left_unit)
    if said.comparison == "between":
        return _between(said, left)
    if said.right is None:
        raise Contradiction("a condition without its right side")
    right = _operand(said.right, said.right_number, said.right_unit)
    _check_sides(said, left, right)
    value = right.value
    if said.right_multiple is not None:
        value = {"mul": [value, tidy(said.right_multiple)]}
    if said.margin_percent is not None:
        sign = 1 if said.comparison in ("above", "at_or_above", "crosses_above") else -1
        value = {"mul": [value, round(1 + sign * said.margin_percent / 100, 6)]}
    condition: dict[str, Any] = {_COMPARISONS[said.comparison]: [left.value, value]}
    if said.bars_in_a_row is not None:
        bars = _whole(said.bars_in_a_row, "a streak")
        condition = {"for_n_bars": {"bars": bars, "of": condition}}
    uses = {use.id: use for side in (left, right) for use in side.indicators}
    return condition, tuple(uses.values())


def _between(said: ModelAtom, left: Operand) -> tuple[dict[str, Any], tuple[IndicatorUse, ...]]:
    low, high = said.right_number, said.right_upper
    if left.kind != "oscillator" or low is None or high is None or low >= high:
        raise Contradiction("between needs an oscillator and two levels")
    return {"between": [left.value, tidy(low), tidy(high)]}, left.indicators


def _check_sides(said: ModelAtom, left: Operand, right: Operand) -> None:
    """Raises Contradiction for two things that are not measured alike, such as a price and a level of the RSI."""
    on_a_scale = left.kind == "oscillator" or said.left == "percent_change"
    fits = right.kind == "level" if on_a_scale else right.kind != "oscillator"
    if left.kind == "macd":
        fits = right.kind == "macd" or right.value == 0
    elif left.kind == "volume":
        fits = right.kind == "volume"
    elif not on_a_scale:
        fits = right.kind in ("price", "average", "band", "channel", "vwap")
    if not fits or said.left == "level" or said.right == "percent_change":
        raise Contradiction(f"{said.left} cannot be compared with {said.right}")


def _operand(thing: Thing, number: float | None, unit: str | None) -> Operand:
    if thing == "level":
        if number is None:
            raise Contradiction("a level without its number")
        return Operand("level", number)
    if thing == "percent_change":
        return Operand("price", {"pct_change": ["close", _whole(number, "a change", least=1)]})
    if thing in ("close", "open", "high", "low"):
        return Operand("price", thing)
    try:
        return _indicator(thing, number, unit)
    except NotExpressible as error:
        raise Contradiction(str(error)) from None


def _indicator(thing: Thing, number: float | None, unit: str | None) -> Operand:
    operand: Operand | None
    if thing in _AVERAGES:
        if number is None:
            raise Contradiction("an average without its period")
        return operands.average(number, _AVERAGES[thing], unit)
    if thing == "volume":
        return Operand("volume", "volume")
    if thing == "average_volume":
        operand = operands.average_volume(f"{_whole(number, 'an average volume')} day average volume")
    elif thing in _CHANNELS:
        operand = operands.read_operand(_CHANNELS[thing].format(_whole(number, "a highest or lowest price")))
    elif thing in _OSCILLATORS:
        period = "" if number is None else f"{_whole(number, thing)} period "
        operand = operands.read_operand(f"{period}{thing}")
    else:
        operand = operands.read_operand(_SPOKEN[thing])
    if operand is None:
        raise Contradiction(f"{thing} cannot be read")
    return operand


def _whole(number: float | None, of: str, least: int = 2) -> int:
    if number is None or number < least or number != int(number) or number > 100_000:
        raise Contradiction(f"{of} without its number of bars")
    return int(number)
