"""What people do with a running Falcon: give it files, start runs through the web site, look at pages and books."""

import json
import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path
from typing import Any

from falcon_pipelines.bars.flat_files import file_key
from falcon_pipelines.bars.synthetic import SyntheticMarket, write_synthetic_flat_files
from tests.cluster.installation import Installation
from tests.cluster.machine import run
from tests.cluster.node import Node
from tests.cluster.visitor import Answer
from tests.cluster.waiting import wait_until

FLAT_FILES = "/var/lib/falcon/flatfiles"
STORE = "/var/lib/falcon/market_data"
TICKERS, SESSIONS, MINUTE_SESSIONS = 60, 520, 12
FIRST_SESSION = date(2023, 1, 3)
PROFILE = "high_momentum"
PAGES = ("/", "/screens", "/strategies", "/trading", "/data", "/system")
ENDED = ("SUCCESS", "FAILURE", "CANCELED")
SETTINGS = {
    "FALCON_SOURCE": "directory",
    "FALCON_FLATFILES_DIR": FLAT_FILES,
    "FALCON_HISTORY_START": str(FIRST_SESSION),
}
"""What compute is told before there are files."""
WITH_FILES = SETTINGS | {
    "FALCON_REFERENCE_SOURCE": "csv",
    "FALCON_REFERENCE_CSV": f"{FLAT_FILES}/reference.csv",
}
_LAUNCH = """
mutation($p: ExecutionParams!) { launchRun(executionParams: $p) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message }
  ... on RunConfigValidationInvalid { errors { message } } } }
"""
_RUN = "query($id: ID!) { runOrError(runId: $id) { ... on Run { status tags { key value } } } }"
_STOP = "mutation($id: String!) { terminateRun(runId: $id) { __typename } }"
_LOGS = """
query($id: ID!) { logsForRun(runId: $id) { __typename ... on EventConnection {
  events { __typename ... on MessageEvent { message } } } ... on PythonError { message } } }
"""
_LOCATION = """
{ workspaceOrError { ... on Workspace { locationEntries {
  name loadStatus locationOrLoadError { __typename ... on PythonError { message } } } } }
  instance { daemonHealth { allDaemonStatuses { daemonType required healthy } } } }
"""
_RELOAD = (
    'mutation { reloadRepositoryLocation(repositoryLocationName: "falcon_pipelines") '
    "{ __typename ... on WorkspaceLocationEntry { loadStatus } } }"
)


@dataclass(frozen=True)
class Seen:
    """Pages as somebody found them: the slowest answer in seconds, and whether any says that it is stale."""

    slowest: float
    stale: bool


