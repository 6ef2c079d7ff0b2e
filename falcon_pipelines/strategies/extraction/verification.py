"""Whether words that are said to be in a transcript are: the deterministic check of everything a model quotes."""

import re
from collections.abc import Sequence

from rapidfuzz import fuzz

from falcon_pipelines.strategies.extraction.atoms import Evidence
from falcon_pipelines.strategies.extraction.grammar import evidence
from falcon_pipelines.strategies.extraction.normalise import Text, tokens
from falcon_pipelines.strategies.extraction.spoken_numbers import is_number
from falcon_pipelines.strategies.transcripts import Word

LEAST_SIMILARITY = 92.0
"""Percent (Levenshtein, RapidFuzz ratio). Not enough alone: "RSI below 70" is 97 like "below 30"."""
_UP = "above up higher greater more least exceeds rises rising climbs upside positive bullish breakout high long buy"
_DOWN = (
    "below down lower less most falls falling drops drop dips sinks downside negative bearish low short sell"
)
_DIRECTIONS = dict.fromkeys(_UP.split(), "up") | dict.fromkeys(_DOWN.split(), "down")
_NEGATIONS = frozenset({"not", "never", "no", "without", "unless", "nor", "neither", "avoid", "except"})


def find_quote(words: Sequence[Word], quote: str, first: int = 0, last: int | None = None) -> Evidence | None:
    """Where the quote stands among the spoken words from `first` to `last`, in the speaker's own words.

    None unless some run of words is at least 92 % like it and has the same numbers in the same order, the same
    words of direction and the same negations.
    """
    last = len(words) - 1 if last is None else min(last, len(words) - 1)
    spoken = tokens(words[first : last + 1])
    sought = tokens([(word, None) for word in quote.split()])
    if not sought or not spoken:
        return None
    text = " ".join(token.text for token in sought)
    best: tuple[float, int, int] | None = None
    for length in range(max(1, len(sought) - 2), len(sought) + 3):
        for start in range(len(spoken) - length + 1):
            window = spoken[start : start + length]
            score = fuzz.ratio(text, " ".join(token.text for token in window), score_cutoff=LEAST_SIMILARITY)
            if score and (best is None or score > best[0]):
                best = score, start, start + length
    if best is None:
        return None
    found = spoken[best[1] : best[2]]
    if _meaning([token.text for token in found]) != _meaning([token.text for token in sought]):
        return None
    return evidence(words, first + found[0].first, first + found[-1].last)


def says_direction(quote: str, up: bool, number: float | None = None) -> bool:
    """Whether a quote says "above" (or its like) where `up`, "below" where not; a buy or a sale is neither.

    Where it says both, the one before `number` counts: "buy below thirty and sell above seventy".
    """
    words = [token.text for token in tokens([(word, None) for word in quote.split()])]
    wanted = "up" if up else "down"
    trade = ("buy", "sell", "long", "short")
    said = [
        (i, _DIRECTIONS[word]) for i, word in enumerate(words) if word in _DIRECTIONS and word not in trade
    ]
    directions = {direction for _, direction in said}
    if number is not None and len(directions) == 2:
        places = [i for i, word in enumerate(words) if is_number(word) and float(word) == number]
        nearest = [[direction for i, direction in said if i < place][-1:] for place in places]
        if any(nearest):
            return [wanted] in nearest
    return wanted in directions


def denies(quote: str) -> bool:
    """Whether a quote holds a negation."""
    return any(token.text in _NEGATIONS for token in tokens([(word, None) for word in quote.split()]))


def _meaning(words: Sequence[str]) -> tuple[list[str], list[str], int]:
    """What must be the same in a quote: numbers, directions and negations, in order."""
    return (
        [word for word in words if is_number(word)],
        [_DIRECTIONS[word] for word in words if word in _DIRECTIONS],
        sum(word in _NEGATIONS for word in words),
    )


def numbers_in(quote: str) -> set[float]:
    """The numbers that canonical words of a quote hold."""
    text = Text.of(tokens([(word, None) for word in quote.split()]))
    return {float(number) for number in re.findall(r"(?<!\S)-?\d+(?:\.\d+)?(?!\S)", text.string)}
