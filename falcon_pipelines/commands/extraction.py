"""`falcon extract`: from a transcript to a strategy spec with its evidence."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from falcon_pipelines.commands.console import Json, out, print_json

if TYPE_CHECKING:
    from falcon_pipelines.strategies.extraction import ExtractionResult


def extract(
    source: Annotated[str, typer.Argument(help="A transcript file (.json3 .vtt .srt .txt).")],
    json: Json = False,
) -> None:
    """Read a strategy out of a talk: every rule with its words, and what was refused."""
    from falcon_pipelines.strategies.extraction import extract_by_grammar
    from falcon_pipelines.strategies.transcripts import read_transcript

    result = extract_by_grammar(read_transcript(Path(source)))
    if json:
        print_json(result.document())
    else:
        _show(result)


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
        ("Readings", [f"{v.field} = {v.value}" for v in result.variants]),
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
