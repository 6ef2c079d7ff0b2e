"""Spoken order rules in canonical text, as values of a spec: the families of phrases and how they are found."""

import re

from falcon_pipelines.strategies.extraction.holding_phrases import SIZING, TIME_STOPS, TIMEFRAMES
from falcon_pipelines.strategies.extraction.operands import NotExpressible
from falcon_pipelines.strategies.extraction.order_phrases import Phrase
from falcon_pipelines.strategies.extraction.stop_phrases import BREAKEVEN, STOPS, TRAILING
from falcon_pipelines.strategies.extraction.target_phrases import PARTIAL, TARGETS

_FAMILIES = (BREAKEVEN, PARTIAL, TRAILING, STOPS, TARGETS, TIME_STOPS, SIZING, TIMEFRAMES)
_COMPILED = tuple(
    (re.compile(rf"(?<!\S)(?:{pattern})(?!\S)"), build) for family in _FAMILIES for pattern, build in family
)


def find_phrases(string: str) -> tuple[list[Phrase], list[tuple[int, int, str]]]:
    """Order phrases in canonical text in spoken order, none overlapping, and those a spec cannot say.

    A family earlier in the table wins where two claim the same words.
    """
    visible = string
    found: list[Phrase] = []
    refused: list[tuple[int, int, str]] = []
    for pattern, build in _COMPILED:
        for match in pattern.finditer(visible):
            try:
                phrase = build(match)
            except NotExpressible as error:
                refused.append((match.start(), match.end(), str(error)))
                continue
            if phrase is None:
                continue
            found.append(phrase)
            visible = visible[: match.start()] + "#" * (match.end() - match.start()) + visible[match.end() :]
    return sorted(found, key=lambda phrase: phrase.start), refused
