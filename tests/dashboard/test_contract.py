"""The API keeps what its OpenAPI document promises, whatever it is asked."""

import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from falcon_pipelines.dashboard.app import create_app
from tests.dashboard.clients import OPEN

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]
EXAMPLES = 25


def test_every_answer_is_as_documented(seeded_url: str) -> None:
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", create_app(seeded_url, OPEN))
    asked = 0
    for found in schema.get_all_operations():

        @settings(
            max_examples=EXAMPLES, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=found.ok().as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS)

        ask()
        asked += 1
    assert asked >= 18
