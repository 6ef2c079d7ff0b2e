"""Kills a writer of the bar store with SIGKILL at every step it takes on disk, and looks at what is left.

Run as a script: `kill_points.py FOLDER DATABASE_URL POINTS`. Prints one JSON document: the points, what went wrong.
This process only forks; the library's threads live and die in the children.
"""

import json
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import func, select, text

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.actions import CorporateAction, actions_table
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import ManifestEntry
from tests.bars.market import MONDAY, TUESDAY, line, write_lines

OLD, NEW = 10.0, 11.0


def published(folder: Path, close: float) -> DirectorySource:
    for session in (MONDAY, TUESDAY):
        write_lines(
            folder, session, [line("A", session, close=close), line("BAD", session, high=close / 100)]
        )
    return DirectorySource(folder)


def write(root: Path, source: DirectorySource, url: str) -> None:
    """Everything a writer does: sessions with quarantine, corporate actions, the derived tier."""
    store = BarStore(root, database_engine(url))
    list(ingest_range(source, store, "day", MONDAY, TUESDAY))
    store.add_actions(actions_table([CorporateAction("A", "split", TUESDAY, ratio=2)]), "csv", "1")
    store.build_history("day")


def step_counter(at: int | None) -> Callable[[], int]:
    """Counts what this process does to files and the database from now on; dies at step `at`."""
    steps = 0

    def step() -> None:
        nonlocal steps
        steps += 1
        if steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    def audit(event: str, arguments: tuple[object, ...]) -> None:
        writing = (
            event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR)
        )
        if writing or event in (
            "os.rename",
            "os.mkdir",
            "os.remove",
            "os.rmdir",
            "os.truncate",
            "fcntl.flock",
        ):
            step()

    def counted(original: Callable[..., object]) -> Callable[..., object]:
        def call(*arguments: object) -> object:
            step()
            result = original(*arguments)
            step()
            return result

        return call

    sys.addaudithook(audit)
    os.fsync = counted(os.fsync)  # type: ignore[assignment]
    os.write = counted(os.write)  # type: ignore[assignment]
    return lambda: steps


def in_child(work: Callable[[], object]) -> tuple[int, str]:
    """Exit status of a forked child doing `work`, and what it reported."""
    read, write_end = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        try:
            os.write(write_end, str(work()).encode())
            os._exit(0)
        except Exception:  # noqa: BLE001 - the parent reports it
            os.write(write_end, traceback.format_exc().encode())
            os._exit(1)
    os.close(write_end)
    with os.fdopen(read) as pipe:
        report = pipe.read()
    return os.waitpid(pid, 0)[1], report


def reset_database(url: str) -> None:
    engine = database_engine(url)
    with transaction(engine) as session:
        session.execute(text("TRUNCATE manifest"))
    engine.dispose()


def check(root: Path, source: DirectorySource, url: str, base_version: str) -> None:
    """After a kill: readers see each session whole, old or new; the next run finishes and leaves nothing behind."""
    reader = BarStore(root)
    for session in (MONDAY, TUESDAY):
        seen = reader.cross_section(session)
        assert seen["close"].to_list() in ([OLD], [NEW]), seen
        assert reader.quarantined(session).height == 1
        assert reader.cross_section(session, base_version)["close"].to_list() == [OLD]
    reader.panel(["A"], MONDAY, TUESDAY, adjust="all", as_of=TUESDAY)
    write(root, source, url)
    adjusted = BarStore(root).history("A", MONDAY, TUESDAY, "splits", TUESDAY)["close"].to_list()
    assert adjusted == [NEW / 2, NEW], adjusted
    engine = database_engine(url)
    with transaction(engine) as session:
        logged = session.scalar(select(func.count()).select_from(ManifestEntry))
    log = BarStore(root).log()
    assert logged == len(log.entries) == 5, (logged, len(log.entries))
    named = {root / entry.path for entry in log.entries}
    assert all(path.is_file() for path in named)
    left = [path for path in (root / "tmp").iterdir() if path.name != ".lock"]
    assert not left, left


def main(folder: Path, url: str, most: int) -> None:
    calendar.first_session()
    old, new = published(folder / "old", OLD), published(folder / "new", NEW)
    base = folder / "base"

    def make_base() -> str:
        store = BarStore(base, database_engine(url))
        list(ingest_range(old, store, "day", MONDAY, TUESDAY))
        store.build_history("day")
        return store.current_version()

    status, base_version = in_child(make_base)
    assert status == 0, base_version

    def attempt(name: str, at: int | None) -> tuple[int, str, Path]:
        root = folder / name
        shutil.copytree(base, root)
        reset_database(url)

        def killed() -> int:
            BarStore(root, database_engine(url))
            steps = step_counter(at)
            write(root, new, url)
            return steps()

        return *in_child(killed), root

    status, report, _ = attempt("whole", None)
    assert status == 0, report
    total = int(report)
    points = sorted({1 + (total - 1) * n // (most - 1) for n in range(most)})
    wrong = []
    for at in points:
        status, report, root = attempt(f"killed_{at}", at)
        if not os.WIFSIGNALED(status):
            wrong.append(f"step {at}: not killed: {report}")
            continue
        status, report = in_child(lambda root=root: check(root, new, url, base_version))  # type: ignore[misc]
        if status != 0:
            wrong.append(f"step {at}: {report}")
    json.dump({"steps": total, "points": len(points), "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
