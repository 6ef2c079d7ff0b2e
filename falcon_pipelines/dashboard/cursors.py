"""Where a page of a long list ends: the time and id of its last row, as one opaque string."""

import base64
import binascii
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
        return base64.urlsafe_b64encode(f"{self.at.isoformat()} {self.id}".encode()).decode().rstrip("=")


def parse_cursor(cursor: str | None) -> Cursor | None:
    """The cursor that `str(cursor)` wrote; None stays None. Raises InvalidCursor."""
    if cursor is None:
        return None
    try:
        at, _, last_id = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode().partition(" ")
        parsed = datetime.fromisoformat(at)
    except (ValueError, binascii.Error):
        raise InvalidCursor("not a cursor of this list; start again without `after`") from None
    if parsed.tzinfo is None or "\0" in last_id:
        raise InvalidCursor("not a cursor of this list; start again without `after`")
    return Cursor(at=parsed, id=last_id)
