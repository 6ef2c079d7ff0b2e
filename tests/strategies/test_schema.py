"""The published JSON Schema is that of the models, and agrees with them on real documents."""

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from falcon_pipelines.strategies.library import library_names, library_spec
from falcon_pipelines.strategies.spec import json_schema, parse_spec
from tests.strategies.test_spec import FULL

VALIDATOR = Draft202012Validator(json_schema())
PUBLISHED = Path(__file__).resolve().parents[2] / "docs" / "strategy-spec.schema.json"


def test_the_published_schema_is_current() -> None:
    assert json.loads(PUBLISHED.read_text()) == json_schema(), (
        "write it anew: falcon spec schema > docs/strategy-spec.schema.json"
    )


@pytest.mark.parametrize("name", [*library_names(), "everything"])
def test_the_schema_accepts_what_the_models_accept(name: str) -> None:
    spec = parse_spec(FULL) if name == "everything" else library_spec(name)
    VALIDATOR.validate(spec.document())


@pytest.mark.parametrize(
    "change",
    [
        {"extra": 1},
        {"entry": {"long": {"gtt": ["close", 1]}}},
        {"exit": {"stop": {"percent": "x"}}, "name": 5},
    ],
)
def test_the_schema_refuses_what_the_models_refuse(change: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(library_spec("golden_cross").document() | change)
