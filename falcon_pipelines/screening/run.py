"""From a bar source to the market as a run may see it, and the screens that follow."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import is_session, previous_session
from falcon_pipelines.bars.flat_files import SourceError
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.errors import InputError
from falcon_pipelines.profiles.catalogue import feature
from falcon_pipelines.profiles.schema import Profile, Slot
from falcon_pipelines.screening.bar_sources import BarSource
from falcon_pipelines.screening.features import HISTORY, features_of
from falcon_pipelines.screening.market import Features, Market, NoBarsToScreen, Reference
from falcon_pipelines.screening.minutes import minute_features
from falcon_pipelines.screening.reference import ReferenceSource
from falcon_pipelines.screening.screens import DEFAULT_SEED, Screen, screen
from falcon_pipelines.screening.seasons import FEWEST_YEARS, sector_seasons

_REFERENCE_NEEDS = ("sectors", "earnings", "fundamentals", "seasons")


def run_screens(
    profiles: Sequence[Profile],
    source: BarSource,
    reference: ReferenceSource | None = None,
    session: date | None = None,
    slot: Slot = "evening",
    seed: int = DEFAULT_SEED,
) -> tuple[Screen, ...]:
    """The profiles' screens of one session, over one pass for the features of all of them.

    `session` None is the newest with day bars. Evening runs see its bars, morning and midday runs those of the session
    before. Raises NoBarsToScreen, and what the sources raise.
    """
    market = gather(source, needs_of(profiles), reference, session, slot)
    features = features_for(profiles, market)
    return tuple(screen(profile, features, seed) for profile in profiles)


def features_for(profiles: Sequence[Profile], market: Market) -> Features:
    """The features that serve all these profiles, in one pass."""
    names = [name for profile in profiles for name in profile.features]
    return features_of(market, names, [profile.levels.atr_period for profile in profiles])


def needs_of(profiles: Sequence[Profile]) -> frozenset[str]:
    """What the profiles' features are made of: bars, minutes, sectors, earnings, fundamentals, seasons."""
    found = (feature(name) for profile in profiles for name in profile.features)
    return frozenset(f.need for f in found if f is not None)


def gather(
    source: BarSource,
    needs: frozenset[str],
    reference: ReferenceSource | None = None,
    session: date | None = None,
    slot: Slot = "evening",
) -> Market:
    """The market as a run of that session and slot may see it. Raises NoBarsToScreen, InputError for no session."""
    known = list(source.sessions())
    day = session or known[-1]
    if not is_session(day):
        raise InputError(f"{day} is no trading session; the one before was {previous_session(day)}")
    visible = [s for s in known if s <= day and (slot == "evening" or s < day)]
    if not visible:
        raise NoBarsToScreen(f"there are no bars before {day}; there are those of {known[0]} to {known[-1]}")
    if session is not None and slot == "evening" and day not in visible and day < known[-1]:
        raise NoBarsToScreen(f"there are no bars of {day}; there are those of {known[0]} to {known[-1]}")
    panel = source.panel(visible[-HISTORY:][0], visible[-1], day)
    through = day if slot == "evening" else previous_session(day)
    missing: dict[str, str] = {}
    minutes = _minutes(source, needs, day, slot, panel, missing)
    about = _reference(reference, needs, day, through, panel, missing)
    seasons: Mapping[str, float] | None = None
    years = 0
    if "seasons" in needs and about is not None and "sector" in about.table.columns:
        seasons, years = sector_seasons(source, visible, day, about.table.select("ticker", "sector"))
        if not seasons:
            missing["seasons"] = (
                f"needs {FEWEST_YEARS} former years of day bars around this day, there are {years}; "
                "ingest more history"
            )
    return Market(day, panel, slot, minutes, about, seasons, years, missing)


def _minutes(
    source: BarSource,
    needs: frozenset[str],
    day: date,
    slot: Slot,
    panel: Panel,
    missing: dict[str, str],
) -> pl.DataFrame | None:
    if "minutes" not in needs:
        return None
    bars = source.minutes(day)
    if bars is None:
        missing["minutes"] = f"there are no minute bars of {day}; run `falcon ingest minute` for it"
        return None
    made = minute_features(bars, day, slot, panel)
    if made is None:
        missing["minutes"] = f"no minute of {day} was over when the {slot} run starts"
    return made


def _reference(
    source: ReferenceSource | None,
    needs: frozenset[str],
    day: date,
    through: date,
    panel: Panel,
    missing: dict[str, str],
) -> Reference | None:
    if source is None:
        why = "no source is configured; set FALCON_REFERENCE_SOURCE to csv, massive or finviz"
        missing.update(dict.fromkeys(_REFERENCE_NEEDS, why))
        return None
    if not needs & set(_REFERENCE_NEEDS):
        return None
    try:
        about = source.known(day, through, _most_traded_first(panel))
    except (SourceError, InputError) as error:
        missing.update(dict.fromkeys(_REFERENCE_NEEDS, str(error)))
        return None
    missing.update(dict.fromkeys(_REFERENCE_NEEDS, f"{source.name} does not give it"))
    return about


def _most_traded_first(panel: Panel) -> list[str]:
    dollars = np.nansum(panel["close"][-20:] * panel["volume"][-20:], axis=0)
    return [panel.tickers[i] for i in np.argsort(-dollars, kind="stable")]
