"""Values as JSON has them: numbers for money and prices, ISO 8601 with zone for times, null for what is undefined."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from math import isfinite
from typing import Any


def plain(value: Any) -> Any:
    """`value` as JSON types, all the way down. A NumPy time is UTC."""
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(item) for item in value]
    if type(value).__name__ == "datetime64":
        return value.astype("datetime64[us]").item().replace(tzinfo=UTC).isoformat()
    if hasattr(value, "item"):
        return plain(value.item())
    if isinstance(value, Decimal):
        return plain(float(value))
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, float) and not isfinite(value):
        return None
    return value