class Road:
    """One installation in use, by an operator in the LAN."""

    def __init__(self, installation: Installation) -> None:
        self.site = installation
        self.bed = installation.bed

    @cached_property
    def market(self) -> SyntheticMarket:
        """The made-up flat files, the same for every bed."""
        folder = self.bed.folder / "flatfiles"
        return write_synthetic_flat_files(
            folder, TICKERS, SESSIONS, start=FIRST_SESSION, minute_sessions=MINUTE_SESSIONS
        )

    def give_files(self) -> None:
        """Put the flat files on compute, as a mirror of the source."""
        if not (self.bed.compute.root / FLAT_FILES.lstrip("/")).is_dir():
            self.give([Path()], self.market.root)
            self._tell(WITH_FILES)

    def give(self, paths: list[Path], root: Path) -> None:
        """Put these files or folders below `root` into the mirror on compute."""
        packed = Path(self.bed.folder / "flatfiles.tar")
        run(["tar", "-C", str(root), "-cf", str(packed), *(str(path) for path in paths)])
        # Through the node and not the overlay beneath it, which must not change behind its back.
        packed_in = "/var/tmp/flatfiles.tar"
        self._send(packed, packed_in)
        self.bed.compute.console(
            f"mkdir -p {FLAT_FILES} && tar -C {FLAT_FILES} -xf {packed_in} && rm {packed_in} && "
            f"chown -R falcon:falcon {FLAT_FILES}"
        )

    def _send(self, source: Path, target: str) -> None:
        site = self.site
        options = f"-i {self.bed.key} -o StrictHostKeyChecking=accept-new -o UserKnownHostsFile={self.bed.known_hosts}"
        ssh = ["ssh", *options.split(), f"deploy@{self.bed.network.addresses['compute']}", f"cat > {target}"]
        command = " ".join(
            [*site.bed.network.within("operator"), *ssh[:-1], f"'{ssh[-1]}'", "<", str(source)]
        )
        run(["sh", "-c", command])

    def launch(self, job: str, tags: dict[str, str] | None = None, config: object = None) -> str:
        """Ask for a run through nginx; gives its id."""
        parameters = {
            "selector": {
                "repositoryLocationName": "falcon_pipelines",
                "repositoryName": "__repository__",
                "jobName": job,
            },
            "runConfigData": json.dumps(config or {}),
            "mode": "default",
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in (tags or {}).items()]
            },
        }
        launched = self.site.olga.graphql(_LAUNCH, {"p": parameters}, timeout=120)["launchRun"]
        assert launched["__typename"] == "LaunchRunSuccess", str(launched)
        return str(launched["run"]["runId"])

    def ingest(self, first: date, last: date, frequency: str = "day", **tags: str) -> str:
        """Ask for the bars of these sessions; gives the run's id."""
        span = {
            "dagster/asset_partition_range_start": first.isoformat(),
            "dagster/asset_partition_range_end": last.isoformat(),
        }
        return self.launch(f"ingest_{frequency}_bars", {**span, **tags})

    def status(self, run_id: str) -> str:
        """Dagster's word for how a run stands."""
        return str(self.site.olga.graphql(_RUN, {"id": run_id})["runOrError"]["status"])

    def tags(self, run_id: str) -> dict[str, str]:
        """The run's tags."""
        found = self.site.olga.graphql(_RUN, {"id": run_id})["runOrError"]["tags"]
        return {tag["key"]: tag["value"] for tag in found}

    def cancel(self, run_id: str) -> None:
        """The button Terminate of the run's page."""
        answered = self.site.olga.graphql(_STOP, {"id": run_id}, timeout=60)["terminateRun"]
        assert answered["__typename"] == "TerminateRunSuccess", str(answered)

    def end_of(self, run_id: str, seconds: float = 120) -> str:
        """Wait for the end of a run; how it ended."""
        wait_until(lambda: self.status(run_id) in ENDED, seconds, f"run {run_id[:8]} ends", every=1)
        return self.status(run_id)

    def republish(self, sessions: Sequence[date]) -> None:
        """The source packs the day files of these sessions anew: they are new content, with the same rows."""
        names = " ".join(file_key("day", session) for session in sessions)
        program = (
            "import gzip, sys, time, pathlib as p\n"
            "for name in sys.argv[1:]:\n"
            '    path = p.Path(name); rows = gzip.decompress(path.read_bytes()); part = path.with_suffix(".part")\n'
            "    part.write_bytes(gzip.compress(rows, mtime=time.time_ns() // 1_000_000 % 2**32)); part.replace(path)\n"
        )
        self.bed.compute.console(f"cd {FLAT_FILES} && python3 -c {shlex.quote(program)} {names}")

    def ingest_anew(self, sessions: int = 60) -> str:
        """A run that has something to do: the newest sessions are published again and ingested; gives its id."""
        newest = self.market.sessions[-sessions:]
        self.republish(newest)
        return self.ingest(newest[0], newest[-1])

    def process_of(self, run_id: str, node: Node | None = None) -> int:
        """The process on a node (the first compute node) that executes a run; 0 when there is none."""
        found = (
            (node or self.bed.compute).console(f"pgrep -f 'run_workers.execut[e] {run_id}' || true").split()
        )
        return int(found[0]) if found else 0

    def retries(self, run_id: str) -> list[str]:
        """How the runs that Dagster launched in the place of a failed one stand, oldest first."""
        return self.bed.db.psql(
            "SELECT r.status FROM runs r JOIN run_tags t USING (run_id) "
            f"WHERE t.key = 'dagster/root_run_id' AND t.value = '{run_id}' ORDER BY r.id",
            "dagster",
        ).split()

    def began(self, run_id: str, seconds: float = 60) -> None:
        """Wait until a run works."""
        wait_until(lambda: self.status(run_id) in ("STARTED", *ENDED), seconds, "the run starts", every=0.3)

    def logs(self, run_id: str) -> list[str]:
        """What the run's page on web shows."""
        found = self.site.olga.graphql(_LOGS, {"id": run_id})["logsForRun"]
        assert found["__typename"] == "EventConnection", str(found)
        return [event.get("message", "") for event in found["events"]]

    def quick_run(self, seconds: float = 90) -> float:
        """A short run (the books are proved), from the click to its success; in how many seconds."""
        started = time.monotonic()
        ended = self.end_of(self.launch("prove_books"), seconds)
        assert ended == "SUCCESS", f"a new run ended in {ended}"
        return time.monotonic() - started

    def runs_succeed(self, seconds: float) -> float:
        """Wait until a new run succeeds, trying again when one does not; in how many seconds."""
        return wait_until(lambda: self.quick_run(60) > 0, seconds, "a new run succeeds", every=2)

    def look(self, pages: tuple[str, ...] = PAGES, timeout: float = 10) -> Seen:
        """Open the pages; raises AssertionError when one does not come."""
        answers = [self.page(path, timeout) for path in pages]
        return Seen(
            max(answer.seconds for answer in answers), any(says_stale(answer.body) for answer in answers)
        )

    def page(self, path: str, timeout: float = 10) -> Answer:
        """One page, as the operator sees it: whole, or saying what is away."""
        answer = self.site.olga.get(path, timeout=timeout)
        assert answer.status in (200, 503), f"{path}: {answer.status}"
        assert answer.status == 200 or says_stale(answer.body), f"{path}: {answer.status} {answer.body[:200]}"
        return answer

    def pages_answer(self) -> bool:
        """Every page comes, fresh, within three seconds."""
        seen = self.look(timeout=5)
        return seen.slowest <= 3 and not seen.stale

    def ticks_since(self, moment: float) -> bool:
        """Whether Dagster's daemon evaluated a schedule or sensor after a moment (seconds since the epoch)."""
        count = self.bed.db.psql(
            f"SELECT count(*) FROM job_ticks WHERE timestamp > to_timestamp({moment}) AT TIME ZONE 'UTC'",
            "dagster",
        )
        return int(count) > 0

    def stored_digests(self, paths: list[str]) -> dict[str, str]:
        """SHA-256 of files of the bar store on compute's disk, by their path in the store."""
        said = self.bed.compute.console(f"cd {STORE} && sha256sum -- {' '.join(paths)}")
        return {path: digest for digest, path in (line.split(maxsplit=1) for line in said.splitlines())}

    def dagster_answers(self) -> bool:
        """The location is loaded and every required daemon says that it is well."""
        found = self.site.olga.graphql(_LOCATION, timeout=10)
        entries = found["workspaceOrError"]["locationEntries"]
        loaded = [
            entry["loadStatus"] == "LOADED"
            and entry["locationOrLoadError"]["__typename"] == "RepositoryLocation"
            for entry in entries
        ]
        daemons = found["instance"]["daemonHealth"]["allDaemonStatuses"]
        return bool(loaded) and all(loaded) and all(one["healthy"] for one in daemons if one["required"])

    def reload(self) -> None:
        """The button Reload of the Dagster UI."""
        answered = self.site.olga.graphql(_RELOAD, timeout=60)["reloadRepositoryLocation"]
        assert answered["__typename"] == "WorkspaceLocationEntry", str(answered)

    def no_run_stuck(self, seconds: float) -> float:
        """Wait until no run is under way that nothing works on; in how many seconds."""
        return wait_until(
            lambda: (
                self.bed.db.psql(
                    "SELECT count(*) = 0 FROM runs WHERE status IN ('STARTING', 'STARTED', 'CANCELING')",
                    "dagster",
                )
                == "t"
            ),
            seconds,
            "no run is stuck",
            every=2,
        )

    def screen(self, session: date) -> str:
        """Ask for a screen in the dashboard; wait until it has an answer, and give that."""
        asked = self.site.olga.post(f"/api/v1/profiles/{PROFILE}/runs", {"session": session.isoformat()})
        assert asked.status == 201, f"{asked.status} {asked.body[:300]}"
        number = asked.json()["id"]
        wait_until(lambda: self._request(number)["handled_at"], 180, "the screen is made", every=2)
        return str(self._request(number)["answer"])

    def replay(self, speed: float) -> None:
        """Have the feed replay stored minutes at so many market seconds a second: a setting, brought by `secrets`."""
        self._tell(WITH_FILES | {"FALCON_FEED": "replay", "FALCON_FEED_REPLAY_SPEED": f"{speed:g}"})

    def _tell(self, settings: dict[str, str]) -> None:
        self.site.tell_compute(settings)
        said = self.site.operator("secrets", "compute")
        assert said.code == 0, said.text[-2000:]

    def equity_moves(self) -> bool:
        """Whether the dashboard shows more than one value of some account's equity."""
        accounts = self.site.olga.get("/api/v1/accounts").json()
        curves = [
            self.site.olga.get(f"/api/v1/accounts/{one['id']}/equity").json()["points"] for one in accounts
        ]
        return any(len({point["equity"] for point in curve}) > 1 for curve in curves)

    def _request(self, number: int) -> dict[str, Any]:
        found: dict[str, Any] = self.site.olga.get(f"/api/v1/requests/{number}").json()
        return found


def says_stale(page: str) -> bool:
    """Whether a page says that it cannot show the present."""
    return "The database does not answer" in page
