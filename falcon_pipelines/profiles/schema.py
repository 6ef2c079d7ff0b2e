"""The schema of a screening profile: what may be picked, what makes one candidate better, and when it is asked."""

import difflib
from collections.abc import Iterable
from datetime import time
from decimal import Decimal
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from falcon_pipelines.profiles.catalogue import UNITS, Feature, feature, known_names, units_for

Slot = Literal["morning", "midday", "evening"]
SLOT_TIMES: dict[Slot, time] = {"morning": time(4), "midday": time(10), "evening": time(19)}
"""When each run starts, New York."""
PROMPT_VERSIONS = (1,)
NAME = r"^[a-z][a-z0-9_]{0,63}$"


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def nearest(name: str, known: Iterable[str], cutoff: float = 0.5) -> str:
    """`did you mean 'x'?` for the closest known name, else the known names."""
    names = list(known)
    near = difflib.get_close_matches(name.lower(), names, n=1, cutoff=cutoff)
    return f"did you mean '{near[0]}'?" if near else f"known: {', '.join(names)}"


def _known(name: str, what: str) -> str:
    if feature(name) is None:
        # A reason that stands in the message as it is.
        raise PydanticCustomError(
            "unknown", "{problem}", {"problem": f"unknown {what} '{name}'; {nearest(name, known_names())}"}
        )
    return name


def _refuse(problem: str) -> PydanticCustomError:
    return PydanticCustomError("profile", "{problem}", {"problem": problem})


class Filter(_Model):
    """Keeps tickers whose feature lies within the bounds; a missing value never passes.

    A number has bounds (`above` and `below` exclude the bound itself) and a unit; a text has `is_in` or `not_in`.
    """

    name: str
    above: float | None = None
    at_least: float | None = None
    below: float | None = None
    at_most: float | None = None
    unit: str | None = None
    is_in: tuple[str, ...] | None = None
    not_in: tuple[str, ...] | None = None

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return _known(name, "filter")

    @field_validator("unit")
    @classmethod
    def _is_unit(cls, unit: str | None) -> str | None:
        if unit is not None and unit not in UNITS:
            raise _refuse(f"unknown unit '{unit}'; {nearest(unit, UNITS)}")
        return unit

    @model_validator(mode="after")
    def _fits_its_feature(self) -> "Filter":
        about = self.feature
        bounds = [b for b in (self.above, self.at_least, self.below, self.at_most) if b is not None]
        words = [w for w in (self.is_in, self.not_in) if w is not None]
        if about.kind == "text":
            if bounds or self.unit or not words:
                raise _refuse(f"{self.name} is a text: it takes is_in or not_in, and no bounds or unit")
            return self
        if words or not bounds:
            raise _refuse(f"{self.name} is a number: it needs above, at_least, below or at_most")
        allowed = units_for(about.unit)
        if self.unit is None:
            raise _refuse(f"{self.name} needs a unit: {' or '.join(allowed)}")
        if self.unit not in allowed:
            raise _refuse(
                f"{self.name} is measured in {about.unit}, not {self.unit}; write {' or '.join(allowed)}"
            )
        lows = [b for b in (self.above, self.at_least) if b is not None]
        highs = [b for b in (self.below, self.at_most) if b is not None]
        if lows and highs and max(lows) > min(highs):
            raise _refuse(f"{self.name}: nothing lies between {max(lows):g} and {min(highs):g}")
        return self

    @property
    def feature(self) -> Feature:
        """The feature it looks at."""
        found = feature(self.name)
        assert found is not None
        return found

    @property
    def scale(self) -> float:
        """What one of the filter's unit is in the feature's own."""
        return UNITS[self.unit][1] if self.unit else 1.0

    def words(self) -> str:
        """The filter as a person reads it."""
        if self.feature.kind == "text":
            sets = (("in", self.is_in), ("not in", self.not_in))
            return f"{self.name} " + " and ".join(
                f"{sign} {', '.join(names)}" for sign, names in sets if names
            )
        bounds = ((">", self.above), (">=", self.at_least), ("<", self.below), ("<=", self.at_most))
        return f"{self.name} " + " and ".join(f"{s} {b:g} {self.unit}" for s, b in bounds if b is not None)


