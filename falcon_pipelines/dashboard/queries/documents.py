"""Reading JSON columns that other programs wrote: a wrong type becomes a missing value, never a crash."""

import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit


def number(value: Any) -> float | None:
    """A finite number, or None."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        parsed = float(value)
    except (ValueError, OverflowError):
        return None
    return parsed if math.isfinite(parsed) else None


def text(value: Any) -> str | None:
    """A string as it is, other plain values written out, None for nothing."""
    if value is None or value == "":
        return None
    return value if isinstance(value, str) else str(value)


def moment(value: Any) -> datetime | None:
    """An ISO 8601 time (without a zone: UTC) or Unix seconds, as UTC; None for anything else."""
    try:
        if isinstance(value, str):
            parsed = datetime.fromisoformat(value)
            return parsed.replace(tzinfo=UTC) if parsed.tzinfo is None else parsed.astimezone(UTC)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return datetime.fromtimestamp(value, UTC)
    except (ValueError, OverflowError, OSError):
        pass
    return None


def mappings(value: Any) -> Iterator[Mapping[str, Any]]:
    """The mappings in a list; nothing for anything else."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def second_of_video(url: str | None, start_seconds: float | None) -> str | None:
    """`url` at a second of the video; None unless it is an http(s) address."""
    if url is None:
        return None
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    query = parse_qsl(parts.query, keep_blank_values=True)
    if start_seconds is not None:
        query = [(key, value) for key, value in query if key != "t"] + [("t", f"{int(start_seconds)}s")]
    return urlunsplit(parts._replace(query=urlencode(query)))


def written(value: Any) -> str | None:
    """A piece of a spec in one line of words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {written(item)}" for key, item in value.items()) or None
    if isinstance(value, list):
        return " · ".join(written(item) or "—" for item in value) or None
    return text(value)


def plain(value: Any) -> float | str | None:
    """A number where it is one, else its text."""
    parsed = number(value)
    return parsed if parsed is not None else text(value)


def texts(value: Any) -> list[str]:
    """The items of a list, each in words; nothing for anything else."""
    if not isinstance(value, list):
        return []
    return [found for found in (written(item) for item in value) if found]


def at_path(document: dict[str, Any], path: str) -> Any:
    """What a spec says at a path such as `indicators.fast.params.period`; items of a list go by their id."""
    here: Any = document
    for part in path.split("."):
        if isinstance(here, dict):
            here = here.get(part)
        elif isinstance(here, list):
            here = next((item for item in here if isinstance(item, dict) and item.get("id") == part), None)
        else:
            return None
    return here
