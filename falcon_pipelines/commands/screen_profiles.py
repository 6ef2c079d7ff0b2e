"""`falcon screen profiles`: the stored screening profiles, and finding one by name for the other commands."""

import getpass
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from falcon_pipelines import settings as settings_module
from falcon_pipelines.commands.console import Json, out, print_json
from falcon_pipelines.commands.database import database_session
from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from falcon_pipelines.profiles.schema import Profile
    from falcon_pipelines.profiles.store import StoredProfile

profiles_app = typer.Typer(help="Keep screening profiles, with every version of them.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="Name of a stored profile.", show_default=False)]
Version = Annotated[int | None, typer.Option(help="An earlier version; default: the newest.", min=1)]


@dataclass(frozen=True)
class Loaded:
    """A profile to run and the version it has in the database; None where it is not stored."""

    profile: "Profile"
    version: int | None


@contextmanager
def engine_at_hand() -> "Iterator[Engine | None]":
    """The application database where there is one already; None where nothing was ever stored on this machine."""
    settings = settings_module.load()
    if settings.database_url is None and not (settings.home / "postgres").is_dir():
        yield None
        return
    from falcon_pipelines.local.stack import application_engine

    with application_engine(settings) as engine:
        yield engine


def load_named(name: str) -> Loaded:
    """A profile file by path, else the stored profile of that name, else the bundled one.

    Raises InvalidProfile, UnknownProfile with the nearest name.
    """
    from falcon_pipelines.db.engine import transaction
    from falcon_pipelines.profiles.documents import bundled_profiles, load_profile, unknown
    from falcon_pipelines.profiles.store import list_profiles, seed_bundled

    if name.endswith((".yaml", ".yml")):
        return Loaded(load_profile(Path(name)), None)
    with engine_at_hand() as engine:
        if engine is not None:
            with transaction(engine) as session:
                seed_bundled(session)
                stored = {one.name: one for one in list_profiles(session)}
            if name not in stored:
                raise unknown(name, list(stored))
            return Loaded(stored[name].profile, stored[name].version)
    bundled = bundled_profiles()
    if name not in bundled:
        raise unknown(name, list(bundled))
    return Loaded(bundled[name], None)


def load_all() -> list[Loaded]:
    """Every stored profile, else the bundled ones."""
    from falcon_pipelines.db.engine import transaction
    from falcon_pipelines.profiles.documents import bundled_profiles
    from falcon_pipelines.profiles.store import list_profiles, seed_bundled

    with engine_at_hand() as engine:
        if engine is not None:
            with transaction(engine) as session:
                seed_bundled(session)
                return [Loaded(one.profile, one.version) for one in list_profiles(session)]
    return [Loaded(profile, None) for profile in bundled_profiles().values()]


@contextmanager
def stored_session() -> Iterator[Any]:
    """A session on the application database, in which the bundled profiles are."""
    from falcon_pipelines.profiles.store import seed_bundled

    with database_session() as session:
        seed_bundled(session)
        yield session


@profiles_app.command("list")
def list_all(json: Json = False) -> None:
    """Every profile in its newest version."""
    from falcon_pipelines.profiles.store import list_profiles

    with stored_session() as session:
        found = list_profiles(session)
    _print(found, json=json)


@profiles_app.command("show")
def show(name: Name, version: Version = None, json: Json = False) -> None:
    """One profile as YAML."""
    from falcon_pipelines.profiles.store import get_profile

    with stored_session() as session:
        found = get_profile(session, name, version)
    if json:
        print_json(_document(found))
    else:
        out.print(found.document, markup=False, highlight=False, soft_wrap=True)


@profiles_app.command("history")
def history(name: Name, json: Json = False) -> None:
    """All versions of a profile, newest first."""
    from falcon_pipelines.profiles.documents import unknown
    from falcon_pipelines.profiles.store import list_profiles, profile_history

    with stored_session() as session:
        found = profile_history(session, name)
        if not found:
            raise unknown(name, [one.name for one in list_profiles(session)])
    _print(found, json=json)


@profiles_app.command("import")
def import_file(
    file: Annotated[Path, typer.Argument(help="A profile as YAML.", show_default=False)], json: Json = False
) -> None:
    """Check a profile file and store it as a new version."""
    from falcon_pipelines.profiles.documents import load_profile
    from falcon_pipelines.profiles.store import save_profile

    load_profile(file)  # names the file and the line
    with stored_session() as session:
        found = save_profile(session, file.read_text(encoding="utf-8"), getpass.getuser())
    _say(found, "stored", json=json)


@profiles_app.command("export")
def export(
    name: Name,
    to: Annotated[Path | None, typer.Option(help="File to write; default: stdout.")] = None,
    version: Version = None,
) -> None:
    """Write a profile as YAML that `import` takes."""
    from falcon_pipelines.profiles.store import get_profile

    with stored_session() as session:
        found = get_profile(session, name, version)
    if to is None:
        typer.echo(found.document, nl=False)
        return
    try:
        to.write_text(found.document, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{to}: {error.strerror}") from error


@profiles_app.command("delete")
def delete(name: Name, json: Json = False) -> None:
    """Take a profile out of use; its versions, runs and record stay."""
    from falcon_pipelines.profiles.store import delete_profile

    with stored_session() as session:
        found = delete_profile(session, name, getpass.getuser())
    _say(found, "deleted", json=json)


@profiles_app.command("restore")
def restore(
    name: Name,
    version: Annotated[int, typer.Option(help="The version to go back to.", min=1)],
    json: Json = False,
) -> None:
    """Make an earlier version the newest again."""
    from falcon_pipelines.profiles.store import restore_profile

    with stored_session() as session:
        found = restore_profile(session, name, version, getpass.getuser())
    _say(found, f"version {version} restored", json=json)


def _say(found: "StoredProfile", what: str, *, json: bool) -> None:
    if json:
        print_json(_document(found))
    else:
        out.print(f"{found.name}: {what} (version {found.version})", markup=False)


def _print(found: Any, *, json: bool) -> None:
    if json:
        print_json({"profiles": [_document(one) for one in found]})
        return
    table = Table("Name", "Title", "Version", "From", "By", "Saved", box=None, pad_edge=False)
    for one in found:
        state = f"{one.origin}, deleted" if one.deleted else one.origin
        table.add_row(
            one.name,
            one.title,
            str(one.version),
            state,
            one.saved_by,
            one.saved_at.isoformat(timespec="seconds"),
        )
    out.print(table)


def _document(found: "StoredProfile") -> dict[str, Any]:
    return {
        "name": found.name,
        "version": found.version,
        "title": found.title,
        "origin": found.origin,
        "note": found.note,
        "deleted": found.deleted,
        "saved_by": found.saved_by,
        "saved_at": found.saved_at,
        "document": found.document,
        "profile": found.profile.model_dump(mode="json"),
    }
