"""Several processes ingest the same sessions at once."""

import json
import subprocess
import sys
from pathlib import Path

from falcon_pipelines.bars.housekeeping import verify
from falcon_pipelines.bars.store import BarStore
from tests.bars.market import MONDAY, TUESDAY, line, write_lines

CHECKOUT = Path(__file__).resolve().parents[2]
WRITER = """
import json, sys
from datetime import date
from pathlib import Path
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import database_engine

source, root, url, first, last = sys.argv[1:]
store = BarStore(Path(root), database_engine(url))
sys.stdin.readline()
done = list(
    ingest_range(DirectorySource(Path(source)), store, "day", date.fromisoformat(first), date.fromisoformat(last))
)
store.build_history("day")
print(json.dumps([[str(item.session), item.revision] for item in done]))
"""


def test_processes_that_ingest_the_same_sessions_at_once_store_each_once(
    tmp_path: Path, database_url: str, store: BarStore
) -> None:
    for session in (MONDAY, TUESDAY):
        write_lines(tmp_path / "in", session, [line(f"T{n:04}", session) for n in range(2000)])
    command = [
        sys.executable, "-c", WRITER, str(tmp_path / "in"), str(store.root), database_url, str(MONDAY), str(TUESDAY)
    ]  # fmt: skip
    writers = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=CHECKOUT)
        for _ in range(2)
    ]
    answers = []
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        out, _ = writer.communicate(timeout=120)
        assert writer.returncode == 0
        answers.append(json.loads(out))
    assert answers == [[[str(MONDAY), 1], [str(TUESDAY), 1]]] * 2
    assert [entry.seq for entry in store.log().entries] == [1, 2]
    assert verify(store) == ()
    assert store.history("T0007", MONDAY, TUESDAY).height == 2
    assert not [path for path in (store.root / "tmp").iterdir() if path.name != ".lock"]
