"""The verbs of the operator's command and their arguments; what they do is elsewhere."""

import shlex
from datetime import UTC, datetime
from typing import Annotated

import typer

from infra import backups, restoring
from infra.deploying import Deploy
from infra.doctor import examine
from infra.errors import DeployError, StepFailed
from infra.layout import ONLY_STARTED
from infra.site import Site, load_site
from infra.ssh import ask
from infra.status import report, services

app = typer.Typer(add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None)
Target = Annotated[str, typer.Argument(help="all, db, compute, web, or a node of the site file")]
Database = Annotated[str, typer.Argument(help="all, db, or the database's node: there is one database")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="show what would change, secrets left out")]


def _say(text: str) -> None:
    typer.echo(text)


@app.command()
def setup(target: Target = "all", dry_run: DryRun = False) -> None:
    """Turn fresh machines into nodes of Falcon, or bring nodes to what this checkout describes."""
    site = load_site()
    changed = Deploy(site, site.select(target), _say, dry=dry_run).setup()
    typer.echo(f"{changed} changes{' would be made' if dry_run else ''}")


@app.command()
def status(target: Target = "all") -> None:
    """Services, versions, disk and certificates of the nodes; exits 1 when something is not well."""
    site = load_site()
    if not report(site, site.select(target)):
        raise typer.Exit(1)


@app.command()
def deploy(target: Target = "all", dry_run: DryRun = False) -> None:
    """Put this checkout's release on nodes that are set up; a release that is not healthy is taken back."""
    site = load_site()
    changed = Deploy(site, site.select(target), _say, dry=dry_run).deploy()
    typer.echo(f"{changed} changes{' would be made' if dry_run else ''}")


@app.command()
def secrets(
    target: Target = "all",
    rotate: Annotated[
        list[str] | None,
        typer.Option(help="make a new one: dagster, falcon_owner, falcon_app, ..., session-key"),
    ] = None,
) -> None:
    """Bring changed secrets to the nodes and restart what uses them; nothing else is touched."""
    site = load_site()
    typer.echo(f"{Deploy(site, site.select(target), _say).secrets(rotate or [])} changes")


@app.command()
def rollback(target: Target = "all") -> None:
    """Back to the release before."""
    site = load_site()
    Deploy(site, site.select(target), _say).rollback()


@app.command()
def backup(
    target: Database = "db",
    full: Annotated[
        bool, typer.Option("--full", help="everything, instead of what changed since the last full one")
    ] = False,
) -> None:
    """Take a backup of the database now."""
    site = load_site()
    _require_database(site, target)
    backups.ensure(site)
    taken = backups.take(site, "full" if full else "diff")
    seconds = (taken.stopped_at - taken.started_at).total_seconds()
    typer.echo(
        f"{taken.kind} backup {taken.label}: {taken.database_bytes / 2**20:.0f} MB of databases, "
        f"{taken.repository_bytes / 2**20:.0f} MB added to the repository, {seconds:.0f} s"
    )


@app.command()
def restore(
    to: Annotated[str, typer.Option(help="an ISO 8601 time with its zone, or `latest`", show_default=False)],
    target: Database = "db",
    yes: Annotated[bool, typer.Option("--yes", help="do not ask")] = False,
) -> None:
    """Bring the database back as it was, onto its node as it is now: the same one, or a fresh one at its address."""
    site = load_site()
    _require_database(site, target)
    now = datetime.now(UTC)
    wanted = restoring.moment(to, now)
    backups.holdings(site).require(wanted, now)
    if not yes:
        what = "the newest backup and log" if wanted is None else f"the state of {wanted.isoformat()}"
        typer.echo(f"This stops Falcon and replaces the database on {site.with_role('db')[0]} with {what}.")
        if typer.prompt(f"Type {site.site.name} to go on", default="", show_default=False) != site.site.name:
            raise DeployError("nothing was done")
    done = Deploy(site, site.select("all"), _say).restore(wanted)
    steps = ", ".join(f"{name} {seconds:.0f} s" for name, seconds in done.seconds.items())
    reached = done.reached.isoformat() if done.reached else "the backup itself; nothing was logged after it"
    typer.echo(f"restored; the last transaction is of {reached}")
    typer.echo(f"{done.total_seconds:.0f} s in all: {steps}")


@app.command()
def doctor(target: Target = "all") -> None:
    """Look for what is wrong on the nodes and say what to do about it; exits 1 when something is."""
    site = load_site()
    if not examine(site, site.select(target)):
        raise typer.Exit(1)


@app.command()
def start(target: Target = "all") -> None:
    """Start the services."""
    _systemctl("start", target)


@app.command()
def stop(target: Target = "all") -> None:
    """Stop the services; they start again with the machine, or with `start`."""
    _systemctl("stop", target)


@app.command()
def restart(target: Target = "all") -> None:
    """Restart the services."""
    _systemctl("restart", target)


@app.command()
def logs(
    target: Target = "all",
    since: Annotated[str, typer.Option(help="as journalctl takes it")] = "1 hour ago",
    lines: Annotated[int, typer.Option(min=1)] = 200,
) -> None:
    """The newest log lines of Falcon's services, from the nodes' journals."""
    site = load_site()
    for node in site.select(target):
        units = " ".join(f"-u {shlex.quote(unit)}" for unit in services(site, node))
        done = ask(site, node, f"sudo journalctl --no-pager --since {shlex.quote(since)} -n {lines} {units}")
        for line in done.stdout.splitlines():
            typer.echo(f"{node}: {line}")


def _systemctl(verb: str, target: str) -> None:
    site = load_site()
    # The database goes down last and comes up first.
    nodes = site.select(target)
    for node in reversed(nodes) if verb == "stop" else nodes:
        units = [unit for unit in services(site, node) if verb != "restart" or unit not in ONLY_STARTED]
        done = ask(site, node, f"sudo systemctl {verb} {' '.join(units)}", timeout=400)
        if done.returncode != 0:
            raise StepFailed(f"{node}: {verb}: {done.stderr.strip().splitlines()[-1]}")
        typer.echo(f"{node:10} {verb} done")


def _require_database(site: Site, target: str) -> None:
    """Raises DeployError for a target that has no database."""
    if site.with_role("db")[0] not in site.select(target):
        raise DeployError(f"{target}: backups are of the database alone; say db, or all")


def main(arguments: list[str]) -> int:
    """Run; a failure is one line on stderr and exit code 1, or 2 for arguments nobody knows."""
    try:
        ended = app(arguments or ["--help"], prog_name="deploy.sh", standalone_mode=False)
    except typer.TyperException as error:
        said = " ".join(error.format_message().split()).removesuffix(".")
        return _failed(2, f"{said}; see deploy.sh --help")
    except (KeyboardInterrupt, typer.Abort):
        return _failed(130, "interrupted; what was done stays, and the same command goes on from there")
    except StepFailed as error:
        return _failed(1, f"{error}; mend that and run the same command again: what is done is kept")
    except DeployError as error:
        return _failed(1, str(error))
    return ended or 0


def _failed(code: int, line: str) -> int:
    typer.echo(f"deploy: {line}", err=True)
    return code
