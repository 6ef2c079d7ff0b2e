"""What order phrases are made of: the words around an amount, and the values that such phrases have."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from falcon_pipelines.strategies.extraction.atoms import IndicatorUse
from falcon_pipelines.strategies.extraction.operands import NUMBER

PERCENT = rf"(?P<percent>{NUMBER}) percent"
POSITION = (
    r"(?:it|them|this|everything|the trade|my trade|the position|my position|the stock|my share|"
    r"the share|the rest|that|1|the whole thing|"
    r"the winner|winners|each trade|every trade|a trade|each position|a position|the lot)"
)
WHO = r"(?:i|we|you|i will|we will|you will|i would|we would|i am going to|you want to|i want to)"
LEAVE = (
    rf"(?:{WHO} )?(?:sell|exit|get out|close|take profit|taking profit|take my profit|take the profit|"
    rf"cash out|"
    rf"cash in|book|am out|are out|cut|bail|"
    r"dump|is gone|am gone|liquidate|out|take it off|done|get rid of)"
)
AT = (
    r"(?: (?:loss|order|is|are|at|goes|go|of|set|sits|to|will be|would be|gets|placed|put|i|we|you|use|"
    r"always|for|me|my|right|"
    r"comes in|in|by|around it|lives|a|the|hard|fixed|initial|order|on|every|each|trade|single|position|"
    r"usually|below entry))"
)
LEFT_AT = rf"{AT}{{0,8}}?"
STOP_NOUN = r"(?:stop loss|stop|hard stop|protective stop)"
HEDGE = (
    r"(?P<hedge>around |about |roughly |maybe |somewhere around |something |approximately |say |"
    r"close to |nearly |perhaps )?"
)
AMOUNT = (
    rf"(?:a |an |the )?{HEDGE}(?:(?P<low>{NUMBER})(?: percent)? (?P<link>to|or) (?:maybe )?)?{PERCENT}"
    rf"(?P<orso> or_so| ish)?"
)
BELOW = (
    r"(?: (?:below|from|away from|down from|off|of|under|against|beneath|above|past|away|down|lower|loss|"
    r"move|drop|drawdown|"
    r"where i (?:bought|got in|entered)|what i paid|(?:my |the |your |our )?(?:entry price|entry|cost|"
    r"fill|fill price|purchase price|buy price|cost basis|buy|purchase|position|price)))*"
)
ATR_PERIOD = (
    rf"(?:(?: stop)? (?:using|with|on|over|based on)(?: the| a| an)? (?P<lookback>{NUMBER}) (?:day|"
    rf"period|bar)(?: atr| lookback| setting)?)?"
)
NOT_SIZE = (
    r"(?! (?:of (?:my |the |your |our )?(?:account|portfolio|capital|equity|money|bankroll|cash)|"
    r"per trade|on (?:each|every|any)|a trade))"
)
R_UNITS = (
    r"r|times (?:my |the |your |our |what i |what we |what you |that |initial )?(?:initial )?(?:risk(?:ed)?|"
    r"(?:distance|amount|size) (?:to|of) (?:my |the |your )?(?:stop(?: loss)?|risk)|stop(?: loss)?"
    r"(?: distance)?|am risking|are risking|was risking|were risking)|x (?:my |the |your )?risk|times r|to 1"
)
TRIGGER = rf"(?:{PERCENT}|(?P<multiple>{NUMBER}) (?:{R_UNITS}))"
WHEN = r"(?:when|once|if|after|at|as|the_second)"
IN_PROFIT = (
    r"(?:up |is up |are up |am up |gains? |makes? |goes up |hits? |reaches |has gained |plus |in profit |"
    r"at |to |by |a |an |gain of |profit of )"
)
SUBJECT = (
    rf"(?:{POSITION}|i|we|you|i have|we have|price|the price|the trade|my profit|profit|the gain|"
    rf"the stock)"
)
HELD = r"(?:(?:trading|business|calendar) )?(?P<unit>day|bar|session|week|month|trading day)"
TIME_HEDGE = (
    rf"{HEDGE}(?:(?P<low>{NUMBER}) (?P<link>to|or) (?:maybe )?)?(?P<bars>{NUMBER}) {HELD}"
    rf"(?P<orso> or_so| ish)?"
)
ACCOUNT = (
    r"(?:of )?(?:my |the |your |our |total |whole |entire |trading )*(?:account|portfolio|capital|equity|"
    r"money|bankroll|cash|account value|account size)"
)
EACH = (
    r"(?:per trade|a trade|on each trade|on every trade|each trade|every trade|on any 1 trade|"
    r"on any trade|on any single trade|per position|on each position|on a trade|on 1 trade|on the trade|"
    r"in each trade|into each trade|in each position|into each position|into every trade|into each 1|"
    r"per stock|in every trade|a position|in each stock|in every position|into a trade|in a trade|"
    r"in 1 trade|on a single trade|for each trade|for every trade|to each trade|to each position)"
)


@dataclass(frozen=True)
class Phrase:
    """An order rule at `start` to `end` of the canonical text; without a value the words leave a choice."""

    start: int
    end: int
    field: str
    value: Any
    readings: tuple[Any, ...] = ()
    why: str | None = None
    indicators: tuple[IndicatorUse, ...] = ()
    absolute_price: bool = False
    denied: bool = False
    unspecified: tuple[str, ...] = ()


Builder = Callable[[re.Match[str]], Phrase | None]


def in_range(value: float, low: float, high: float) -> bool:
    return low < value <= high


def percent_phrase(place: str, key: str, low: float, high: float) -> Builder:
    """A builder of `{key: percent}`; a hedged or double number stays open, one out of range is none."""

    def build(match: re.Match[str]) -> Phrase | None:
        groups = match.groupdict()
        amount = float(match["percent"])
        if not in_range(amount, low, high):
            return None
        if groups.get("low"):
            readings = ({key: float(match["low"])}, {key: amount})
            return Phrase(match.start(), match.end(), place, None, readings, "two numbers, but not which one")
        if groups.get("hedge") or groups.get("orso"):
            return Phrase(
                match.start(), match.end(), place, None, ({key: amount},), "the number is approximate"
            )
        return Phrase(match.start(), match.end(), place, {key: amount})

    return build


def ratio(place: str) -> Builder:
    def build(match: re.Match[str]) -> Phrase | None:
        numbers = [float(match[name]) for name in ("multiple", "reward") if match.groupdict().get(name)]
        if not numbers or not in_range(max(numbers), 0.1, 50):
            return None
        return Phrase(match.start(), match.end(), place, {"r_multiple": max(numbers)})

    return build


def absolute_price(place: str) -> Builder:
    def build(match: re.Match[str]) -> Phrase | None:
        if float(match["price"]) <= 0:
            return None
        return Phrase(
            match.start(),
            match.end(),
            place,
            {"price": float(match["price"])},
            absolute_price=True,
            why="a price of one stock at one time, not a rule",
        )

    return build


def denied(place: str) -> Builder:
    return lambda match: Phrase(match.start(), match.end(), place, None, denied=True)


def unsupported(place: str, why: str) -> Builder:
    return lambda match: Phrase(match.start(), match.end(), place, None, why=why)


Table = tuple[tuple[str, Builder], ...]
