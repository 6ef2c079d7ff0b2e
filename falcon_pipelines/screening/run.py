"""A profile over the bar store: which bars it needs, and the screen that follows."""

from datetime import date

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.screening.features import HISTORY
from falcon_pipelines.screening.profile import Profile
from falcon_pipelines.screening.ranking import NoBarsToScreen, Screen, screen


def run_screen(
    profile: Profile, store: BarStore, session: date | None = None, version: str | None = None
) -> Screen:
    """Screen `session` (None: the newest) on bars adjusted for splits and dividends as known that day.

    Raises NoBarsToScreen naming the session that is missing, and the store's errors.
    """
    pinned = version or store.current_version()
    known = store.sessions("day", pinned)
    if not known:
        raise NoBarsToScreen(f"{store.root} has no day bars; run `falcon ingest day` or `falcon demo` first")
    day = session or known[-1]
    if day not in set(known):
        raise NoBarsToScreen(f"there are no bars of {day}; the store has {known[0]} to {known[-1]}")
    history = [s for s in known if s <= day][-HISTORY:]
    panel = store.panel(None, history[0], day, adjust="all", as_of=day, version=pinned)
    return screen(profile, panel, day)
