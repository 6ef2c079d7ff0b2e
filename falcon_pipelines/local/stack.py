"""The databases and the Dagster home that one machine needs, ready to be used by its processes."""

import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Engine

from falcon_pipelines.db.embedded import embedded_postgres
from falcon_pipelines.db.engine import database_engine, unavailable
from falcon_pipelines.db.migrate import current_revision, newest_revision, upgrade
from falcon_pipelines.db.roles import WEB
from falcon_pipelines.errors import FalconError, InputError
from falcon_pipelines.settings import PACKAGE_DIR, Settings

DAGSTER_URL_VARIABLE = "FALCON_DAGSTER_DATABASE_URL"


SYNTHETIC_FOLDER = "synthetic_flat_files"
"""Where the demo keeps its made-up source, below FALCON_HOME."""


class HomeNotWritable(InputError):
    """FALCON_HOME cannot be written to."""


class MissingConfiguration(FalconError):
    """dagster.yaml or workspace.yaml is not where the installation should have put it."""


@dataclass(frozen=True)
class Stack:
    """Where this machine's databases and Dagster home are."""

    database_url: str
    web_database_url: str
    """The same database for the dashboard: as falcon_web on our own server, else as it was given."""
    dagster_url: str
    dagster_home: Path
    home: Path
    database_pid: int | None
    """The embedded server's process; None for a server of somebody else's."""

    def environment(self) -> dict[str, str]:
        """The environment variables every Falcon process on this machine is started with."""
        return {
            "FALCON_HOME": str(self.home),
            "FALCON_DATABASE_URL": self.database_url,
            DAGSTER_URL_VARIABLE: self.dagster_url,
            "DAGSTER_HOME": str(self.dagster_home),
            # One write for a range of partitions instead of one each: 11.7 s become 4.3 s for 260 of them.
            "DAGSTER_EVENT_BATCH_SIZE": "250",
        }


def configuration_file(name: str) -> Path:
    """`dagster.yaml` or `workspace.yaml`: in the checkout, or where the wheel carries it."""
    for folder in (PACKAGE_DIR.parent, PACKAGE_DIR / "config"):
        if (folder / name).is_file():
            return folder / name
    raise MissingConfiguration(f"{name} is neither beside nor inside {PACKAGE_DIR}; install Falcon again")


@contextmanager
def running_stack(settings: Settings) -> Iterator[Stack]:
    """Databases up and migrated, Dagster home written, environment of this process set; stopped on leaving.

    Uses FALCON_DATABASE_URL and FALCON_DAGSTER_DATABASE_URL where both are set, else an embedded server.
    Raises HomeNotWritable, EmbeddedPostgresFailed, DatabaseUnavailable.
    """
    prepare_home(settings.home)
    with ExitStack() as cleanup:
        given = settings.database_url
        dagster_url = os.environ.get(DAGSTER_URL_VARIABLE)
        if given is not None and dagster_url:
            database_url, pid = given.get_secret_value(), None
            web_database_url = database_url
        else:
            server = cleanup.enter_context(embedded_postgres(settings.home))
            database_url, dagster_url, pid = server.url("falcon"), server.url("dagster"), server.pid
            web_database_url = server.url("falcon", WEB)
        migrate(database_url)
        stack = Stack(
            database_url=database_url,
            web_database_url=web_database_url,
            dagster_url=dagster_url,
            dagster_home=settings.home / "dagster",
            home=settings.home,
            database_pid=pid,
        )
        stack.dagster_home.mkdir(exist_ok=True)
        if settings.transcripts_dir is None:
            settings.watched_transcripts.mkdir(exist_ok=True)
        shutil.copyfile(configuration_file("dagster.yaml"), stack.dagster_home / "dagster.yaml")
        os.environ.update(stack.environment())
        yield stack


@contextmanager
def application_engine(settings: Settings) -> Iterator[Engine]:
    """The configured database, or the embedded one, with the newest schema, for the time of one command.

    A configured one that has that schema is not touched: services use roles that may not change it.
    Raises HomeNotWritable, EmbeddedPostgresFailed, DatabaseUnavailable.
    """
    with ExitStack() as cleanup:
        if settings.database_url is not None:
            url = settings.database_url.get_secret_value()
        else:
            prepare_home(settings.home)
            url = cleanup.enter_context(embedded_postgres(settings.home)).url("falcon")
            migrate(url)
        engine = database_engine(url)
        cleanup.callback(engine.dispose)
        if settings.database_url is not None and _revision(engine) != newest_revision():
            migrate(url)
        yield engine


def _revision(engine: Engine) -> str | None:
    from sqlalchemy.exc import OperationalError

    try:
        return current_revision(engine)
    except OperationalError as error:
        raise unavailable(engine, error) from error


def prepare_home(home: Path) -> None:
    """Make FALCON_HOME; raises HomeNotWritable naming it."""
    try:
        home.mkdir(parents=True, exist_ok=True)
        probe = home / ".writable"
        probe.touch()
        probe.unlink()
    except OSError as error:
        raise HomeNotWritable(
            f"FALCON_HOME {home} cannot be written to: {error.strerror}; set FALCON_HOME to a folder of yours"
        ) from error


def migrate(database_url: str) -> None:
    """Bring the application database to the newest schema; raises DatabaseUnavailable."""
    from sqlalchemy.exc import OperationalError

    try:
        upgrade(database_url)
    except OperationalError as error:
        raise unavailable(database_engine(database_url), error) from error
