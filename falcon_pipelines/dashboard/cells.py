"""What tables are full of: numbers by sign and colour, and why one is missing. Templates call these hundreds of times."""

from functools import lru_cache

from markupsafe import Markup

from falcon_pipelines.dashboard import formatting
from falcon_pipelines.dashboard.formatting import Number


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


def _toned(value: Number, written: str) -> Markup:
    """`written` is digits, a sign and a unit: nothing in it is markup."""
    return Markup(f'<span class="{formatting.tone(value)}">{written}</span>')  # noqa: S704
