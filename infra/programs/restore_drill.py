#!/usr/bin/python3
"""Proves on the database node that the backups are good: restores them into a scratch cluster beside the real one.

Before, it asks the real database how many rows there are of what is only ever added to, and waits until the log up to
then is archived. The copy must start, have the same schema and at least those rows, balance, and be readable to the
last row. The result goes into the table `proofs`, and to /var/lib/falcon-backup/restore_drill.json; the copy is removed.
"""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

STANZA = "falcon"
SCRATCH = Path("/var/lib/postgresql/falcon-drill")
WORD = Path("/var/lib/falcon-backup/restore_drill.json")
ADDED_TO = ("manifest", "accounts", "orders", "fills", "postings", "requests", "notifications")
ARCHIVED_WITHIN_SECONDS = 120
REPLAYED_WITHIN_SECONDS = 3600
SETTINGS = f"""
listen_addresses = ''
unix_socket_directories = '{SCRATCH}'
hba_file = '{SCRATCH}/falcon-drill-hba.conf'
ident_file = '{SCRATCH}/falcon-drill-ident.conf'
hot_standby = off
ssl = off
shared_buffers = '64MB'
fsync = off
timezone = 'UTC'
"""


class DrillFailed(Exception):
    """What the drill found."""


def run(command: list[str]) -> str:
    """A command's output; raises DrillFailed with the line that says why."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if done.returncode != 0:
        lines = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        why = next(
            (line for line in lines if "ERROR" in line or "FATAL" in line),
            lines[-1] if lines else "no message",
        )
        raise DrillFailed(f"{Path(command[0]).name}: {why}")
    return done.stdout.strip()


def ask(statement: str, database: str = "falcon", *, copy: bool = False) -> str:
    """The one value of a query on the real cluster, or on the copy."""
    where = ["-h", str(SCRATCH)] if copy else []
    return run(["psql", "-XqAt", "-v", "ON_ERROR_STOP=1", *where, "-d", database, "-c", statement])


def tables(*, copy: bool = False) -> list[str]:
    """Names of all tables of the application database."""
    found = ask(
        "SELECT coalesce(string_agg(tablename, ' ' ORDER BY tablename), '') FROM pg_tables WHERE schemaname = 'public'",
        copy=copy,
    )
    return found.split()


def counted(names: Iterable[str], *, copy: bool = False) -> dict[str, int]:
    """Rows by table."""
    return {name: int(ask(f'SELECT count(*) FROM "{name}"', copy=copy)) for name in names}


def lacking(before: dict[str, int], restored: dict[str, int]) -> str:
    """In words, the tables of which the copy has fewer rows than the real database had before; empty when none."""
    short = [
        f"{name} has {restored.get(name, 0)} of {rows} rows"
        for name, rows in before.items()
        if restored.get(name, 0) < rows
    ]
    return "; ".join(short)


def wait_for_archive() -> None:
    """The log up to now is in the repository; raises DrillFailed when it does not get there."""
    wanted = ask("SELECT pg_walfile_name(pg_switch_wal())", "postgres")
    until = time.monotonic() + ARCHIVED_WITHIN_SECONDS
    while time.monotonic() < until:
        archived = ask("SELECT coalesce(last_archived_wal, '') FROM pg_stat_archiver", "postgres")
        # After a restore the timeline, the first eight digits, is higher; a name sorts as it was written.
        if archived >= wanted:
            return
        time.sleep(0.5)
    raise DrillFailed(
        f"the log is not archived: {wanted} did not reach the repository in {ARCHIVED_WITHIN_SECONDS} s"
    )


def require_space() -> None:
    """Twice the size of the databases must be free."""
    size = int(ask("SELECT sum(pg_database_size(oid)) FROM pg_database", "postgres"))
    free = shutil.disk_usage(SCRATCH.parent).free
    if free < 2 * size:
        raise DrillFailed(
            f"{free // 2**20} MB free, {2 * size // 2**20} MB needed for a copy of the databases"
        )


def start_copy(tools: Path) -> None:
    """Restore into the scratch folder and start a cluster that nobody else can reach."""
    SCRATCH.mkdir(0o700)
    run(["pgbackrest", f"--stanza={STANZA}", f"--pg1-path={SCRATCH}", "--archive-mode=off", "restore"])
    for name, content in (
        ("postgresql.conf", SETTINGS),
        ("falcon-drill-hba.conf", "local all postgres peer\n"),
        ("falcon-drill-ident.conf", ""),
    ):
        (SCRATCH / name).write_text(content)
    run(
        [
            str(tools / "pg_ctl"),
            "-D",
            str(SCRATCH),
            "-w",
            "-t",
            "3600",
            "-l",
            f"{SCRATCH}/falcon-drill.log",
            "start",
        ]
    )
    # pg_ctl is content with a cluster that still replays the log.
    until = time.monotonic() + REPLAYED_WITHIN_SECONDS
    while True:
        try:
            ask("SELECT 1", "postgres", copy=True)
        except DrillFailed:
            if time.monotonic() > until or not (SCRATCH / "postmaster.pid").exists():
                raise
            time.sleep(0.5)
        else:
            return


def remove_copy(tools: Path) -> None:
    """Whatever is left of this drill, or of one that was killed."""
    if (SCRATCH / "postmaster.pid").exists():
        subprocess.run(
            [str(tools / "pg_ctl"), "-D", str(SCRATCH), "-m", "immediate", "stop"],
            capture_output=True,
            check=False,
        )
    shutil.rmtree(SCRATCH, ignore_errors=True)


def drill(tools: Path) -> str:
    """What was proved, in words; raises DrillFailed."""
    require_space()
    present = tables()
    before = counted([name for name in ADDED_TO if name in present])
    wait_for_archive()
    start_copy(tools)
    if present != tables(copy=True):
        raise DrillFailed("the copy has other tables than the database")
    restored = counted(before, copy=True)
    missing = lacking(before, restored)
    if missing:
        raise DrillFailed(f"rows are missing: {missing}")
    if "postings" in present:
        unbalanced = ask(
            "SELECT count(*) FROM (SELECT FROM postings GROUP BY entry_id HAVING sum(amount) <> 0) AS entry",
            copy=True,
        )
        if unbalanced != "0":
            raise DrillFailed(f"{unbalanced} entries of the copy's ledger do not sum to zero")
    for database in ask(
        "SELECT string_agg(datname, ' ') FROM pg_database WHERE NOT datistemplate", "postgres", copy=True
    ).split():
        run(["pg_dump", "-h", str(SCRATCH), "--no-sync", "-f", "/dev/null", database])
    return f"{sum(restored.values())} rows of {len(restored)} tables, every row of all databases readable"


def record(ok: bool, detail: str, seconds: float) -> None:
    """Tell the real database, where it has the table, and leave a file for the operator's status."""
    now = datetime.now(UTC).isoformat(timespec="seconds")
    before = json.loads(WORD.read_text()) if WORD.exists() else {}
    word = {
        "name": "restore_drill",
        "ok": ok,
        "detail": detail[:300],
        "seconds": round(seconds, 1),
        "at": now,
        "last_good_at": now if ok else before.get("last_good_at"),
    }
    part = WORD.with_suffix(".new")
    part.write_text(json.dumps(word) + "\n")
    part.chmod(0o644)
    part.replace(WORD)
    statement = """
        INSERT INTO proofs (name, ok, detail, seconds, proved_at, last_good_at)
        VALUES (:'name', :'ok', :'detail', :'seconds', :'at', CASE WHEN :'ok' THEN :'at'::timestamptz END)
        ON CONFLICT (name) DO UPDATE SET ok = excluded.ok, detail = excluded.detail, seconds = excluded.seconds,
            proved_at = excluded.proved_at, last_good_at = coalesce(excluded.last_good_at, proofs.last_good_at);
    """
    values = [
        part
        for name, value in word.items()
        for part in ("-v", f"{name}={str(value).lower() if name == 'ok' else value}")
    ]
    subprocess.run(["psql", "-Xq", "-d", "falcon", *values], input=statement, text=True, check=False)


def main() -> int:
    """Do it; exits 1 when the backups are not good."""
    tools = sorted(Path("/usr/lib/postgresql").glob("*/bin"))[-1]
    remove_copy(tools)
    began = time.monotonic()
    try:
        detail, ok = drill(tools), True
    except DrillFailed as failure:
        detail, ok = str(failure), False
    seconds = time.monotonic() - began
    remove_copy(tools)
    record(ok, detail, seconds)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
