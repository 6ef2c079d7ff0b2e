"""From a stored transcript to stored strategies: what each extractor read, and every variant to be backtested."""

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines import __version__
from falcon_pipelines.db import models
from falcon_pipelines.strategies.extraction import ExtractionResult, extract_by_grammar, extract_by_model
from falcon_pipelines.strategies.extraction.assembly import assumptions
from falcon_pipelines.strategies.extraction.overlays import exits_to_lay_over, has_exit, lay_over
from falcon_pipelines.strategies.extraction.result import Overlay
from falcon_pipelines.strategies.spec import Spec, validate_spec
from falcon_pipelines.strategies.store import newest_spec, save_spec, spec_of
from falcon_pipelines.strategies.transcripts import Transcript

if TYPE_CHECKING:
    from falcon_pipelines.llm.client import LlmClient

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Study:
    """What was stored of one transcript; `to_judge` are the names of the specs that can be run as they are."""

    result: ExtractionResult
    spec_name: str | None
    variant_names: tuple[str, ...]
    to_judge: tuple[str, ...]


def read_strategy(transcript: Transcript, client: "LlmClient | None") -> tuple[ExtractionResult, ...]:
    """The strategy of a transcript by every extractor there is; the first is the one in force.

    A model's reading is in force when it read the whole transcript. Where it could not, because nothing
    answered or the budget was spent, the grammar's is, and what the model did read is kept beside it.
    """
    from falcon_pipelines.strategies.extraction.language_model import ModelUnavailable

    by_grammar = extract_by_grammar(transcript)
    if client is None:
        return (by_grammar,)
    try:
        by_model = extract_by_model(transcript, client)
    except ModelUnavailable as error:
        _log.warning("%s; the grammar's reading is used", error)
        return (by_grammar,)
    unread = [flag.kind for flag in by_model.flags if flag.kind.startswith("not_read_")]
    if unread:
        _log.warning(
            "%s was read by the model in part only (%s); the grammar's reading is used",
            transcript.id,
            unread[0],
        )
        return (by_grammar, by_model)
    return (by_model, by_grammar)


def save_study(session: Session, transcript_id: str, results: Sequence[ExtractionResult]) -> Study:
    """Store the readings of a transcript, the first being in force, with its strategy and every variant of it."""
    in_force, *others = results
    for other in others:
        _save_extraction(session, transcript_id, other, None)
    document = in_force.document()
    base: models.StrategySpec | None = None
    if in_force.spec is not None:
        base = save_spec(session, in_force.spec, transcript_id, document)
    extraction = _save_extraction(session, transcript_id, in_force, base)
    session.execute(
        update(models.Extraction)
        .where(models.Extraction.transcript_id == transcript_id)
        .values(in_force=models.Extraction.id == extraction)
    )
    variants: list[str] = []
    to_judge: list[str] = []
    if base is not None and in_force.status == "runnable":
        to_judge.append(base.name)
    for variant in in_force.variants:
        runnable = has_exit(variant.spec)
        status = "runnable" if runnable else "needs_overlay"
        about = {"kind": "reading", "field": variant.field, "value": variant.value}
        own = {**document, "status": status, "spec": variant.spec.document(), "variant": about}
        row = save_spec(session, variant.spec, transcript_id, own)
        why = next((rule.why for rule in in_force.rules if rule.field == variant.field and rule.why), None)
        _save_variant(session, extraction, row, None, about, why, runnable=runnable)
        variants.append(row.name)
        if runnable:
            to_judge.append(row.name)
    return Study(in_force, base.name if base else None, tuple(variants), tuple(to_judge))


def lay_over_stored(session: Session, spec_name: str, choices: Sequence[str], by: str) -> tuple[str, bool]:
    """Store a variant of a stored strategy with what a person chose; its name, and whether it can be run.

    Raises UnknownSpec, UnknownOverlay, StatedByTheSpeaker.
    """
    base = newest_spec(session, spec_name)
    spec = spec_of(base)
    extraction = dict(base.extraction or {})
    laid = lay_over(spec, offered_overlays(spec, extraction), choices)
    assumed = [{"field": item.field, "value": item.value, "why": item.why} for item in assumptions(laid)]
    chosen = [name for name, reason in laid.provenance.items() if reason.state == "assumed"]
    about = {"kind": "overlay", "field": ", ".join(chosen), "value": list(choices)}
    runnable = has_exit(laid)
    extraction |= {
        "status": "runnable" if runnable else "needs_overlay",
        "spec": laid.document(),
        "variant": about,
        "assumptions": assumed,
    }
    row = save_spec(session, laid, base.transcript_id, extraction)
    read = session.scalar(
        select(models.Extraction.id)
        .where(models.Extraction.transcript_id == base.transcript_id)
        .order_by(models.Extraction.in_force.desc(), models.Extraction.id.desc())
        .limit(1)
    )
    if read is not None:
        _save_variant(session, read, row, base.id, about, f"chosen by {by}", runnable=runnable)
    return row.name, runnable


def offered_overlays(spec: Spec, extraction: dict[str, Any]) -> tuple[Overlay, ...]:
    """The overlays by name that a strategy offers: those found at its extraction, else exits where it has none."""
    if "variant" not in extraction and extraction.get("overlays"):
        return tuple(
            Overlay(item["name"], item["field"], item["value"], validate_spec(item["spec"]))
            for item in extraction["overlays"]
        )
    return exits_to_lay_over(spec)


def _save_extraction(
    session: Session, transcript_id: str, result: ExtractionResult, spec: models.StrategySpec | None
) -> int:
    document = result.document()
    text = json.dumps(document, sort_keys=True, ensure_ascii=False)
    row = {
        "transcript_id": transcript_id,
        "extractor": result.extractor,
        "code_version": __version__,
        "status": result.status,
        "reason": result.reason,
        "document": document,
        "document_hash": hashlib.sha256(text.encode()).hexdigest(),
        "in_force": False,
        "spec_id": spec.id if spec else None,
    }
    statement = insert(models.Extraction).values(row)
    same = ["transcript_id", "extractor", "document_hash"]
    return session.execute(
        statement.on_conflict_do_update(
            index_elements=same, set_={"code_version": __version__, "spec_id": row["spec_id"]}
        ).returning(models.Extraction.id)
    ).scalar_one()


def _save_variant(
    session: Session,
    extraction_id: int,
    spec: models.StrategySpec,
    base_id: int | None,
    about: dict[str, Any],
    why: str | None,
    *,
    runnable: bool,
) -> None:
    session.execute(
        insert(models.StrategyVariant)
        .values(
            extraction_id=extraction_id,
            spec_id=spec.id,
            base_spec_id=base_id,
            **about,
            why=why,
            runnable=runnable,
        )
        .on_conflict_do_nothing()
    )
