"""The database brought back: onto a fresh machine, to a moment, within its time; and refused at once when it cannot be."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta

import pytest

from tests.cluster.books import books_balance, committed
from tests.cluster.machine import CommandFailed
from tests.cluster.recovery import dagster_back, pages_back, services, trading_back
from tests.cluster.road import Road
from tests.cluster.waiting import wait_until

pytestmark = pytest.mark.cluster
Tell = Callable[[str, str, float], None]
RPO_SECONDS, RTO_SECONDS = 120, 900
REFUSED_SECONDS = 30
DRILL_SECONDS = 300
REPOSITORY = "/var/lib/pgbackrest"
# What `openssl enc` and pgBackRest begin an encrypted file with.
ENCRYPTED = "Salted__"


class Marks:
    """A row a second into the database, each in a transaction of its own, until the database is gone."""

    def __init__(self, road: Road) -> None:
        self._db = road.bed.db
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._write, daemon=True)
        self._db.psql(
            "SET ROLE falcon_owner; DROP TABLE IF EXISTS bed_marks; "
            "CREATE TABLE bed_marks (at timestamptz DEFAULT clock_timestamp())"
        )
        self._thread.start()

    def end(self) -> None:
        """No more rows."""
        self._ended.set()
        self._thread.join()

    @property
    def newest(self) -> datetime:
        """The newest row there is."""
        return datetime.fromisoformat(self._db.psql("SELECT max(at) FROM bed_marks")).astimezone(UTC)

    def _write(self) -> None:
        while not self._ended.wait(1):
            with suppress(CommandFailed, OSError):
                self._db.psql("INSERT INTO bed_marks DEFAULT VALUES")


@contextmanager
def marks(road: Road) -> Iterator[Marks]:
    """Rows are written meanwhile; afterwards their table is gone."""
    found = Marks(road)
    try:
        yield found
    finally:
        found.end()
        road.bed.db.psql("DROP TABLE IF EXISTS bed_marks")


def all_well(road: Road) -> None:
    """People, Dagster and trading have what they had, and the operator's table says so."""
    pages_back(road, 60)
    dagster_back(road, 60)
    trading_back(road, 60)
    assert books_balance(road)
    wait_until(lambda: road.site.operator("status", "all").code == 0, 120, "status all is well", every=5)


def test_backups_are_encrypted_where_they_are_kept(road: Road) -> None:
    said = road.site.operator("backup")
    assert said.code == 0, said.text[-2000:]
    plain = road.bed.compute.console(
        f"find {REPOSITORY}/archive {REPOSITORY}/backup -type f -size +0 | while read -r f; do "
        f'[ "$(head -c {len(ENCRYPTED)} "$f")" = {ENCRYPTED} ] || echo "$f"; done'
    )
    assert plain == ""


def test_a_drill_proves_that_the_backups_can_be_restored(road: Road, tell: Tell) -> None:
    db = road.bed.db
    since = time.time()
    db.console("systemctl start falcon-restore-drill", timeout=DRILL_SECONDS)
    ok, seconds, detail = db.psql(
        f"SELECT ok, seconds, detail FROM proofs WHERE name = 'restore_drill' AND proved_at > to_timestamp({since - 1})"
    ).split("|", 2)
    assert ok == "t", detail
    tell("restore drill", detail, float(seconds))


def test_a_restore_that_cannot_reach_the_backups_is_refused_at_once(road: Road, tell: Tell) -> None:
    before = services(road)
    pids = {unit: road.bed.compute.main_pid(unit) for unit in ("falcon-trader", "falcon-code-server")}
    road.bed.network.partition("db", "compute")
    try:
        said = road.site.operator("restore", "--to", "latest", "--yes")
    finally:
        road.bed.network.heal()
    assert said.code == 1
    assert said.seconds <= REFUSED_SECONDS
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert "does not reach the backups on compute" in said.err
    assert {unit: road.bed.compute.main_pid(unit) for unit in pids} == pids, "nothing was stopped"
    assert services(road) == before
    tell("restore without its backups", said.err.strip()[:100], said.seconds)


@pytest.mark.parametrize(
    "to", ["yesterday", "2026-11-23T14:30:00", "1999-01-01T00:00:00Z", "2999-01-01T00:00:00Z"]
)
def test_a_moment_that_cannot_be_restored_is_refused(road: Road, to: str) -> None:
    said = road.site.operator("restore", "--to", to, "--yes")
    assert said.code == 1
    assert len(said.err.strip().splitlines()) == 1, said.err
    assert to[:4] in said.err


def test_a_fresh_machine_gets_the_database_back(road: Road, tell: Tell) -> None:
    bed = road.bed
    with marks(road) as found:
        # Longer than what may be lost: some of it must come back.
        time.sleep(RPO_SECONDS)
        bed.cut_power("db")
        lost_at = datetime.now(UTC)
        found.end()
        bed.replace("db")
        said = road.site.operator("restore", "--to", "latest", "--yes", timeout=RTO_SECONDS + 300)
        assert said.code == 0, said.text[-3000:]
        lost = lost_at - found.newest
    all_well(road)
    assert lost <= timedelta(seconds=RPO_SECONDS)
    assert said.seconds <= RTO_SECONDS
    steps = said.out.strip().splitlines()[-1]
    tell(
        "db gone, restored on a fresh machine",
        f"{lost.total_seconds():.0f} s of rows lost; {steps}",
        said.seconds,
    )


def test_the_database_goes_back_to_a_moment(road: Road, tell: Tell) -> None:
    with marks(road) as found:
        time.sleep(5)
        moment = datetime.now(UTC)
        time.sleep(5)
        found.end()
        said = road.site.operator("restore", "--to", moment.isoformat(), "--yes", timeout=RTO_SECONDS + 300)
        assert said.code == 0, said.text[-3000:]
        newest = found.newest
    assert moment - timedelta(seconds=3) <= newest <= moment
    all_well(road)
    assert said.seconds <= RTO_SECONDS
    tell("db restored to a moment", said.out.strip().splitlines()[-1], said.seconds)


def test_a_moment_after_the_last_change_is_the_newest_there_is(road: Road, tell: Tell) -> None:
    # Everything that writes, but not the server of the backups.
    for name in ("web", "compute"):
        road.bed.nodes[name].console(
            "systemctl stop 'falcon-[!c]*.timer' 'falcon-*.socket' 'falcon-*.service'", timeout=180
        )
    rows = committed(road.bed)
    time.sleep(3)
    moment = datetime.now(UTC)
    said = road.site.operator("restore", "--to", moment.isoformat(), "--yes", timeout=RTO_SECONDS + 300)
    assert said.code == 0, said.text[-3000:]
    assert "it is the newest there is" in said.text
    found = committed(road.bed)
    assert {table for table, count in rows.items() if found[table] < count} == set(), (rows, found)
    all_well(road)
    tell("db restored to a moment after the last change", said.out.strip().splitlines()[-1], said.seconds)
