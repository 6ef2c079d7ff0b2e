"""`falcon up`, `status`, `check` and `db`: running Falcon on one machine and seeing whether it is well."""

from collections.abc import Iterable
from datetime import UTC, datetime

import typer
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, err, out, print_json
from falcon_pipelines.commands.database import database_session
from falcon_pipelines.local.health import Check, environment_checks, service_health

db_app = typer.Typer(help="The application database.", no_args_is_help=True)


def up() -> None:
    """Run all services on this machine until Ctrl-C: database, dashboard, Dagster UI and daemon."""
    from falcon_pipelines.local.serve import serve_until_interrupted
    from falcon_pipelines.local.stack import running_stack

    settings = settings_module.load()
    with running_stack(settings) as stack:
        serve_until_interrupted(settings, stack, err)


def status(json: Json = False) -> None:
    """How Falcon is: the services of `falcon up`, or all nodes where FALCON_DATABASE_URL is set; exits 1 on a problem."""
    settings = settings_module.load()
    if settings.database_url is None:
        _report("Services", service_health(settings), json)
    else:
        from falcon_pipelines.watching.standing import installation_health

        _report("Falcon", installation_health(settings, datetime.now(UTC)), json)


def forget(node: str) -> None:
    """Leave a node that was taken out of the site out of `falcon status` and the dashboard."""
    from falcon_pipelines.watching.standing import forget_node

    with database_session() as session:
        services = forget_node(session, node, datetime.now(UTC))
    err.print(f"{node} is forgotten: {', '.join(services)}", highlight=False)


def check(json: Json = False) -> None:
    """Check this machine and its settings, and show where each setting comes from; exits 1 on a problem."""
    settings = settings_module.load()
    if not json:
        table = Table("Setting", "Value", "From", title="Settings")
        for name in type(settings).model_fields:
            origin = settings_module.origin(name, settings.home)
            table.add_row(f"FALCON_{name.upper()}", str(getattr(settings, name) or "—"), origin)
        out.print(table)
    _report("Checks", environment_checks(settings), json)


@db_app.command("upgrade")
def upgrade() -> None:
    """Bring the application database to the newest schema."""
    from falcon_pipelines.local.stack import application_engine, migrate

    settings = settings_module.load()
    with application_engine(settings):
        if settings.database_url is not None:
            # Brings the roles to their rights, too, which a schema that is new already may still lack.
            migrate(settings.database_url.get_secret_value())
        err.print("The database has the newest schema.")


@db_app.command("revision")
def revision(json: Json = False) -> None:
    """The schema that the application database has, and the newest that this program knows."""
    from sqlalchemy.exc import OperationalError

    from falcon_pipelines.db.engine import InvalidDatabaseUrl, database_engine, unavailable
    from falcon_pipelines.db.migrate import current_revision, newest_revision

    url = settings_module.load().database_url
    if url is None:
        raise InvalidDatabaseUrl(
            "FALCON_DATABASE_URL is not set; `falcon status` tells of an embedded database"
        )
    engine = database_engine(url.get_secret_value())
    try:
        held = current_revision(engine)
    except OperationalError as error:
        raise unavailable(engine, error) from error
    finally:
        engine.dispose()
    if json:
        print_json({"held": held, "newest": newest_revision()})
    else:
        out.print(f"schema {held or 'none'}, newest {newest_revision()}", highlight=False)


def _report(title: str, checks: Iterable[Check], json: bool) -> None:
    done = list(checks)
    if json:
        print_json({"ok": all(c.ok for c in done), "checks": [vars(c) for c in done]})
    else:
        table = Table("", "What", "Detail", title=title)
        for item in done:
            table.add_row("ok" if item.ok else "PROBLEM", item.name, item.detail)
        out.print(table)
    if not all(item.ok for item in done):
        raise typer.Exit(1)
