"""From spoken words to a strategy spec: every rule with its words, and nothing that was not said."""

from falcon_pipelines.strategies.extraction.assembly import assemble
from falcon_pipelines.strategies.extraction.grammar import extract as find_by_grammar
from falcon_pipelines.strategies.extraction.result import ExtractionResult, Rule, Variant
from falcon_pipelines.strategies.transcripts import Transcript

__all__ = ["ExtractionResult", "Rule", "Variant", "extract_by_grammar"]


def extract_by_grammar(transcript: Transcript) -> ExtractionResult:
    """The strategy of a transcript as the hand grammar finds it; needs no key and no network."""
    return assemble(transcript, find_by_grammar(transcript), "grammar")
