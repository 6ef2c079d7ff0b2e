"""What a spoken condition is for: which words of entry or exit it belongs to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from falcon_pipelines.strategies.extraction.condition import Condition
from falcon_pipelines.strategies.extraction.cues import DENIAL, ONLY, PATIENT, Cue

_INTRO = (
    r"(?:equals|means|when|if|once|until|unless|till|on|after|while|as long as|because|where|only|whose|with|as|for|"
    r"that|which|in case|provided)"
)
_TO_CONDITION = re.compile(
    rf"^(?: (?!(?:and|or|not|never|because)\b)[a-z0-9']+){{0,5}}? {_INTRO}(?: (?:the|a|an|my|we|i|you|it|"
    rf"that|of|and|only|when|if|there|see|is|get|have|in|both|first|long|to|close|daily|to see|at|any|"
    rf"after|on))* ?$"
)
_BARE_LINK = re.compile(
    r"^(?: (?:it|is|are|the|a|an|my|for|to|of|on|that|at|see|i|stock|anything|share|something|in|this|"
    r"simple|pretty|into|would be|be|will|trade|the stock|stuff|names|me|\|so|\|well|both))* ?$"
)
_FROM_CONDITION = re.compile(
    r"^ (?:(?:i|we|you|will|would|that|is|this|it|my|the|am|a|are|and|to|go|ahead|look|ready|want|going|"
    r"at|next|open|day|can|start|by|where|when|time|on|your|our|be|have|has|gives|triggers|means|us|me|"
    r"get|as|cue|signal|for|good|only|long|"
    r"bar|again|\|so|straight|tomorrow|morning|the_second|need|should|must|or|enough|happens|days|close|"
    r"too|both|true|conditions|met|together|line|of)(?: |$)){0,9}$"
)
_CHAIN = re.compile(
    r"^ (?:(?:\|but |\|so )?(?:and|or|plus|on|with|while|together with|along with|combined with|in addition|"
    r"as long as|provided|\|but|at the same time|and_also)(?: (?:when|if|only|as long as|the|a|an|that|"
    r"at|same|time|once|until|i|we|want|need|see|to|my|it|also|have|with|on|time|is|in|there|while|both|"
    r"for|wait|after|long))*|if|when|while|as long as|only if|only when|\|but only if|\|but only when|"
    r"provided|in|that|which|that is|which is) ?$"
)
_INTRODUCED = re.compile(
    r"(?<!\S)(?:when|if|once|after|and when|and if|wait for|until)(?: (?:the|a|my|we|i|you|see|get|have|"
    r"it))* $"
)
_PROVISO = re.compile(r"(?<!\S)(?:provided|as long as|assuming|given|while|only if|only when)(?: that)? $")
_LOOSE_FROM = re.compile(
    r"^ (?!.*(?<!\S)(?:not|never|\?|\.|should|would|could|what|why|sell|buy|they|people)(?!\S))"
    r"(?:\S+ ){0,7}?(?:and |that is when |\|so )?(?:i|we)(?: (?:will|am going to|go ahead and|usually))? $"
)


@dataclass(frozen=True)
class Assignment:
    """A condition with the cue it belongs to and the characters that together say so.

    `chained_to` is the place of the condition before it whose purpose it shares, `join` how; `unless` marks
    "not until" and "not unless", `because` a denial of the condition as a reason; with `shares_cue` the cue has
    a condition of its own too.
    """

    condition: Condition
    cue: Cue
    start: int
    end: int
    chained_to: int | None = None
    join: Literal["all", "any"] = "all"
    only: bool = False
    unless: bool = False
    because: bool = False
    shares_cue: bool = False


def assign(visible: str, conditions: Sequence[Condition], cues: Sequence[Cue]) -> list[Assignment | None]:
    """For each condition the cue it belongs to; None where nothing says what it is for."""
    result: list[Assignment | None] = []
    used: set[int] = set()
    for number, condition in enumerate(conditions):
        earlier = conditions[number - 1].end if number else 0
        later = conditions[number + 1].start if number + 1 < len(conditions) else len(visible)
        before = _before(visible, condition, earlier, cues, used)
        after = _after(visible, condition, later, cues)
        chain = _chain(visible, condition, number, conditions, result)
        chosen = _choose(condition, before, after, chain, visible, cues, later)
        if chosen is not None and chosen.chained_to is None and not chosen.shares_cue:
            used.add(cues.index(chosen.cue))
        result.append(chosen)
    return result


def _before(
    visible: str, condition: Condition, earlier: int, cues: Sequence[Cue], used: set[int]
) -> Assignment | None:
    candidates = [
        i
        for i, cue in enumerate(cues)
        if cue.end <= condition.start and cue.start >= earlier and i not in used
    ]
    if not candidates:
        return None
    for index in reversed(candidates):
        cue = cues[index]
        gap = visible[cue.end : condition.start]
        if re.search(r"[.?#]", gap):
            return None
        linked = _TO_CONDITION.match(gap) or _BARE_LINK.match(gap)
        if linked is None:
            continue
        if cue.denied and re.match(r" (?:this|that)(?!\S)", gap):
            return None
        if cue.kind in PATIENT and any(cues[i].kind not in PATIENT for i in candidates if i < index):
            outer = cues[max(i for i in candidates if i < index and cues[i].kind not in PATIENT)]
            if re.match(
                r"^(?: (?:i|we|you|and|first|must|have|to|a|the|it|is|when))* $",
                visible[outer.end : cue.start],
            ):
                cue = outer
        words = gap.split()
        denial = visible[max(0, cue.start - 60) : cue.start]
        start = cue.start - (len(m[0]) if (m := DENIAL.search(denial)) else 0)
        start -= len(m[0]) if not cue.denied and (m := ONLY.search(denial)) else 0
        subject = re.search(
            r"(?<!\S)(?:i|we|you)(?: (?:will|would|do))? $", visible[max(0, start - 12) : start]
        )
        start -= len(subject[0]) if subject else 0
        return Assignment(
            condition,
            cue,
            start,
            condition.end,
            only=cue.only or "only" in words,
            unless="unless" in words or "until" in words or "till" in words,
            because="just_because" in words or "because" in words or "|because" in words,
        )
    return None


def _after(visible: str, condition: Condition, later: int, cues: Sequence[Cue]) -> Assignment | None:
    for cue in cues:
        if cue.start < condition.end or cue.end > later or cue.kind in PATIENT:
            continue
        if cue.kind == "trade" and not cue.denied:
            continue
        gap = visible[condition.end : cue.start]
        denied = re.sub(r"(?:do not|never|will not|would not|not) $", "", gap)
        otherwise = cue.denied and re.match(r"^(?: \|)? ?or (?:else )?(?:i|we|you) ", denied.strip() + " ")
        introduced = _INTRODUCED.search(visible[max(0, condition.start - 40) : condition.start])
        loose = introduced is not None and "#" not in gap and _LOOSE_FROM.match(gap)
        if not _FROM_CONDITION.match(denied if cue.denied else gap) and not loose:
            return None
        start = condition.start - (len(introduced[0]) if introduced else 0)
        return Assignment(condition, cue, start, cue.end, only=cue.only, unless=bool(otherwise))
    return None


def _chain(
    visible: str,
    condition: Condition,
    number: int,
    conditions: Sequence[Condition],
    result: Sequence[Assignment | None],
) -> Assignment | None:
    if not number or (previous := result[number - 1]) is None:
        return None
    if previous.cue.start >= conditions[number - 1].end and not previous.shares_cue:
        onward = visible[previous.cue.end : condition.start]
        if _TO_CONDITION.match(onward) and not re.search(r"[.?#]", onward):
            return Assignment(condition, previous.cue, condition.start, condition.end, number - 1)
    gap = visible[conditions[number - 1].end : condition.start]
    if previous.end > conditions[number - 1].end or not _CHAIN.match(gap):
        return None
    join: Literal["all", "any"] = "any" if re.match(r"^ (?:\|but )?or\b", gap) else "all"
    return Assignment(
        condition,
        previous.cue,
        condition.start,
        condition.end,
        number - 1,
        join,
        previous.only,
        previous.unless,
    )


def _choose(
    condition: Condition,
    before: Assignment | None,
    after: Assignment | None,
    chain: Assignment | None,
    visible: str,
    cues: Sequence[Cue],
    later: int,
) -> Assignment | None:
    """Which of the three readings holds; None where two contradict each other."""
    if after is not None and (before is not None or chain is not None) and later < len(visible):
        onward = visible[after.cue.end : later]
        linked = _TO_CONDITION.match(onward) or (_BARE_LINK.match(onward) and len(onward.split()) <= 2)
        if linked and not re.search(r"[.?]", onward):
            after = None
    if after is not None and before is None and chain is None and later < len(visible):
        onward = visible[after.cue.end : later]
        if _TO_CONDITION.match(onward) and _PROVISO.search(
            visible[max(0, condition.start - 25) : condition.start]
        ):
            return replace(after, end=condition.end, only=True, shares_cue=True)
    if after is not None and before is None and chain is None and later < len(visible):
        between = visible[condition.end : after.cue.start]
        if re.match(r"^ (?:\|\S+ )?and(?: then)?(?: i| we)? ?$", between) and _TO_CONDITION.match(
            visible[after.cue.end : later]
        ):
            return None
    if before is not None and before.cue.kind in PATIENT:
        return after or before
    if before is not None and after is not None and before.cue.kind == "trade" and not before.cue.denied:
        return after
    if before is not None and after is not None:
        kinds = {before.cue.kind, after.cue.kind}
        direct = visible[before.cue.end : condition.start].strip()
        if len(kinds) == 1:
            return before
        if re.match(r"^(?:and|\|\S+)(?: |$)", direct):
            return after
        if re.search(r"[.?|]", visible[condition.end : after.cue.start]):
            return before
        return None
    if chain is not None:
        intro = re.search(
            r"(?<!\S)(?:when|if|once)\b", visible[max(0, condition.start - 12) : condition.start]
        )
        if after is not None and (intro or after.cue.kind != chain.cue.kind):
            return after
        return chain
    return before or after
