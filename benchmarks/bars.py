"""Speed and memory of the bar store against pandas and files by date; prints one table.

    python -m benchmarks.bars [FOLDER]

FOLDER keeps the seeded data between runs (about 1 GB; default: a temporary folder).
"""

import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks import bars_data
from benchmarks.measure import Measurement, in_turns
from falcon_pipelines.db.embedded import embedded_postgres
from falcon_pipelines.db.migrate import upgrade

_TASKS = "benchmarks.bars_tasks:"


@dataclass(frozen=True)
class Row:
    """One comparison: at least `target` times as fast as `other`; `bounds` is what physics asks, by name in seconds."""

    what: str
    ours: Measurement
    other: Measurement | None
    target: float | None
    bounds: tuple[tuple[str, float], ...] = ()
    target_memory: float | None = None
    target_seconds: float | None = None

    @property
    def ratio(self) -> float | None:
        return None if self.other is None else self.other.seconds / self.ours.seconds

    @property
    def memory_ratio(self) -> float | None:
        return None if self.other is None else self.ours.peak_mb / self.other.peak_mb

    @property
    def reached(self) -> bool:
        return (
            (self.target is None or (self.ratio or 0) >= self.target)
            and (self.target_memory is None or (self.memory_ratio or 9) <= self.target_memory)
            and (self.target_seconds is None or self.ours.seconds <= self.target_seconds)
        )


def run(folder: Path) -> list[Row]:
    """All comparisons of bars; makes the data first where it is missing."""
    rows = [minute_day(folder)]
    with embedded_postgres(folder) as server:
        url = server.url("falcon")
        upgrade(url)
        flat, root, by_date = (str(path) for path in bars_data.day_store(folder, url))
        names = bars_data.names(10_500)
        one, many = names[5_000], ",".join(names[::21])
        day = "2025-06-10"
        rows += [
            _compare("one ticker, 5 years", "history", (root, one), (by_date, one), 150),
            _compare("500 tickers × 5 years of closes", "history", (root, many), (by_date, many), 30),
            _compare("one day's cross-section", "cross_section", (root, day), (by_date, day), 1),
        ]
        again, unchanged_bound = in_turns(
            [(f"{_TASKS}unchanged_session", root, flat, url, day), (f"{_TASKS}read_flat_file", flat, day)]
        )
        rows.append(
            Row(
                "an unchanged session again",
                again,
                None,
                None,
                bounds=(("read its file", unchanged_bound.seconds),),
                target_seconds=0.05,
            )
        )
    return rows


def minute_day(folder: Path) -> Row:
    """csv.gz to checked Parquet, one minute day of 1.85 million rows."""
    path = bars_data.minute_day(folder)
    arguments = str(path), str(bars_data.MINUTE_DAY)
    ours, other, unzipping, writing = in_turns(
        [
            (f"{_TASKS}falcon_minute_day", *arguments),
            (f"{_TASKS}pandas_minute_day", *arguments),
            (f"{_TASKS}gunzip", str(path)),
            (f"{_TASKS}write_and_sync", str(path)),
        ],
        repeat=5,
    )
    return Row(
        "csv.gz to checked Parquet, one minute day",
        ours,
        other,
        1.5,
        bounds=(("gunzip", unzipping.seconds), ("write+fsync", writing.seconds)),
        target_memory=0.75,
    )


def _compare(what: str, task: str, ours: tuple[str, str], other: tuple[str, str], target: float) -> Row:
    falcon, pandas, bound = in_turns(
        [
            (f"{_TASKS}falcon_{task}", *ours),
            (f"{_TASKS}pandas_{task}", *other),
            (f"{_TASKS}read_{task}", *ours),
        ]
    )
    return Row(what, falcon, pandas, target, bounds=(("read its bytes", bound.seconds),))


def main() -> None:
    """Prints the table; exits 1 when a target is missed."""
    with tempfile.TemporaryDirectory() as temporary:
        rows = run(Path(sys.argv[1] if len(sys.argv) > 1 else temporary).resolve())
    table = Table("What", title="Bars: Falcon against pandas, medians, in turns, each run in a fresh process")
    for name in (
        "Falcon s",
        "pandas s",
        "ratio",
        "must be",
        "CPU s",
        "pandas CPU s",
        "MB",
        "pandas MB",
        "memory",
        "bound s",
        "reached",
    ):
        table.add_column(name, justify="right")
    for row in rows:
        must = f"≥ {row.target:g}" if row.target else f"< {row.target_seconds:g} s"
        table.add_row(
            row.what,
            f"{row.ours.seconds:.3f}",
            f"{row.other.seconds:.3f}" if row.other else "—",
            f"{row.ratio:.1f}" if row.ratio else "—",
            must,
            f"{row.ours.cpu_seconds:.3f}",
            f"{row.other.cpu_seconds:.3f}" if row.other else "—",
            f"{row.ours.peak_mb:.0f}",
            f"{row.other.peak_mb:.0f}" if row.other else "—",
            f"{row.memory_ratio:.2f}" if row.memory_ratio else "—",
            " + ".join(f"{name} {seconds:.3f}" for name, seconds in row.bounds),
            "yes" if row.reached else "NO",
        )
    Console(width=190).print(table)
    sys.exit(0 if all(row.reached for row in rows) else 1)


if __name__ == "__main__":
    main()
