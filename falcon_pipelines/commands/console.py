"""How every command speaks: one JSON document or a table on stdout, one clear line on stderr when it fails."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.console import Console

from falcon_pipelines.json_types import plain

out = Console()
err = Console(stderr=True)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document on stdout.")]


def print_json(document: Mapping[str, Any]) -> None:
    """The command's whole result as one document on stdout."""
    sys.stdout.write(json.dumps(plain(document), indent=2, ensure_ascii=False, allow_nan=False) + "\n")


@contextmanager
def status(message: str, *, quiet: bool = False) -> Iterator[None]:
    """A spinner on stderr while something takes its time."""
    if quiet or not err.is_terminal:
        yield
        return
    with err.status(message):
        yield
