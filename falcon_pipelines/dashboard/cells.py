"""What tables are full of: numbers by sign and colour, and why one is missing. Templates call these hundreds of times."""

from datetime import date
from functools import lru_cache

from markupsafe import Markup

from falcon_pipelines.dashboard import formatting
from falcon_pipelines.dashboard.formatting import Number
from falcon_pipelines.dashboard.queries.coverage import DayState, StoredSession


@lru_cache(maxsize=512)
def missing(reason: str) -> Markup:
    """An em dash with the reason on hover and in the accessible text."""
    return Markup(
        '<span class="missing" title="{0}"><span aria-hidden="true">—</span><span class="sr-only">none: {0}</span></span>'
    ).format(reason)


def signed_money(value: Number | None, reason: str) -> Markup:
    """A profit in dollars, or why there is none."""
    return missing(reason) if value is None else _toned(value, formatting.signed_money(value))


def signed_percent(value: float | None, reason: str) -> Markup:
    """A return, or why there is none."""
    return missing(reason) if value is None else _toned(value, formatting.signed_percent(value))


def price(value: Number | None, reason: str) -> str:
    """Dollars per share, or why that is not known."""
    return missing(reason) if value is None else formatting.price(value)


def figure(value: float | str | None, reason: str) -> str:
    """A statistic of unknown kind, or why there is none."""
    return missing(reason) if value is None else formatting.figure(value)


def statistic(value: float | str | None, unit: str, reason: str) -> str:
    """A statistic of a known unit, or why there is none."""
    return missing(reason) if value is None else formatting.statistic(value, unit)


def two_places(value: float | None, reason: str) -> str:
    """A pure number to two places, or why there is none."""
    return missing(reason) if value is None else formatting.two_places(value)


_DAY_MARKS = {
    state: f'<span aria-hidden="true">{mark}</span><span class="sr-only">{state}</span>'
    for state, mark in (("stored", "■"), ("revised", "▲"), ("quarantined", "!"), ("absent", "○"))
}


def calendar_day(day: date, state: DayState, stored: StoredSession | None) -> Markup:
    """One cell of the calendar of stored sessions, of which a year has 366."""
    if stored is not None:
        told = (
            f' title="{day}: {stored.rows:,} rows, {stored.quarantined:,} quarantined, '
            f'revision {stored.revision}"'
        )
    else:
        told = f' title="{day}: no bars; a holiday, or a gap"' if state == "absent" else ""
    return Markup(f'<td class="day-{state}"{told}>{_DAY_MARKS.get(state, "")}</td>')  # noqa: S704


def _toned(value: Number, written: str) -> Markup:
    """`written` is digits, a sign and a unit: nothing in it is markup."""
    return Markup(f'<span class="{formatting.tone(value)}">{written}</span>')  # noqa: S704
