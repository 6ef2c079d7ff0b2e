"""`falcon user`: who may log in to the dashboard."""

import getpass
import sys
from typing import Annotated, Literal

import typer

from falcon_pipelines.commands.console import Json, err, out, print_json
from falcon_pipelines.commands.database import database_session
from falcon_pipelines.errors import InputError

user_app = typer.Typer(help="Who may log in to the dashboard.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="The user's name.", show_default=False)]
Role = Literal["viewer", "operator"]


class NoPassword(InputError):
    """No password was given, or two different ones."""


@user_app.command()
def add(
    name: Name,
    role: Annotated[Role, typer.Option(help="viewer: may look; operator: may ask for things too.")],
) -> None:
    """Let somebody log in. The password is asked for, or is the first line of stdin."""
    from falcon_pipelines.db.users import add_user

    password = _password()
    with database_session() as session:
        add_user(session, name, password, role)
    err.print(f"{name} may log in as {role}.", highlight=False)


@user_app.command("list")
def list_(json: Json = False) -> None:
    """Everybody who may log in, or could."""
    from falcon_pipelines.db.users import users

    with database_session() as session:
        everybody = [
            (user.name, user.role, user.disabled_at is None, user.created_at) for user in users(session)
        ]
    if json:
        keys = ("name", "role", "may_log_in", "created_at")
        print_json({"users": [dict(zip(keys, row, strict=True)) for row in everybody]})
        return
    from rich.table import Table

    table = Table("user", "role", "may log in", "since")
    for name, role, may_log_in, since in everybody:
        table.add_row(name, role, "yes" if may_log_in else "no", since.isoformat(timespec="seconds"))
    out.print(table)


@user_app.command()
def password(name: Name) -> None:
    """Change a password, asked for or from stdin; every session of the user ends."""
    from falcon_pipelines.db.users import change_password

    new = _password()
    with database_session() as session:
        change_password(session, name, new)
    err.print(f"{name} has a new password, and has to log in again.", highlight=False)


@user_app.command()
def role(name: Name, new_role: Annotated[Role, typer.Argument(metavar="viewer|operator")]) -> None:
    """Make somebody a viewer or an operator; every session of the user ends."""
    from falcon_pipelines.db.users import change_role

    with database_session() as session:
        change_role(session, name, new_role)
    err.print(f"{name} is {new_role} now.", highlight=False)


@user_app.command()
def disable(name: Name) -> None:
    """No more logins for now; every session of the user ends."""
    from falcon_pipelines.db.users import disable as disable_user

    with database_session() as session:
        disable_user(session, name)
    err.print(f"{name} may not log in any more.", highlight=False)


@user_app.command()
def enable(name: Name) -> None:
    """Let a disabled user log in again."""
    from falcon_pipelines.db.users import enable as enable_user

    with database_session() as session:
        enable_user(session, name)
    err.print(f"{name} may log in again.", highlight=False)


def _password() -> str:
    """Typed twice at a terminal, else the first line of stdin; never an argument, which others could read."""
    if not sys.stdin.isatty():
        given = sys.stdin.readline().rstrip("\r\n")
        if not given:
            raise NoPassword("no password on stdin; pipe it in, or run this at a terminal")
        return given
    first = getpass.getpass("Password: ")
    if getpass.getpass("Again: ") != first:
        raise NoPassword("the two passwords differ; nothing was changed")
    return first
