"""A screening profile as data: what may be picked, and what makes one candidate better than another."""

import difflib
from importlib.resources import files
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from falcon_pipelines.errors import InputError
from falcon_pipelines.screening.features import FEATURES


class InvalidProfile(InputError):
    """A profile file that cannot be used: which file, which field, what is allowed."""


class UnknownProfile(InputError):
    """No profile has this name."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


def _known_feature(name: str) -> str:
    if name not in FEATURES:
        near = difflib.get_close_matches(name, FEATURES, n=1)
        hint = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(FEATURES)}"
        raise ValueError(f"unknown feature {name!r}; {hint}")
    return name


class Filter(_Model):
    """Keeps tickers whose feature lies within the bounds; a missing value never passes."""

    feature: str
    at_least: float | None = None
    at_most: float | None = None
    unit: str | None = None

    _feature = field_validator("feature")(_known_feature)

    @model_validator(mode="after")
    def _complete(self) -> "Filter":
        if self.at_least is None and self.at_most is None:
            raise ValueError("needs at_least, at_most or both")
        expected = FEATURES[self.feature].unit
        if self.unit is not None and self.unit != expected:
            raise ValueError(f"{self.feature} is measured in {expected}, not {self.unit}")
        return self


class Factor(_Model):
    """One weighted part of the score."""

    feature: str
    direction: Literal["higher", "lower"]
    weight: float = Field(gt=0)

    _feature = field_validator("feature")(_known_feature)


class Levels(_Model):
    """Entry range, stop and target of a pick, in multiples of its ATR from the close."""

    entry_atr: float = Field(0.25, gt=0)
    stop_atr: float = Field(2.0, gt=0)
    target_atr: float = Field(4.0, gt=0)


class Profile(_Model):
    """A screening profile."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]*$")
    title: str
    theme: str
    filters: tuple[Filter, ...] = ()
    factors: tuple[Factor, ...] = Field(min_length=1)
    top_k: int = Field(10, ge=1, le=500)
    horizon_sessions: int = Field(20, ge=1)
    benchmark: str = "SPY"
    levels: Levels = Levels()

    @property
    def features(self) -> tuple[str, ...]:
        """Every feature the profile needs, once each."""
        return tuple(dict.fromkeys([f.feature for f in self.filters] + [f.feature for f in self.factors]))


def load_profile(path: Path) -> Profile:
    """Read and check a profile; raises InvalidProfile naming the file, the field and what is allowed."""
    try:
        return Profile.model_validate(yaml.safe_load(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidProfile(f"{path}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidProfile(f"{path}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidProfile(f"{path}: {where}: {first['msg'].removeprefix('Value error, ')}") from error


def bundled_profiles() -> dict[str, Profile]:
    """The profiles that come with Falcon, by name."""
    folder = Path(str(files("falcon_pipelines.screening") / "profiles"))
    profiles = [load_profile(path) for path in sorted(folder.glob("*.yaml"))]
    return {profile.name: profile for profile in profiles}


def find_profile(name: str) -> Profile:
    """A bundled profile by name, or a profile file by path.

    Raises UnknownProfile with the nearest name, or InvalidProfile.
    """
    if name.endswith((".yaml", ".yml")):
        return load_profile(Path(name))
    profiles = bundled_profiles()
    if name not in profiles:
        near = difflib.get_close_matches(name, profiles, n=1, cutoff=0.4)
        hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(profiles)}"
        raise UnknownProfile(f"no screening profile is called {name!r}; {hint}")
    return profiles[name]
