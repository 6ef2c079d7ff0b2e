import json
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize("points", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_a_writer_killed_at_any_step_leaves_whole_sessions_and_a_store_that_works(
    tmp_path: Path, database_url: str, points: int
) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bars.kill_points", str(tmp_path), database_url, str(points)],
        capture_output=True,
        text=True,
        cwd=CHECKOUT,
    )
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert report["wrong"] == []
    assert report["points"] == points
