"""The rules that keep Falcon simple, each checked."""

import subprocess
import sys

import pytest


def modules_after(statement: str) -> set[str]:
    program = f"{statement}\nimport sys\nprint(' '.join(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_definitions_load_nothing_that_costs_seconds() -> None:
    assert not modules_after("import falcon_pipelines.definitions") & {"vectorbt", "openai", "numba"}


@pytest.mark.parametrize("heavy", ["dagster", "pandas", "numpy", "polars", "numba", "vectorbt"])
def test_the_dashboard_needs_no(heavy: str) -> None:
    assert heavy not in modules_after("import falcon_pipelines.dashboard.server")


def test_help_is_quick_to_load() -> None:
    assert not modules_after("import falcon_pipelines.cli") & {
        "dagster",
        "pandas",
        "polars",
        "numba",
        "vectorbt",
    }
