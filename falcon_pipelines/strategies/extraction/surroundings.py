"""What the words around a rule make of it: an example, a question, history, hearsay, a denial, a guess."""

import re
from dataclasses import dataclass

from falcon_pipelines.strategies.extraction.atoms import State

_EXAMPLE = re.compile(
    r"(?<!\S)(?:let us say|for example|for instance|imagine|suppose|supposing|assume|hypothetically|"
    r"as an example|an example|example|"
    r"(?<!people )(?<!they )(?<!i )(?<!to )(?<!would )(?<!you )(?<!always )(?<!can )(?<!will )(?<!some )"
    r"(?<!or )(?<!we )"
    r"say (?:it|the|a|you|i|we|that|price|apple|tesla|your|my|this|spy|rsi|there)|"
    r"e g|eg|to illustrate|an illustration|take (?:apple|tesla|amazon|nvidia|microsoft|a stock) at|"
    r"pretend|like if|think of|picture|if (?:you|i|we) (?:buy|bought|get in|got in|enter|short|sell)"
    r"(?: [a-z]+){0,4} at (?:dollars )?\d+)(?!\S)"
)
_EXAMPLE_ENDS = re.compile(
    r"[.?]|(?<!\S)(?:my (?:actual|real|own|rule)|the (?:actual |real )?rules?|what i (?:actually )?do|"
    r"in practice|\|but i|\|but my|\|okay|\|alright|\|anyway|back to)(?!\S)"
)
_EXAMPLE_WORDS = 40
_QUESTION = re.compile(
    r"(?<!\S)(?:what if|what happens (?:if|when)|what would happen|should (?:i|we|you)|would (?:i|we|you|"
    r"it|this|that)|could (?:i|we|you)|does (?:it|this|that|buying|selling)|"
    r"do (?:i|we|you)(?! not)|did (?:i|we|you)|why (?:do|would|not|does)|how (?:do|about|would|many|much|"
    r"often)|whether|is it|are you|can you|"
    r"if i told you|have you ever|ever wonder|what about|you might ask|people ask|let us test|we test"
    r"(?:ed)?|i tested|i tried|we tried|i wonder|wondering|who)(?!\S)"
)
_HISTORY = re.compile(
    r"(?<!\S)(?:used to|no longer|not anymore|previously|formerly|back then|in the past|years ago|"
    r"last (?:week|month|year|time|night|friday|monday|"
    r"tuesday|wednesday|thursday|summer|spring|fall|winter)|yesterday|at first|originally|when i started|"
    r"the other day|earlier this|"
    r"back in|that day|in (?:19|20)\d\d|(?<!where )(?<!what )(?<!once )(?<!after )(?<!when )(?<!if )"
    r"(?<!than )(?:i|we|he|she|they|people|everybody|everyone) (?:bought|sold|shorted|entered|got in|"
    r"got out|used|took|made|lost|had|was|were|went|did|put on|got stopped))(?!\S)"
)
_FORMERLY = re.compile("used to|back then|in the past|years ago|at first|originally|when i started")
_OTHERS = re.compile(
    r"(?<!\S)(?:(?:most|many|some|other|lots of|a lot of|plenty of|all these|those|certain|new|beginner|"
    r"retail|professional|few) (?:people|traders|investors|youtubers|books|beginners|of them|others|"
    r"channels|courses|gurus|websites)|"
    r"everyone|everybody|people|beginners|amateurs|gurus?|(?:the |a )?textbooks?|the books?|others|they|"
    r"he|she|(?:my|a|this) (?:friend|buddy|brother|uncle|neighbor|neighbour|mentor|guy)|"
    r"some (?:use|say|like|will|wait|buy|sell|would)|traditional(?:ly)?|conventional(?:ly)?|the internet|"
    r"myth|misconception|(?:mistake|bad idea|tempting|wrong|trap) (?:to|is to)|"
    r"one guy|1 guy|somebody|someone|the standard|the classic|rule of thumb|conventional wisdom|"
    r"common advice|the usual|the original (?:version|strategy|"
    r"rules?))(?!\S)"
)
_OWN = re.compile(r"(?<!\S)(?:i|we|my|our|me|us|rules?|here is)(?!\S)")
_HEDGE = re.compile(
    r"(?<!\S)(?:another (?:option|way|idea|approach)|(?:one|1) (?:way|option|idea)|alternatively|could|"
    r"might|may|maybe|perhaps|possibly|sometimes|not sure|depends|depending|i guess|"
    r"consider|thinking (?:about|of)|probably|some kind|whatever|experiment|play with|try|feel free|"
    r"optionally|or something|could be|if you want|you can)(?!\S)"
)
_DENIED = re.compile(
    r"(?<!\S)(?:not|never|no|without|neither|nor|stopped|quit|hate|ignore|forget|avoid)"
    r"(?: (?:use|using|a|an|the|set|setting|put|have|having|my|any|want|need|do|believe|in|like|go|with|"
    r"take|be|is|just_because|place|at|to|care|about|"
    r"buy|sell|mean|that|about|when|if|recommend|trade|wait|for|ever|it|you|i|because|going|hold|"
    r"talking)){0,5} ?$"
)
_NOT_SAID = re.compile(
    r"(?<!\S)(?:not|never)(?: [a-z]+)? (?:said|say|saying|mean|meant|about|talking|telling|recommending|"
    r"recommend|"
    r"suggesting|suggest|tell you to|told you to)(?: (?:you|to|that|about|should|just_because|people|i|"
    r"we))* $"
)
_LOOKING_BACK = re.compile(
    r" (?:would have|would not have|had you|did not work|did|had|got me|saved me|was)(?!\S)"
)
_SENTENCE_END = re.compile(r"(?<!\S)[.?](?!\S)")
_LONGEST_SENTENCE = 1000
_BOUNDARY = re.compile(r"(?<!\S)(?:[.?]|\|\S+)(?!\S)")


