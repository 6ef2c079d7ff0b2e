"""More of the source: minutes that nobody ingested yet, so that a run has something to do when a fault meets it."""

from collections.abc import Sequence
from datetime import date
from functools import cached_property
from pathlib import Path

from sqlalchemy import Engine

from falcon_pipelines.bars.flat_files import DirectorySource, file_key
from falcon_pipelines.bars.ingest import ingest_sessions
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from tests.cluster.road import FIRST_SESSION, MINUTE_SESSIONS, SESSIONS, TICKERS, Road
from tests.cluster.waiting import wait_until

AVAILABLE = 440
"""So many sessions there are between the road's last and today."""
MOST = 40
"""Sessions of one run: some seconds of work."""


class LaterMinutes:
    """Minute files of the sessions after the road's own, given to compute in chunks that are each ingested once."""

    def __init__(self, road: Road, folder: Path, chunks: int) -> None:
        self._road, self._folder = road, folder
        self._chunks, self._size = chunks, min(MOST, AVAILABLE // chunks)
        self._root = folder / "later"

    @cached_property
    def _sessions(self) -> list[date]:
        """Those that are on the node and not in its store, which a bed that was kept has some of already."""
        stored = int(
            self._road.bed.db.psql("SELECT count(DISTINCT session) FROM manifest WHERE frequency = 'minute'")
        )
        held = max(stored, MINUTE_SESSIONS)
        market = write_synthetic_flat_files(
            self._root,
            TICKERS,
            SESSIONS,
            start=FIRST_SESSION,
            minute_sessions=min(held + self._chunks * self._size, MINUTE_SESSIONS + AVAILABLE),
        )
        later = list(market.minute_sessions[held:])
        self._road.give([Path(file_key("minute", session)) for session in later], self._root)
        return later

    def chunk(self) -> list[date]:
        """The next sessions."""
        taken, self._sessions[: self._size] = self._sessions[: self._size], []
        assert len(taken) == self._size, "the bed's store has all later sessions: wipe the bed"
        return taken

    def stored(self, sessions: Sequence[date]) -> dict[date, tuple[str, str]]:
        """Path and SHA-256 of the Parquet file of each of these sessions that the node's log knows."""
        days = ", ".join(f"'{session}'" for session in sessions)
        found = self._road.bed.db.psql(
            "SELECT DISTINCT ON (session) session, path, sha256 FROM manifest WHERE frequency = 'minute' "
            f"AND session IN ({days}) ORDER BY session, revision DESC"
        )
        rows = [line.split("|") for line in found.splitlines()]
        return {date.fromisoformat(day): (path, digest) for day, path, digest in rows}

    def under_way(self, sessions: Sequence[date], seconds: float = 120) -> None:
        """Wait until a run has stored some of these; raises AssertionError when it has stored all."""
        wait_until(lambda: self.stored(sessions), seconds, "the run is at work", every=0.01)
        assert len(self.stored(sessions)) < len(sessions), "the run was too fast to be met in the middle"

    def all_stored(self, sessions: Sequence[date], seconds: float) -> float:
        """Wait until all of these are stored; in how many seconds."""
        return wait_until(
            lambda: len(self.stored(sessions)) == len(sessions), seconds, "every session is stored", every=1
        )

    def require_identical(self, sessions: Sequence[date], engine: Engine) -> None:
        """What is on the node's disk is, to the byte, what an undisturbed run makes of the same files."""
        undisturbed = BarStore(self._folder / "undisturbed", engine)
        source = DirectorySource(self._root)
        list(ingest_sessions(source, undisturbed, "minute", sessions))
        entries = undisturbed.log().sessions("minute")
        held = self.stored(sessions)
        on_disk = self._road.stored_digests([path for path, _ in held.values()])
        for session in sessions:
            path, digest = held[session]
            assert digest == entries[session].sha256, (
                f"{session}: another file than that of an undisturbed run"
            )
            assert on_disk[path] == digest, f"{session}: {path} is not what the log says"
