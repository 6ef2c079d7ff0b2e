"""The few kinds of steps a deploy is made of, each named for the operator, on top of pyinfra's operations."""

import difflib
import io
from collections.abc import Generator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pyinfra.api.command import StringCommand
from pyinfra.api.operation import OperationMeta, operation
from pyinfra.context import host
from pyinfra.facts.files import FileContents
from pyinfra.facts.server import Command
from pyinfra.operations import files, server

MANAGED = "Written by the deploy; changes made here are overwritten."


@dataclass
class Plan:
    """What is known of the steps of one run: their names by host and operation, and diffs for a dry run."""

    dry: bool
    names: dict[tuple[str, str], str] = field(default_factory=dict)
    diffs: dict[tuple[str, str], list[str]] = field(default_factory=dict)


plan = Plan(dry=False)


def begin(*, dry: bool) -> Plan:
    """A new plan, for one run."""
    plan.dry = dry
    plan.names.clear()
    plan.diffs.clear()
    return plan


def _step(what: str, op: Any, *args: Any, **kwargs: Any) -> OperationMeta:
    meta: OperationMeta = op(*args, name=what, **kwargs)
    plan.names[host.name, meta._hash] = what
    return meta


@cache
def _templates() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 - configuration files, not markup
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )


def render(template: str, **values: Any) -> str:
    """A configuration file from its template."""
    return _templates().get_template(template).render(managed=MANAGED, **values)


def put(
    path: str, text: str, *, mode: str = "644", user: str = "root", group: str = "root", secret: bool = False
) -> OperationMeta:
    """A file with exactly this content. A secret one never shows its content, not even in a dry run."""
    meta = _step(
        f"write {path}",
        files.put,
        io.StringIO(text),
        path,
        user=user,
        group=group,
        mode=mode,
        create_remote_dir=False,
    )
    if plan.dry and not secret:
        held = host.get_fact(FileContents, path=path) or []
        new = text.splitlines()
        lines = list(
            difflib.unified_diff(held, new, f"{host.name}:{path}", f"{host.name}:{path} (new)", lineterm="")
        )
        plan.diffs[host.name, meta._hash] = lines
    return meta


def folder(path: str, *, mode: str = "755", user: str = "root", group: str = "root") -> OperationMeta:
    """A folder with exactly these rights."""
    return _step(f"make {path}", files.directory, path, user=user, group=group, mode=mode)


def absent(path: str) -> OperationMeta:
    """No file of this name."""
    return run(f"remove {path}", f"rm -f -- {path}", unless=f"! test -e {path} && ! test -L {path}")


def link(path: str, target: str) -> OperationMeta:
    """A symbolic link."""
    return _step(f"link {path} to {target}", files.link, path, target=target)


def packages(names: list[str]) -> OperationMeta:
    """Debian packages; nothing is asked of the network when all are there."""
    return _step(f"install {' '.join(names)}", _packages, names)


_MISSING = (
    "for p in {names}; do dpkg-query -W -f '${{db:Status-Status}}' $p 2>/dev/null | grep -qx installed "
    "|| printf '%s ' $p; done"
)


@operation()
def _packages(names: list[str]) -> Generator[StringCommand, None, None]:
    missing = (host.get_fact(Command, command=_MISSING.format(names=" ".join(names))) or "").strip()
    if missing:
        yield StringCommand(
            "export DEBIAN_FRONTEND=noninteractive; apt-get -qq update && "
            f"apt-get -qqy --no-install-recommends install {missing}"
        )


def account(name: str, home: str, groups: list[str] | None = None) -> OperationMeta:
    """A system account without a shell."""
    return _step(  # noqa: S604 - the account's shell
        f"account {name}",
        server.user,
        name,
        home=home,
        shell="/usr/sbin/nologin",
        system=True,
        groups=groups,
        append=True,
        ensure_home=False,
    )


STAMPS = "/var/lib/falcon-deploy"


def service(name: str, paths: list[str], *, reload: bool = False, check: str = "true") -> None:
    """A unit that is enabled, and runs with these files as they are now.

    What it was last (re)started with is kept as a stamp on the node, so that a deploy that died between writing
    a file and restarting is finished by the next one. `check` must succeed before the restart.
    """
    stamp = f"{STAMPS}/{name}.sha256"
    held = " ".join(paths) or "/dev/null"
    again = f"(systemctl is-active --quiet {name} && systemctl reload {name} || systemctl start {name})"
    run(
        f"{'reload' if reload else 'restart'} {name}",
        f"install -d -m 700 {STAMPS} && systemctl daemon-reload && ({check}) && systemctl enable --quiet {name} && "
        f"{again if reload else f'systemctl restart {name}'} && sha256sum {held} > {stamp}",
        unless=(
            f"systemctl is-active --quiet {name} && systemctl is-enabled --quiet {name} && "
            f'sha256sum {held} 2>/dev/null | cmp -s - {stamp} && [ "$(systemctl show -P NeedDaemonReload {name})" = no ]'
        ),
    )


def enabled(name: str) -> OperationMeta:
    """A unit of Debian's that runs where the machine lets it (a container has no clock to set)."""
    return run(
        f"enable {name}",
        f"systemctl enable --quiet --now {name}",
        unless=f"systemctl is-enabled --quiet {name}",
    )


def units_read() -> OperationMeta:
    """systemd knows the unit files as they are."""
    return run(
        "read unit files",
        "systemctl daemon-reload",
        unless="! systemctl show '*' -P NeedDaemonReload | grep -qx yes",
    )


def run(
    what: str, command: str, *, unless: str | None = None, stdin: str | None = None, **arguments: Any
) -> OperationMeta:
    """A command, left out when `unless` succeeds. `stdin` never shows in process lists or logs."""
    return _step(
        what, _run, command, unless=unless, **({"_stdin": stdin} if stdin is not None else {}), **arguments
    )


@operation()
def _run(command: str, unless: str | None = None) -> Generator[StringCommand, None, None]:
    if unless is not None:
        answer = host.get_fact(Command, command=f"({unless}) >/dev/null 2>&1 && echo yes || echo no")
        if (answer or "").strip() == "yes":
            return
    yield StringCommand(command)
