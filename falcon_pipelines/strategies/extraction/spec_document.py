"""The parts of a strategy written as a spec document, with the provenance of each field."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from falcon_pipelines.strategies.extraction.atoms import Atom, Evidence, Finding, IndicatorUse
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.spec import Spec, validate_spec
from falcon_pipelines.strategies.transcripts import Transcript


@dataclass(frozen=True)
class Part:
    """One field of the spec as it will be written, with the atoms that say so."""

    field: str
    value: Any
    atoms: tuple[Atom, ...]


def key_of(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def uses(atoms: Iterable[Atom]) -> tuple[IndicatorUse, ...]:
    return tuple({use.id: use for atom in atoms for use in atom.indicators}.values())


def written_spec(transcript: Transcript, finding: Finding, parts: Mapping[str, Part]) -> Spec:
    """The spec of these parts. Raises InvalidSpec."""
    document: dict[str, Any] = {
        "spec_version": 1,
        "name": _name(transcript, parts),
        "source": _source(transcript, finding),
    }
    used = tuple(atom for part in parts.values() for atom in part.atoms)
    if indicators := [_indicator_document(use) for use in uses(used)]:
        document["indicators"] = indicators
    provenance: dict[str, Any] = {}
    for name, part in parts.items():
        place = document
        *above, last = name.split(".")
        for step in above:
            place = place.setdefault(step, {})
        place[last] = part.value
        said = _evidence(part.atoms[0].evidence) if part.atoms else None
        provenance[name] = {"state": "assumed"} if said is None else {"state": "stated", **said}
        _filter_provenance(provenance, name, part)
    for atom in used:
        for use in atom.indicators:
            for key, state in use.states:
                state_name = {"unspecified": "default"}.get(state, state)
                said = _evidence(atom.evidence) if state == "stated" else {}
                provenance.setdefault(f"indicators.{use.id}.{key}", {"state": state_name, **said})
    for name in ("timeframe", "sizing"):
        provenance.setdefault(name, {"state": "default"})
    document["provenance"] = provenance
    document["unsupported"] = [
        {"what": refusal.what, "why": refusal.why, **_evidence(refusal.evidence)}
        for refusal in finding.refused
        if refusal.unsupported
    ]
    return validate_spec(document)


def _filter_provenance(provenance: dict[str, Any], name: str, part: Part) -> None:
    if not isinstance(part.value, dict) or set(part.value) != {"all"}:
        return
    for index, value in enumerate(part.value["all"]):
        saying = next((atom for atom in part.atoms if key_of(atom.value) == key_of(value)), None)
        if saying is not None:
            provenance[f"{name}.all.{index}"] = {"state": "stated", **_evidence(saying.evidence)}


def _indicator_document(use: IndicatorUse) -> dict[str, Any]:
    """The indicator with the registry's defaults written out, so that a person sees them."""
    document = use.document()
    known = INDICATORS[use.fn]
    if not known.takes_source:
        document.pop("source", None)
    params = {p.name: p.default for p in known.parameters if p.default is not None} | document.get(
        "params", {}
    )
    if params:
        document["params"] = params
    return document


def _evidence(evidence: Evidence | None) -> dict[str, Any]:
    if evidence is None:
        return {}
    return {"quote": evidence.quote, "start_seconds": evidence.start_seconds}


def _source(transcript: Transcript, finding: Finding) -> dict[str, Any]:
    source: dict[str, Any] = {"video": transcript.id}
    if transcript.url:
        source["url"] = transcript.url
    if transcript.channel:
        source["channel"] = transcript.channel
    if finding.claims:
        source["claims"] = [{"text": claim.text, **_evidence(claim.evidence)} for claim in finding.claims]
    return source


def _name(transcript: Transcript, parts: Mapping[str, Part]) -> str:
    """A name from the entry's indicators and the transcript's id; never from its title."""
    entry = next(part for name, part in parts.items() if name.startswith("entry."))
    subject = "_".join(use.id for use in uses(entry.atoms))[:50] or "price"
    ending = re.sub(r"[^a-z0-9]+", "_", transcript.id.lower()).strip("_")[:20]
    return f"{subject}_{ending}".rstrip("_")
