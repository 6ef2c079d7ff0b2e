"""Text of a strategy document to plain data and back, strictly: YAML without its surprises, and JSON.

Only what every reader of a spec understands alike gets through: no duplicate keys, no anchors, no yes/no/on
booleans, no dates, no infinities. Tickers such as ON, NO, NA and TRUE stay text. Knows nothing of strategies.
"""

import json
import re
from collections.abc import Hashable, Mapping
from typing import Any, NoReturn

import yaml

from falcon_pipelines.errors import InputError

MAX_CHARACTERS = 1_000_000


class InvalidDocument(InputError):
    """The text is not a document that can be read."""


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own hook

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise InvalidDocument(
                f"line {mark.line + 1}: aliases (*name) are not allowed; write the value out"
            )
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if getattr(event, "tag", None) is not None:
            raise InvalidDocument(f"line {event.start_mark.line + 1}: tags ({event.tag}) are not allowed")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if not isinstance(key, str):
                raise InvalidDocument(f"line {line}: the key {key!r} must be text")
            if key in seen:
                raise InvalidDocument(f"line {line}: the key '{key}' appears twice in one object")
            seen.add(key)
        return super().construct_mapping(node, deep=deep)


class _Dumper(yaml.SafeDumper):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own hook

    def ignore_aliases(self, data: Any) -> bool:
        return True


_SCALARS = (
    ("tag:yaml.org,2002:bool", r"^(?:true|false)$", "tf"),
    ("tag:yaml.org,2002:null", r"^(?:~|null|)$", ["~", "n", ""]),
    ("tag:yaml.org,2002:int", r"^[-+]?[0-9]{1,18}$", "-+0123456789"),
    (
        "tag:yaml.org,2002:float",
        r"^[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]{1,3})?$",
        "-+.0123456789",
    ),
)
for _tag, _pattern, _first in _SCALARS:
    _Loader.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))
    _Dumper.add_implicit_resolver(_tag, re.compile(_pattern), list(_first))


def _whole(loader: _Loader, node: yaml.ScalarNode) -> int:
    return int(loader.construct_scalar(node))


def _fractional(loader: _Loader, node: yaml.ScalarNode) -> float:
    return float(loader.construct_scalar(node))


_Loader.add_constructor("tag:yaml.org,2002:int", _whole)
_Loader.add_constructor("tag:yaml.org,2002:float", _fractional)


def read_document(text: str, kind: str = "a spec (spec_version, name, entry, ...)") -> dict[str, Any]:
    """The object that a YAML or JSON text describes; JSON is recognised by its opening brace.

    `kind` is what it should be and which keys that has. Raises InvalidDocument with the line and what is wrong there.
    """
    if len(text) > MAX_CHARACTERS:
        raise InvalidDocument(f"longer than {MAX_CHARACTERS:,} characters; a spec is far shorter")
    try:
        document = _read_json(text) if text.lstrip("\ufeff \t\r\n").startswith("{") else _read_yaml(text)
    except RecursionError:
        raise InvalidDocument("nested too deeply") from None
    if not isinstance(document, dict):
        raise InvalidDocument(f"must be an object with the keys of {kind}")
    return document


def write_yaml(document: Mapping[str, Any]) -> str:
    """The document as YAML in the order given; `read_document` returns an equal one."""
    return yaml.dump(
        dict(document),
        Dumper=_Dumper,
        sort_keys=False,
        allow_unicode=True,
        width=110,
        default_flow_style=None,
    )


def _read_yaml(text: str) -> Any:
    try:
        return yaml.load(text, Loader=_Loader)  # noqa: S506 - _Loader is a SafeLoader
    except yaml.MarkedYAMLError as error:
        where = f"line {error.problem_mark.line + 1}, " if error.problem_mark else ""
        raise InvalidDocument(f"{where}not valid YAML: {error.problem}") from None
    except yaml.YAMLError as error:
        raise InvalidDocument(f"not valid YAML: {' '.join(str(error).split())}") from None


def _read_json(text: str) -> Any:
    try:
        return json.loads(
            text.lstrip("\ufeff"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_short_int,
        )
    except json.JSONDecodeError as error:
        flow = _try_flow_yaml(text)
        if flow is not None:
            return flow
        raise InvalidDocument(
            f"line {error.lineno}, column {error.colno}: not valid JSON: {error.msg}"
        ) from None


def _try_flow_yaml(text: str) -> Any:
    """A YAML document may open with a brace too."""
    try:
        return _read_yaml(text)
    except InvalidDocument:
        return None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result: dict[str, Any] = {}
    for key, value in pairs:
        if key in result:
            raise InvalidDocument(f"the key '{key}' appears twice in one object")
        result[key] = value
    return result


def _no_constant(name: str) -> NoReturn:
    raise InvalidDocument(f"{name} is not a number that a spec may hold")


def _short_int(text: str) -> int:
    if len(text) > 19:
        raise InvalidDocument(f"the number {text[:20]}... is too long")
    return int(text)
