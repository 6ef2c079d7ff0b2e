"""Runs a deploy on nodes: connect, do the steps of every node at once, and say what changed or where it stopped."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import gevent
from pyinfra.api.config import Config
from pyinfra.api.connect import connect_all, disconnect_all
from pyinfra.api.exceptions import PyinfraError
from pyinfra.api.host import Host
from pyinfra.api.inventory import Inventory
from pyinfra.api.operations import run_ops
from pyinfra.api.state import State
from pyinfra.context import ctx_host, ctx_state

from infra import steps
from infra.errors import StepFailed
from infra.site import Site
from infra.ssh import connection

UPLOADS = "/var/tmp/falcon-deploy"  # noqa: S108 - made 0700 for the deploying user before the first upload


Work = Callable[[str], None]
"""The steps of one node, by its name."""


@dataclass
class Outcome:
    """What a run did."""

    steps: int = 0
    changed: list[tuple[str, str]] = field(default_factory=list)
    diffs: list[str] = field(default_factory=list)


def deploy(site: Site, nodes: list[str], work: Work, *, dry: bool, say: Callable[[str], None]) -> Outcome:
    """Do `work(node)` on every node, all at once; each node stops at its first failing step.

    Raises StepFailed naming host and step. Running it again continues where it stopped.
    """
    logging.getLogger("pyinfra").setLevel(logging.CRITICAL)
    inventory = Inventory(([(name, connection(site, name)) for name in nodes], {}))
    state = State(inventory, Config(SUDO=True, TEMP_DIR=UPLOADS, CONNECT_TIMEOUT=10), check_for_changes=dry)
    plan, outcome = steps.begin(dry=dry), Outcome()
    try:
        connect_all(state)
    except PyinfraError as error:
        raise StepFailed(f"connecting: {error}") from error
    unreachable = set(inventory) - state.active_hosts
    if unreachable:
        names = ", ".join(sorted(host.name for host in unreachable))
        raise StepFailed(f"{names}: no ssh; is the machine on, and may {site.site.ssh_user} log in?")
    try:
        for host in inventory:
            done, output = host.run_shell_command(f"install -d -m 700 {UPLOADS}", _sudo=False)
            if not done:
                raise StepFailed(f"{host.name}: {UPLOADS} cannot be made: {output.stderr}")
        with ctx_state.use(state):
            for number, host in enumerate(inventory):
                # A hash of its own for each host's steps: pyinfra numbers them alike on all hosts.
                host.loop_position = [number]
                with ctx_host.use(host):
                    work(host.name)
        if dry:
            _foresee(state, plan, outcome)
        else:
            _gather(state, plan, outcome, say, _run(state))
    finally:
        disconnect_all(state)
    return outcome


def _run(state: State) -> dict[str, str]:
    """Do the steps; what an exception said that ended a host's steps, by host."""
    raised: dict[str, str] = {}
    hub = gevent.get_hub()
    report = hub.handle_error

    def note(greenlet: Any, kind: Any, error: Any, traceback: Any) -> None:
        host = next((one for one in getattr(greenlet, "args", ()) if isinstance(one, Host)), None)
        if host is None or not isinstance(error, Exception):
            report(greenlet, kind, error, traceback)
        else:
            raised[host.name] = str(error)

    # In place of gevent's own, which prints a traceback; the other hosts go on.
    hub.handle_error = note
    try:
        run_ops(state, no_wait=True)
    except PyinfraError:
        # Which step failed on which host is what the callbacks noted.
        pass
    finally:
        del hub.handle_error
    return raised


def _gather(
    state: State, plan: steps.Plan, outcome: Outcome, say: Callable[[str], None], raised: Mapping[str, str]
) -> None:
    """What changed; raises StepFailed with the first step of each host that did not succeed."""
    failed: list[str] = []
    for host, operations in state.ops.items():
        for op_hash in host.op_hash_order:
            meta = operations[op_hash].operation_meta
            name = plan.names.get((host.name, op_hash), "step")
            if not meta.is_complete() or not meta.did_succeed():
                said = [line for line in meta.stderr_lines if line.strip()] if meta.is_complete() else []
                why = said[-1] if said else raised.get(host.name, "failed without a message")
                failed.append(f"{host.name}: {name}: {why}")
                break
            outcome.steps += 1
            if meta.did_change():
                outcome.changed.append((host.name, name))
                say(f"{host.name:10} {name}")
    if failed:
        raise StepFailed("; ".join(failed))


def _foresee(state: State, plan: steps.Plan, outcome: Outcome) -> None:
    for host, operations in state.ops.items():
        for op_hash, data in operations.items():
            outcome.steps += 1
            diff = plan.diffs.get((host.name, op_hash), [])
            if data.operation_meta.will_change and (diff or (host.name, op_hash) not in plan.diffs):
                outcome.changed.append((host.name, plan.names.get((host.name, op_hash), "step")))
                outcome.diffs.extend(diff)
