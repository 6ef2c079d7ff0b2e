"""The JSON schema of a reply in the strict, flat form that every server of the protocol accepts."""

from typing import Any

from pydantic import BaseModel

MAX_LEVELS = 5
MAX_PROPERTIES = 100
_KEPT = ("type", "enum", "description", "items", "properties", "required", "additionalProperties")


class SchemaNotFlat(TypeError):
    """A reply model cannot be written as a flat strict schema; the message names the place."""


def strict_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The model's schema with references written out, every property required, and nothing else allowed.

    Raises SchemaNotFlat for unions (but with null), defaults, more than 5 levels or 100 properties.
    """
    source = model.model_json_schema()
    counted: list[str] = []
    schema = _strict(source, source.get("$defs", {}), model.__name__, 1, counted)
    if len(counted) > MAX_PROPERTIES:
        raise SchemaNotFlat(f"{model.__name__}: {len(counted)} properties; allowed: {MAX_PROPERTIES}")
    return schema


def _strict(
    node: dict[str, Any], definitions: dict[str, Any], place: str, level: int, counted: list[str]
) -> dict[str, Any]:
    if level > MAX_LEVELS:
        raise SchemaNotFlat(f"{place}: more than {MAX_LEVELS} levels deep")
    if "$ref" in node:
        definition = definitions[node["$ref"].rsplit("/", 1)[-1]]
        return _strict(definition, definitions, place, level, counted)
    if "default" in node:
        raise SchemaNotFlat(f"{place}: has a default")
    if "anyOf" in node:
        return _nullable(node, definitions, place, level, counted)
    strict = {key: node[key] for key in _KEPT if key in node}
    if "const" in node:
        strict["enum"] = [node["const"]]
    if strict.get("type") == "object":
        properties = node.get("properties", {})
        counted.extend(properties)
        strict["properties"] = {
            name: _strict(child, definitions, f"{place}.{name}", level + 1, counted)
            for name, child in properties.items()
        }
        strict["required"] = list(properties)
        strict["additionalProperties"] = False
    if strict.get("type") == "array":
        strict["items"] = _strict(node["items"], definitions, f"{place}[]", level + 1, counted)
    return strict


def _nullable(
    node: dict[str, Any], definitions: dict[str, Any], place: str, level: int, counted: list[str]
) -> dict[str, Any]:
    others = [branch for branch in node["anyOf"] if branch.get("type") != "null"]
    if len(others) != 1 or len(node["anyOf"]) != 2:
        raise SchemaNotFlat(f"{place}: a union; only a value or null is allowed")
    inner = _strict(others[0], definitions, place, level, counted)
    if not isinstance(inner.get("type"), str) or inner["type"] == "object":
        raise SchemaNotFlat(f"{place}: only a plain value can be null")
    inner["type"] = [inner["type"], "null"]
    if "enum" in inner:
        inner["enum"] = [*inner["enum"], None]
    if "description" in node:
        inner["description"] = node["description"]
    return inner
