"""Spoken stops: fixed, trailing, by volatility, by a swing or an average, moved to break even."""

import re

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.operands import BARS_PER_UNIT, NUMBER
from falcon_pipelines.strategies.extraction.order_phrases import (
    AMOUNT,
    ATR_PERIOD,
    BELOW,
    HEDGE,
    IN_PROFIT,
    LEAVE,
    LEFT_AT,
    NOT_SIZE,
    PERCENT,
    POSITION,
    STOP_NOUN,
    SUBJECT,
    TRIGGER,
    WHEN,
    WHO,
    Phrase,
    Table,
    absolute_price,
    denied,
    in_range,
    percent_phrase,
    unsupported,
)


def _atr_stop(match: re.Match[str]) -> Phrase | None:
    multiple = float(match["multiple"] or 1)
    spoken = match["period"] or match["lookback"]
    period = float(spoken or 14)
    if not in_range(multiple, 0, 20) or not in_range(period, 1, 200):
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


def _breakeven(match: re.Match[str]) -> Phrase | None:
    if match["percent"]:
        return Phrase(match.start(), match.end(), "exit.breakeven", {"percent": float(match["percent"])})
    return Phrase(match.start(), match.end(), "exit.breakeven", {"r_multiple": float(match["multiple"])})


BREAKEVEN: Table = (
    (
        rf"(?:move|bring|raise|pull|slide|bump|moved|trail) (?:my |the |your )?{STOP_NOUN} (?:up |"
        rf"right |all the way )*(?:to|at) (?:breakeven|(?:my |the )?entry(?: price)?) "
        rf"(?:[a-z0-9'_.]+ ){{0,1}}?{WHEN} (?:{SUBJECT} )?(?:is |am |are |has )?{IN_PROFIT}{{0,2}}{TRIGGER}",
        _breakeven,
    ),
    (
        rf"{WHEN} (?:{SUBJECT} )?(?:is |am |are |has )?{IN_PROFIT}{{0,2}}{TRIGGER}(?: profit| gain|"
        rf" in profit)? (?:my |the |{WHO} (?:will )?(?:move|bring|raise|pull|slide|bump) )(?:my |the |"
        rf"your )?{STOP_NOUN} (?:goes |moves |comes |gets moved |is moved )?(?:up |right |"
        rf"all the way )*(?:to|at) (?:breakeven|(?:my |the )?entry(?: price)?)",
        _breakeven,
    ),
)
TRAILING: Table = (
    (
        rf"(?:a |an |my |the )?{HEDGE}{PERCENT} trailing(?: {STOP_NOUN})?",
        percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"trailing {STOP_NOUN}{LEFT_AT} {AMOUNT}{BELOW}",
        percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:trail|trailing)(?: (?:it|my|the|a|stop|loss|price|position|by|with|at|behind|of|trade|"
        rf"along|up|below|that|this|them|winners|winner)){{0,5}} {AMOUNT}{BELOW}(?: the high(?:est)?"
        rf"(?: close| point)?)?",
        percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"{STOP_NOUN} (?:trails|follows)(?: (?:it|price|the price|behind|by|at|along|the high|"
        rf"up)){{0,4}} {AMOUNT}{BELOW}",
        percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:{LEAVE}(?: {POSITION})? (?:when|if|once) (?:{SUBJECT} )?)(?:drops?|falls?|pulls? back|"
        rf"gives? back|comes? off|is down|retraces|goes down|comes down) (?:by )?"
        rf"(?:more than )?{AMOUNT} (?:below|from|off|of) (?:its|the) (?:high|highest|peak|top|highs|"
        rf"highest close|highest point)",
        percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:when|if|once) (?:{SUBJECT} )?(?:drops?|falls?|pulls? back|gives? back|comes? off|is down|"
        rf"retraces|goes down|comes down) (?:by )?(?:more than )?{AMOUNT} (?:below|from|off|of) (?:its|"
        rf"the) (?:high|highest|peak|top|highs|highest close|highest point)(?: since (?:i|we|you) "
        rf"(?:bought|got in|entered))? {LEAVE}(?: {POSITION})?",
        percent_phrase("exit.trailing", "percent", 0, 60),
    ),
    (
        rf"(?:trail|trailing)(?: (?:it|my|the|a|stop|loss|by|with|at|behind|of|below|using)){{0,5}} "
        rf"(?:{NUMBER} (?:times |x )?(?:the )?atr|{operands.AVERAGE}|{operands.DAY_AVERAGE})",
        unsupported("exit.trailing", "a trailing stop can only be a percentage"),
    ),
)
STOPS: Table = (
    (
        rf"(?:(?:do not|never|does not|did not) (?:use|have|set|put|like|believe in|run|place|trade with|"
        rf"need|want)(?: to use| in)?(?: a| any| an| my)?(?: hard| fixed)? {STOP_NOUN}|(?:no|without|"
        rf"without a|without any|not using a|not use a) {STOP_NOUN})(?: loss)?(?! (?:tighter|wider|"
        rf"bigger|smaller|below|above|at|of|that|out)\b)",
        denied("exit.stop"),
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:(?P<multiple>{NUMBER}) )?(?:times |x )?(?:the |a |my )?(?:"
        rf"(?P<period>{NUMBER}) (?:day|period|bar) )?atr{BELOW}{ATR_PERIOD}",
        _atr_stop,
    ),
    (
        rf"(?:a |an |my )?(?P<multiple>{NUMBER}) (?:times |x )?(?:the )?(?:(?P<period>{NUMBER}) (?:day|"
        rf"period|bar) )?atr {STOP_NOUN}{ATR_PERIOD}",
        _atr_stop,
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:right |just )?(?:below|at|above) (?:the )?(?:low|lowest low|high|"
        rf"highest high) of the (?:last|past|previous|prior) (?P<bars>{NUMBER}) (?P<unit>day|bar|session|"
        rf"week)",
        _swing_stop,
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:right )?(?:below|at|above) (?:the |its )?(?P<bars>{NUMBER}) "
        rf"(?P<unit>day|bar|week) (?:low|high)",
        _swing_stop,
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:right )?(?:below|at|above) (?:the )?(?P<entrybar>(?:low|high) of "
        rf"(?:the|that) (?:entry|signal|breakout|trigger|buy|previous|prior)? ?(?:bar|day)|"
        rf"(?:previous|prior|last) (?:day|bar|session)(?: s)? (?:low|high)|yesterday(?:'s|s)? (?:low|high))",
        _swing_stop,
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:right |somewhere )?(?:below|at|above|around) (?:the |a |my )?"
        rf"(?:most recent |recent |last |previous |prior |nearest )*(?:swing low|swing high|low|lows|"
        rf"swing|pivot low|support|structure)(?! of)",
        _swing_stop,
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:right |somewhere )?(?:below|at|on|above) "
        rf"(?P<average>{operands.AVERAGE}|{operands.DAY_AVERAGE})",
        _average_stop,
    ),
    (rf"{STOP_NOUN}{LEFT_AT} {AMOUNT}{BELOW}{NOT_SIZE}", percent_phrase("exit.stop", "percent", 0, 60)),
    (
        rf"(?:a |an |my |the )?{HEDGE}(?:(?P<low>{NUMBER})(?: percent)? (?P<link>to|or) (?:a |"
        rf"an )?)?{PERCENT} (?:hard |fixed |protective |initial |wide |tight |max |maximum )?"
        rf"(?:{STOP_NOUN}|max loss|maximum loss)(?: loss)?(?: on (?:every|each) (?:trade|position))?",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{PERCENT} (?:below|under) (?:my |the |your )?(?:entry price|entry|cost|fill|purchase price|"
        rf"buy price|cost basis|where i (?:bought|got in|entered)|what i paid)(?: (?:is|that is|goes|"
        rf"sits) (?:my |the |where (?:i put )?(?:my |the )?)?{STOP_NOUN}(?: (?:goes|sits|is))?)",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:when|if|once) (?:{SUBJECT} )?(?:ever )?(?:drops?|falls?|goes down|is down|am down|"
        rf"are down|down|loses?|lose|goes against me|moves against me|goes|sinks|trades|gets to|"
        rf"declines) (?:by )?(?:more than )?{AMOUNT}{BELOW} (?:that is it |no questions asked |"
        rf"and )?{LEAVE}(?: {POSITION})?(?: for a loss)?",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{LEAVE}(?: {POSITION})? (?:for a loss )?(?:when|if|once) (?:{SUBJECT} )?(?:ever )?"
        rf"(?:drops?|falls?|goes down|is down|am down|are down|down|loses?|lose|goes against me|"
        rf"moves against me|goes|sinks|trades|declines) (?:by )?(?:more than )?{AMOUNT}{BELOW}",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:maximum|max|biggest|most i will) (?:loss|lose)(?: (?:is|of|at|per trade|on a trade|i take|"
        rf"i will take))* "
        rf"{AMOUNT}{BELOW}{NOT_SIZE}",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:{LEAVE} (?:when|if|once) )?(?:when |if |once )?(?:a|the|my) loss (?:gets to|hits|reaches|"
        rf"is|of|goes to) {AMOUNT}"
        rf"(?: and)? {LEAVE}",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{LEAVE}(?: {POSITION})? (?:when|if|once) (?:a|the|my) loss (?:gets to|hits|reaches|is|"
        rf"goes to) {AMOUNT}",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:cut|cutting|take|taking|cap|limit) (?:my |the |it |every |all |a |our |any )*(?:loss|loser|"
        rf"losers|position|trade|it)? ?(?:off )?at {AMOUNT}(?: loss| down| below (?:my |the )?entry)?"
        rf"(?! (?:gain|profit|up)\b)",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"(?:stopped out|stop out|stop me out|stops me out|get stopped out|gets stopped out)"
        rf"(?: of the trade)?(?: (?:at|if it falls|if it drops|after|on|when it falls|when it drops|"
        rf"if it is down)) {AMOUNT}{BELOW}",
        percent_phrase("exit.stop", "percent", 0, 60),
    ),
    (
        rf"{STOP_NOUN}{LEFT_AT} (?:down )?(?:dollars )?(?P<price>{NUMBER})(?: dollars)?(?! (?:percent|"
        rf"day|times|x|r|bar|period|atr|cents|to|or|week|and a)\b)",
        absolute_price("exit.stop"),
    ),
)