class Factor(_Model):
    """One weighted part of the score. `direction` says which end is good: a crash is not a rally."""

    name: str
    direction: Literal["higher", "lower"]
    transform: Literal["none", "log", "absolute", "sector_neutral"] = "none"
    weight: float = Field(gt=0, le=1000)

    @field_validator("name")
    @classmethod
    def _is_known(cls, name: str) -> str:
        return _known(name, "factor")

    @model_validator(mode="after")
    def _is_number(self) -> "Factor":
        if self.feature.kind == "text":
            raise _refuse(f"{self.name} is a text and cannot be ranked by; filter by it instead")
        return self

    @property
    def feature(self) -> Feature:
        """The feature it ranks by."""
        found = feature(self.name)
        assert found is not None
        return found

    @property
    def key(self) -> str:
        """How its values are named in picks."""
        return self.name if self.transform == "none" else f"{self.name}:{self.transform}"


class Universe(_Model):
    """Which tickers are looked at before any filter: all, unless said."""

    tickers: tuple[str, ...] | None = None
    exclude: tuple[str, ...] = ()
    liquid: int | None = Field(None, ge=1, description="only so many, the most traded over 20 sessions")


class Levels(_Model):
    """Entry range, stop and target of a pick, in multiples of its ATR from the close."""

    atr_period: int = Field(14, ge=2, le=252)
    entry_atr: float = Field(0.25, gt=0)
    stop_atr: float = Field(2.0, gt=0)
    target_atr: float = Field(4.0, gt=0)

    @model_validator(mode="after")
    def _in_order(self) -> "Levels":
        if not self.entry_atr < min(self.stop_atr, self.target_atr):
            raise _refuse(
                "entry_atr must be below stop_atr and target_atr: the stop lies below the entry, the target above"
            )
        return self


class MissingData(_Model):
    """What happens where a value is missing."""

    factor: Literal["drop", "neutral"] = Field(
        "drop", description="a ticker without a factor is left out, or stands in the middle of that factor"
    )
    min_coverage_percent: float = Field(
        50,
        ge=0,
        le=100,
        description="skip the run when fewer of those that pass the other filters have a value",
    )
    stale_sessions: int = Field(
        1, ge=0, le=20, description="how many sessions older than they could be the newest bars may be"
    )


class Judging(_Model):
    """How a language model is asked about the finalists, where one is configured."""

    enabled: bool = True
    prompt_version: int = 1
    chain: tuple[str, ...] | None = Field(
        None, description="names of providers, in order; default: all configured"
    )
    budget_usd: Decimal = Field(Decimal("0.50"), ge=0, description="for one run, within the settings' limits")
    permutations: int = Field(3, ge=3, le=15)
    entry_within_percent: float = Field(2.0, gt=0, le=50)

    @field_validator("prompt_version")
    @classmethod
    def _is_known(cls, version: int) -> int:
        if version not in PROMPT_VERSIONS:
            raise _refuse(
                f"there is no prompt version {version}; known: {', '.join(map(str, PROMPT_VERSIONS))}"
            )
        return version


class Profile(_Model):
    """A screening profile."""

    name: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=200)
    theme: str = Field(min_length=1, max_length=2000)
    universe: Universe = Universe()
    filters: tuple[Filter, ...] = ()
    factors: tuple[Factor, ...] = Field(min_length=1)
    sector_focus: tuple[str, ...] = ()
    watchlist: tuple[str, ...] = ()
    schedule: tuple[Slot, ...] = ("evening",)
    top_k: int = Field(10, ge=1, le=500)
    horizon_sessions: int = Field(20, ge=1, le=252)
    benchmark: str = Field("SPY", min_length=1)
    winsorise_percent: float = Field(
        1.0, ge=0, lt=50, description="cut off each tail of a factor before ranking"
    )
    missing_data: MissingData = MissingData()
    levels: Levels = Levels()
    llm: Judging = Judging()

    @model_validator(mode="after")
    def _factors_differ(self) -> "Profile":
        keys = [factor.key for factor in self.factors]
        twice = next((key for key in keys if keys.count(key) > 1), None)
        if twice is not None:
            raise _refuse(f"the factor {twice} stands twice; give it one weight")
        return self

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature the profile needs, once each."""
        names = [f.name for f in self.filters] + [f.name for f in self.factors]
        if self.sector_focus or any(f.transform == "sector_neutral" for f in self.factors):
            names.append("sector")
        if self.universe.liquid is not None:
            names.append("dollar_volume")
        return tuple(dict.fromkeys(names))

    def with_weights(self, weights: dict[str, float]) -> "Profile":
        """The same profile with other weights, by factor key."""
        factors = [{**f.model_dump(), "weight": weights.get(f.key, f.weight)} for f in self.factors]
        return Profile.model_validate({**self.model_dump(), "factors": factors})
