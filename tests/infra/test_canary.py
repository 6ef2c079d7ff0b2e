"""The canary of a deploy: a run that ends well is none to stop at, and every other way it can go is told in one line."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from infra.programs import canary

RUN = "0a1b2c3d-0000"


class Dagster:
    """A web server that launches one run, which then has these states in turn; the last one stays."""

    def __init__(self) -> None:
        self.states: list[str] = ["SUCCESS"]
        self.others: list[str] = []
        self.refusals = 0
        self.launched = 0
        owner = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                query = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["query"]
                body = json.dumps(owner.answer(query)).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Quiet."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/dagster/graphql"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def answer(self, query: str) -> dict[str, object]:
        if "launchRun" in query:
            if self.refusals:
                self.refusals -= 1
                return {"data": {"launchRun": {"__typename": "PythonError", "message": "no code yet"}}}
            self.launched += 1
            return {"data": {"launchRun": {"__typename": "LaunchRunSuccess", "run": {"runId": RUN}}}}
        state = self.states.pop(0) if len(self.states) > 1 else self.states[0]
        working = [{"runId": other} for other in self.others]
        return {"data": {"runOrError": {"status": state}, "runsOrError": {"results": working}}}


@pytest.fixture
def dagster() -> Iterator[Dagster]:
    found = Dagster()
    yield found
    found.server.shutdown()
    found.server.server_close()


def problem(dagster: Dagster, seconds: float = 20) -> str | None:
    return canary.problem(dagster.url, seconds, pause=0.01)


def test_a_run_that_comes_through_is_asked_for_once_the_code_is_there(dagster: Dagster) -> None:
    dagster.refusals, dagster.states = 3, ["QUEUED", "STARTING", "STARTED", "SUCCESS"]
    assert problem(dagster) is None
    assert dagster.launched == 1


def test_a_run_that_fails_is_named(dagster: Dagster) -> None:
    dagster.states = ["QUEUED", "FAILURE"]
    assert problem(dagster) == f"run 0a1b2c3d ended in FAILURE; its log is at /dagster/runs/{RUN}"


def test_a_run_that_nobody_takes_is_a_problem(dagster: Dagster) -> None:
    dagster.states = ["QUEUED"]
    assert problem(dagster, 0.5) == "run 0a1b2c3d is still QUEUED after 0 s"


def test_a_run_that_waits_behind_runs_at_work_is_none(dagster: Dagster) -> None:
    dagster.states, dagster.others = ["QUEUED"], ["another"]
    assert problem(dagster, 0.5) is None
    dagster.states = ["STARTED"]
    assert problem(dagster, 0.5) == "run 0a1b2c3d is still STARTED after 0 s"


def test_code_that_never_loads_is_told(dagster: Dagster) -> None:
    dagster.refusals = 1_000_000
    assert problem(dagster, 0.5) == "Dagster does not launch it: no code yet"


def test_a_web_server_that_is_away_is_told() -> None:
    assert "does not answer" in (canary.problem("http://127.0.0.1:1/", 0.2, pause=0.01) or "")
