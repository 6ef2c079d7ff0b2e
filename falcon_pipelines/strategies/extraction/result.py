"""What extraction hands on: a status, the spec, and the evidence for and against each rule. Values only."""

from dataclasses import dataclass
from typing import Any, Literal

from falcon_pipelines.strategies.extraction.atoms import Claim, Evidence, Flag, Refusal, State
from falcon_pipelines.strategies.spec import Spec

Status = Literal["runnable", "needs_overlay", "not_mechanisable"]


@dataclass(frozen=True)
class Rule:
    """A field of the strategy, what was said about it, and how firmly."""

    field: str
    state: State
    value: Any
    evidence: Evidence | None
    why: str | None = None
    readings: tuple[Any, ...] = ()

    def document(self) -> dict[str, Any]:
        """The rule as JSON types."""
        document: dict[str, Any] = {"field": self.field, "state": self.state, "value": self.value}
        document |= _quote(self.evidence)
        if self.why:
            document["why"] = self.why
        if self.readings:
            document["readings"] = list(self.readings)
        return document


@dataclass(frozen=True)
class Variant:
    """The strategy under one plausible reading of an ambiguous field."""

    field: str
    value: Any
    spec: Spec


@dataclass(frozen=True)
class Overlay:
    """A named exit that nobody stated, which a person may lay over a strategy that has none."""

    name: str
    field: str
    value: Any
    spec: Spec


@dataclass(frozen=True)
class Assumption:
    """A value nobody stated and the spec needs; a person can see and change it."""

    field: str
    value: Any
    why: str


@dataclass(frozen=True)
class ExtractionResult:
    """The strategy of one transcript.

    `runnable`: `spec` has a stated entry and a stated exit. `needs_overlay`: a person must add or choose
    something first; `spec` holds what is clear, None where not even the entry is. `not_mechanisable`: no
    entry was stated.
    """

    status: Status
    spec: Spec | None
    rules: tuple[Rule, ...]
    variants: tuple[Variant, ...]
    overlays: tuple[Overlay, ...]
    assumptions: tuple[Assumption, ...]
    claims: tuple[Claim, ...]
    refused: tuple[Refusal, ...]
    flags: tuple[Flag, ...]
    extractor: str
    reason: str
    must_choose: bool = False
    """The entry can be read in more than one way."""

    def document(self) -> dict[str, Any]:
        """The result as JSON types, with the keys that `falcon extract --json` prints."""
        return {
            "status": self.status,
            "reason": self.reason,
            "extractor": self.extractor,
            "spec": self.spec.document() if self.spec else None,
            "rules": [rule.document() for rule in self.rules],
            "variants": [
                {"field": variant.field, "value": variant.value, "spec": variant.spec.document()}
                for variant in self.variants
            ],
            "overlays": [
                {
                    "name": overlay.name,
                    "field": overlay.field,
                    "value": overlay.value,
                    "spec": overlay.spec.document(),
                }
                for overlay in self.overlays
            ],
            "assumptions": [
                {"field": assumption.field, "value": assumption.value, "why": assumption.why}
                for assumption in self.assumptions
            ],
            "claims": [{"text": claim.text, **_quote(claim.evidence)} for claim in self.claims],
            "refused": [
                {"what": refusal.what, "why": refusal.why, **_quote(refusal.evidence)}
                for refusal in self.refused
            ],
            "flags": [{"kind": flag.kind, **_quote(flag.evidence)} for flag in self.flags],
        }


def _quote(evidence: Evidence | None) -> dict[str, Any]:
    return {
        "quote": evidence.quote if evidence else None,
        "start_seconds": evidence.start_seconds if evidence else None,
    }
