"""From a video or a dropped file to strategy specs: transcripts, and what they state."""

from collections.abc import Iterator

import dagster as dg

from falcon_pipelines.assets.market_data import OWNERS, columns
from falcon_pipelines.partitions import strategy_specs as spec_names
from falcon_pipelines.partitions import videos as transcript_ids
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.language_models import LanguageModels
from falcon_pipelines.resources.videos import Videos

GROUP = "research"
YOUTUBE_POOL = "youtube"
"""One run at a time asks YouTube: the limit of every pool is 1 in dagster.yaml."""


@dg.asset(
    partitions_def=transcript_ids,
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres"},
    code_version="2",
    pool=YOUTUBE_POOL,
    output_required=False,
    metadata=columns(word="string", start_seconds="float"),
    description="The words of a talk with the second each is spoken, and the caption file as it came.",
)
def transcripts(
    context: dg.AssetExecutionContext, database: Database, videos: Videos
) -> Iterator[dg.MaterializeResult | dg.AssetObservation]:
    """Stores the partition's transcript, of whatever origin; of a video that has none, why and what comes next."""
    from falcon_pipelines.strategies.videos.intake import take_in
    from falcon_pipelines.strategies.videos.states import NEXT_STEPS, NoTranscript

    key = context.partition_key
    try:
        transcript = take_in(key, database.transaction, videos.source(), videos.watched_folder())
    except NoTranscript as missing:
        context.log.warning(str(missing))
        yield dg.AssetObservation(
            asset_key="transcripts",
            partition=key,
            metadata={
                "state": missing.state,
                "detail": missing.detail or "none",
                "next_step": NEXT_STEPS[missing.state].advice,
            },
        )
        return
    yield dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(transcript.words),
            "title": transcript.title,
            "origin": transcript.origin,
            "caption_file_bytes": len(transcript.original),
            **({"url": dg.MetadataValue.url(transcript.url)} if transcript.url else {}),
        }
    )


@dg.asset(
    partitions_def=transcript_ids,
    deps=[transcripts],
    group_name=GROUP,
    owners=OWNERS,
    kinds={"python", "postgres"},
    code_version="2",
    metadata=columns(field="string", state="string", value="json", quote="string", start_seconds="float"),
    description="The strategy a talk states, each rule with its words and second, and every other way to read it.",
)
def strategy_specs(
    context: dg.AssetExecutionContext, database: Database, language_models: LanguageModels
) -> dg.MaterializeResult:
    """Extracts the partition's strategy and registers what is runnable of it to be backtested."""
    from falcon_pipelines.strategies.store import load_transcript
    from falcon_pipelines.strategies.studies import read_strategy, save_study
    from falcon_pipelines.strategies.videos.folder import mark_file
    from falcon_pipelines.strategies.videos.ledger import mark_studied

    with database.transaction() as session:
        transcript = load_transcript(session, context.partition_key)
    results = read_strategy(transcript, language_models.client(context.run.run_id))
    with database.transaction() as session:
        study = save_study(session, transcript.id, results)
        found = study.result
        mark_file(session, transcript.id, "studied", f"{found.status}: {found.reason}")
        mark_studied(session, transcript.id, f"{found.status}: {found.reason}")
        # Before the commit: a partition without a spec is passed over, a spec without one would be forgotten.
        if study.to_judge:
            context.instance.add_dynamic_partitions(str(spec_names.name), list(study.to_judge))
    document = found.document()
    return dg.MaterializeResult(
        metadata={
            "dagster/partition_row_count": len(found.rules),
            "status": found.status,
            "extractor": found.extractor,
            "spec": study.spec_name or "none",
            "variants": dg.MetadataValue.json(list(study.variant_names)),
            "to_be_backtested": dg.MetadataValue.json(list(study.to_judge)),
            "reason": found.reason,
            "rules": dg.MetadataValue.json(document["rules"]),
            "refused": dg.MetadataValue.json(document["refused"]),
            "flags": dg.MetadataValue.json(document["flags"]),
        }
    )
