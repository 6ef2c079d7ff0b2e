"""Is this machine's Falcon healthy? Each check answers with one line; none of them changes anything."""

import json
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from urllib.request import Request, urlopen

from sqlalchemy.exc import SQLAlchemyError

from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.migrate import current_revision, is_of_a_later_release, newest_revision
from falcon_pipelines.errors import FalconError
from falcon_pipelines.local.services import dagster_url, dashboard_url, feed_url, trader_url
from falcon_pipelines.local.stack import configuration_file, prepare_home
from falcon_pipelines.settings import Settings

_LOW_DISK_GIB = 5


@dataclass(frozen=True)
class Check:
    """One thing looked at: whether it is well, and the line that says so."""

    name: str
    ok: bool
    detail: str


def service_health(settings: Settings) -> Iterator[Check]:
    """Do the services of `falcon up` answer, down to their databases?"""
    yield _answers("dashboard", Request(f"{dashboard_url(settings)}/healthz"))  # noqa: S310
    yield _answers("dashboard's database", Request(f"{dashboard_url(settings)}/readyz"))  # noqa: S310
    # /server_info stays 200 with the database down; a query that reads it does not.
    query = json.dumps({"query": "{ runsOrError(limit: 1) { __typename } }"}).encode()
    request = Request(  # noqa: S310
        f"{dagster_url(settings)}/graphql", data=query, headers={"Content-Type": "application/json"}
    )
    yield _answers("Dagster UI and its database", request, must_contain=b'"Runs"')
    yield _answers("trader", Request(f"{trader_url(settings)}/healthz"))  # noqa: S310
    if settings.feed != "off":
        yield _answers("live feed", Request(f"{feed_url(settings)}/healthz"), must_contain=b'"state": "ok"')  # noqa: S310


def environment_checks(settings: Settings) -> Iterator[Check]:
    """Can Falcon run here with these settings?"""
    yield Check("Python", sys.version_info >= (3, 11), sys.version.split()[0])
    yield _writable(settings)
    free = shutil.disk_usage(settings.home if settings.home.exists() else "/").free / 2**30
    yield Check("free disk", free >= _LOW_DISK_GIB, f"{free:.0f} GiB at {settings.home}")
    yield _configuration_files()
    yield _database(settings)
    # The web node has what its pages need and no more.
    if find_spec("polars") is not None:
        yield _source(settings)
        yield _javascript()
        yield _watched_folder(settings)


def _answers(name: str, request: Request, must_contain: bytes = b"") -> Check:
    try:
        with urlopen(request, timeout=3) as reply:  # noqa: S310 - our own address, from the settings
            body = reply.read()
            return Check(name, must_contain in body, f"{request.full_url} answers {reply.status}")
    except OSError as error:
        reason = getattr(error, "reason", None) or error
        return Check(name, ok=False, detail=f"{request.full_url}: {reason}; start it with `falcon up`")


def _writable(settings: Settings) -> Check:
    try:
        prepare_home(settings.home)
    except FalconError as error:
        return Check("FALCON_HOME", ok=False, detail=str(error))
    return Check("FALCON_HOME", ok=True, detail=str(settings.home))


def _configuration_files() -> Check:
    try:
        folders = {str(configuration_file(name).parent) for name in ("dagster.yaml", "workspace.yaml")}
    except FalconError as error:
        return Check("Dagster configuration", ok=False, detail=str(error))
    return Check("Dagster configuration", ok=True, detail=", ".join(folders))


def _database(settings: Settings) -> Check:
    if settings.database_url is None:
        return Check("database", ok=True, detail=f"embedded PostgreSQL under {settings.home}")
    try:
        engine = database_engine(settings.database_url.get_secret_value())
        revision = current_revision(engine)
    except (FalconError, SQLAlchemyError) as error:
        reason = str(error.orig if hasattr(error, "orig") else error).strip().splitlines()[0]
        return Check("database", ok=False, detail=f"{reason}; is FALCON_DATABASE_URL right?")
    expected = newest_revision()
    if is_of_a_later_release(revision):
        return Check("database", ok=True, detail=f"schema {revision}, of a later release")
    if revision != expected:
        return Check("database", ok=False, detail=f"schema {revision or 'none'}; run `falcon db upgrade`")
    return Check("database", ok=True, detail=f"schema {revision}")


def _source(settings: Settings) -> Check:
    from falcon_pipelines.bars.sources import source_from_settings

    try:
        source = source_from_settings(settings)
    except FalconError as error:
        return Check("market data", ok=False, detail=f"{error}; or try the demo")
    return Check("market data", ok=True, detail=f"source {source.name}, configured")


def _javascript() -> Check:
    """YouTube cannot be read without one; everything else can."""
    from falcon_pipelines.strategies.videos.youtube import javascript_runtimes

    found = javascript_runtimes()
    if not found:
        return Check(
            "JavaScript for YouTube", ok=False, detail="yt-dlp finds no runtime; install the package deno"
        )
    return Check("JavaScript for YouTube", ok=True, detail=found[0])


def _watched_folder(settings: Settings) -> Check:
    """Only a folder that was chosen must be there; `falcon up` makes its own."""
    folder = settings.watched_transcripts
    if settings.transcripts_dir is not None and not folder.is_dir():
        return Check("watched transcripts", ok=False, detail=f"{folder} is no folder; make it")
    return Check("watched transcripts", ok=True, detail=str(folder))
