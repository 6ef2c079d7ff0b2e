"""Settings come from the environment, then falcon.env, then defaults; a wrong one is named."""

from pathlib import Path

import pytest

from falcon_pipelines import settings


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FALCON_HOME", str(tmp_path))
    monkeypatch.delenv("FALCON_DATABASE_URL", raising=False)
    return tmp_path


def test_the_environment_wins_over_the_file_over_the_default(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "falcon.env").write_text("FALCON_S3_BUCKET=from-file\nFALCON_DAGSTER_PORT=3456\n")
    monkeypatch.setenv("FALCON_S3_BUCKET", "from-environment")
    loaded = settings.load()
    assert (loaded.s3_bucket, loaded.dagster_port, loaded.dashboard_port) == ("from-environment", 3456, 8000)
    assert settings.origin("s3_bucket", home) == "environment"
    assert settings.origin("dagster_port", home) == str(home / "falcon.env")
    assert settings.origin("dashboard_port", home) == "default"


def test_a_wrong_value_is_one_line_naming_the_variable(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCON_DAGSTER_PORT", "ninety")
    with pytest.raises(settings.InvalidSettings, match=r"^FALCON_DAGSTER_PORT: .*integer.*$"):
        settings.load()


def test_secrets_do_not_show_when_printed(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FALCON_S3_SECRET_KEY", "hunter2")
    monkeypatch.setenv("FALCON_DATABASE_URL", "postgresql+psycopg2://falcon:hunter2@db/falcon")
    assert "hunter2" not in repr(settings.load())
    assert "hunter2" not in str(settings.load())
