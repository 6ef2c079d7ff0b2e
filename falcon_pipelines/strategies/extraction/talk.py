"""The parts of a talk that are no rules: claims of results, advertising, and words addressed to software."""

import re

from falcon_pipelines.strategies.extraction.operands import NUMBER

_PERCENT = rf"{NUMBER} percent"
_PERIOD = r"(?:year|month|week|quarter|annum|decade|summer|day)"
_CLAIMS = (
    rf"(?:wins?|won|works?|worked|winning|right|profitable|correct|accurate|successful|green|paid off|"
    rf"pays off)(?: [a-z]+){{0,5}} (?:{_PERCENT} of the time|{NUMBER} (?:times )?out of {NUMBER}"
    rf"(?: times| trades)?)",
    rf"{_PERCENT} of the time",
    rf"(?:a |an |about |over |around |above |almost |nearly )*{_PERCENT} (?:win rate|winning rate|"
    rf"win ratio|winning trades|winners|winner|success rate|accuracy|accurate|hit rate|of (?:my|the|all|"
    rf"these|those|our) trades)",
    rf"(?:win rate|hit rate|success rate|accuracy|winning percent|strike rate)(?: [a-z]+){{0,5}}? {_PERCENT}",
    rf"(?:made|makes?|making|returned|returns?|returning|gained|earned|earns?|grew|grows|average[sd]?|"
    rf"averaging|did|generated|produced|outperform\w*|beats?|beating|delivers?|delivered|compound\w*|up|"
    rf"profit of|gain of|down|lost)(?: [a-z0-9]+){{0,6}}? {_PERCENT}(?: [a-z]+){{0,5}}? (?:a|per|last|"
    rf"this|in|every|each|over|since|above|for)(?: (?:the|a|1|an|single|whole|last|past|{NUMBER}|just|"
    rf"under|less|than)){{0,4}} {_PERIOD}",
    rf"{_PERCENT} (?:a|per) (?:year|month|annum|week|day)|{_PERCENT} (?:annually|annualized|annualised|"
    rf"per annum|returns?)",
    rf"(?:annual|yearly|average|total|monthly|cumulative)(?: [a-z]+)? (?:return|gain|profit|winner|"
    rf"loser)(?: [a-z]+){{0,3}}? {_PERCENT}",
    rf"(?:returned|returns|made me) (?:a |an |over |about |almost |nearly |more than |"
    rf"total of )*{_PERCENT}(?= |$)(?! (?:i|we|you|my|gain|profit|sell|exit|take))",
    rf"turned (?:dollars )?{NUMBER}(?: k| thousand| dollars| dollars)* into (?:dollars )?{NUMBER}(?: k|"
    rf" thousand| million| dollars)*",
    rf"(?:profit factor|sharpe(?: ratio)?|sortino)(?: (?:of|is|was|above|around|about|at))* {NUMBER}",
    rf"(?:max |maximum )?drawdown(?: [a-z]+){{0,3}}? {_PERCENT}|{_PERCENT} (?:max |maximum )?drawdown",
    rf"{NUMBER} (?:out of|of) {NUMBER} (?:trades|times|winners)",
    r"(?:2|3|10) times (?:my|your|his|her) (?:money|account)(?: [a-z]+){0,4}",
    rf"(?:made|making|makes|earned|profit of)(?: me)?(?: (?:over|about|almost|nearly|more than))* "
    rf"(?:dollars )?{NUMBER}(?: k| thousand| million)? dollars(?: [a-z]+){{0,5}}",
    rf"average[sd]? (?:about |around |over )?{_PERCENT} (?:per|a|each|on (?:each|every|a)) trade",
    r"(?:doubles?|triples?|doubled|tripled) (?:my|your|his|her|the) (?:money|account)(?: [a-z]+){0,3}",
    rf"make (?:dollars )?{NUMBER}(?: k| thousand)? dollars (?:a|per|every|each) {_PERIOD}",
    r"(?:can not lose|never loses|never had a losing (?:year|month|week)|guaranteed(?: profits?|"
    r" returns?| to win)?|free money|money machine|holy grail)",
)
CLAIM = re.compile("|".join(rf"(?<!\S)(?:{pattern})(?!\S)" for pattern in _CLAIMS))
ADVERTISING = re.compile(
    rf"(?<!\S)(?:{_PERCENT} (?:off|discount)|(?:coupon|promo|discount|referral) code"
    rf"(?: [a-z0-9]+){{0,4}}|use (?:the |my )?code(?: [a-z0-9]+){{1,4}}|first {NUMBER} (?:people|"
    rf"subscribers|day)(?: free)?|{NUMBER} (?:day|month|week) (?:free )?trial|free for {NUMBER} (?:day|"
    rf"month|week))(?!\S)"
)
INSTRUCTION = re.compile(
    r"(?<!\S)(?:(?:ignore|disregard|forget|override|bypass|overrule)(?: \S+){0,5}? (?:instructions?|"
    r"prompts?|directions|guidelines|commands)|(?:ignore|disregard|forget|override)(?: (?:all|any|the|"
    r"your|my))* (?:previous|prior|above|earlier|preceding)(?: \S+){0,2}? (?:rules?|text|transcript|"
    r"messages?|context|words)|"
    r"(?:ignore|disregard|forget|override)(?: (?:everything|all|anything|whatever|what))?(?: (?:the|of|"
    r"that|you|i|was|"
    r"were|is|have|been|told|said))* (?:above|before|previously|earlier)(?= (?:and|set|buy|the|mark|"
    r"change|write|output|make)\b)|"
    r"(?:do not|never|stop) (?:follow|following|obey|obeying|listen to)(?: (?:your|any|the|all|previous|prior|"
    r"earlier|original|other|system)){1,3} (?:instructions?|rules?|prompts?)|"
    r"(?:override|bypass|ignore|disregard|forget) your (?:rules?|programming|training|safety|guardrails|filters?)"
    r"(?= and (?:set|buy|sell|mark|change|write|output|make|report|put|use)\b)|"
    r"if you are (?:an? )?(?:ai|bot|robot|machine|program|crawler|llm|language model|chatgpt|assistant)|"
    r"(?:chatgpt|claude|gemini|copilot|gpt)(?= (?:if|please|you|set|ignore|buy|must|should|add|report|put)\b)|"
    r"(?<=\. )system you (?:must|should|will|are)|^system you (?:must|should|will|are)|"
    r"(?:new|following|updated|these) (?:system )?instructions?|system prompt|(?:you are|you are now|"
    r"act as|as) (?:an? )?(?:ai|language model|llm|chatbot|chatgpt|assistant|gpt)|"
    r"(?:dear|hey|attention|note to(?: the)?|message to(?: the)?|instructions? (?:to|for)(?: the| any)?|"
    r"hello) (?:ai|assistant|chatgpt|gpt|claude|model|llm|chatbot|language model|bot|extractor|parser)|"
    r"system colon|assistant colon|"
    r"(?<=\. )ai (?:assistant|model|agent|system|bot)|^ai (?:assistant|model|agent|system|bot)|"
    r"developer mode|"
    r"(?:output|respond|reply|answer)(?: only| with| that| the| this| a| in)* (?:json|following|spec|"
    r"rule|yaml|stop|target|entry|strategy)|"
    r"your (?:new )?(?:task|job|role|instructions?|goal) (?:is|are) (?:now )?to|"
    r"(?:add|insert|write|put) (?:a|the|this|these|1) (?:new )?(?:rule|field|stop|entry|line)s? (?:to|"
    r"into|in) (?:the|your) (?:spec|output|json|strategy|answer)|"
    r"(?:change|set|override|replace|edit) the (?:spec|output|json|field|extraction|rules? file)|(?:end|"
    r"begin|start) of (?:the )?(?:transcript|system|prompt|instructions?)|"
    r"forget (?:everything|all|what)(?: \S+){0,4}? (?:before|above|previously|told|said)|(?:do not|"
    r"never) (?:follow|obey|extract|use) the (?:rules?|instructions?|transcript) (?:above|before|of)|"
    r"(?:to|for) (?:the|any|all) (?:ai|llms?|language models?)(?: model| reading)?)(?!\S)"
)
_INSTRUCTION_ENDS = re.compile(
    r"(?<!\S)(?:i|my|we|our|\|so|\|okay|\|ok|\|alright|\|anyway|\|anyways|\|but|\|well)(?!\S)"
)
CODE = re.compile(
    r"<\s*/?\s*(?:script|img|iframe|svg)\b|\{\{|\{%|\$\{|drop\s+table|select\s+\*|insert\s+into|"
    r"union\s+select|__import__|os\.system|subprocess|eval\(|javascript:|onerror=|rm\s+-rf|';\s*--|"
    r"or\s+1\s*=\s*1|<%",
    re.IGNORECASE,
)


def instruction_spans(string: str) -> list[tuple[int, int]]:
    """Characters of canonical text that address software, each to where the speaker speaks to people again.

    The rest of the sentence belongs to it, and sentences after it that begin with neither "I" nor a new turn.
    """
    spans: list[tuple[int, int]] = []
    for match in INSTRUCTION.finditer(string):
        if spans and match.start() < spans[-1][1]:
            continue
        spans.append((match.start(), _instruction_end(string, match.end())))
    return spans


def _instruction_end(string: str, position: int) -> int:
    sentence = re.compile(r"(?<!\S)[.?](?!\S)").search(string, position)
    punctuated = sentence is not None and sentence.start() - position < 400
    start = sentence.end() if punctuated and sentence else position
    while True:
        closing = _INSTRUCTION_ENDS.search(string, start)
        if closing is None:
            return len(string)
        opens = re.search(r"(?:^|[.?] |\|\S+ )$", string[: closing.start()]) is not None
        if not punctuated and len(string[position : closing.start()].split()) < 3:
            start = closing.end()
            continue
        if punctuated and not opens and not closing[0].startswith("|"):
            start = closing.end()
            continue
        return closing.start()
