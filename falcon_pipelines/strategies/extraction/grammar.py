"""The hand grammar: rules in the words of a transcript. Precision first: what is unsure is never a rule."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from falcon_pipelines.strategies.extraction import operands, talk
from falcon_pipelines.strategies.extraction.atoms import (
    REQUIREMENTS,
    Atom,
    Claim,
    Evidence,
    Finding,
    Flag,
    Refusal,
    State,
    tidy,
)
from falcon_pipelines.strategies.extraction.comparisons import find_conditions
from falcon_pipelines.strategies.extraction.condition import (
    Condition,
    mentioned_indicators,
    negate,
    with_known_types,
)
from falcon_pipelines.strategies.extraction.cues import find_cues
from falcon_pipelines.strategies.extraction.normalise import Text, tokens
from falcon_pipelines.strategies.extraction.operands import NUMBER
from falcon_pipelines.strategies.extraction.order_phrases import Phrase
from falcon_pipelines.strategies.extraction.orders import find_phrases
from falcon_pipelines.strategies.extraction.revisions import revise
from falcon_pipelines.strategies.extraction.roles import Assignment, assign
from falcon_pipelines.strategies.extraction.surroundings import Judgement, Surroundings
from falcon_pipelines.strategies.transcripts import Transcript, Word

_PLAIN_LEVEL = re.compile(
    rf"(?<!\S)(?P<side>(?:i |we |you )?(?:buy|enter|get in|go long|sell|exit|get out|short|buy it|"
    rf"sell it)) (?:at|on) (?:a |an |the )?(?P<oscillator>rsi (?:of |at |level of |reading of )?)?"
    rf"(?P<dollars>dollars )?"
    rf"(?P<number>{NUMBER})(?P<after> dollars)?(?! (?:percent|times|x|r|day|period|bar|atr|to|week|ema|"
    rf"sma|ma|cents|moving|am|pm|o)\b)(?!\S)"
    rf"|(?<!\S)(?:i |we |you )?(?:wait for|look for|use|wait until|buy at) (?:a |the )?(?P<read>{NUMBER}) on "
    rf"(?:the |my |an )?rsi(?!\S)"
)
_RSI_NEARBY = re.compile(operands.RSI)
_WANTED = re.compile(
    r"(?<!\S)(?:i|we|you) (?:want|need|like|want to see|need to see|like to see)(?: the| my)? $"
)
_SUBJECT = re.compile(r"(?<!\S)(?:i|we|my|our|your|you|the) $")
_MAX_QUOTE_WORDS = 60


@dataclass
class _Draft:
    """What has been found so far; lives only while one transcript is read."""

    words: Sequence[Word]
    text: Text
    atoms: list[Atom] = field(default_factory=list)
    claims: list[Claim] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)

    def evidence(self, start: int, end: int) -> Evidence:
        return evidence(self.words, *self.text.words_of(start, end))


def evidence(words: Sequence[Word], first: int, last: int) -> Evidence:
    """The spoken words from `first` to `last` (at most 60) as evidence."""
    last = min(last, first + _MAX_QUOTE_WORDS - 1)
    quote = " ".join(word for word, _ in words[first : last + 1])
    return Evidence(quote, words[first][1], first, last)


def extract(transcript: Transcript) -> Finding:
    """The rules, claims, refusals and flags of a transcript; its title and description are never read."""
    words = transcript.words
    current, superseded = revise(tokens(words), _says_rule)
    draft = _Draft(words, Text.of(current))
    draft.refused.extend(
        Refusal(
            "words the speaker took back", "superseded by what is said next", evidence(words, first, last)
        )
        for first, last in superseded
    )
    _flag_code(draft)
    visible = _without_talk(draft)
    surroundings = Surroundings(draft.text.string)
    phrases, refused = find_phrases(visible)
    for phrase in phrases:
        if _read_phrase(draft, phrase, surroundings) and not _is_also_a_cue(phrase):
            # Of the timeframe the sentence goes on: "i buy on the daily chart when".
            over = "x" if phrase.field == "timeframe" else "#"
            visible = _mask(visible, phrase.start, phrase.end, over)
    conditions, more = find_conditions(visible)
    conditions = with_known_types(conditions, mentioned_indicators(draft.text.string))
    _read_conditions(draft, visible, conditions, surroundings)
    for condition in conditions:
        visible = _mask(visible, condition.start, condition.end)
    _read_plain_levels(draft, visible, conditions, surroundings)
    for start, end, why in [*refused, *more]:
        found = draft.evidence(start, end)
        draft.refused.append(Refusal(draft.text.string[start:end], why, found, unsupported=True))
    atoms = [
        replace(atom, value=tidy(atom.value), readings=tuple(tidy(atom.readings)))
        for atom in sorted(draft.atoms, key=lambda atom: atom.evidence.first_word)
    ]
    return Finding(
        tuple(atoms),
        tuple(draft.claims),
        tuple(
            sorted(draft.refused, key=lambda refusal: refusal.evidence.first_word if refusal.evidence else 0)
        ),
        tuple(draft.flags),
    )


def _is_also_a_cue(phrase: Phrase) -> bool:
    """ "I buy a hundred shares when": the words of the size also say what the condition after them is for."""
    return isinstance(phrase.value, dict) and "fixed_shares" in phrase.value


def _says_rule(string: str) -> bool:
    return bool(find_phrases(string)[0] or find_conditions(string)[0])


def _mask(string: str, start: int, end: int, over: str = "#") -> str:
    return string[:start] + over * (end - start) + string[end:]


def _flag_code(draft: _Draft) -> None:
    spoken = " ".join(word for word, _ in draft.words)
    for match in talk.CODE.finditer(spoken):
        first = spoken.count(" ", 0, match.start())
        draft.flags.append(Flag("code", evidence(draft.words, first, first + match[0].count(" "))))


def _without_talk(draft: _Draft) -> str:
    """The canonical text with instructions to software, advertising and claims masked; each is noted."""
    visible = draft.text.string
    for start, end in talk.instruction_spans(visible):
        draft.flags.append(Flag("instruction_to_software", draft.evidence(start, end)))
        visible = _mask(visible, start, end)
    for match in talk.ADVERTISING.finditer(visible):
        visible = _mask(visible, match.start(), match.end())
    for match in talk.CLAIM.finditer(visible):
        found = draft.evidence(match.start(), match.end())
        draft.claims.append(Claim(found.quote, found))
        visible = _mask(visible, match.start(), match.end())
    return visible


def _read_phrase(draft: _Draft, phrase: Phrase, surroundings: Surroundings) -> bool:
    """Whether the phrase took its words, as a rule in whatever state or as a refusal."""
    judgement = surroundings.judge(
        phrase.start, phrase.end, price=phrase.absolute_price, deniable=not phrase.denied
    )
    subject = _SUBJECT.search(draft.text.string[: phrase.start])
    found = draft.evidence(subject.start() if subject else phrase.start, phrase.end)
    if judgement.refused:
        draft.refused.append(Refusal(phrase.field, judgement.why or "not a rule", found))
        return True
    if phrase.value is None and not phrase.readings and not phrase.denied:
        refusal = Refusal(phrase.field, phrase.why or "a spec cannot say it", found, unsupported=True)
        draft.refused.append(refusal)
        return True
    state, value, readings, why = _resolve(phrase, judgement)
    draft.atoms.append(
        Atom(phrase.field, state, value, found, phrase.indicators, readings, why, group=len(draft.atoms))
    )
    if state == "stated":
        for missing in phrase.unspecified:
            draft.atoms.append(Atom(missing, "unspecified", None, found, group=len(draft.atoms)))
    return True


def _resolve(phrase: Phrase, judgement: Judgement) -> tuple[State, Any, tuple[Any, ...], str | None]:
    if phrase.denied:
        return "negated", None, (), "said not to be used"
    if judgement.state in ("negated", "example_only"):
        return judgement.state, phrase.value or next(iter(phrase.readings), None), (), judgement.why
    if phrase.absolute_price:
        return "ambiguous", phrase.value, (), phrase.why
    if phrase.value is None:
        return "ambiguous", None, phrase.readings, phrase.why
    if judgement.state == "ambiguous":
        return "ambiguous", None, (phrase.value,), judgement.why
    return "stated", phrase.value, (), None


def _read_conditions(
    draft: _Draft, visible: str, conditions: Sequence[Condition], surroundings: Surroundings
) -> None:
    masked = visible
    cues = find_cues(masked, conditions)
    assignments = assign(masked, conditions, cues)
    groups: dict[int, int] = {}
    for number, (condition, assignment) in enumerate(zip(conditions, assignments, strict=True)):
        if assignment is None:
            wanted = _WANTED.search(visible[max(0, condition.start - 30) : condition.start])
            required = condition.required or (wanted is not None and condition.state_of_trend)
            if (
                required
                and condition.value is not None
                and condition.left
                and not condition.left.other_market
            ):
                where = "filter.long" if condition.state_of_trend else "entry.long"
                _add(
                    draft, where, condition, condition.start, condition.end, surroundings, REQUIREMENTS, "all"
                )
            elif not condition.elided:
                words = draft.text.string[condition.start : condition.end]
                found = draft.evidence(condition.start, condition.end)
                draft.refused.append(Refusal(words, "nothing says what to do then", found))
            continue
        own_group = 1000 + number
        group = own_group if assignment.chained_to is None else groups.get(assignment.chained_to, own_group)
        groups[number] = group
        place, condition = _place(assignment, condition)
        if place is None:
            found = draft.evidence(assignment.start, assignment.end)
            draft.refused.append(Refusal("a condition of trading", "neither an entry nor an exit", found))
            continue
        if place.startswith("filter") and condition.left is not None and condition.left.other_market:
            found = draft.evidence(assignment.start, assignment.end)
            why = "a condition on another instrument than the one traded"
            draft.refused.append(Refusal(place, why, found, unsupported=True))
            continue
        denied = assignment.cue.denied and not place.startswith("filter")
        _add(
            draft,
            place,
            condition,
            assignment.start,
            assignment.end,
            surroundings,
            group,
            assignment.join,
            denied,
        )


def _place(assignment: Assignment, condition: Condition) -> tuple[str | None, Condition]:
    """The field a condition belongs to; the condition turned round where trading under it is ruled out."""
    cue = assignment.cue
    side = "short" if cue.kind == "short" else "long"
    if cue.kind in ("exit", "cover"):
        return ("exit.signal.short" if cue.kind == "cover" else "exit.signal"), condition
    if cue.denied:
        if assignment.because:
            return f"entry.{side}", condition
        if assignment.unless or condition.value is None:
            return f"filter.{side}", condition
        return f"filter.{side}", replace(condition, value=negate(condition.value))
    if cue.kind == "trade":
        return (f"filter.{side}" if assignment.only else None), condition
    if condition.elided and not assignment.only and cue.kind in ("watch", "want"):
        return None, condition
    if (assignment.only or condition.required or cue.kind == "want") and condition.state_of_trend:
        return f"filter.{side}", condition
    return f"entry.{side}", condition


def _add(
    draft: _Draft,
    place: str,
    condition: Condition,
    start: int,
    end: int,
    surroundings: Surroundings,
    group: int,
    join: Any,
    denied: bool = False,
) -> None:
    judgement = surroundings.judge(start, end, deniable=False)
    found = draft.evidence(start, end)
    if judgement.refused:
        draft.refused.append(Refusal(place, judgement.why or "not a rule", found))
        return
    state: State = "stated"
    value, readings, why = condition.value, condition.readings, condition.why
    if denied:
        state, why = "negated", "denied"
    elif judgement.state == "example_only":
        state, why = "example_only", judgement.why
    elif value is None:
        state = "ambiguous"
    elif judgement.state == "ambiguous":
        state, readings, why, value = "ambiguous", (value,), judgement.why, None
    draft.atoms.append(Atom(place, state, value, found, condition.indicators, readings, why, group, join))


def _read_plain_levels(
    draft: _Draft, visible: str, conditions: Sequence[Condition], surroundings: Surroundings
) -> None:
    """ "Buy at sixty": a level of the oscillator spoken of last, or of nothing that was said."""
    for match in _PLAIN_LEVEL.finditer(visible):
        spoken_number = match["number"] or match["read"]
        number = float(spoken_number)
        said_side = match["side"] or "buy"
        side = "exit" if re.search("sell|exit|out", said_side) else "entry"
        price = bool(match["dollars"] or match["after"])
        judgement = surroundings.judge(match.start(), match.end(), price=True)
        found = draft.evidence(match.start(), match.end())
        place = "exit.signal" if side == "exit" else "entry.short" if "short" in said_side else "entry.long"
        if judgement.refused:
            draft.refused.append(Refusal(f"{side} at {spoken_number}", judgement.why or "not a rule", found))
            continue
        if judgement.state in ("example_only", "negated"):
            draft.atoms.append(Atom(f"{side}.level", judgement.state, number, found, why=judgement.why))
            continue
        spoken = bool(match["oscillator"] or match["read"])
        near = (
            operands.read_operand("rsi")
            if spoken
            else _oscillator_before(draft.text.string, match.start(), conditions)
        )
        oscillator = None if price or number > 100 else near
        if oscillator is None:
            why = f"nothing says {spoken_number} of what"
            state: State = "ambiguous" if price else "stated"
            draft.atoms.append(Atom(f"{side}.level", state, number, found, why=why))
            draft.refused.append(Refusal(f"{side} at {spoken_number}", why, found))
            continue
        pair = [oscillator.value, number]
        low, high = {"lte": pair}, {"gte": pair}
        clear = low if side == "entry" and number < 50 else high if side == "exit" and number > 50 else None
        if clear is not None and place != "entry.short" and judgement.state == "stated":
            draft.atoms.append(
                Atom(place, "stated", clear, found, oscillator.indicators, group=5000 + len(draft.atoms))
            )
            continue
        why = "from which side the level is reached is not said"
        draft.atoms.append(Atom(f"{side}.level", "stated", number, found, why=why))
        draft.atoms.append(
            Atom(
                place,
                "ambiguous",
                None,
                found,
                oscillator.indicators,
                (low, high),
                why,
                5000 + len(draft.atoms),
            )
        )


def _oscillator_before(
    string: str, position: int, conditions: Sequence[Condition]
) -> operands.Operand | None:
    recent = [
        condition.left
        for condition in conditions
        if condition.end <= position and position - condition.end < 250 and condition.left is not None
    ]
    if recent:
        return recent[-1] if recent[-1].kind == "oscillator" else None
    nearby = _RSI_NEARBY.findall(string[max(0, position - 200) : position])
    return operands.read_operand(nearby[-1]) if nearby else None
