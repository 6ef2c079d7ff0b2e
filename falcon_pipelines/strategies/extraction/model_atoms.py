"""The closed, flat shape in which a language model may name a rule, and how that becomes an atom.

The model chooses from lists; it never writes a condition, a price, a ticker or a spec.
"""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.atoms import Atom, Evidence, IndicatorUse, State, tidy
from falcon_pipelines.strategies.extraction.operands import NotExpressible, Operand
from falcon_pipelines.strategies.extraction.verification import denies, says_direction

Place = Literal[
    "entry_long",
    "entry_short",
    "exit_signal",
    "filter_long",
    "filter_short",
    "stop",
    "target",
    "trailing",
    "time_stop",
    "sizing",
    "claim",
]
Thing = Literal[
    "close", "open", "high", "low", "volume", "sma", "ema", "average_of_unknown_type", "rsi", "macd_line",
    "macd_signal", "bollinger_upper", "bollinger_middle", "bollinger_lower", "highest_high", "lowest_low", "level",
]  # fmt: skip
Comparison = Literal["above", "below", "crosses_above", "crosses_below"]
Measure = Literal[
    "percent", "r_multiple", "atr_multiple", "bars", "percent_of_equity", "risk_percent", "fixed_shares"
]


class ModelAtom(BaseModel):
    """One rule as a model reports it. Conditions use left, comparison, right; the others measure and amount."""

    model_config = ConfigDict(extra="forbid")

    place: Place
    state: Literal["stated", "ambiguous", "negated", "example_only"]
    left: Thing | None
    left_period: float | None
    comparison: Comparison | None
    right: Thing | None
    right_number: float | None = Field(description="period of an indicator, or the level")
    measure: Measure | None
    amount: float | None
    quote: str = Field(description="the exact words of the transcript, copied")
    first_segment: int
    last_segment: int


class ModelReply(BaseModel):
    """All rules of one chunk."""

    model_config = ConfigDict(extra="forbid")

    atoms: list[ModelAtom]


class Contradiction(ValueError):
    """A model's atom does not hold together, or says more than its quote; the message says how."""


_FIELDS = {
    "entry_long": "entry.long",
    "entry_short": "entry.short",
    "exit_signal": "exit.signal",
    "filter_long": "filter.long",
    "filter_short": "filter.short",
    "stop": "exit.stop",
    "target": "exit.target",
    "trailing": "exit.trailing",
    "time_stop": "exit.time_stop",
    "sizing": "sizing",
}
_COMPARISONS = {
    "above": "gt",
    "below": "lt",
    "crosses_above": "crosses_above",
    "crosses_below": "crosses_below",
}
_MEASURES: dict[tuple[str, str], str] = {
    ("stop", "percent"): "percent",
    ("target", "percent"): "percent",
    ("target", "r_multiple"): "r_multiple",
    ("trailing", "percent"): "percent",
    ("time_stop", "bars"): "bars",
    ("sizing", "percent_of_equity"): "percent_of_equity",
    ("sizing", "risk_percent"): "risk_per_trade",
    ("sizing", "fixed_shares"): "fixed_shares",
}
_WORDS = {
    "macd_line": "macd line",
    "macd_signal": "signal line",
    "bollinger_upper": "upper band",
    "bollinger_middle": "middle band",
    "bollinger_lower": "lower band",
}


def to_atom(said: ModelAtom, evidence: Evidence, spoken_numbers: set[float], group: int) -> Atom:
    """The atom that a verified report of a model amounts to.

    `spoken_numbers` are those in the quote: a number that is not among them was not said. Raises Contradiction.
    """
    for number in (said.left_period, said.right_number, said.amount):
        if (
            number is not None
            and number not in spoken_numbers
            and not _is_count_of_weeks(said, number, spoken_numbers)
        ):
            raise Contradiction(f"the number {number:g} is not in the quote")
    if said.comparison is not None:
        _check_direction(said, evidence.quote)
    state: State = said.state
    field = _FIELDS[said.place]
    if said.left is None:
        return Atom(field, state, _amount(said), evidence, group=group)
    value, uses = _condition(said)
    return Atom(field, state, tidy(value), evidence, uses, group=group)


def _check_direction(said: ModelAtom, quote: str) -> None:
    """Raises Contradiction where the quote says the other direction, or denies what is reported as stated."""
    up = said.comparison in ("above", "crosses_above")
    filtering = said.place in ("filter_long", "filter_short")
    denied = denies(quote)
    if says_direction(quote, up) or (filtering and denied and says_direction(quote, not up)):
        if denied and said.state == "stated" and not filtering:
            raise Contradiction("the quote denies it")
        return
    raise Contradiction(f"the quote does not say {'above' if up else 'below'}")


def _is_count_of_weeks(said: ModelAtom, number: float, spoken: set[float]) -> bool:
    return said.measure == "bars" and (number / 5 in spoken or number / 21 in spoken)


def _amount(said: ModelAtom) -> Any:
    if said.measure is None or said.amount is None or said.amount <= 0:
        raise Contradiction("neither a condition nor an amount")
    if (said.place, said.measure) == ("stop", "atr_multiple"):
        return {"atr": {"period": 14, "multiple": tidy(said.amount)}}
    key = _MEASURES.get((said.place, said.measure))
    if key is None:
        raise Contradiction(f"a {said.place} is not measured in {said.measure}")
    return {key: tidy(said.amount)}


def _condition(said: ModelAtom) -> tuple[dict[str, Any], tuple[IndicatorUse, ...]]:
    if said.comparison is None or said.left is None or said.right is None:
        raise Contradiction("a condition without its comparison")
    if said.place in ("stop", "target", "trailing", "time_stop", "sizing", "claim"):
        raise Contradiction(f"a {said.place} is not a condition")
    try:
        left = _operand(said.left, said.left_period)
        right = _operand(said.right, said.right_number)
    except NotExpressible as error:
        raise Contradiction(str(error)) from None
    if (left.kind == "oscillator") != (right.kind == "level") and left.kind != "macd":
        raise Contradiction(f"{said.left} cannot be compared with {said.right}")
    uses = {use.id: use for side in (left, right) for use in side.indicators}
    return {_COMPARISONS[said.comparison]: [left.value, right.value]}, tuple(uses.values())


def _operand(thing: Thing, number: float | None) -> Operand:
    if thing == "level":
        if number is None:
            raise Contradiction("a level without its number")
        return Operand("level", number)
    if thing in ("close", "open", "high", "low", "volume"):
        return Operand("price", thing)
    if thing in ("sma", "ema", "average_of_unknown_type"):
        if number is None:
            raise Contradiction("an average without its period")
        return operands.average(number, None if thing == "average_of_unknown_type" else thing)
    if thing in ("highest_high", "lowest_low"):
        if number is None or number < 2 or number != int(number):
            raise Contradiction("a highest or lowest price without its number of bars")
        side, field = ("highest", "high") if thing == "highest_high" else ("lowest", "low")
        return Operand("channel", {"lag": [{side: [field, int(number)]}, 1]})
    spoken = _WORDS.get(thing) or ("rsi" if number is None else f"{number:g} period rsi")
    operand = operands.read_operand(spoken)
    if operand is None:
        raise Contradiction(f"{thing} cannot be read")
    return operand
