"""Spoken profit targets, in percent or multiples of the risk, of the whole position or a part."""

import re

from falcon_pipelines.strategies.extraction.operands import NUMBER
from falcon_pipelines.strategies.extraction.order_phrases import (
    AMOUNT,
    HEDGE,
    IN_PROFIT,
    LEAVE,
    LEFT_AT,
    PERCENT,
    POSITION,
    R_UNITS,
    SUBJECT,
    TRIGGER,
    WHEN,
    WHO,
    Phrase,
    Table,
    absolute_price,
    percent_phrase,
    ratio,
)

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


PARTIAL: Table = (
    (
        rf"(?:sell|take|take off|scale out of|book|trim|peel off|close|unload|sell off|get rid of) "
        rf"(?P<part>half|(?:a |1 )?(?:third|quarter)|{NUMBER} percent)(?: of)?(?: {POSITION}|"
        rf" the profit)?(?: off)?(?: the table)? {WHEN} (?:{SUBJECT} )?(?:is |am |are |"
        rf"has )?{IN_PROFIT}{{0,2}}{TRIGGER}(?: profit| gain)?",
        _partial,
    ),
    (
        rf"{WHEN} (?:{SUBJECT} )?(?:is |am |are |has )?{IN_PROFIT}{{0,2}}{TRIGGER}(?: profit|"
        rf" gain)? {WHO} (?:sell|take|take off|scale out of|book|trim|peel off|close) (?P<part>half|"
        rf"(?:a |1 )?(?:third|quarter)|{NUMBER} percent)(?: of)?(?: {POSITION})?(?: off)?",
        _partial,
    ),
)
TARGETS: Table = (
    (
        rf"(?:target|take profit|profit target|goal|aim|aiming|shoot|shooting|take my profit|looking|go|"
        rf"sell|exit|get out|out|price target|i want|reward|make){LEFT_AT}(?: (?:for|at|is|least|when|once|"
        rf"it is|i|we|you|of|up|to make|to|have made|have gained|has made))* (?P<multiple>{NUMBER}) "
        rf"(?:{R_UNITS})(?: (?:risk reward|reward to risk|reward risk|risk to reward)(?: ratio)?)?",
        ratio("exit.target"),
    ),
    (
        rf"(?:a |an )?(?P<multiple>{NUMBER}) (?:r|to (?P<reward>{NUMBER})|times (?:my |the )?risk) "
        rf"(?:profit )?(?:target|risk reward|reward to risk|reward risk|risk to reward|reward)"
        rf"(?: ratio)?",
        ratio("exit.target"),
    ),
    (
        rf"(?:risk reward|reward to risk|reward risk|risk to reward)(?: ratio)?(?: (?:of|is|at|at least|"
        rf"i use|to be|a))* (?P<multiple>{NUMBER}) to (?P<reward>{NUMBER})",
        ratio("exit.target"),
    ),
    (
        rf"(?:target|take profit|taking profit|profit target|take my profit|take the profit|take some profit|"
        rf"price target|goal|profit goal|limit order)(?: (?:order|is|at|goes|of|set|sits|to|will be|"
        rf"would be|i|we|you|use|for|my|a|the|when|once|if|it|am|up|the trade|hits|reaches|around|on|"
        rf"every|trade|at a|in|gets to|put|there|always|are|has)){{0,7}}? (?:up )?(?:plus )?{AMOUNT}"
        rf"(?: (?:above|from|over)(?: (?:my|the|your))?(?: (?:entry|cost|entry price|fill|"
        rf"where i bought))?| gain| profit| up| move)?(?! (?:of the time|stop|trailing|of my account|"
        rf"volatility|annual|a year|per year))",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"(?:a |an |my |the )?{HEDGE}(?:(?P<low>{NUMBER})(?: percent)? (?P<link>to|or) (?:a |"
        rf"an )?)?{PERCENT} (?:profit target|profit goal|take profit|target)",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{LEAVE}(?: {POSITION})?(?: off)?(?: the table)? (?:for a|at a|for|at|with a|"
        rf"with) {AMOUNT} (?:gain|profit|winner|up|higher|above (?:my |the )?(?:entry|cost)(?: price)?|"
        rf"return)",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{LEAVE}(?: {POSITION})?(?: off)?(?: the table)? (?:at )?(?:when|if|once|after) "
        rf"(?:{SUBJECT} )?(?:is |am |are |has |have )?(?:up|gained|gains|made|makes|make|rises|goes up|"
        rf"climbs|at a gain of|runs|rallies|hit|hits) (?:by )?{AMOUNT}(?: gain| profit| up| on it|"
        rf" above entry)?",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"(?:when|if|once|at|as soon as) (?:{SUBJECT} )?(?:is |am |are |has |have )?(?:up|gained|gains|"
        rf"made|makes|make|rises|goes up|climbs|a|plus|runs|rallies|hit|hits) (?:by )?{AMOUNT}(?: gain|"
        rf" profit| up| on it| in profit| above (?:my )?entry)? {LEAVE}(?: {POSITION})?(?! (?:half|"
        rf"a third|a quarter|1 third))",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{LEAVE}(?: {POSITION})? (?:at|for|with) a (?:gain|profit) of {AMOUNT}",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{WHO} (?:take|grab|book|want|aim for|go for|am looking for|look for|shoot for|"
        rf"am happy with) (?:a )?{AMOUNT} "
        rf"(?:gain|profit|move|winner|target)(?! (?:a|per|every) (?:year|month|week|day))",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"{PERCENT} (?:gain|profit) (?:and |is )?(?:{LEAVE}|my target|the target)(?: {POSITION})?",
        percent_phrase("exit.target", "percent", 0, 500),
    ),
    (
        rf"(?:profit target|price target|target|take profit)(?: (?:is|at|of|set|sits|to|goes|would be|"
        rf"will be|around|it))* (?:dollars )?(?P<price>{NUMBER})(?: dollars)?(?! (?:percent|times|x|r|to|"
        rf"or|day|bar|period|atr|and a)\b)",
        absolute_price("exit.target"),
    ),
    (
        rf"(?P<multiple>{NUMBER}) (?:{R_UNITS}) (?:is|as|would be|that is) (?:my|the|our|a good) (?:profit )?"
        rf"(?:target|goal)",
        ratio("exit.target"),
    ),
)
