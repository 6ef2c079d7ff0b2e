"""The operator's command: what is typed wrongly is told in one line that says what to do, and touches nothing."""

from pathlib import Path

import pytest

from infra.command import main
from tests.infra.test_site import GOOD

VERBS = [
    "setup",
    "deploy",
    "secrets",
    "start",
    "stop",
    "restart",
    "status",
    "logs",
    "backup",
    "restore",
    "rollback",
    "doctor",
]


Captured = pytest.CaptureFixture[str]


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A site file of nodes nobody reaches."""
    path = tmp_path / "site.toml"
    path.write_text(GOOD)
    monkeypatch.setenv("FALCON_SITE", str(path))
    monkeypatch.setenv("FALCON_SITE_STATE", str(tmp_path / "state"))
    return path


def test_without_arguments_every_verb_is_named(capsys: Captured) -> None:
    assert main([]) == 0
    said = capsys.readouterr().out
    assert [verb for verb in VERBS if verb not in said] == []


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (["set-up"], 2, "set-up"),
        (["setup", "nowhere"], 1, "known are all,"),
        (["setup", "web", "db"], 2, "unexpected"),
        (["status", "--quick"], 2, "--quick"),
        (["logs", "--lines", "0"], 2, "--lines"),
        (["restore"], 2, "--to"),
        (["restore", "--to", "yesterday"], 1, "yesterday: no time"),
        (["restore", "--to", "2026-11-23T09:30:00"], 1, "say the zone"),
        (["restore", "--to", "latest", "web"], 1, "web: backups are of the database alone"),
        (["backup", "compute"], 1, "compute: backups are of the database alone"),
        (["secrets", "--rotate", "everything"], 1, "everything: no secret of that name"),
    ],
)
def test_wrong_arguments_are_one_line_with_what_to_do(
    site: Path, capsys: Captured, arguments: list[str], code: int, word: str
) -> None:
    assert main(arguments) == code
    said = capsys.readouterr()
    assert said.out == ""
    assert len(said.err.splitlines()) == 1, said.err
    assert said.err.startswith("deploy: ")
    assert word in said.err


@pytest.mark.parametrize(
    ("text", "word"), [("[site", "site.toml"), ('[site]\nname = "x"\n', "operators"), (None, "FALCON_SITE")]
)
def test_a_site_file_that_cannot_be_used_is_one_line(
    site: Path, capsys: Captured, text: str | None, word: str
) -> None:
    if text is None:
        site.unlink()
    else:
        site.write_text(text)
    assert main(["status"]) == 1
    said = capsys.readouterr().err
    assert len(said.splitlines()) == 1, said
    assert word in said
