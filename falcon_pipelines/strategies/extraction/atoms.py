"""What an extractor finds: rule atoms with their evidence, claims, and what was refused. Values only."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

State = Literal["stated", "inferred", "ambiguous", "negated", "example_only", "unspecified"]
Join = Literal["all", "any"]
REQUIREMENTS = -1
"""The group of conditions said to be required ("has to be") and not tied to other words: each must hold."""
Document = Mapping[str, Any]


def tidy(value: Any) -> Any:
    """The value with whole numbers written as integers."""
    if isinstance(value, float) and value == int(value):
        return int(value)
    if isinstance(value, Mapping):
        return {key: tidy(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [tidy(item) for item in value]
    return value


@dataclass(frozen=True)
class Evidence:
    """The exact words of a transcript and the second of the first; the words' positions order evidence."""

    quote: str
    start_seconds: float | None
    first_word: int
    last_word: int


@dataclass(frozen=True)
class IndicatorUse:
    """An indicator a rule refers to, and how firmly each of its fields was said (`fn`, `params.period`)."""

    id: str
    fn: str
    source: str | None
    params: tuple[tuple[str, float], ...]
    states: tuple[tuple[str, State], ...] = ()
    timeframe: str | None = None

    def document(self) -> dict[str, Any]:
        """The indicator as the spec writes it."""
        document: dict[str, Any] = {"id": self.id, "fn": self.fn}
        if self.source is not None:
            document["source"] = self.source
        if self.params:
            document["params"] = tidy(dict(self.params))
        if self.timeframe is not None:
            document["timeframe"] = self.timeframe
        return document


@dataclass(frozen=True)
class Atom:
    """One rule as it was spoken.

    `field` is the place in the spec (`entry.long`, `exit.stop`, `sizing`) or `filter.long`, `filter.short`,
    `entry.level`. `value` is what the spec would hold there; `readings` are the plausible values of an
    ambiguous rule. Atoms of one `group` were said as one condition, joined by `join`.
    """

    field: str
    state: State
    value: Any
    evidence: Evidence
    indicators: tuple[IndicatorUse, ...] = ()
    readings: tuple[Any, ...] = ()
    why: str | None = None
    group: int = 0
    join: Join = "all"


@dataclass(frozen=True)
class Claim:
    """A result the speaker says the strategy has; never a rule."""

    text: str
    evidence: Evidence


@dataclass(frozen=True)
class Refusal:
    """Words that look like a rule but are none, and why."""

    what: str
    why: str
    evidence: Evidence | None = None
    unsupported: bool = False
    """The rule is clear, but a spec cannot say it."""


@dataclass(frozen=True)
class Flag:
    """Something about the transcript that a person should look at."""

    kind: str
    evidence: Evidence


@dataclass(frozen=True)
class Finding:
    """All that one extractor finds in one transcript."""

    atoms: tuple[Atom, ...] = ()
    claims: tuple[Claim, ...] = ()
    refused: tuple[Refusal, ...] = ()
    flags: tuple[Flag, ...] = field(default=())
