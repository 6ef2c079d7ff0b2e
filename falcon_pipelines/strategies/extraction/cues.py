"""The words of entry and exit: what a speaker says to do, and whether with a "never" or an "only"."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from falcon_pipelines.strategies.extraction.condition import Condition

Kind = Literal["long", "short", "exit", "cover", "watch", "want", "trade"]
_THING = (
    r"(?: (?:it|them|the trade|my trade|the position|my position|the stock|the share|share|stock|a trade|"
    r"a position|everything|1|the dip|the whole position|the rest|a stock))?"
)
_NOT_A_PRICE = (
    r"(?<!below )(?<!above )(?<!from )(?<!below my )(?<!above my )(?<!below the )(?<!above the )"
    r"(?<!from my )(?<!below your )(?<!from the )(?<!of my )(?<!at my )(?<!to my )(?<!of the )(?<!to )"
)
_TABLE: tuple[tuple[Kind, str], ...] = (
    (
        "cover",
        rf"(?:cover(?:ing)?(?: the short| my short)?|buy(?:ing)? (?:it |them )?(?:back|to cover)|"
        rf"close the short|get out of the short|exit the short|exit short){_THING}",
    ),
    (
        "short",
        r"(?:sell(?:ing)? short|go(?:ing)? short|get short|enter(?:ing)? short|take (?:a |the )?short|"
        r"open a short|short(?:ing)? it|shorting|(?<!in )(?<!a )(?<!the )(?<!my )(?<!very )(?<!pretty )"
        r"(?<!that )short(?= (?:when|if|once|the stock|at|on|after|only|below|above|as|stock|anything|a|"
        r"while|\||#))|(?:my |the )?short (?:entry|signal|setup|side)(?: is| signal)*)",
    ),
    (
        "exit",
        rf"(?:sell(?:ing)?(?: signal)?|exit(?:ing|s)?(?: signal| rule| is)?|get(?:ting)? out(?: of)?|"
        rf"close (?:out )?(?:the trade|the position|my position|it out|it|out|everything)|take (?:it|"
        rf"the trade) off|(?:am|are|get|be|is) out|dump|bail(?: out)?|liquidate|take (?:my |the )?profit|"
        rf"(?:ride|riding|hold|holding|stay|staying|keep|keeping|let)(?: (?:it|on|in|them|long|run|onto|to|the|"
        rf"position|trade|stock|everything|this|that|my|winner|winners))*(?= (?:until|till|til)\b)|"
        rf"way out|done with|step aside|unload|flatten|go to cash|(?:go|am|are|be) flat|in cash|(?:am |"
        rf"are )?a sell(?:er)?)(?: (?:half|all))?{_THING}",
    ),
    (
        "long",
        rf"(?:buy(?:ing)?(?! and hold)(?: signal| rule| trigger| condition)?|go(?:ing)? long|get"
        rf"(?:ting)? long|enter(?:ing)?(?: long)?|get(?:ting)? in(?:to)?|jump in|hop in|step in|come in|"
        rf"open(?:ing)? (?:up )?(?:a|the|my) (?:new )?(?:long|position|trade)|take (?:the|a|my|this|"
        rf"that) (?:trade|long|position|entry|setup|signal)|pull the trigger|(?:am|are) (?:in(?! (?:a|an|"
        rf"the|this|my|for|on)\b)|long|"
        rf"a buyer)|(?:be|stay|am|are) long|start a position|initiate a position|put (?:the|a) trade on|"
        rf"place the trade|"
        rf"get me in|{_NOT_A_PRICE}(?:entry|entries)(?! price)(?: signal| rule| trigger| condition|"
        rf" criteria)?|long (?:signal|entry)|signal to buy|go in|my signal|the signal|my trigger|"
        rf"the trigger|time to buy|(?:my |the |our )?(?:system|strategy|setup|trade|entry|signal) (?:buys|enters|goes long|"
        rf"triggers|is triggered|fires)|(?:am |are |is )?a buy(?:er)?|"
        rf"is (?:my|the|our|your) buy(?! (?:price|point|order|zone|list|side|signal|trigger|rule|condition))){_THING}",
    ),
    (
        "trade",
        r"(?:(?<!the )(?<!a )(?<!per )(?<!my )(?<!each )(?<!every )(?<!this )(?<!that )(?<!anything )(?<!something )"
        r"(?<!stock )(?:trade|trades|"
        r"trading)|"
        r"touch|touching|longs|leave it alone|"
        r"(?:pass on|skip|sit out)(?= (?:it|them|that|those|anything|the trade|the stock|this|any)\b)|"
        r"no long|take trades|taking trades|take longs|take long trades|own|"
        r"hold anything|consider|look at|interested(?: in)?|stay(?:ing)? (?:away from|away|out(?: of)?)|in play)"
        r"(?: (?:anything|stock|it|a stock|names|them|a trade|it at all|stock at all))?",
    ),
    (
        "watch",
        r"(?:wait(?:ing)?(?: for| until| till| around for)?|look(?:ing)? for|watch(?:ing)? for|"
        r"hold(?:ing)? (?:off|(?:my|your|our) fire)(?: until| till)?|let(?= ?(?:#|the|it)))",
    ),
    (
        "want",
        r"(?:(?:want|need|like)(?:ing)? to see|want|need|require|make sure(?: that)?|check that|insist on)",
    ),
)
PATIENT: tuple[Kind, ...] = ("watch", "want")
_AVOIDING = ("stay", "pass on", "skip", "sit out", "leave it")
_CUES = tuple((kind, re.compile(rf"(?<!\S){pattern}(?!\S)")) for kind, pattern in _TABLE)
DENIAL = re.compile(
    r"(?<!\S)(?:never|not|no|avoid|refuse to|stay away from|neither|nor|without|quit)"
    r"(?: (?:ever|going|to|want|like|be|do|anything|a|the|my|take|any|i))* $"
)
ONLY = re.compile(r"(?<!\S)only(?: (?:ever|want|going|to|be|like|take|a|the))* $")


@dataclass(frozen=True)
class Cue:
    """Words that say what to do; `denied` and `only` tell of a "never" or an "only" that stands with them."""

    start: int
    end: int
    kind: Kind
    denied: bool
    only: bool


def find_cues(visible: str, taken: Sequence[Condition]) -> list[Cue]:
    """Cues in canonical text outside the conditions, in spoken order, none overlapping."""
    blocked = visible
    for condition in taken:
        blocked = (
            blocked[: condition.start] + "#" * (condition.end - condition.start) + blocked[condition.end :]
        )
    cues: list[Cue] = []
    for kind, pattern in _CUES:
        for match in pattern.finditer(blocked):
            before = blocked[max(0, match.start() - 60) : match.start()]
            denied = bool(DENIAL.search(before)) or match[0].startswith(_AVOIDING)
            cues.append(Cue(match.start(), match.end(), kind, denied, bool(ONLY.search(before))))
            blocked = blocked[: match.start()] + "#" * (match.end() - match.start()) + blocked[match.end() :]
    return sorted(cues, key=lambda cue: cue.start)
