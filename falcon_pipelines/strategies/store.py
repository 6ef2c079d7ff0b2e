"""Transcripts and specs in the database: a spec is stored once per content, and never changed."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.describe import describe
from falcon_pipelines.strategies.spec import Spec, spec_hash, validate_spec
from falcon_pipelines.strategies.transcripts import Transcript


class UnknownTranscript(InputError):
    """No transcript is stored under this id."""


class UnknownSpec(InputError):
    """No stored spec has this name."""


def save_transcript(session: Session, transcript: Transcript) -> None:
    """Store a transcript; one that is there already stays as it is."""
    session.execute(
        insert(models.Transcript)
        .values(
            id=transcript.id,
            title=transcript.title,
            url=transcript.url,
            channel=transcript.channel,
            origin=transcript.origin,
            words=[list(word) for word in transcript.words],
            original=transcript.original,
        )
        .on_conflict_do_nothing()
    )


def load_transcript(session: Session, transcript_id: str) -> Transcript:
    """A stored transcript; raises UnknownTranscript."""
    row = session.get(models.Transcript, transcript_id)
    if row is None:
        raise UnknownTranscript(
            f"no transcript is stored as {transcript_id!r}; materialise transcripts first"
        )
    return Transcript(
        id=row.id,
        title=row.title,
        url=row.url,
        channel=row.channel,
        origin=row.origin,  # type: ignore[arg-type]
        words=tuple((text, start) for text, start in row.words),
        original=row.original,
    )


def save_spec(
    session: Session, spec: Spec, transcript_id: str | None, extraction: Mapping[str, Any] | None
) -> models.StrategySpec:
    """Store a spec with the evidence it was extracted on; the same content is stored once."""
    digest = spec_hash(spec)
    row = session.scalar(
        select(models.StrategySpec).where(
            models.StrategySpec.name == spec.name, models.StrategySpec.spec_hash == digest
        )
    )
    if row is None:
        row = models.StrategySpec(
            name=spec.name,
            spec_hash=digest,
            document=spec.document(),
            transcript_id=transcript_id,
            extraction=None if extraction is None else dict(extraction),
            meaning=asdict(describe(spec)),
        )
        session.add(row)
    elif row.meaning is None:
        row.meaning = asdict(describe(spec))
    session.flush()
    return row


def newest_spec(session: Session, name: str) -> models.StrategySpec:
    """The newest stored spec of that name; raises UnknownSpec."""
    row = session.scalar(
        select(models.StrategySpec)
        .where(models.StrategySpec.name == name)
        .order_by(models.StrategySpec.id.desc())
        .limit(1)
    )
    if row is None:
        raise UnknownSpec(f"no strategy spec is called {name!r}; run study_videos first")
    return row


def spec_of(row: models.StrategySpec) -> Spec:
    """The stored document as a spec."""
    return validate_spec(row.document)
