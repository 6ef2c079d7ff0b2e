"""What single fields may hold. Each reader gives the value, or raises ValueError with what to do about it."""

import re
from datetime import date
from decimal import Decimal, InvalidOperation
from urllib.parse import urlsplit

LONGEST_ADDRESS = 2048
LONGEST_DOCUMENT = 100_000
LONGEST_CHOICE = 200
SLOTS = ("morning", "midday", "evening")
MOST_CHOICES = 8
_YOUTUBE = ("youtube.com", "youtu.be", "youtube-nocookie.com")


def video_address(written: str) -> str:
    """The https address of a page of YouTube: a video, a channel or a playlist."""
    address = written.strip()
    if not address:
        raise ValueError(
            "Enter the address of a YouTube video or channel, such as https://youtu.be/dQw4w9WgXcQ"
        )
    if len(address) > LONGEST_ADDRESS:
        raise ValueError(f"The address is too long; the longest is {LONGEST_ADDRESS} characters")
    if "//" not in address and not address.startswith("http"):
        address = f"https://{address}"
    try:
        parts = urlsplit(address)
        host = (parts.hostname or "").removeprefix("www.").removeprefix("m.").removeprefix("music.")
        odd = parts.port is not None or parts.username is not None
    except ValueError:
        host, odd = "", True
    if _is_no_address(address) or odd or host not in _YOUTUBE:
        raise ValueError("Enter an address that starts with https://www.youtube.com/ or https://youtu.be/")
    return address


def _is_no_address(address: str) -> bool:
    """Whether an address has another scheme than http, or characters no address has."""
    return re.fullmatch(r"https?://[!-~]+", address) is None


def session_or_newest(written: str) -> date | None:
    """A session's date; None for the newest."""
    if not written.strip():
        return None
    try:
        return date.fromisoformat(written.strip())
    except ValueError:
        raise ValueError("Enter a date as 2026-11-20, or leave it empty for the newest session") from None


def slot(written: str) -> str:
    """Which run of the day; the evening's when nothing is chosen."""
    if written not in ("", *SLOTS):
        raise ValueError("Choose morning, midday or evening")
    return written or "evening"


def price(written: str) -> Decimal:
    """US dollars above zero."""
    try:
        value = Decimal(written.strip().removeprefix("$").replace(",", ""))
    except InvalidOperation:
        raise ValueError("Enter a price in US dollars, such as 123.45") from None
    if not value.is_finite() or not 0 < value < 10_000_000:
        raise ValueError("Enter a price above 0 and below 10,000,000 US dollars")
    if round(value, 6) != value:
        raise ValueError("Enter a price with at most 6 decimal places")
    return value


def overlay_choices(written: str) -> list[str]:
    """Assumptions, one `place=value` or name a line; empty for none."""
    choices = [line.strip() for line in written.splitlines() if line.strip()]
    if len(choices) > MOST_CHOICES:
        raise ValueError(f"Write at most {MOST_CHOICES} lines")
    too_long = [choice for choice in choices if len(choice) > LONGEST_CHOICE]
    if too_long:
        raise ValueError(f"A line has at most {LONGEST_CHOICE} characters")
    return choices
