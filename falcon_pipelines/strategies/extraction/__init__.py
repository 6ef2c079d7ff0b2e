"""From spoken words to a strategy spec: every rule with its words, and nothing that was not said."""

from typing import TYPE_CHECKING

from falcon_pipelines.strategies.extraction.assembly import assemble
from falcon_pipelines.strategies.extraction.grammar import extract as find_by_grammar
from falcon_pipelines.strategies.extraction.result import ExtractionResult, Rule, Variant
from falcon_pipelines.strategies.transcripts import Transcript

if TYPE_CHECKING:
    from falcon_pipelines.llm.client import LlmClient

__all__ = ["ExtractionResult", "Rule", "Variant", "extract_by_grammar", "extract_by_model", "find_by_grammar"]


def extract_by_grammar(transcript: Transcript) -> ExtractionResult:
    """The strategy of a transcript as the hand grammar finds it; needs no key and no network."""
    return assemble(transcript, find_by_grammar(transcript), "grammar")


def extract_by_model(transcript: Transcript, client: "LlmClient") -> ExtractionResult:
    """The strategy of a transcript as a language model reports it and the words bear it out.

    Raises ModelUnavailable when no model answered.
    """
    from falcon_pipelines.strategies.extraction.language_model import extract as find_by_model

    return assemble(transcript, find_by_model(transcript, client), "llm")
