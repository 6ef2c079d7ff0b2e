#!/usr/bin/python3
"""Asks Dagster's web server on this node for the canary, waits until it came through, and says why it did not.

canary.py URL SECONDS      exits 1 with one line when no run comes through within these seconds
"""

import json
import sys
import time
import urllib.request
from typing import Any

LAUNCH = """
mutation { launchRun(executionParams: {mode: "default", selector: {
    repositoryLocationName: "falcon_pipelines", repositoryName: "__repository__", jobName: "canary"}}) {
  __typename ... on LaunchRunSuccess { run { runId } } ... on PythonError { message } } }
"""
LOOK = """
query($id: ID!) {
  runOrError(runId: $id) { ... on Run { status } }
  runsOrError(filter: {statuses: [STARTED]}) { ... on Runs { results { runId } } } }
"""
WAITING = ("QUEUED", "NOT_STARTED")
FAILED = ("FAILURE", "CANCELING", "CANCELED")


class NotAsked(Exception):
    """Dagster does not take the question yet, or any more."""


def ask(url: str, query: str, variables: "dict[str, str] | None" = None) -> Any:
    """The data of a GraphQL answer; raises NotAsked saying why there is none."""
    body = json.dumps({"query": query, "variables": variables or {}}).encode()
    request = urllib.request.Request(url, body, {"Content-Type": "application/json"})  # noqa: S310 - this node's own
    try:
        with urllib.request.urlopen(request, timeout=30) as response:  # noqa: S310
            answer = json.load(response)
    except (OSError, ValueError) as error:
        raise NotAsked(f"Dagster's web server does not answer: {error}") from error
    if answer.get("errors"):
        raise NotAsked(str(answer["errors"][0].get("message")))
    return answer["data"]


def launch(url: str) -> str:
    """The run's id; raises NotAsked."""
    launched = ask(url, LAUNCH)["launchRun"]
    if launched["__typename"] != "LaunchRunSuccess":
        raise NotAsked(f"Dagster does not launch it: {launched.get('message') or launched['__typename']}")
    return str(launched["run"]["runId"])


def problem(url: str, seconds: float, pause: float = 0.5) -> "str | None":
    """Why no run comes through; None when one does, or waits only because others are at work on the same road."""
    until = time.monotonic() + seconds
    run, last, behind_others = "", "it was not asked for", False
    while time.monotonic() < until:
        try:
            if not run:
                run = launch(url)
            seen = ask(url, LOOK, {"id": run})
        except NotAsked as error:
            last = str(error)
        else:
            status = seen["runOrError"].get("status", "unknown")
            if status == "SUCCESS":
                return None
            if status in FAILED:
                return f"run {run[:8]} ended in {status}; its log is at /dagster/runs/{run}"
            last = f"run {run[:8]} is still {status} after {seconds:.0f} s"
            others = [one["runId"] for one in seen["runsOrError"].get("results", ()) if one["runId"] != run]
            behind_others = status in WAITING and bool(others)
        time.sleep(pause)
    return None if behind_others else last


def main() -> int:
    """Do it."""
    found = problem(sys.argv[1], float(sys.argv[2]))
    if found:
        print(" ".join(found.split())[:300])
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
