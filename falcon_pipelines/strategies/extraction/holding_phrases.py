"""How long a position is held, how large it is, and on bars of which length."""

import re

from falcon_pipelines.strategies.extraction.operands import BARS_PER_UNIT, NUMBER
from falcon_pipelines.strategies.extraction.order_phrases import (
    ACCOUNT,
    AMOUNT,
    EACH,
    LEAVE,
    PERCENT,
    POSITION,
    TIME_HEDGE,
    Phrase,
    Table,
    in_range,
    percent_phrase,
)


def _time(match: re.Match[str]) -> Phrase | None:
    bars = float(match["bars"]) * BARS_PER_UNIT.get(match["unit"].split()[-1], 0)
    if not in_range(bars, 0, 1000):
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


def _time_after_an_exit(match: re.Match[str]) -> Phrase | None:
    """ "... or after ten days" ends a trade only where the words before it speak of ending one."""
    before = match.string[max(0, match.start() - 160) : match.start()]
    return (
        _time(match)
        if re.search(r"(?<!\S)(?:sell|exit|get out|close|out|target|hold|#+)(?!\S)", before)
        else None
    )


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


TIME_STOPS: Table = (
    (
        rf"(?:hold|holding|keep|stay in|staying in|sit in|give|gives|giving)(?: (?:on to|onto))?"
        rf"(?: {POSITION})?(?: (?:for|open|about|only|a|an|up to|no more than|no longer than|"
        rf"not more than|at most|maximum of|max of|more than|longer than|exactly|the (?:full|whole|"
        rf"maximum)|full|total of|"
        rf"maximum|max))* {TIME_HEDGE}(?! (?:high|low|ema|sma|moving|average|rsi|ma)\b)",
        _time,
    ),
    (
        rf"{LEAVE}(?: {POSITION})?(?: (?:no matter what|regardless|anyway|either way|at the (?:open|"
        rf"close)|at market|on the close))* (?:after|within|in|on day|at the end of|when it has been) "
        rf"(?:a max of |at most |a maximum of |no more than |the )?{TIME_HEDGE}",
        _time,
    ),
    (
        rf"(?:after|within|in|if|once|when) (?:(?!when |buy |enter |i sell |i exit |stop |"
        rf"target |above |below |cross |crosses |through |average |the "
        rf"(?:\d))[a-z']+ ){{0,7}}?{TIME_HEDGE}(?: (?:have passed|have gone by|go by|pass|passed|"
        rf"no matter what|regardless|later|whatever happens|either way|and|or|it|is|has not|nothing|"
        rf"happened|worked|has not moved|has not worked|still in|with no)){{0,6}} {LEAVE}"
        rf"(?: {POSITION})?",
        _time,
    ),
    (
        (
            rf"time(?: based)? (?:stop|exit)(?: (?:is|of|at|after|set|to|comes|for|a|i|use|"
            rf"usually)){{0,4}} {TIME_HEDGE}"
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
        rf"time))* {TIME_HEDGE}",
        _time,
    ),
    (rf"{LEAVE}(?: {POSITION})? on (?P<unit>day|bar) (?P<bars>{NUMBER})", _time),
    (
        rf"or (?:after|in|when it has been) (?:a max of |at most |no more than )?{TIME_HEDGE}"
        rf"(?: whichever (?:comes|happens|is|hits) first)?",
        _time_after_an_exit,
    ),
    (
        (
            rf"(?:has|have|gets|get) {TIME_HEDGE} to (?:work|move|play out|prove itself|do something|"
            rf"go my way)"
        ),
        _time,
    ),
    (rf"(?:is|for) a {TIME_HEDGE} (?:hold|trade|holding period)", _time),
    (rf"(?<!average )holding (?:period|time)(?: (?:is|of|at|for))* {TIME_HEDGE}", _time),
)
SIZING: Table = (
    (
        rf"(?:volatility target(?:ing)?(?: (?:is|of|at|to))*|target(?:ing)?(?: an?)?(?: annual(?:ized|"
        rf"ised)?)? volatility of|size (?:it |the position |positions )?to) {PERCENT}(?: (?:annual |"
        rf"annualized |annualised |yearly )?(?:volatility|vol))?(?! (?:of|risk))",
        percent_phrase("sizing", "volatility_target", 0, 200),
    ),
    (
        rf"(?:risk|risking|risked)(?: (?:is|of|no|more|than|only|never|about|at|most|up to|to|maximum|"
        rf"max|around|a|the))* {AMOUNT}(?: {ACCOUNT})?(?: {EACH})?(?! (?:win|stop|below|gain))",
        percent_phrase("sizing", "risk_per_trade", 0, 20),
    ),
    (
        rf"{PERCENT} (?:account )?risk(?: {EACH}| {ACCOUNT})*",
        percent_phrase("sizing", "risk_per_trade", 0, 20),
    ),
    (
        rf"(?:lose|losing|loss of)(?: (?:more|than|no|only|never|at|most|up|to|a|maximum|max|"
        rf"of))* {AMOUNT} {ACCOUNT}(?: {EACH})?",
        percent_phrase("sizing", "risk_per_trade", 0, 20),
    ),
    (
        rf"(?:put|invest|allocate|use|commit|place|buy with|position size|position sizes|positions|size|"
        rf"each position|every position|each trade|every trade|each trade gets|go in with|deploy|bet|"
        rf"sizing|position)(?: (?:is|of|are|at|about|gets|get|with|up|to|only|never|more|than|no|always|"
        rf"be|will|would|equal|in|the|same|a|each|my|size|position|should|for|stock))* {AMOUNT} "
        rf"(?:{ACCOUNT})(?: {EACH})?",
        percent_phrase("sizing", "percent_of_equity", 0, 400),
    ),
    (
        rf"{PERCENT} {ACCOUNT} {EACH}",
        percent_phrase("sizing", "percent_of_equity", 0, 400),
    ),
    (
        rf"(?:position size|position sizes|each position|every position)(?: (?:is|of|are|at|gets|always|"
        rf"will|be)){{0,4}} {PERCENT}(?! (?:risk|stop))",
        percent_phrase("sizing", "percent_of_equity", 0, 400),
    ),
    (
        rf"(?:buy|trade|trading|buying|position size is|size is|i do)(?: (?:only|a fixed|fixed|a flat|"
        rf"exactly|with))* (?P<shares>{NUMBER}) share(?: of (?:it|each|everything|the stock))? "
        rf"(?:per trade|each|a trade|on every|on each|for every|per signal|per position|at a time|when)"
        rf"(?: trade| signal| time)?",
        _shares,
    ),
)
TIMEFRAMES: Table = (
    (
        r"(?:on|use|using|trade|with|from|at|off) (?:the |a |an )?(?P<frame>daily|hourly|weekly|monthly|"
        r"(?:1|2|3|4|5|10|15|30|60) (?:minute|hour))(?: time ?frame| chart| charts| bar| timeframe|"
        r" time frame)+",
        _timeframe,
    ),
)
