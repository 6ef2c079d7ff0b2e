"""Spoken stops, targets, time stops, partial exits, sizing and timeframes as values of a spec."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.atoms import IndicatorUse
from falcon_pipelines.strategies.extraction.operands import BARS_PER_UNIT, NUMBER, NotExpressible

PERCENT = rf"(?P<percent>{NUMBER}) percent"
WORD = r"[a-z0-9'_.]+"
_POSITION = (
    r"(?:it|them|this|everything|the trade|my trade|the position|my position|the stock|my share|"
    r"the share|the rest|that|1|the whole thing|"
    r"the winner|winners|each trade|every trade|a trade|each position|a position|the lot)"
)
_WHO = r"(?:i|we|you|i will|we will|you will|i would|we would|i am going to|you want to|i want to)"
_LEAVE = (
    rf"(?:{_WHO} )?(?:sell|exit|get out|close|take profit|taking profit|take my profit|take the profit|"
    rf"cash out|"
    rf"cash in|book|am out|are out|cut|bail|"
    r"dump|is gone|am gone|liquidate|out|take it off|done|get rid of)"
)
_AT = (
    r"(?: (?:loss|order|is|at|goes|go|of|set|sits|to|will be|would be|gets|placed|put|i|we|you|use|"
    r"always|for|me|my|right|"
    r"comes in|in|by|around it|lives|a|the|hard|fixed|initial|order|on|every|each|trade|single|position|"
    r"usually|below entry))"
)
_LEFT_AT = rf"{_AT}{{0,8}}?"
_STOP_NOUN = r"(?:stop loss|stop|hard stop|protective stop)"
_HEDGE = (
    r"(?P<hedge>around |about |roughly |maybe |somewhere around |something |approximately |say |"
    r"close to |nearly |perhaps )?"
)
_RANGE = rf"(?:{NUMBER} (?:percent )?(?:to|or|and) )?"
_AMOUNT = (
    rf"(?:a |an |the )?{_HEDGE}(?:(?P<low>{NUMBER})(?: percent)? (?P<link>to|or) (?:maybe )?)?{PERCENT}"
    rf"(?P<orso> or_so| ish)?"
)
_BELOW = (
    r"(?: (?:below|from|away from|down from|off|of|under|against|beneath|above|past|away|down|lower|loss|"
    r"move|drop|drawdown|"
    r"where i (?:bought|got in|entered)|what i paid|(?:my |the |your |our )?(?:entry price|entry|cost|"
    r"fill|fill price|purchase price|buy price|cost basis|buy|purchase|position|price)))*"
)
_ATR_PERIOD = (
    rf"(?:(?: stop)? (?:using|with|on|over|based on)(?: the| a| an)? (?P<lookback>{NUMBER}) (?:day|"
    rf"period|bar)(?: atr| lookback| setting)?)?"
)
_NOT_SIZE = (
    r"(?! (?:of (?:my |the |your |our )?(?:account|portfolio|capital|equity|money|bankroll|cash)|"
    r"per trade|on (?:each|every|any)|a trade))"
)
_R = (
    r"r|times (?:my |the |your |our |what i |that |initial )?(?:initial )?(?:risk(?:ed)?|stop(?: loss)?"
    r"(?: distance)?|am risking|are risking)|x (?:my |the |your )?risk|times r|to 1"
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


def _in_range(value: float, low: float, high: float) -> bool:
    return low < value <= high


def _percent_phrase(place: str, key: str, low: float, high: float) -> Builder:
    """A builder of `{key: percent}`; a hedged or double number stays open, one out of range is none."""

    def build(match: re.Match[str]) -> Phrase | None:
        groups = match.groupdict()
        amount = float(match["percent"])
        if not _in_range(amount, low, high):
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


def _ratio(place: str) -> Builder:
    def build(match: re.Match[str]) -> Phrase | None:
        numbers = [float(match[name]) for name in ("multiple", "reward") if match.groupdict().get(name)]
        if not numbers or not _in_range(max(numbers), 0.1, 50):
            return None
        return Phrase(match.start(), match.end(), place, {"r_multiple": max(numbers)})

    return build


def _atr_stop(match: re.Match[str]) -> Phrase | None:
    multiple = float(match["multiple"] or 1)
    spoken = match["period"] or match["lookback"]
    period = float(spoken or 14)
    if not _in_range(multiple, 0, 20) or not _in_range(period, 1, 200):
        return None
    missing = () if spoken else ("exit.stop.atr.period",)
    return Phrase(
        match.start(),
        match.end(),
        "exit.stop",
        {"atr": {"period": int(period), "multiple": multiple}},
        unspecified=missing,
    )


def _swing_stop(match: re.Match[str]) -> Phrase | None:
    groups = match.groupdict()
    if groups.get("entrybar"):
        bars = 1
    elif groups.get("bars"):
        bars = int(float(match["bars"]) * BARS_PER_UNIT.get(match["unit"] or "day", 0))
    else:
        readings = tuple({"swing": {"bars": bars}} for bars in (5, 10, 20))
        return Phrase(
            match.start(),
            match.end(),
            "exit.stop",
            None,
            readings,
            "a swing low, but over how many bars is not said",
        )
    if not 1 <= bars <= 500:
        return None
    return Phrase(match.start(), match.end(), "exit.stop", {"swing": {"bars": bars}})


def _average_stop(match: re.Match[str]) -> Phrase | None:
    operand = operands.read_operand(match["average"])
    if operand is None:
        return None
    return Phrase(
        match.start(), match.end(), "exit.stop", {"indicator": operand.value}, indicators=operand.indicators
    )


def _absolute(place: str) -> Builder:
    def build(match: re.Match[str]) -> Phrase | None:
        return Phrase(
            match.start(),
            match.end(),
            place,
            {"price": float(match["price"])},
            absolute_price=True,
            why="a price of one stock at one time, not a rule",
        )

    return build


def _denied(place: str) -> Builder:
    return lambda match: Phrase(match.start(), match.end(), place, None, denied=True)


def _unsupported(place: str, why: str) -> Builder:
    return lambda match: Phrase(match.start(), match.end(), place, None, why=why)


def _time(match: re.Match[str]) -> Phrase | None:
    bars = float(match["bars"]) * BARS_PER_UNIT.get(match["unit"].split()[-1], 0)
    if not _in_range(bars, 0, 1000):
        return None
    groups = match.groupdict()
    if groups.get("low"):
        low = float(match["low"]) * BARS_PER_UNIT[match["unit"].split()[-1]]
        readings = ({"bars": int(low)}, {"bars": int(bars)})
        return Phrase(
            match.start(), match.end(), "exit.time_stop", None, readings, "two numbers, but not which one"
        )
    if groups.get("hedge") or groups.get("orso"):
        return Phrase(
            match.start(),
            match.end(),
            "exit.time_stop",
            None,
            ({"bars": int(bars)},),
            "the number is approximate",
        )
    return Phrase(match.start(), match.end(), "exit.time_stop", {"bars": int(bars)})


_FRACTIONS = {"half": 0.5, "third": 1 / 3, "quarter": 0.25}


def _partial(match: re.Match[str]) -> Phrase | None:
    fraction = _FRACTIONS.get(match["part"].split()[-1], 0.0) or float(match["part"].split()[0]) / 100
    if not 0 < fraction < 1:
        return None
    if match["percent"]:
        at: dict[str, float] = {"percent": float(match["percent"])}
    else:
        at = {"r_multiple": float(match["multiple"])}
    return Phrase(match.start(), match.end(), "exit.partial", [{"at": at, "fraction": round(fraction, 4)}])


def _breakeven(match: re.Match[str]) -> Phrase | None:
    if match["percent"]:
        return Phrase(match.start(), match.end(), "exit.breakeven", {"percent": float(match["percent"])})
    return Phrase(match.start(), match.end(), "exit.breakeven", {"r_multiple": float(match["multiple"])})


def _shares(match: re.Match[str]) -> Phrase | None:
    count = float(match["shares"])
    return Phrase(match.start(), match.end(), "sizing", {"fixed_shares": int(count)}) if count >= 1 else None


_SPOKEN_TIMEFRAMES = {
    "daily": "day",
    "hourly": "1h",
    "1 hour": "1h",
    "60 minute": "1h",
    "1 minute": "1m",
    "5 minute": "5m",
    "15 minute": "15m",
    "30 minute": "30m",
}


def _timeframe(match: re.Match[str]) -> Phrase | None:
    spoken = match["frame"]
    timeframe = _SPOKEN_TIMEFRAMES.get(spoken)
    why = None if timeframe else f"{spoken} bars are not available; day, 1m, 5m, 15m, 30m and 1h are"
    return Phrase(match.start(), match.end(), "timeframe", timeframe, why=why)


_TRIGGER = rf"(?:{PERCENT}|(?P<multiple>{NUMBER}) (?:{_R}))"
_WHEN = r"(?:when|once|if|after|at|as|the_second)"
_UP = (
    r"(?:up |is up |are up |am up |gains? |makes? |goes up |hits? |reaches |has gained |plus |in profit |"
    r"at |to |by |a |an |gain of |profit of )"
)
_SUBJECT = (
    rf"(?:{_POSITION}|i|we|you|i have|we have|price|the price|the trade|my profit|profit|the gain|"
    rf"the stock)"
)
_HELD = r"(?:(?:trading|business|calendar) )?(?P<unit>day|bar|session|week|month|trading day)"
_TIME_HEDGE = (
    rf"{_HEDGE}(?:(?P<low>{NUMBER}) (?P<link>to|or) (?:maybe )?)?(?P<bars>{NUMBER}) {_HELD}"
    rf"(?P<orso> or_so| ish)?"
)
_ACCOUNT = (
    r"(?:of )?(?:my |the |your |our |total |whole |entire |trading )*(?:account|portfolio|capital|equity|"
    r"money|bankroll|cash|account value|account size)"
)
_EACH = (
    r"(?:per trade|a trade|on each trade|on every trade|each trade|every trade|on any 1 trade|"
    r"on any trade|on any single trade|per position|on each position|on a trade|on 1 trade|on the trade|"
    r"in each trade|into each trade|in each position|into each position|into every trade|into each 1|"
    r"per stock|in every trade|a position|in each stock|in every position|into a trade|in a trade|"
    r"in 1 trade|on a single trade|for each trade|for every trade|to each trade|to each position)"
)

_TABLE: tuple[tuple[str, Builder], ...] = (
    # breakeven
    (
        rf"(?:move|bring|raise|pull|slide|bump|moved|trail) (?:my |the |your )?{_STOP_NOUN} (?:up |"
        rf"right |all the way )*(?:to|at) (?:breakeven|(?:my |the )?entry(?: price)?) "
        rf"(?:{WORD} ){{0,1}}?{_WHEN} (?:{_SUBJECT} )?(?:is |am |are |has )?{_UP}{{0,2}}{_TRIGGER}",
        _breakeven,
    ),
    (
        rf"{_WHEN} (?:{_SUBJECT} )?(?:is |am |are |has )?{_UP}{{0,2}}{_TRIGGER}(?: profit| gain|"
        rf" in profit)? (?:my |the |{_WHO} (?:will )?(?:move|bring|raise|pull|slide|bump) )(?:my |the |"
        rf"your )?{_STOP_NOUN} (?:goes |moves |comes |gets moved |is moved )?(?:up |right |"
        rf"all the way )*(?:to|at) (?:breakeven|(?:my |the )?entry(?: price)?)",
        _breakeven,
    ),
    # partial
    (
        rf"(?:sell|take|take off|scale out of|book|trim|peel off|close|unload|sell off|get rid of) "
        rf"(?P<part>half|(?:a |1 )?(?:third|quarter)|{NUMBER} percent)(?: of)?(?: {_POSITION}|"
        rf" the profit)?(?: off)?(?: the table)? {_WHEN} (?:{_SUBJECT} )?(?:is |am |are |"
        rf"has )?{_UP}{{0,2}}{_TRIGGER}(?: profit| gain)?",
        _partial,
    ),
    (
        rf"{_WHEN} (?:{_SUBJECT} )?(?:is |am |are |has )?{_UP}{{0,2}}{_TRIGGER}(?: profit|"
        rf" gain)? {_WHO} (?:sell|take|take off|scale out of|book|trim|peel off|close) (?P<part>half|"
        rf"(?:a |1 )?(?:third|quarter)|{NUMBER} percent)(?: of)?(?: {_POSITION})?(?: off)?",
        _partial,
    ),
    # trailing
    (
        rf"(?:a |an |my |the )?{_HEDGE}{PERCENT} trailing(?: {_STOP_NOUN})?",
        _percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"trailing {_STOP_NOUN}{_LEFT_AT} {_AMOUNT}{_BELOW}",
        _percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:trail|trailing)(?: (?:it|my|the|a|stop|loss|price|position|by|with|at|behind|of|trade|"
        rf"along|up|below|that|this|them|winners|winner)){{0,5}} {_AMOUNT}{_BELOW}(?: the high(?:est)?"
        rf"(?: close| point)?)?",
        _percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"{_STOP_NOUN} (?:trails|follows)(?: (?:it|price|the price|behind|by|at|along|the high|"
        rf"up)){{0,4}} {_AMOUNT}{_BELOW}",
        _percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:{_LEAVE}(?: {_POSITION})? (?:when|if|once) (?:{_SUBJECT} )?)(?:drops?|falls?|pulls? back|"
        rf"gives? back|comes? off|is down|retraces|goes down|comes down) (?:by )?"
        rf"(?:more than )?{_AMOUNT} (?:below|from|off|of) (?:its|the) (?:high|highest|peak|top|highs|"
        rf"highest close|highest point)",
        _percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:when|if|once) (?:{_SUBJECT} )?(?:drops?|falls?|pulls? back|gives? back|comes? off|is down|"
        rf"retraces|goes down|comes down) (?:by )?(?:more than )?{_AMOUNT} (?:below|from|off|of) (?:its|"
        rf"the) (?:high|highest|peak|top|highs|highest close|highest point)(?: since (?:i|we|you) "
        rf"(?:bought|got in|entered))? {_LEAVE}(?: {_POSITION})?",
        _percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:trail|trailing)(?: (?:it|my|the|a|stop|loss|by|with|at|behind|of|below|using)){{0,5}} "
        rf"(?:{NUMBER} (?:times |x )?(?:the )?atr|{operands.AVERAGE}|{operands.DAY_AVERAGE})",
        _unsupported("exit.trailing", "a trailing stop can only be a percentage"),
    ),
    # stop
    (
        rf"(?:(?:do not|never|does not|did not) (?:use|have|set|put|like|believe in|run|place|trade with|"
        rf"need|want)(?: to use| in)?(?: a| any| an| my)?(?: hard| fixed)? {_STOP_NOUN}|(?:no|without|"
        rf"without a|without any|not using a|not use a) {_STOP_NOUN})(?: loss)?(?! (?:tighter|wider|"
        rf"bigger|smaller|below|above|at|of|that|out)\b)",
        _denied("exit.stop"),
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:(?P<multiple>{NUMBER}) )?(?:times |x )?(?:the |a |my )?(?:"
        rf"(?P<period>{NUMBER}) (?:day|period|bar) )?atr{_BELOW}{_ATR_PERIOD}",
        _atr_stop,
    ),
    (
        rf"(?:a |an |my )?(?P<multiple>{NUMBER}) (?:times |x )?(?:the )?(?:(?P<period>{NUMBER}) (?:day|"
        rf"period|bar) )?atr {_STOP_NOUN}{_ATR_PERIOD}",
        _atr_stop,
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:right |just )?(?:below|at|above) (?:the )?(?:low|lowest low|high|"
        rf"highest high) of the (?:last|past|previous|prior) (?P<bars>{NUMBER}) (?P<unit>day|bar|session|"
        rf"week)",
        _swing_stop,
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:right )?(?:below|at|above) (?:the |its )?(?P<bars>{NUMBER}) "
        rf"(?P<unit>day|bar|week) (?:low|high)",
        _swing_stop,
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:right )?(?:below|at|above) (?:the )?(?P<entrybar>(?:low|high) of "
        rf"(?:the|that) (?:entry|signal|breakout|trigger|buy)? ?(?:bar|day))",
        _swing_stop,
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:right |somewhere )?(?:below|at|above|around) (?:the |a |my )?"
        rf"(?:most recent |recent |last |previous |prior |nearest )*(?:swing low|swing high|low|lows|"
        rf"swing|pivot low|support|structure)(?! of)",
        _swing_stop,
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:right |somewhere )?(?:below|at|on|above) "
        rf"(?P<average>{operands.AVERAGE}|{operands.DAY_AVERAGE})",
        _average_stop,
    ),
    (rf"{_STOP_NOUN}{_LEFT_AT} {_AMOUNT}{_BELOW}{_NOT_SIZE}", _percent_phrase("exit.stop", "percent", 0, 60)),
    (
        rf"(?:a |an |my |the )?{_HEDGE}(?:(?P<low>{NUMBER})(?: percent)? (?P<link>to|or) (?:a |"
        rf"an )?)?{PERCENT} (?:hard |fixed |protective |initial |wide |tight |max |maximum )?"
        rf"(?:{_STOP_NOUN}|max loss|maximum loss)(?: loss)?(?: on (?:every|each) (?:trade|position))?",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{PERCENT} (?:below|under) (?:my |the |your )?(?:entry price|entry|cost|fill|purchase price|"
        rf"buy price|cost basis|where i (?:bought|got in|entered)|what i paid)(?: (?:is|that is|goes|"
        rf"sits) (?:my |the |where (?:i put )?(?:my |the )?)?{_STOP_NOUN}(?: (?:goes|sits|is))?)",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:when|if|once) (?:{_SUBJECT} )?(?:ever )?(?:drops?|falls?|goes down|is down|am down|"
        rf"are down|down|loses?|lose|goes against me|moves against me|goes|sinks|trades|gets to|"
        rf"declines) (?:by )?(?:more than )?{_AMOUNT}{_BELOW} (?:that is it |no questions asked |"
        rf"and )?{_LEAVE}(?: {_POSITION})?(?: for a loss)?",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{_LEAVE}(?: {_POSITION})? (?:for a loss )?(?:when|if|once) (?:{_SUBJECT} )?(?:ever )?"
        rf"(?:drops?|falls?|goes down|is down|am down|are down|down|loses?|lose|goes against me|"
        rf"moves against me|goes|sinks|trades|declines) (?:by )?(?:more than )?{_AMOUNT}{_BELOW}",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:maximum|max|biggest|most i will) (?:loss|lose)(?: (?:is|of|at|per trade|on a trade|i take|"
        rf"i will take))* "
        rf"{_AMOUNT}{_BELOW}{_NOT_SIZE}",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:cut|cutting|take|taking|cap|limit) (?:my |the |it |every |all |a |our |any )*(?:loss|loser|"
        rf"losers|position|trade|it)? ?(?:off )?at {_AMOUNT}(?: loss| down| below (?:my |the )?entry)?"
        rf"(?! (?:gain|profit|up)\b)",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:stopped out|stop out|stop me out|stops me out|get stopped out|gets stopped out)"
        rf"(?: of the trade)?(?: (?:at|if it falls|if it drops|after|on|when it falls|when it drops|"
        rf"if it is down)) {_AMOUNT}{_BELOW}",
        _percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{_STOP_NOUN}{_LEFT_AT} (?:down )?(?:dollars )?(?P<price>{NUMBER})(?: dollars)?(?! (?:percent|"
        rf"day|times|x|r|bar|period|atr|cents|to|or|week|and a)\b)",
        _absolute("exit.stop"),
    ),
    # target
    (
        rf"(?:target|take profit|profit target|goal|aim|aiming|shoot|shooting|take my profit|looking|go|"
        rf"sell|exit|get out|out|price target|i want|reward|make){_LEFT_AT}(?: (?:for|at|is|least|"
        rf"when it is|of|up|to make|to))* (?P<multiple>{NUMBER}) (?:{_R})(?: (?:risk reward|"
        rf"reward to risk|reward risk|risk to reward)(?: ratio)?)?",
        _ratio("exit.target"),
    ),
    (
        rf"(?:a |an )?(?P<multiple>{NUMBER}) (?:r|to (?P<reward>{NUMBER})|times (?:my |the )?risk) "
        rf"(?:profit )?(?:target|risk reward|reward to risk|reward risk|risk to reward|reward)"
        rf"(?: ratio)?",
        _ratio("exit.target"),
    ),
    (
        rf"(?:risk reward|reward to risk|reward risk|risk to reward)(?: ratio)?(?: (?:of|is|at|at least|"
        rf"i use|to be|a))* (?P<multiple>{NUMBER}) to (?P<reward>{NUMBER})",
        _ratio("exit.target"),
    ),
    (
        rf"(?:target|take profit|taking profit|profit target|take my profit|take the profit|take some profit|"
        rf"price target|goal|profit goal|limit order)(?: (?:order|is|at|goes|of|set|sits|to|will be|"
        rf"would be|i|we|you|use|for|my|a|the|when|once|if|it|am|up|the trade|hits|reaches|around|on|"
        rf"every|trade|at a|in|gets to|put|there|always|are|has)){{0,7}}? (?:up )?(?:plus )?{_AMOUNT}"
        rf"(?: (?:above|from|over)(?: (?:my|the|your))?(?: (?:entry|cost|entry price|fill|"
        rf"where i bought))?| gain| profit| up| move)?(?! (?:of the time|stop|trailing|of my account|"
        rf"volatility|annual|a year|per year))",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"(?:a |an |my |the )?{_HEDGE}(?:(?P<low>{NUMBER})(?: percent)? (?P<link>to|or) (?:a |"
        rf"an )?)?{PERCENT} (?:profit target|profit goal|take profit|target)",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{_LEAVE}(?: {_POSITION})?(?: off)?(?: the table)? (?:for a|at a|for|at|with a|"
        rf"with) {_AMOUNT} (?:gain|profit|winner|up|higher|above (?:my |the )?(?:entry|cost)(?: price)?|"
        rf"return)",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{_LEAVE}(?: {_POSITION})?(?: off)?(?: the table)? (?:at )?(?:when|if|once|after) "
        rf"(?:{_SUBJECT} )?(?:is |am |are |has |have )?(?:up|gained|gains|made|makes|make|rises|goes up|"
        rf"climbs|at a gain of|runs|rallies|hit|hits) (?:by )?{_AMOUNT}(?: gain| profit| up| on it|"
        rf" above entry)?",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"(?:when|if|once|at|as soon as) (?:{_SUBJECT} )?(?:is |am |are |has |have )?(?:up|gained|gains|"
        rf"made|makes|make|rises|goes up|climbs|a|plus|runs|rallies|hit|hits) (?:by )?{_AMOUNT}(?: gain|"
        rf" profit| up| on it| in profit| above (?:my )?entry)? {_LEAVE}(?: {_POSITION})?(?! (?:half|"
        rf"a third|a quarter|1 third))",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{_LEAVE}(?: {_POSITION})? (?:at|for|with) a (?:gain|profit) of {_AMOUNT}",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{_WHO} (?:take|grab|book|want|aim for|go for|am looking for|look for|shoot for|"
        rf"am happy with) (?:a )?{_AMOUNT} "
        rf"(?:gain|profit|move|winner|target)(?! (?:a|per|every) (?:year|month|week|day))",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{PERCENT} (?:gain|profit) (?:and |is )?(?:{_LEAVE}|my target|the target)(?: {_POSITION})?",
        _percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"(?:profit target|price target|target|take profit)(?: (?:is|at|of|set|sits|to|goes|would be|"
        rf"will be|around|it))* (?:dollars )?(?P<price>{NUMBER})(?: dollars)?(?! (?:percent|times|x|r|to|"
        rf"or|day|bar|period|atr|and a)\b)",
        _absolute("exit.target"),
    ),
    (
        rf"(?P<multiple>{NUMBER}) (?:{_R}) (?:is|as|would be|that is) (?:my|the|our|a good) (?:profit )?"
        rf"(?:target|goal)",
        _ratio("exit.target"),
    ),
    # time stop
    (
        rf"(?:hold|holding|keep|stay in|staying in|sit in|give|gives|giving)(?: (?:on to|onto))?"
        rf"(?: {_POSITION})?(?: (?:for|open|about|only|a|an|up to|no more than|no longer than|"
        rf"not more than|at most|maximum of|max of|more than|longer than|exactly|the|full|total of|"
        rf"maximum|max))* {_TIME_HEDGE}(?! (?:high|low|ema|sma|moving|average|rsi|ma)\b)",
        _time,
    ),
    (
        rf"{_LEAVE}(?: {_POSITION})?(?: (?:no matter what|regardless|anyway|either way|at the (?:open|"
        rf"close)|at market|on the close))* (?:after|within|in|on day|at the end of|when it has been) "
        rf"(?:a max of |at most |a maximum of |no more than |the )?{_TIME_HEDGE}",
        _time,
    ),
    (
        rf"(?:after|within|in|if|once|when) (?:(?!when |buy |enter |i sell |i exit |stop |"
        rf"target )[a-z']+ ){{0,7}}?{_TIME_HEDGE}(?: (?:have passed|have gone by|go by|pass|passed|"
        rf"no matter what|regardless|later|whatever happens|either way|and|or|it|is|has not|nothing|"
        rf"happened|worked|has not moved|has not worked|still in|with no)){{0,6}} {_LEAVE}"
        rf"(?: {_POSITION})?",
        _time,
    ),
    (
        (
            rf"time(?: based)? (?:stop|exit)(?: (?:is|of|at|after|set|to|comes|for|a|i|use|"
            rf"usually)){{0,4}} {_TIME_HEDGE}"
        ),
        _time,
    ),
    (
        rf"(?P<hedge>)(?P<low>)(?P<orso>){NUMBER}".replace(NUMBER, rf"(?P<bars>{NUMBER})")
        + r" (?P<unit>day|bar|session|week) (?:time (?:stop|exit|limit)|maximum hold|max hold)",
        _time,
    ),
    (
        rf"(?:maximum|max) (?:holding period|hold|holding time|time in the trade)(?: (?:is|of|at|for|"
        rf"time))* {_TIME_HEDGE}",
        _time,
    ),
    (rf"{_LEAVE}(?: {_POSITION})? on (?P<unit>day|bar) (?P<bars>{NUMBER})", _time),
    # sizing
    (
        rf"(?:volatility target(?:ing)?(?: (?:is|of|at|to))*|target(?:ing)?(?: an?)?(?: annual(?:ized|"
        rf"ised)?)? volatility of|size (?:it |the position |positions )?to) {PERCENT}(?: (?:annual |"
        rf"annualized |annualised |yearly )?(?:volatility|vol))?(?! (?:of|risk))",
        _percent_phrase("sizing", "volatility_target", 0, 200),
    ),
    (
        rf"(?:risk|risking|risked)(?: (?:is|of|no|more|than|only|never|about|at|most|up to|to|maximum|"
        rf"max|around|a|the))* {_AMOUNT}(?: {_ACCOUNT})?(?: {_EACH})?(?! (?:win|stop|below|gain))",
        _percent_phrase("sizing", "risk_per_trade", 0, 20),
    ),
    (
        rf"{PERCENT} (?:account )?risk(?: {_EACH}| {_ACCOUNT})*",
        _percent_phrase("sizing", "risk_per_trade", 0, 20),
    ),
    (
        rf"(?:lose|losing|loss of)(?: (?:more|than|no|only|never|at|most|up|to|a|maximum|max|"
        rf"of))* {_AMOUNT} {_ACCOUNT}(?: {_EACH})?",
        _percent_phrase("sizing", "risk_per_trade", 0, 20),
    ),
    (
        rf"(?:put|invest|allocate|use|commit|place|buy with|position size|position sizes|positions|size|"
        rf"each position|every position|each trade|every trade|each trade gets|go in with|deploy|bet|"
        rf"sizing|position)(?: (?:is|of|are|at|about|gets|get|with|up|to|only|never|more|than|no|always|"
        rf"be|will|would|equal|in|the|same|a|each|my|size|position|should|for|stock))* {_AMOUNT} "
        rf"(?:{_ACCOUNT})(?: {_EACH})?",
        _percent_phrase("sizing", "percent_of_equity", 0, 400),
    ),
    (
        rf"{PERCENT} {_ACCOUNT} {_EACH}",
        _percent_phrase("sizing", "percent_of_equity", 0, 400),
    ),
    (
        rf"(?:position size|position sizes|each position|every position)(?: (?:is|of|are|at|gets|always|"
        rf"will|be)){{0,4}} {PERCENT}(?! (?:risk|stop))",
        _percent_phrase("sizing", "percent_of_equity", 0, 400),
    ),
    (
        rf"(?:buy|trade|trading|buying|position size is|size is|i do)(?: (?:only|a fixed|fixed|a flat|"
        rf"exactly|with))* (?P<shares>{NUMBER}) share(?: of (?:it|each|everything|the stock))? "
        rf"(?:per trade|each|a trade|on every|on each|for every|per signal|per position|at a time|when)"
        rf"(?: trade| signal| time)?",
        _shares,
    ),
    # timeframe
    (
        r"(?:on|use|using|trade|with|from|at|off) (?:the |a |an )?(?P<frame>daily|hourly|weekly|monthly|"
        r"(?:1|2|3|4|5|10|15|30|60) (?:minute|hour))(?: time ?frame| chart| charts| bar| timeframe|"
        r" time frame)+",
        _timeframe,
    ),
)
_COMPILED = tuple((re.compile(rf"(?<!\S){pattern}(?!\S)"), build) for pattern, build in _TABLE)


def find_phrases(string: str) -> tuple[list[Phrase], list[tuple[int, int, str]]]:
    """Order phrases in canonical text in spoken order, none overlapping, and those a spec cannot say.

    A family earlier in the table wins where two claim the same words.
    """
    visible = string
    found: list[Phrase] = []
    refused: list[tuple[int, int, str]] = []
    for pattern, build in _COMPILED:
        for match in pattern.finditer(visible):
            try:
                phrase = build(match)
            except NotExpressible as error:
                refused.append((match.start(), match.end(), str(error)))
                continue
            if phrase is None:
                continue
            found.append(phrase)
            visible = visible[: match.start()] + "#" * (match.end() - match.start()) + visible[match.end() :]
    return sorted(found, key=lambda phrase: phrase.start), refused
