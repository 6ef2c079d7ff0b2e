"""`falcon check` and `falcon status` say what is wrong and exit with 1."""

from pathlib import Path

import pytest

from tests.commandline import falcon


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FALCON_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("FALCON_DATABASE_URL", raising=False)
    return tmp_path


def test_check_is_well_with_a_folder_of_flat_files(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / "flat").mkdir()
    monkeypatch.setenv("FALCON_SOURCE", "directory")
    monkeypatch.setenv("FALCON_FLATFILES_DIR", str(home / "flat"))
    assert falcon(monkeypatch, capsys, "check", "--json").code == 0


def test_check_names_what_is_missing_and_keeps_secrets(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALCON_DATABASE_URL", "postgresql+psycopg2://falcon:hunter2@127.0.0.1:9/falcon")
    outcome = falcon(monkeypatch, capsys, "check")
    assert outcome.code == 1
    assert "FALCON_S3_ACCESS_KEY" in outcome.out
    assert "FALCON_DATABASE_URL right?" in " ".join(outcome.out.split())
    assert "hunter2" not in outcome.out + outcome.err


def test_status_without_services_says_how_to_start_them(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FALCON_DASHBOARD_PORT", "9")
    monkeypatch.setenv("FALCON_DAGSTER_PORT", "9")
    outcome = falcon(monkeypatch, capsys, "status", "--json")
    assert outcome.code == 1
    assert "falcon up" in outcome.out
