"""How numbers and times are written on a page: New York times, a typographic minus, units apart."""

from datetime import UTC, date, datetime
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
    return Markup('<time datetime="{}">{}</time>').format(value.astimezone(UTC).isoformat(), shown)


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
    numbers = (money, signed_money, price, shares, percent, signed_percent, figure, statistic, count, tone)
    for filter_ in (*numbers, day, new_york, clock, words):
        environment.filters[filter_.__name__] = filter_


def _minus(written: str) -> str:
    return written.replace("-", MINUS)


def _signed(written: str) -> str:
    return written[1:] if written.strip("+-0.,\N{NO-BREAK SPACE}%") == "" else _minus(written)
