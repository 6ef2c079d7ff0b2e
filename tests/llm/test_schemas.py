"""Reply models become flat strict schemas, or are refused."""

from typing import Literal

import pytest
from pydantic import BaseModel

from falcon_pipelines.llm.schemas import SchemaNotFlat, strict_schema


class Item(BaseModel):
    kind: Literal["a", "b"]
    size: float | None


class Items(BaseModel):
    items: list[Item]


def test_references_are_written_out_and_everything_is_required() -> None:
    assert strict_schema(Items) == {
        "type": "object",
        "properties": {
            "items": {
                "type": "array",
                "items": {
                    "type": "object",
                    "properties": {
                        "kind": {"type": "string", "enum": ["a", "b"]},
                        "size": {"type": ["number", "null"]},
                    },
                    "required": ["kind", "size"],
                    "additionalProperties": False,
                },
            }
        },
        "required": ["items"],
        "additionalProperties": False,
    }


class WithUnion(BaseModel):
    value: int | str


class WithDefault(BaseModel):
    value: int = 3


class Deep(BaseModel):
    inner: list[list[list[list[Items]]]]


@pytest.mark.parametrize("model", [WithUnion, WithDefault, Deep])
def test_what_some_servers_cannot_do_is_refused(model: type[BaseModel]) -> None:
    with pytest.raises(SchemaNotFlat, match=model.__name__):
        strict_schema(model)
