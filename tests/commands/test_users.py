"""`falcon user`: users are made and changed from the shell, and no password is ever an argument or printed."""

import io
import json
import sys
from pathlib import Path

import pytest

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.users import password_is_right, users
from tests.commandline import Outcome, falcon

PASSWORD = "correct horse battery"


@pytest.fixture(autouse=True)
def database(database_url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> str:
    """The commands work on this test's database."""
    monkeypatch.setenv("FALCON_DATABASE_URL", database_url)
    monkeypatch.setenv("FALCON_HOME", str(tmp_path))
    return database_url


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):  # type: ignore[no-untyped-def]
    """Runs `falcon user ...` with a password on stdin."""

    def run_(*arguments: str, typed: str = PASSWORD + "\n") -> Outcome:
        monkeypatch.setattr(sys, "stdin", io.StringIO(typed))
        return falcon(monkeypatch, capsys, "user", *arguments)

    return run_


def test_a_user_is_made_changed_and_listed(run, database: str) -> None:  # type: ignore[no-untyped-def]
    assert run("add", "ann", "--role", "operator").code == 0
    assert run("password", "ann", typed="another good password\n").code == 0
    assert run("role", "ann", "viewer").code == 0
    assert run("disable", "ann").code == 0
    listed = json.loads(run("list", "--json").out)["users"]
    assert [(u["name"], u["role"], u["may_log_in"]) for u in listed] == [("ann", "viewer", False)]
    assert run("enable", "ann").code == 0
    shown = run("list")
    assert "ann" in shown.out
    with transaction(database_engine(database)) as session:
        (ann,) = users(session)
        assert ann.password_hash.startswith("$argon2id$")
        assert password_is_right(ann.password_hash, "another good password")
        assert ann.epoch == 4, "each change ends the sessions there are"


@pytest.mark.parametrize(
    ("arguments", "typed", "says"),
    [
        (("add", "Ann Smith", "--role", "viewer"), PASSWORD, "cannot be a user's name"),
        (("add", "ann", "--role", "viewer"), "short\n", "12 to 256 characters"),
        (("add", "ann", "--role", "viewer"), "aaaaaaaaaaaaaaaa\n", "repeats the same"),
        (("add", "annamaria", "--role", "viewer"), "annamaria123\n", "little more than the name"),
        (("add", "ann", "--role", "viewer"), "", "no password on stdin"),
        (("password", "nobody"), PASSWORD, "there is no user nobody"),
        (("disable", "nobody"), "", "there is no user nobody"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(
    run, arguments: tuple[str, ...], typed: str, says: str
) -> None:  # type: ignore[no-untyped-def]
    outcome = run(*arguments, typed=typed)
    assert outcome.code == 2
    assert says in " ".join(outcome.err.split())
    assert "Traceback" not in outcome.err
    assert not typed.strip() or typed.strip() not in outcome.err


def test_a_name_is_taken_once(run) -> None:  # type: ignore[no-untyped-def]
    run("add", "ann", "--role", "viewer")
    again = run("add", "ann", "--role", "operator")
    assert again.code == 2
    assert "falcon user password ann" in " ".join(again.err.split())
