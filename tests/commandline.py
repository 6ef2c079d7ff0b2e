"""Runs the `falcon` command in this process, as a user would see it."""

import sys
from dataclasses import dataclass

import pytest

from falcon_pipelines.cli import main


@dataclass(frozen=True)
class Outcome:
    """What a command left on the terminal, and its exit code."""

    code: int
    out: str
    err: str


def falcon(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object
) -> Outcome:
    """The outcome of `falcon ARGUMENTS`."""
    monkeypatch.setattr(sys, "argv", ["falcon", *(str(argument) for argument in arguments)])
    capsys.readouterr()
    try:
        main()
        code = 0
    except SystemExit as stop:
        code = int(stop.code or 0)
    captured = capsys.readouterr()
    return Outcome(code, captured.out, captured.err)
