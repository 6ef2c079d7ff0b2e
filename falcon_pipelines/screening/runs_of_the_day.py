"""One stored profile's run from bars to database: what the asset, the requests and the schedules all do."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.requests import answer
from falcon_pipelines.errors import InputError
from falcon_pipelines.profiles.schema import SLOT_TIMES, Profile, Slot, nearest
from falcon_pipelines.profiles.store import get_profile, list_profiles, seed_bundled
from falcon_pipelines.screening.bar_sources import StoreBars
from falcon_pipelines.screening.feature_files import read_features, serves, write_features
from falcon_pipelines.screening.judging import Judged, judge
from falcon_pipelines.screening.market import Features
from falcon_pipelines.screening.model_client import judging_client
from falcon_pipelines.screening.run import features_for, gather, needs_of
from falcon_pipelines.screening.screens import Screen, missing_inputs, screen
from falcon_pipelines.screening.sources import configured_reference
from falcon_pipelines.screening.store import save_screen
from falcon_pipelines.settings import Settings


@dataclass(frozen=True)
class StoredScreen:
    """A screen, what a model made of it, and where both are kept."""

    screen: Screen
    judged: Judged | None
    run_id: int
    profile_version: int


def market_features(
    profiles: Sequence[Profile], store: BarStore, settings: Settings, session: date, slot: str
) -> Features:
    """The features that these profiles need of a session's run, from the bar store and the configured source."""
    source, reference = StoreBars(store), configured_reference(settings)
    market = gather(source, needs_of(profiles), reference, session, slot_of(slot))
    return features_for(profiles, market)


def slot_of(name: str) -> Slot:
    """The run of the day of that name. Raises InputError with the nearest."""
    for slot in SLOT_TIMES:
        if name == slot:
            return slot
    raise InputError(f"unknown run '{name}'; {nearest(name, SLOT_TIMES)}")


def screen_and_store(
    name: str,
    session: date,
    slot: str,
    store: BarStore,
    engine: Engine,
    settings: Settings,
    request: int | None = None,
) -> StoredScreen:
    """Run a stored profile on a session and keep the run; answer the request that asked for it.

    Raises UnknownProfile, NoBarsToScreen and what the sources raise.
    """
    with transaction(engine) as database:
        seed_bundled(database)
        stored = get_profile(database, name)
        others = [one.profile for one in list_profiles(database)]
    profile = stored.profile
    features = read_features(store.root, session, slot_of(slot), store.current_version())
    # What was missing then may be there now.
    if (
        features is None
        or not serves(features, profile.features, profile.levels.atr_period)
        or missing_inputs(profile, features) is not None
    ):
        features = market_features([*others, profile], store, settings, session, slot)
        write_features(store.root, features)
    made, judged = screen(profile, features), None
    client = judging_client(profile, settings, engine) if made.picks else None
    if client is not None:
        made, judged = judge(made, client)
    with transaction(engine) as database:
        run_id = save_screen(database, made, profile_version=stored.version, judged=judged)
        if request is not None:
            _tell(database, request, made, run_id)
    return StoredScreen(made, judged, run_id, stored.version)


def _tell(database: Session, request: int, made: Screen, run_id: int) -> None:
    if made.reason is not None:
        answer(database, request, "refused", f"skipped: {made.reason}")
        return
    answer(database, request, "done", f"run {run_id}: {len(made.kept)} picks of {made.session}")
