"""Spoken sentences as transcripts, for tests of extraction."""

from typing import Any

from falcon_pipelines.strategies.extraction import ExtractionResult, extract_by_grammar
from falcon_pipelines.strategies.transcripts import Transcript

SECONDS_PER_WORD = 0.5


def transcript(words: str, *, title: str = "a talk", start: float = 0.0) -> Transcript:
    """A transcript in which a word is spoken every half second."""
    timed = tuple((word, start + i * SECONDS_PER_WORD) for i, word in enumerate(words.split()))
    return Transcript("abc123", title, None, None, "file", timed, words.encode())


def heard(words: str) -> ExtractionResult:
    """What the grammar makes of these words."""
    return extract_by_grammar(transcript(words))


def stated(result: ExtractionResult, field: str) -> list[Any]:
    """Values of the stated rules of a field."""
    return [rule.value for rule in result.rules if rule.field == field and rule.state == "stated"]


def states(result: ExtractionResult, field: str) -> list[str]:
    """States of all rules of a field."""
    return [rule.state for rule in result.rules if rule.field == field]


def strategy_rules(result: ExtractionResult) -> dict[str, Any]:
    """Stated rules by field, without the fields of indicators."""
    return {
        rule.field: rule.value
        for rule in result.rules
        if rule.state == "stated" and not rule.field.startswith("indicators.")
    }
