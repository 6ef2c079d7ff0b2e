"""Speakers who correct themselves: of "I used to buy at seventy, now I use sixty" only the sixty is left."""

import re
from collections.abc import Callable, Sequence
from dataclasses import replace

from falcon_pipelines.strategies.extraction.normalise import Text, Token
from falcon_pipelines.strategies.extraction.operands import NUMBER
from falcon_pipelines.strategies.extraction.spoken_numbers import is_number

_NOW = r"(?:\|now|presently|these day|nowadays|today|lately|since then)"
_FORMERLY = (
    r"(?:used to|previously|originally|initially|in the past|back in the day|at first|when i started|"
    r"years ago|for years|formerly|early on|in the beginning|back then)"
)
_SUPERSEDED = re.compile(
    rf"(?<!\S)(?P<who>i |we |(?:my|our|the) (?:[a-z]+ ){{1,3}}?)?{_FORMERLY} (?P<old>(?:"
    rf"(?!used to)[^.?#]){{3,170}}?) (?P<turn>(?:\|but |"
    rf"and )?(?:{_NOW}))(?P<new> [^.?#]{{1,120}})"
)
_ELLIPSIS = re.compile(
    rf"^ (?:\S+ ){{0,7}}?(?P<number>{NUMBER})(?P<unit> (?:percent|day|period|week|bar|r|times|atr))?(?!\S)"
)
_CORRECTED = re.compile(
    rf"(?<!\S)(?P<wrong>{NUMBER}(?: (?:percent|day|period))?) (?:\|?\w+ )??(?:(?:no |oh |\|but )?"
    rf"(?:sorry|i_mean|no wait|wait no|correction|scratch that|make that|excuse me|or rather|i meant))"
    rf"(?: (?:i_mean|it is|make that|no|that is|wait|i meant|sorry))* (?:a )?(?={NUMBER}(?!\S))"
)
_INSTEAD = re.compile(
    rf"(?<!\S)(?:instead of|rather than)(?: (?:a|an|the|using|my|old|usual|standard|typical|normal|"
    rf"default|classic|textbook|traditional|common)){{0,4}} {NUMBER}"
    rf"(?: (?:percent|day|period|week|r))?(?: (?:stop loss|stop|target|rsi|moving average|ema|sma|ma))?(?!\S)"
)
_NOT_BUT = re.compile(
    rf"(?<!\S)not (?:a |at |the |below |above )?{NUMBER}(?: (?:percent|day|period))?(?: stop| target)? "
    rf"(?=(?:\|but )?(?:a |at |the |below |above )?{NUMBER}(?!\S))"
)
_PRESENT = {
    "be": "is",
    "bought": "buy",
    "sold": "sell",
    "used": "use",
    "had": "have",
    "took": "take",
    "got": "get",
    "entered": "enter",
}


def revise(
    tokens: Sequence[Token], says_rule: Callable[[str], bool]
) -> tuple[tuple[Token, ...], list[tuple[int, int]]]:
    """The tokens as the speaker finally means them, and the words (first, last) of what was superseded.

    `says_rule` tells whether canonical text states a rule of its own; where the new words do not ("now I use
    sixty"), they take the place of the number in the old ones.
    """
    current = list(tokens)
    dropped: list[tuple[int, int]] = []
    for pattern in (_CORRECTED, _INSTEAD, _NOT_BUT):
        current = _without(current, pattern, dropped)
    position = 0
    while True:
        text = Text.of(current)
        match = _SUPERSEDED.search(text.string, position)
        if match is None:
            return tuple(current), dropped
        current, position = _supersede(current, text, match, says_rule, dropped)


def _without(tokens: list[Token], pattern: re.Pattern[str], dropped: list[tuple[int, int]]) -> list[Token]:
    text = Text.of(tokens)
    keep = [True] * len(tokens)
    for match in pattern.finditer(text.string):
        dropped.append(text.words_of(match.start(), match.end()))
        for index in _inside(text, match.start(), match.end()):
            keep[index] = False
    return [token for token, kept in zip(tokens, keep, strict=True) if kept]


def _inside(text: Text, start: int, end: int) -> range:
    indexes = [i for i, at in enumerate(text.starts) if start <= at < end]
    return range(indexes[0], indexes[-1] + 1) if indexes else range(0)


def _supersede(
    tokens: list[Token],
    text: Text,
    match: re.Match[str],
    says_rule: Callable[[str], bool],
    dropped: list[tuple[int, int]],
) -> tuple[list[Token], int]:
    """The tokens with the old words replaced; the character from which to look for the next."""
    old = _inside(text, match.start("old"), match.end("old"))
    whole_old = _inside(text, match.start(), match.end("turn"))
    ellipsis = _ELLIPSIS.match(match["new"])
    replacement: list[Token] = []
    taken = whole_old
    complete = says_rule(re.split(r" (?:and|\|\w+) ", match["new"])[0]) or says_rule(match["new"])
    if ellipsis and not (complete and says_rule(match["new"][: ellipsis.end() + 40].strip())):
        number = match.start("new") + ellipsis.start("number")
        new = _inside(text, match.start("new") + 1, match.start("new") + ellipsis.end())
        spoken = Token("", tokens[new[0]].first, tokens[new[-1]].last)
        at = _slot([tokens[i].text for i in old], (ellipsis["unit"] or "").strip())
        if at is not None and number:
            words = [_PRESENT.get(tokens[i].text, tokens[i].text) for i in old]
            words[at] = ellipsis["number"]
            named = (match["who"] or "").split()
            who = [] if words[0] in ("i", "we", "my") else named if len(named) > 1 else ["i"]
            replacement = [replace(spoken, text=word) for word in (".", *who, *words, ".")]
            taken = range(whole_old.start, new.stop)
    dropped.append((tokens[whole_old[0]].first, tokens[old[-1]].last))
    rest = replacement or [Token(".", tokens[whole_old[0]].first, tokens[whole_old[0]].first)]
    result = tokens[: taken.start] + rest + tokens[taken.stop :]
    return result, Text.of(tokens[: taken.start] + rest).starts[-1]


def _slot(words: list[str], unit: str) -> int | None:
    """Which of the old words is the number that was replaced: the last one of the same unit."""
    numbers = [i for i, word in enumerate(words) if is_number(word)]
    same = [i for i in numbers if i + 1 < len(words) and words[i + 1] == unit]
    found = same or numbers
    return found[-1] if found else None
