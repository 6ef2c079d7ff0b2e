"""The API keeps what its OpenAPI document promises, whatever it is asked."""

import pytest
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
from tests.dashboard.seed import seed

CHECKS = [
    not_a_server_error,
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
]


@pytest.mark.parametrize("examples", [3, pytest.param(100, marks=pytest.mark.slow)])
def test_every_answer_is_as_documented(database_url: str, examples: int) -> None:
    seed(database_url)
    app = create_app(database_url, OPEN)
    headers = {
        "Host": "127.0.0.1",
        "Cookie": "falcon-visit=visit-contract",
        "X-CSRF-Token": app.state.doorkeeper.sessions.token("visit-contract"),
    }
    schema = schemathesis.openapi.from_asgi("/api/openapi.json", app, headers=headers)
    asked = 0
    for found in schema.get_all_operations():

        @settings(
            max_examples=examples, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
        )
        @given(case=found.ok().as_strategy())
        def ask(case: schemathesis.Case) -> None:
            case.call_and_validate(checks=CHECKS, headers=headers)

        ask()
        asked += 1
    assert asked >= 39
