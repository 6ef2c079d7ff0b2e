"""The map of everything Dagster knows loads, is complete, and says what each thing is."""

import os
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster_postgres.event_log import PostgresEventLogStorage

from falcon_pipelines.definitions import defs
from tests.conftest import ROOT

ASSETS = sorted(defs.resolve_asset_graph().get_all_asset_keys(), key=str)


@pytest.mark.parametrize(
    "command",
    [
        ("dagster", "definitions", "validate", "-w", "workspace.yaml"),
        ("dg", "check", "defs"),
    ],
    ids=" ".join,
)
def test_dagsters_own_checks_pass(command: tuple[str, ...], tmp_path: Path) -> None:
    tool = Path(sys.executable).parent / command[0]
    environment = {**os.environ, "DAGSTER_HOME": str(tmp_path), "FALCON_HOME": str(tmp_path)}
    done = subprocess.run(
        [str(tool), *command[1:]], cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("key", ASSETS, ids=lambda key: key.to_user_string())
def test_every_asset_says_what_it_is(key: dg.AssetKey) -> None:
    node = defs.resolve_asset_graph().get(key)
    assert node.group_name != "default"
    assert node.description
    assert node.owners
    assert node.kinds
    assert node.code_version
    assert "dagster/column_schema" in node.metadata


def test_every_job_selects_assets_that_exist() -> None:
    for job in defs.resolve_all_job_defs():
        assert job.nodes, job.name


def test_instance_is_as_designed(dagster_instance: dg.DagsterInstance) -> None:
    assert not dagster_instance.telemetry_enabled
    assert type(dagster_instance.run_coordinator).__name__ == "QueuedRunCoordinator"
    assert isinstance(dagster_instance.event_log_storage, PostgresEventLogStorage)
    assert dagster_instance.run_monitoring_enabled
    assert dagster_instance.run_monitoring_max_runtime_seconds == 14400
    assert dagster_instance.get_concurrency_config().pool_config.default_pool_limit == 1
