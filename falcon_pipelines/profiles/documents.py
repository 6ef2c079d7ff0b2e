"""Profiles as YAML text: reading with the line of every mistake, writing back, and the files that come with Falcon."""

import difflib
import hashlib
import json
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError

from falcon_pipelines.errors import InputError
from falcon_pipelines.profiles.schema import Profile, nearest

_LARGEST = 100_000


class InvalidProfile(InputError):
    """A profile that cannot be used: which file and line, what is wrong, what is allowed."""


class UnknownProfile(InputError):
    """No profile has this name."""


class _Lines:
    """The line of every place in a document."""

    def __init__(self, root: yaml.Node) -> None:
        self.of: dict[tuple[str | int, ...], int] = {}
        self._walk(root, ())

    def _walk(self, node: yaml.Node, place: tuple[str | int, ...]) -> None:
        self.of.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.MappingNode):
            seen: set[str] = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    raise _Twice(key.start_mark.line + 1, name)
                seen.add(name)
                self.of[(*place, name)] = key.start_mark.line + 1
                self._walk(value, (*place, name))
        elif isinstance(node, yaml.SequenceNode):
            for number, value in enumerate(node.value):
                self._walk(value, (*place, number))

    def line(self, place: tuple[str | int, ...]) -> int:
        while place not in self.of:
            place = place[:-1]
        return self.of[place]


class _Twice(Exception):
    def __init__(self, line: int, key: str) -> None:
        super().__init__(f"line {line}: the key '{key}' stands twice")


def parse_profile(text: str, where: str = "profile") -> Profile:
    """A profile from YAML; raises InvalidProfile naming `where`, the line, the field and what is allowed."""
    if len(text) > _LARGEST:
        raise InvalidProfile(f"{where}: longer than {_LARGEST} characters")
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        content = yaml.safe_load(text)
        lines = _Lines(node) if node is not None else None
    except _Twice as error:
        raise InvalidProfile(f"{where}: {error}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        line = f"line {mark.line + 1}: " if mark else ""
        what = getattr(error, "problem", None) or " ".join(str(error).split())[:200]
        raise InvalidProfile(f"{where}: {line}not YAML: {what}") from error
    if lines is None or not isinstance(content, dict):
        raise InvalidProfile(f"{where}: line 1: a profile is a list of fields such as `name: my_profile`")
    try:
        return Profile.model_validate(content)
    except ValidationError as error:
        found = _telling(error)
        number, message = lines.line(tuple(found[0]["loc"])), _message(found[0])
        more = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
        raise InvalidProfile(f"{where}: line {number}: {message}{more}") from None


def _telling(error: ValidationError) -> list[Any]:
    """The mistakes, the most telling first: a misspelt field explains why the right one is missing."""
    details = error.errors()
    inner = {detail["loc"][: n + 1] for detail in details for n in range(len(detail["loc"]) - 1)}
    own = [d for d in details if not (d["type"] == "too_short" and d["loc"] in inner)]
    return sorted(own, key=lambda detail: detail["type"] == "missing")


def _message(detail: Any) -> str:
    place = detail["loc"]
    where = ".".join(str(part) for part in place)
    kind = detail["type"]
    if kind == "extra_forbidden":
        allowed = _fields(place[:-1])
        return f"{where}: unknown field; {nearest(str(place[-1]), allowed)}"
    if kind == "missing":
        return f"{where}: missing"
    if kind == "literal_error":
        allowed = [word.strip(" '") for word in detail["ctx"]["expected"].replace(" or ", ",").split(",")]
        return f"{where}: '{detail['input']}' is not allowed; {nearest(str(detail['input']), allowed)}"
    if kind == "too_short":
        return f"{where}: needs at least one"
    if kind == "string_pattern_mismatch":
        return (
            f"{where}: '{detail['input']}' must be lower-case letters, digits and underscores, a letter first"
        )
    message = detail["msg"]
    return f"{where}: {message}" if where else message


def _fields(place: tuple[str | int, ...]) -> list[str]:
    """The fields allowed in the object at a place of a profile."""
    from pydantic import BaseModel

    model: type[BaseModel] = Profile
    for part in place:
        if isinstance(part, int):
            continue
        annotation = model.model_fields[part].annotation
        inner = [a for a in (annotation, *getattr(annotation, "__args__", ())) if isinstance(a, type)]
        model = next((a for a in inner if issubclass(a, BaseModel)), model)
    return list(model.model_fields)


def load_profile(path: Path) -> Profile:
    """A profile from a file; raises InvalidProfile."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise InvalidProfile(f"{path}: {reason}") from error
    return parse_profile(text, str(path))


def dump_profile(profile: Profile) -> str:
    """The profile as YAML that reads back to the same; fields at their defaults are left out."""
    content = profile.model_dump(mode="json", exclude_defaults=True)
    content["llm"] = profile.llm.model_dump(mode="json", exclude_defaults=True)
    if not content["llm"]:
        del content["llm"]
    return str(yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=110))


def content_hash(profile: Profile) -> str:
    """SHA-256 of the profile's content; the same for every way of writing it."""
    text = json.dumps(profile.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def bundled_documents() -> dict[str, str]:
    """The YAML of the profiles that come with Falcon, by name."""
    folder = Path(str(files("falcon_pipelines.profiles") / "bundled"))
    texts = [(path, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("*.yaml"))]
    return {parse_profile(text, str(path)).name: text for path, text in texts}


def bundled_profiles() -> dict[str, Profile]:
    """The profiles that come with Falcon, by name."""
    return {name: parse_profile(text, name) for name, text in bundled_documents().items()}


def unknown(name: str, known: list[str]) -> UnknownProfile:
    """The error for a name that no profile has, with the nearest one."""
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
    hint = f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"
    return UnknownProfile(f"no screening profile is called {name!r}; {hint}")


def find_profile(name: str) -> Profile:
    """A bundled profile by name, or a profile file by path.

    Raises UnknownProfile with the nearest name, or InvalidProfile.
    """
    if name.endswith((".yaml", ".yml")):
        return load_profile(Path(name))
    profiles = bundled_profiles()
    if name not in profiles:
        raise unknown(name, list(profiles))
    return profiles[name]
