"""What all models of a spec share: unknown keys refused by name, one-key objects told apart by their key."""

import difflib
import re
from collections.abc import Callable, Iterable
from typing import Any, NoReturn

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from falcon_pipelines.strategies.numbers import show

SLUG = r"^[a-z][a-z0-9_]*$"


def nearest(name: object, allowed: Iterable[str]) -> str:
    """`; did you mean 'x'?` for the closest allowed name, else an empty string."""
    names = list(allowed)
    if str(name) in names:
        return ""
    close = difflib.get_close_matches(str(name).lower(), names, n=1, cutoff=0.6)
    return f"; did you mean '{close[0]}'?" if close else ""


def refuse(problem: str) -> NoReturn:
    """Raise a validation error that reads exactly as given."""
    raise PydanticCustomError("spec", "{problem}", {"problem": problem})


class Strict(BaseModel):
    """A frozen model that refuses unknown keys and says which are allowed."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True, serialize_by_alias=True)

    @model_validator(mode="wrap")
    @classmethod
    def _name_unknown_keys(cls, data: Any, handler: ModelWrapValidatorHandler) -> Any:
        try:
            return handler(data)
        except ValidationError as error:
            allowed = [field.alias or name for name, field in cls.model_fields.items()]
            raise ValidationError.from_exception_data(
                cls.__name__, [_explained(detail, allowed) for detail in error.errors()]
            ) from None


def _explained(detail: Any, allowed: list[str]) -> InitErrorDetails:
    loc, kind, given = detail["loc"], detail["type"], detail["input"]
    if kind == "extra_forbidden" and len(loc) == 1:
        problem = f"unknown key{nearest(loc[0], allowed)}; allowed: {', '.join(allowed)}"
    elif kind == "missing":
        problem = "missing"
    elif kind in ("model_type", "model_attributes_type", "dict_type"):
        problem = f"{show(given)} is not an object" + (f" with {', '.join(allowed)}" if not loc else "")
    elif kind == "literal_error":
        expected = [word.strip("' ") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
        problem = f"{show(given)} is not allowed{nearest(given, expected)}; allowed: {', '.join(expected)}"
    elif kind in ("tuple_type", "list_type"):
        problem = f"{show(given)} is not a list"
    elif kind == "string_pattern_mismatch":
        problem = _pattern_problem(given, detail["ctx"]["pattern"])
    elif "problem" in detail.get("ctx", {}):
        problem = detail["ctx"]["problem"]
    else:
        problem = f"{show(given)}: {detail['msg'].lower()}" if kind != "too_short" else detail["msg"].lower()
    return InitErrorDetails(
        type=PydanticCustomError("spec", "{problem}", {"problem": problem}), loc=loc, input=given
    )


def _pattern_problem(given: str, pattern: str) -> str:
    if pattern != SLUG:
        return f"{show(given)} must match {pattern}"
    slug = re.sub(r"[^a-z0-9]+", "_", given.lower()).strip("_")
    better = f"; for example '{slug}'" if re.match(SLUG, slug) else ""
    return f"{show(given)} must be lower-case letters, digits and underscores, a letter first{better}"


def one_of(kind: str, keys: tuple[str, ...], *, leaf: str = "") -> Callable[[Any], Any]:
    """A validator that accepts an object with exactly one of `keys`; `leaf` names what else is accepted."""

    def check(value: Any) -> Any:
        if isinstance(value, BaseModel) or (leaf and not isinstance(value, dict | list)):
            return value
        options = f"allowed: {f'{leaf}, or ' if leaf else ''}an object with one of {', '.join(keys)}"
        if not isinstance(value, dict):
            refuse(f"{show(value)} is not {kind}; {options}")
        if len(value) != 1:
            named = ", ".join(map(str, value)) or "none"
            refuse(f"{kind} has exactly one key, this has {len(value)} ({named}); {options}")
        key = str(next(iter(value)))
        if key not in keys:
            refuse(f"'{key}' is not {kind}{nearest(key, keys)}; {options}")
        return value

    return check


def key_of(value: Any) -> str:
    """The tag of a one-key object or model for a discriminated union; anything else is a `<leaf>`."""
    if isinstance(value, BaseModel):
        field = next(iter(type(value).model_fields.items()))
        return f"<{field[1].alias or field[0]}>"
    return f"<{next(iter(value))}>" if isinstance(value, dict) else "<leaf>"
