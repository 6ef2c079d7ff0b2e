"""`falcon extract` and `falcon eval extract`: from a talk to a strategy spec, and how well that works."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, out, print_json
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.llm.client import LlmClient
    from falcon_pipelines.strategies.extraction import ExtractionResult
    from falcon_pipelines.strategies.extraction.evaluation import Evaluation, Score
    from falcon_pipelines.strategies.transcripts import Transcript

eval_app = typer.Typer(help="Measure Falcon against answers known beforehand.", no_args_is_help=True)

ByModel = Annotated[
    bool,
    typer.Option(
        "--llm/--grammar", help="Read by the configured language models, or by the grammar (default)."
    ),
]


Source = Annotated[
    str, typer.Argument(help="The https address of a YouTube video, or a file (.json3 .vtt .srt .txt).")
]
Reading = Annotated[
    int | None, typer.Option(min=1, help="Take this one of the readings of an open rule, counted from 1.")
]
Overlays = Annotated[
    list[str] | None,
    typer.Option(
        "--overlay",
        metavar="NAME|PLACE=VALUE",
        help="Assume something that is not said, such as after_20_bars or exit.stop.percent=5; may be repeated.",
        show_default=False,
    ),
]


class NoSuchReading(InputError):
    """A reading or an overlay was chosen that the talk does not leave open."""


class NoLanguageModel(InputError):
    """A language model was asked for and none is configured."""


def extract(
    source: Source,
    llm: ByModel = False,
    reading: Reading = None,
    overlay: Overlays = None,
    save: Annotated[Path | None, typer.Option(help="Write the spec to this file, as YAML.")] = None,
    json: Json = False,
) -> None:
    """Read a strategy out of a talk: every rule with its words, and what was refused."""
    result = chosen(extracted(source, llm=llm), reading, overlay)
    if save is not None:
        _save(result, save)
    if json:
        print_json(result.document())
    else:
        _show(result)


def extracted(source: str, *, llm: bool) -> "ExtractionResult":
    """What the grammar, or the configured models, make of the talk at an address or in a file."""
    from falcon_pipelines.strategies.extraction import extract_by_grammar, extract_by_model

    if llm:
        with _language_model() as client:
            return extract_by_model(_transcript(source), client)
    return extract_by_grammar(_transcript(source))


def chosen(
    result: "ExtractionResult", reading: int | None, overlays: Sequence[str] | None
) -> "ExtractionResult":
    """The result with one reading taken and overlays laid over it; everything chosen is marked as assumed.

    Raises NoSuchReading, UnknownOverlay, StatedByTheSpeaker.
    """
    from falcon_pipelines.strategies.extraction.assembly import assumptions
    from falcon_pipelines.strategies.extraction.overlays import exits_to_lay_over, has_exit, lay_over

    if reading is None and not overlays:
        return result
    spec, offered, reasons = result.spec, result.overlays, []
    if reading is not None:
        if reading > len(result.variants):
            raise NoSuchReading(
                f"--reading {reading}: the talk leaves {len(result.variants)} readings open; see `variants`"
            )
        variant = result.variants[reading - 1]
        spec, offered = variant.spec, exits_to_lay_over(variant.spec)
        reasons.append(f"{variant.field} read as {variant.value}")
    if spec is None:
        raise NoSuchReading(f"there is no strategy to lay anything over: {result.reason}; see --reading")
    if overlays:
        spec = lay_over(spec, offered, overlays)
        reasons.append(f"assumed by choice: {', '.join(overlays)}")
    complete = has_exit(spec) and (reading is not None or not result.must_choose)
    return replace(
        result,
        status="runnable" if complete else "needs_overlay",
        reason="; ".join(reasons if complete else [*reasons, result.reason]),
        spec=spec,
        overlays=exits_to_lay_over(spec),
        assumptions=tuple(assumptions(spec)),
    )


def _save(result: "ExtractionResult", path: Path) -> None:
    from falcon_pipelines.strategies.spec import dump_yaml

    if result.spec is None:
        raise NoSuchReading(f"there is no spec to save: {result.reason}")
    try:
        path.write_text(dump_yaml(result.spec), encoding="utf-8")
    except OSError as error:
        raise InputError(f"--save {path}: cannot be written: {error.strerror}") from None


@eval_app.command("extract")
def evaluate_extraction(
    half: Annotated[
        Literal["evaluation", "tuning"], typer.Option(help="Which half of the labelled talks.")
    ] = "evaluation",
    llm: ByModel = False,
    json: Json = False,
) -> None:
    """Precision and recall of the rules found in labelled talks, per phrase family."""
    from falcon_pipelines.strategies.extraction import find_by_grammar, language_model
    from falcon_pipelines.strategies.extraction.evaluation import evaluate, labelled_talks

    talks = labelled_talks(half)
    if llm:
        with _language_model() as client:
            evaluation = evaluate(lambda transcript: language_model.extract(transcript, client), talks)
    else:
        evaluation = evaluate(find_by_grammar, talks)
    if json:
        print_json(
            {
                "extractor": "llm" if llm else "grammar",
                "half": half,
                "talks": evaluation.talks,
                "families": [_score(score) for score in evaluation.scores],
                "total": _score(evaluation.total),
            }
        )
    else:
        _show_evaluation(evaluation, half)


def _transcript(source: str) -> "Transcript":
    from falcon_pipelines.strategies.transcripts import read_transcript

    if "://" not in source:
        return read_transcript(Path(source))
    from falcon_pipelines.strategies.videos.youtube import YouTubeSource

    return YouTubeSource().fetch(source)


@contextmanager
def _language_model() -> "Iterator[LlmClient]":
    """The configured chain of providers, its calls kept in the application database."""
    settings = settings_module.load()
    if not settings.llm_providers:
        raise NoLanguageModel("no language model is configured; set FALCON_LLM_PROVIDERS, or use --grammar")
    from falcon_pipelines.llm.client import Budget, LlmClient
    from falcon_pipelines.llm.store import PostgresStore
    from falcon_pipelines.local.stack import application_engine

    with application_engine(settings) as engine:
        budget = Budget(settings.llm_run_budget_usd, settings.llm_monthly_budget_usd)
        yield LlmClient(settings.llm_providers, PostgresStore(engine), budget, settings.llm_deadline_seconds)


def _score(score: "Score") -> dict[str, object]:
    return {
        "family": score.family,
        "correct": score.correct,
        "wrong": score.wrong,
        "missed": score.missed,
        "precision": score.precision,
        "recall": score.recall,
    }


def _show_evaluation(evaluation: "Evaluation", half: str) -> None:
    table = Table("family", title=f"{evaluation.talks} talks of the {half} half", box=None, pad_edge=False)
    for title in ("correct", "wrong", "missed", "precision", "recall"):
        table.add_column(title, justify="right")
    for score in (*evaluation.scores, evaluation.total):
        shares = ["-" if share is None else f"{share:.3f}" for share in (score.precision, score.recall)]
        table.add_row(score.family, str(score.correct), str(score.wrong), str(score.missed), *shares)
    out.print(table)


def clock(seconds: float | None) -> str:
    """A moment of a talk as `12:05` or `2:30:00`; a dash where it is not known."""
    if seconds is None:
        return "-"
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _show(result: "ExtractionResult") -> None:
    from falcon_pipelines.strategies.spec import dump_yaml

    out.print(Text(f"{result.status}: {result.reason}"), soft_wrap=True)
    if result.rules:
        table = Table("field", "state", "value", "at", "words", box=None, pad_edge=False)
        for rule in result.rules:
            value = "" if rule.value is None else str(rule.value)
            at = clock(rule.evidence.start_seconds) if rule.evidence else ""
            quote = rule.evidence.quote if rule.evidence else ""
            table.add_row(*(Text(cell) for cell in (rule.field, rule.state, value, at, quote)))
        out.print(table)
    for title, lines in (
        ("Assumed", [f"{a.field} = {a.value}: {a.why}" for a in result.assumptions]),
        ("To lay over it, with --overlay", [f"{o.name}: {o.field} = {o.value}" for o in result.overlays]),
        (
            "Readings, with --reading",
            [f"{number}. {v.field} = {v.value}" for number, v in enumerate(result.variants, start=1)],
        ),
        ("Claimed", [f"{clock(c.evidence.start_seconds)} {c.text}" for c in result.claims]),
        ("Refused", [f"{r.what}: {r.why}" for r in result.refused]),
        ("Flagged", [f"{f.kind}: {f.evidence.quote}" for f in result.flags]),
    ):
        if lines:
            out.print(Text(f"\n{title}"))
            for line in lines:
                out.print(Text(f"  {line}"), soft_wrap=True)
    if result.spec is not None:
        out.print(Text(f"\n{dump_yaml(result.spec)}"), soft_wrap=True)
