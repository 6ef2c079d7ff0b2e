"""Numbers in a spec: plain, or "$name" for a parameter that a sweep varies; each field has its range."""

import math
import re
from typing import Annotated, Any

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

PARAMETER = re.compile(r"^\$[a-z][a-z0-9_]*$")
LARGEST = 1e15


def is_parameter(value: object) -> bool:
    """Whether the value is "$name"."""
    return isinstance(value, str) and PARAMETER.match(value) is not None


def number(value: float | str) -> float:
    """The number of a field after `with_params`; raises ValueError while it is still "$name"."""
    if isinstance(value, str):
        raise ValueError(f"{value} is still open; apply with_params first")
    return value


def whole(value: int | str) -> int:
    """The whole number of a field after `with_params`; raises ValueError while it is still "$name"."""
    return int(number(value))


class Bounds:
    """Which numbers a field takes, as a pydantic validator and as JSON Schema."""

    def __init__(
        self,
        *,
        above: float | None = None,
        low: float | None = None,
        high: float | None = None,
        below: float | None = None,
        integer: bool = False,
    ) -> None:
        self.above, self.low, self.high, self.below, self.integer = above, low, high, below, integer

    def __str__(self) -> str:
        words = ["a whole number" if self.integer else "a number"]
        if self.above is not None:
            words.append(f"above {plain(self.above)}")
        if self.low is not None and self.high is not None:
            words.append(f"from {plain(self.low)} to {plain(self.high)}")
        elif self.low is not None:
            words.append(f"of at least {plain(self.low)}")
        elif self.high is not None:
            words.append(("and " if self.above is not None else "") + f"at most {plain(self.high)}")
        if self.below is not None:
            words.append(("and " if self.above is not None else "") + f"below {plain(self.below)}")
        return " ".join(words)

    def problem(self, value: object) -> str | None:
        """What is wrong with the value, or None."""
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return f"{show(value)} is not {self}"
        fits = (
            abs(value) <= LARGEST
            and (self.above is None or value > self.above)
            and (self.low is None or value >= self.low)
            and (self.high is None or value <= self.high)
            and (self.below is None or value < self.below)
            and not (self.integer and value != int(value))
        )
        return None if fits else f"{plain(value)} is out of range; allowed: {self}"

    def validate(self, value: Any) -> Any:
        """The value itself; whole floats become int where the field is a whole number."""
        if is_parameter(value):
            return value
        return self.validate_plain(value)

    def validate_plain(self, value: Any) -> Any:
        """The same for a field that takes no "$name"."""
        problem = self.problem(value)
        if problem:
            raise PydanticCustomError("number", "{problem}", {"problem": problem})
        return int(value) if self.integer else value

    def json_schema(self) -> dict[str, Any]:
        """JSON Schema of the field."""
        keys = {
            "exclusiveMinimum": self.above,
            "minimum": self.low,
            "maximum": self.high,
            "exclusiveMaximum": self.below,
        }
        numeric: dict[str, Any] = {"type": "integer" if self.integer else "number"}
        numeric |= {key: value for key, value in keys.items() if value is not None}
        return {"anyOf": [numeric, {"type": "string", "pattern": PARAMETER.pattern}]}


def plain(value: float) -> str:
    """A number without trailing zeros, thousands apart."""
    return f"{value:,.10g}" if abs(value) < 1e9 else f"{value:g}"


def show(value: object) -> str:
    """A value as an error message quotes it: short, on one line."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


_ANY = Bounds()
_COUNT = Bounds(low=1, high=100_000, integer=True)
_POSITIVE = Bounds(above=0, high=1_000_000)
_PERCENT = Bounds(above=0, below=100)
_PERCENT_UP = Bounds(above=0, high=10_000)
_FRACTION = Bounds(above=0, high=1)
_BPS = Bounds(low=0, high=1_000)

PlainNumber = Annotated[int | float, PlainValidator(_ANY.validate_plain), WithJsonSchema({"type": "number"})]
"""Any finite number, written out."""
Number = Annotated[int | float | str, PlainValidator(_ANY.validate), WithJsonSchema(_ANY.json_schema())]
"""Any finite number."""
Count = Annotated[int | str, PlainValidator(_COUNT.validate), WithJsonSchema(_COUNT.json_schema())]
"""A whole number of bars, shares or positions, at least 1."""
Positive = Annotated[
    int | float | str, PlainValidator(_POSITIVE.validate), WithJsonSchema(_POSITIVE.json_schema())
]
"""A number above zero."""
Percent = Annotated[
    int | float | str, PlainValidator(_PERCENT.validate), WithJsonSchema(_PERCENT.json_schema())
]
"""A distance that cannot reach 100 %: stops and trailing stops."""
PercentUp = Annotated[
    int | float | str, PlainValidator(_PERCENT_UP.validate), WithJsonSchema(_PERCENT_UP.json_schema())
]
"""A percentage above zero that may exceed 100 %: targets and sizes."""
Fraction = Annotated[
    int | float | str, PlainValidator(_FRACTION.validate), WithJsonSchema(_FRACTION.json_schema())
]
"""Above 0, at most 1."""
BasisPoints = Annotated[int | float | str, PlainValidator(_BPS.validate), WithJsonSchema(_BPS.json_schema())]
"""Hundredths of a percent, per side."""
