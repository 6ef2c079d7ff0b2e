"""Where a page of a long list ends: what its last row is sorted by, as one opaque string."""

import base64
import binascii
import math
from datetime import datetime

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.errors import InputError


class InvalidCursor(InputError):
    """A cursor that no page handed out."""


class Cursor(Value):
    """The last row of a page ordered by (time, id)."""

    at: datetime
    id: str

    def __str__(self) -> str:
        return _written(f"{self.at.isoformat()} {self.id}")


class Place(Value):
    """The last row of a page of the leaderboard: rank of its verdict, minus its excess return, id."""

    place: int
    behind: float
    id: int

    def __str__(self) -> str:
        return _written(f"{self.place} {self.behind!r} {self.id}")


def parse_place(cursor: str | None) -> Place | None:
    """The place that `str(place)` wrote; None stays None. Raises InvalidCursor."""
    if cursor is None:
        return None
    try:
        place, behind, last_id = _read(cursor).split(" ")
        parsed = Place(place=int(place), behind=float(behind), id=int(last_id))
    except (ValueError, binascii.Error):
        raise InvalidCursor("not a cursor of this list; start again without `after`") from None
    if not (abs(parsed.place) < 2**31 and 0 <= parsed.id < 2**31 and math.isfinite(parsed.behind)):
        raise InvalidCursor("not a cursor of this list; start again without `after`")
    return parsed


def _written(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def _read(cursor: str) -> str:
    return base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()


def parse_cursor(cursor: str | None) -> Cursor | None:
    """The cursor that `str(cursor)` wrote; None stays None. Raises InvalidCursor."""
    if cursor is None:
        return None
    try:
        at, _, last_id = _read(cursor).partition(" ")
        parsed = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise InvalidCursor("not a cursor of this list; start again without `after`") from None
    if parsed.tzinfo is None or "\0" in last_id:
        raise InvalidCursor("not a cursor of this list; start again without `after`")
    return Cursor(at=parsed, id=last_id)


def whole_number(written: str) -> int:
    """A row's number in a cursor. Raises InvalidCursor."""
    try:
        number = int(written)
    except ValueError:
        number = -1
    if not 0 <= number < 2**63:
        raise InvalidCursor("not a cursor of this list; start again without `after`")
    return number
