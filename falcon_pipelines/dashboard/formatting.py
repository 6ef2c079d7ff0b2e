"""How numbers and times are written on a page: New York times, a typographic minus, units apart."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from jinja2 import Environment
from markupsafe import Markup

NEW_YORK = ZoneInfo("America/New_York")
MINUS = "\N{MINUS SIGN}"

Number = Decimal | float | int


def money(value: Number) -> str:
    """Dollars with cents: 12,345.67."""
    return _minus(f"{value:,.2f}")


def signed_money(value: Number) -> str:
    """Dollars with cents and always a sign: +1,234.50."""
    return _signed(f"{value:+,.2f}")


def price(value: Number) -> str:
    """Dollars per share: cents, and four places below one dollar."""
    return _minus(f"{value:,.4f}" if value and -1 < value < 1 else f"{value:,.2f}")


def shares(value: Number) -> str:
    """Shares, whole where they are whole."""
    return _minus(f"{value:,.0f}" if value == int(value) else f"{value:,.6f}".rstrip("0"))


def percent(value: float) -> str:
    """A ratio as a percentage: 5.2 %."""
    return _minus(f"{value * 100:,.1f}\N{NO-BREAK SPACE}%")


def signed_percent(value: float) -> str:
    """A ratio as a percentage, always with its sign."""
    return _signed(f"{value * 100:+,.1f}\N{NO-BREAK SPACE}%")


def figure(value: float | str) -> str:
    """A statistic of unknown kind: four significant digits, thousands apart."""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e15:
        return _minus(f"{int(value):,}")
    return _minus(f"{value:,.2f}" if abs(value) >= 100 else f"{value:.4g}")


def signed_figure(value: float) -> str:
    """A number to two places, always with its sign: +1.25."""
    return _signed(f"{value:+,.2f}")


def two_places(value: float) -> str:
    """A pure number such as a Sharpe ratio, to two places."""
    return _minus(f"{value:,.2f}")


def statistic(value: float | str, unit: str) -> str:
    """A statistic of a known unit: ratios and percentages as %, dollars as money."""
    if isinstance(value, str) or unit in ("number", "bars"):
        return figure(value)
    if unit == "dollars":
        return money(value)
    return percent(value if unit == "ratio" else value / 100)


def count(value: int) -> str:
    """A number of things: 1,234."""
    return _minus(f"{value:,}")


def counted(value: int, thing: str) -> str:
    """A number with what it counts: 1 order, 3 orders."""
    return f"{count(value)} {thing}{'' if value == 1 else 's'}"


def size(value: float) -> str:
    """Bytes in the largest unit that keeps a digit before the point: 6.4 MB."""
    amount, units = float(value), ("bytes", "kB", "MB", "GB", "TB", "PB")
    place = 0
    while amount >= 1000 and place < len(units) - 1:
        amount /= 1000
        place += 1
    return (
        f"{amount:,.0f}\N{NO-BREAK SPACE}{units[place]}"
        if place == 0 or amount >= 100
        else (f"{amount:.1f}\N{NO-BREAK SPACE}{units[place]}")
    )


def duration(value: timedelta) -> str:
    """A stretch of time in its largest unit: 40 s, 12 min, 5 h, 3 days."""
    seconds = max(int(value.total_seconds()), 0)
    if seconds < 120:
        return f"{seconds}\N{NO-BREAK SPACE}s"
    if seconds < 7200:
        return f"{seconds // 60}\N{NO-BREAK SPACE}min"
    if seconds < 172_800:
        return f"{seconds // 3600}\N{NO-BREAK SPACE}h"
    return f"{seconds // 86_400}\N{NO-BREAK SPACE}days"


def ago(value: datetime, now: datetime) -> str:
    """How long ago a time was."""
    return f"{duration(now - value)} ago"


def age_in_days(value: datetime, now: datetime) -> int:
    """New York days since a time: 0 for today."""
    return (now.astimezone(NEW_YORK).date() - value.astimezone(NEW_YORK).date()).days


def verdict_number(value: float | str, unit: str) -> str:
    """An input of a verdict in its unit; a share of money always with its sign."""
    if isinstance(value, str):
        return value
    if unit in ("ratio", "ratio_a_year"):
        return signed_percent(value)
    if unit == "trades":
        return count(round(value))
    return _minus(f"{value:.3f}")


def tone(value: Number | None) -> str:
    """CSS class of a profit or loss; its sign is always written too."""
    if value is None or value == 0:
        return "flat"
    return "gain" if value > 0 else "loss"


def day(value: date) -> str:
    """A session: 2026-11-20."""
    return value.isoformat()


def new_york(value: datetime) -> Markup:
    """A time in New York as a <time> element; a bar that starts at midnight is a whole session."""
    local = value.astimezone(NEW_YORK)
    shown = f"{local:%Y-%m-%d}" if (local.hour, local.minute) == (0, 0) else f"{local:%Y-%m-%d %H:%M}"
    return Markup(f'<time datetime="{value.astimezone(UTC).isoformat()}">{shown}</time>')  # noqa: S704


def clock(seconds: float) -> str:
    """A place in a video: 4:07 or 1:02:03."""
    whole = max(int(seconds), 0)
    hours, minutes = divmod(whole // 60, 60)
    return f"{hours}:{minutes:02}:{whole % 60:02}" if hours else f"{minutes}:{whole % 60:02}"


def words(value: str) -> str:
    """An identifier as words: golden_cross becomes golden cross."""
    return value.replace("_", " ")


def add_filters(environment: Environment) -> None:
    """Make all of these available to templates under their own names."""
    numbers = (
        money,
        signed_money,
        price,
        shares,
        percent,
        signed_percent,
        figure,
        signed_figure,
        two_places,
        statistic,
        count,
        tone,
    )
    others = (counted, size, duration, ago, age_in_days, verdict_number, day, new_york, clock, words)
    for filter_ in (*numbers, *others):
        environment.filters[filter_.__name__] = filter_


def _minus(written: str) -> str:
    return written.replace("-", MINUS)


def _signed(written: str) -> str:
    return written[1:] if written.strip("+-0.,\N{NO-BREAK SPACE}%") == "" else _minus(written)
