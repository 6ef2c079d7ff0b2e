"""How comparisons are spoken: one pattern for each way of saying one. What they mean is in comparisons.py."""

import re

from falcon_pipelines.strategies.extraction import operands
from falcon_pipelines.strategies.extraction.operands import NUMBER

UP = (
    r"greater than or equal to|at or above|at least|no less than|above|up through|higher than|greater than|"
    r"more than|bigger than|exceeds|to the upside of"
)
DOWN = r"less than or equal to|at or below|at most|no more than|below|down through|lower than|less than|smaller than|sub"
_MOVES = (
    r"drops?|dropped|dropping|falls?|fell|falling|fallen|dips?|dipped|dipping|goes|go|going|gone|gets?|"
    r"getting|got|closes?|closed|closing|"
    r"comes?|coming|moves?|moved|moving|rises?|risen|rising|climbs?|climbed|climbing|breaks?|broke|"
    r"broken|breaking|pops?|popped|"
    r"pushes|push|pulls?|pulled|sinks?|sank|sunk|slides?|slid|crash|crashes|crashed|trades?|trading|"
    r"stays?|staying|sits?|sitting|remains?|"
    r"spikes?|dives?|plunges?|heads?|turns?|turned|reads?|prints?|shoots?|jumps?|tanks|holds?|holding|"
    r"runs?|lands?|finish|finishes|slips?|slipped|slipping|sags?|eases?|drifts?|bounces?|bounced|rallies"
)
_AUXILIARY = (
    r"is|are|being|has to be|has to|have to be|have to|must be|must|needs to be|needs to|need to be|"
    r"need to|should be|"
    r"should|to be|to|has|have|starts to|begins to|gets to|does|do|was|were|had|ever|actually|will|would"
)
_BACK = (
    r"(?:back|up|down|all the way|right|its way|out|decisively|cleanly|again|somewhere|anywhere|anything|"
    r"(?:down |up |back )?(?:to|in)(?= (?:above|below|at least|sub)\b)|"
    r"convincingly)"
)
_COMPARISON = (
    rf"(?:that |which )?(?P<aux>(?:(?:{_AUXILIARY}) )*)(?P<neg>not |no longer )?(?:being |trading )?"
    rf"(?:(?P<verb>cross(?:es|ed|ing)?|{_MOVES}) )?(?P<back>(?:{_BACK} )*)"
    rf"(?P<dir>{UP}|{DOWN}|through)"
)
COMPARE = re.compile(
    rf"(?<!\S)(?P<left>{operands.LEFT}) {_COMPARISON} (?P<right>{operands.RIGHT})(?!\S)(?P<tail> again)?"
)
OFFSET = re.compile(
    rf"(?<!\S)(?P<left>{operands.PRICE}|{operands.PRONOUN}|{operands.AVERAGE}|{operands.DAY_AVERAGE}) "
    rf"(?:(?:{_AUXILIARY}|{_MOVES}) )*(?P<least>at least |more than )?(?P<percent>{NUMBER}) percent "
    rf"(?:or more )?(?P<dir>above|below) "
    rf"(?P<right>{operands.AVERAGE}|{operands.DAY_AVERAGE}|{operands.VWAP}|{operands.CHANNEL})(?!\S)"
)
ELIDED = re.compile(
    rf"(?<!\S)(?<!percent )(?<!dollars )(?<!cents )(?<!points )(?<!atr )"
    rf"(?:(?:anything|anywhere|something|stuff|stock|names|share|on|at) )?"
    rf"(?:(?:that|which) (?:is|are) )?(?:(?:trading|sitting|priced|stuck) )?(?P<aux>)(?P<left>)(?P<neg>not )?"
    rf"(?P<verb>)(?P<back>)(?P<dir>above|below) "
    rf"(?P<right>{operands.CHANNEL}|{operands.AVERAGE}|{operands.DAY_AVERAGE}|{operands.VWAP}|"
    rf"{operands.BAND})(?!\S)"
)
BREAKOUT = re.compile(
    rf"(?<!\S)(?:(?:{operands.PRICE}|{operands.PRONOUN}) )?"
    rf"(?:(?:a |the )?(?:breakout|break|close|move|push) (?P<dir>above|below|of|through) |"
    rf"(?:breaks|breaking|breaks out|break out|breaking out|takes out|taking out|makes|making|sets|"
    rf"prints|hits|hitting|clears|touches) "
    rf"(?:a new |a fresh |new |out above |above |above a new |of |of a |out of |to |to a |to new |"
    rf"to a new |to a fresh )?"
    rf"|(?:closes|close|trades|sits|is|finishes) at (?:a |its |the )?(?:new |fresh )?|(?:a |the )?(?:new|"
    rf"fresh) )"
    rf"(?P<right>(?:new )?(?:{operands.CHANNEL}))(?!\S)"
)
FOR_BARS = re.compile(
    rf" (?:for |on )?(?:at least )?(?:(?P<counted>{NUMBER}) (?:straight |consecutive )(?:day|bar|session|close|closes)"
    rf"|(?P<bars>{NUMBER}) (?:day|bar|session|close|closes) (?:in a row|straight|running))(?!\S)"
)
UNDIRECTED = re.compile(
    rf"(?<!\S)(?P<left>{operands.AVERAGE}|{operands.DAY_AVERAGE}|{operands.BARE_AVERAGE}|"
    rf"{operands.MACD}) (?:cross(?:es|ed|ing)?|crosses and|meets) "
    rf"(?P<right>{operands.AVERAGE}|{operands.DAY_AVERAGE}|{operands.BARE_AVERAGE}|{operands.MACD})(?!\S)"
)
TO_A_SIDE = re.compile(
    r" (?:to the (?P<side>upside|downside)|from (?P<origin>below|above)|on the way (?P<way>up|down))(?!\S)"
)
PAIR_VERB = re.compile(
    rf"(?<!\S)(?:the |a )?(?P<left>{NUMBER}) (?:and )?(?:the )?(?P<right>{operands.AVERAGE}|"
    rf"{operands.DAY_AVERAGE}|{operands.BARE_AVERAGE}) "
    rf"(?:to )?(?:cross|crosses|crossing|have crossed)(?: (?P<side>bullish|bearish|to the upside|"
    rf"to the downside))?(?!\S)"
)
PAIR_CROSS = re.compile(
    rf"(?<!\S)(?:a |the )?(?:(?P<mood>bullish|bearish|upward|downward) )?cross (?:of|between) "
    rf"(?P<left>{operands.LEFT}|{NUMBER}) "
    rf"(?P<link>and|above|below|with) (?P<right>{operands.RIGHT})(?!\S)"
)
MACD_CROSS = re.compile(
    r"(?<!\S)(?:(?:a |the )?(?P<mood>bullish|bearish) (?:macd cross|cross (?:on|in|of) the macd|macd signal)"
    r"|(?:the )?macd (?:line )?crosses (?P<way>up|down|bullish|bearish|above|below|positive|negative)"
    r"(?! (?:the|its|through|signal|zero|0)\b)"
    r"|(?P<what>(?:the )?macd (?:histogram )?|it )(?:turns|goes|flips) (?P<sign>positive|negative|green|"
    r"red))(?!\S)"
)
NAMED_CROSS = re.compile(r"(?<!\S)(?:a |the )?(?P<name>golden|death) cross(?:es)?(?! (?:of|between))(?!\S)")
REACHES = re.compile(
    rf"(?<!\S)(?P<left>{operands.RSI}|{operands.OSCILLATOR}|{operands.PRICE}|{operands.PRONOUN}) "
    rf"(?P<aux>(?:(?:{_AUXILIARY}) )*)(?:hits?|reaches|reach|touches|touch|tags?|gets? (?:back |up |"
    rf"down |all the way )*to|comes? (?:back |up |down )*to|(?:go|goes|moves?|rises?|climbs?|drops?|"
    rf"falls?|dips?) (?:back |up |down )*to) "
    rf"(?P<right>{operands.BAND}|{operands.AVERAGE}|{operands.DAY_AVERAGE}|{operands.CHANNEL}|"
    rf"{operands.LEVEL})(?!\S)"
)
AT_A_BAND = re.compile(rf"(?<!\S)(?:at|on|into) (?P<right>{operands.BAND})(?!\S)")
BETWEEN = re.compile(
    rf"(?<!\S)(?P<left>{operands.RSI}|{operands.OSCILLATOR}) (?:(?:{_AUXILIARY}) )*"
    rf"(?:somewhere )?between (?P<low>{operands.SIGNED}) and (?P<high>{operands.SIGNED}){operands.NOT_A_QUANTITY}(?!\S)"
)
EXTREME = re.compile(
    rf"(?<!\S)(?:(?P<left>{operands.RSI}|{operands.OSCILLATOR}|{operands.PRICE}|{operands.PRONOUN}) (?:"
    rf"(?:{_AUXILIARY}|gets|goes|becomes|looks|says|shows) )*)?(?P<mood>oversold|overbought)(?! "
    rf"(?:bounce|strategy|level|territory means))(?: (?P<named>{operands.RSI}|{operands.OSCILLATOR}))?(?!\S)"
)
LEVEL_OR = re.compile(
    rf"(?<!\S)(?P<left>{operands.RSI}|{operands.OSCILLATOR}) (?:(?:{_AUXILIARY}|goes|gets|drops|falls|"
    rf"rises|hits|reaches|at|of|down|up) )*"
    rf"(?P<level>{operands.SIGNED}) (?:or|and) (?P<dir>below|lower|less|above|higher|more|better)(?!\S)"
)
STREAK = re.compile(
    rf"(?<!\S)(?:(?P<bars>{NUMBER}) (?:(?:straight|consecutive) )?(?P<mood>red|green|down|up|lower|higher|"
    rf"losing|winning) (?:bar|day|close|closes|session)(?P<row> in a row| straight| running)?"
    rf"|(?:(?:{operands.PRICE}|{operands.PRONOUN}) )?(?:has |have )?(?:closes|closed|close|finishes|is|goes) "
    rf"(?P<verbal>red|green|down|up|lower|higher) (?:for )?(?P<count>{NUMBER}) (?:straight |consecutive )?"
    rf"(?:bar|day|session)(?: in a row| straight| running)?)(?!\S)"
)
CHANGE = re.compile(
    rf"(?<!\S)(?:(?:{operands.PRICE}|{operands.PRONOUN}) )?(?:that )?(?:is |has |have |to |had )?"
    rf"(?P<verb>drops?|dropped|falls?|fallen|fell|loses?|lost|is down|down|rises?|risen|gains?|gained|"
    rf"is up|up|"
    rf"goes up|goes down|go up|go down) (?:by )?(?:more than |at least |about )?"
    rf"(?P<percent>{NUMBER}) percent "
    rf"(?:or more )?(?:in|within|of the last|in the last|above|in just|in under) (?P<bars>{NUMBER}) "
    rf"(?P<unit>day|bar|session|week)(?!\S)"
)
RECROSS = re.compile(
    rf"(?<!\S)(?:(?:(?P<left>{operands.AVERAGE}|{operands.DAY_AVERAGE}|{operands.BARE_AVERAGE}|"
    rf"{operands.MACD}|{operands.PRONOUN}|that|(?:the )?(?:lines|2|average|fast line|fast average|"
    rf"fast 1)) (?:cross|crosses|crossed|crossing|goes|falls|drops) (?:back |right back )*(?P<dir>above|"
    rf"below|down|up|the other way|again)(?: again| the other way)?)"
    rf"|(?P<opposite>(?:the |an )?(?:opposite|reverse) (?:cross|happens|signal|is true|direction)))(?!\S)"
)