@dataclass(frozen=True)
class Judgement:
    """The state that the surroundings give a rule; `why` says so in words where it is not `stated`."""

    state: State
    why: str | None = None
    refused: bool = False


STATED = Judgement("stated")


class Surroundings:
    """The canonical text around rules; judges a span of characters."""

    def __init__(self, string: str) -> None:
        self.string = string
        self.examples = [
            (match.start(), self._example_end(match.end()), match.end())
            for match in _EXAMPLE.finditer(string)
        ]

    def _example_end(self, start: int) -> int:
        closing = _EXAMPLE_ENDS.search(self.string, start)
        limit = start
        for _ in range(_EXAMPLE_WORDS):
            limit = self.string.find(" ", limit + 1)
            if limit < 0:
                limit = len(self.string)
                break
        return min(limit, closing.start() if closing else limit)

    def clause_before(self, position: int) -> str:
        """The words before `position` back to where the sentence or the turn begins."""
        window = self.string[max(0, position - 220) : position]
        boundaries = list(_BOUNDARY.finditer(window))
        return window[boundaries[-1].end() :] if boundaries else window

    def _sentence_before(self, position: int) -> str:
        window = self.string[max(0, position - 220) : position]
        return re.split(r"(?<!\S)[.?](?!\S)", window)[-1]

    def _same_subject(self, clause: str, start: int, end: int) -> str:
        """The last words before a rule that speak of the same subject, and the rule's own."""
        own = self.string[start:end]
        if re.match(r"(?:i|we|my|our|you|your) ", own):
            return " ".join([*clause.split()[-1:], own])
        last = [match.start() for match in re.finditer(r"(?<!\S)(?:i|we|my|our|you|your)(?!\S)", clause)][-1:]
        return " ".join([*(clause[last[0] :] if last else clause).split()[-7:], own])

    def is_question(self, position: int) -> bool:
        """Whether the sentence that holds `position` ends with a question mark."""
        end = _SENTENCE_END.search(self.string, position, position + _LONGEST_SENTENCE)
        return end is not None and end[0] == "?"

    def judge(self, start: int, end: int, *, price: bool = False, deniable: bool = True) -> Judgement:
        """What the words before and around `start` to `end` make of a rule found there.

        `price`: the rule names a price; then an example further back still counts. With `deniable` False a
        denial is left to the caller.
        """
        clause = self.clause_before(start)
        if any(begin <= start < stop or start <= begin < end for begin, stop, _ in self.examples):
            return Judgement("example_only", "said as an example")
        if price and any(begin <= start and start - begin < 500 for begin, _, _ in self.examples):
            return Judgement("example_only", "said as an example")
        opening = clause[-90:] + self.string[start : start + 12]
        question = _QUESTION.search(opening)
        if _NOT_SAID.search(clause) or _LOOKING_BACK.match(self.string[end:]):
            return Judgement("unspecified", "denied, or a look back, not stated as a rule", refused=True)
        if self.is_question(end - 1) or question is not None:
            return Judgement("unspecified", "asked or tried out, not stated as a rule", refused=True)
        for pattern, why in ((_HISTORY, "told as history, not as a rule"), (_OTHERS, "said of others")):
            hits = list(pattern.finditer(clause[-110:]))
            if hits:
                rest = clause[-110:][hits[-1].end() :]
                own = _OWN.match(self.string[start:end]) and not (
                    rest == " " and _FORMERLY.fullmatch(hits[-1][0])
                )
                if not own and not _OWN.search(rest):
                    return Judgement("unspecified", why, refused=True)
        if (
            deniable
            and _DENIED.search(clause)
            and not re.search(r"more than|longer than", self.string[start:end])
        ):
            return Judgement("negated", "denied")
        if _HEDGE.search(self._same_subject(clause, start, end)) or re.match(
            r" (?:maybe|or something|or whatever|give or take|depending|perhaps|or more|or thereabouts|"
            r"if i feel)(?!\S)",
            self.string[end:],
        ):
            return Judgement("ambiguous", "said as a possibility")
        return STATED
