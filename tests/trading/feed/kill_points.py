"""Kills the feed's writer with SIGKILL at every step it takes on disk and in the database, and looks at what is left.

Run as a script: `kill_points.py FOLDER DATABASE_URL POINTS`. Prints one JSON document: the points, what went wrong.
The work is a day of a live feed: batches with corrections, segments in between, the session's file, retention.
"""

import json
import os
import sys
import tempfile
from datetime import timedelta
from pathlib import Path

from sqlalchemy import Engine, text
from sqlalchemy.event import listen

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.retention import limit, retire
from falcon_pipelines.trading.feed.segments import LiveKeeper
from falcon_pipelines.trading.feed.table import newest_sequence, save_cursors, write_bars
from tests.bars.kill_points import in_child, step_counter
from tests.trading.feed.running import MONDAY, bar, rows

_SCRATCH = os.open(tempfile.gettempdir(), os.O_RDONLY)
"""Something to sync, which the step counter counts."""
LAST_WEEK = MONDAY - timedelta(days=7)


def batches() -> list[list[MinuteBar]]:
    """Three batches of last week, then three of the day, with doubled and corrected bars."""
    today = [[bar(ticker, minute, 50 + minute) for ticker in ("A", "B", "C")] for minute in range(3)]
    today[1].append(bar("A", 0, 77.0))
    today[2] += today[0]
    old = [[item._replace(time=item.time - 7 * 86_400) for item in batch] for batch in today]
    return old + today


def expected() -> list[tuple[str, int, float]]:
    """Ticker, minute and open of each session's file."""
    return sorted(
        (ticker, minute, 77.0 if (ticker, minute) == ("A", 0) else 50.0 + minute)
        for ticker in ("A", "B", "C")
        for minute in range(3)
    )


def work(root: Path, url: str) -> None:
    """All of it; what was done before is redelivered, as a source does after a restart."""
    engine = database_engine(url)
    keeper = LiveKeeper(BarStore(root, engine), engine, "massive", "sip")
    for batch in batches():
        with transaction(engine) as session:
            write_bars(session, batch, "massive", "sip")
        with transaction(engine) as session:
            save_cursors(session, "massive", {item.ticker: item.time for item in batch})
        keeper.write_segments()
    for day in keeper.due(calendar.session_open_close(MONDAY)[1] + timedelta(hours=1)):
        keeper.compact(day)
    unkept = keeper.first_unkept()
    assert unkept is None, unkept
    with transaction(engine) as session:
        retire(session, "massive", limit(MONDAY, 2, unkept, newest_sequence(session)))
    engine.dispose()


def check(root: Path, url: str) -> None:
    """After a kill: whatever is visible is whole; the next run finishes, and what it leaves is as if never killed."""
    store = BarStore(root)
    for day in store.sessions("minute"):
        assert found(store, day) == expected(), found(store, day)
    work(root, url)
    for day in (LAST_WEEK, MONDAY):
        assert found(store, day) == expected(), (day, found(store, day))
    engine = database_engine(url)
    left = rows(engine)
    assert [(row[0], row[1], row[2]) for row in sorted(left)] == sorted(
        [(ticker, minute, 0) for ticker in ("A", "B", "C") for minute in range(3)] + [("A", 0, 1)]
    ), left
    engine.dispose()
    assert not list((root / "live").rglob("*.parquet"))
    assert [path.name for path in (root / "tmp").iterdir()] == [".lock"]


def found(store: BarStore, day: object) -> list[tuple[str, int, float]]:
    table = store.cross_section(day, frequency="minute")  # type: ignore[arg-type]
    opens = calendar.session_open_close(day)[0]  # type: ignore[arg-type]
    return [
        (ticker, int((at - opens).total_seconds()) // 60, open_)
        for ticker, at, open_ in table.select("ticker", "timestamp", "open").iter_rows()
    ]


def _step_around(*_: object) -> None:
    """A statement or a commit is two steps: one may die before or after."""
    for _ in range(2):
        os.fsync(_SCRATCH)


def main(folder: Path, url: str, most: int) -> None:
    calendar.first_session()

    def reset() -> None:
        engine = database_engine(url)
        with transaction(engine) as session:
            session.execute(
                text("TRUNCATE live_bars, live_sessions, feed_symbols, manifest RESTART IDENTITY")
            )
        engine.dispose()

    def attempt(name: str, at: int | None) -> tuple[int, str, Path]:
        root = folder / name
        assert in_child(reset)[0] == 0

        def killed() -> int:
            steps = step_counter(at)
            listen(Engine, "before_cursor_execute", _step_around)
            listen(Engine, "commit", _step_around)
            work(root, url)
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
        status, report = in_child(lambda root=root: check(root, url))  # type: ignore[misc]
        if status != 0:
            wrong.append(f"step {at}: {report}")
    json.dump({"steps": total, "points": len(points), "wrong": wrong}, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
