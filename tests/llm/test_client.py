"""Every way an answer of a language model can go wrong ends in a typed outcome, with the call on record."""

import json
import time
from decimal import Decimal
from typing import Any, Literal

import pytest
from pydantic import BaseModel, ConfigDict, SecretStr
from sqlalchemy import Engine, select

from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models.llm import LlmCall
from falcon_pipelines.llm.client import Answer, Budget, LlmClient, Question
from falcon_pipelines.llm.store import PostgresStore
from falcon_pipelines.settings import LlmProvider
from tests.llm.chat_server import USAGE, ChatServer, Scripted, chat_server, completion, failure

KEY = "sk-test-0123456789abcdef"


class Colour(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Literal["red", "green"]
    share: float
    note: str | None


QUESTION = Question("colour", "You name colours.", "Which colour?", Colour, max_tokens=100)
GOOD = '{"name": "red", "share": 0.5, "note": null}'


def provider(server: ChatServer, name: str = "first", **changes: Any) -> LlmProvider:
    priced = {"input_usd_per_million": Decimal(10), "output_usd_per_million": Decimal(20)}
    settings: dict[str, Any] = {
        "name": name,
        "base_url": server.url,
        "model": "test-model",
        "api_key": SecretStr(KEY),
    }
    return LlmProvider(**(settings | priced | changes))


def client(engine: Engine, *providers: LlmProvider, **changes: Any) -> LlmClient:
    settings: dict[str, Any] = {
        "budget": Budget(Decimal(1), Decimal(10)),
        "deadline_seconds": 5.0,
        "sleep": lambda seconds: None,
    }
    return LlmClient(providers, PostgresStore(engine), **(settings | changes))


def calls(engine: Engine) -> list[LlmCall]:
    with transaction(engine) as session:
        found = list(session.scalars(select(LlmCall).order_by(LlmCall.id)))
        session.expunge_all()
        return found


def ask(engine: Engine, *script: Scripted) -> tuple[Answer[Colour], ChatServer, list[LlmCall]]:
    with chat_server(*script) as server:
        answer = client(engine, provider(server)).ask(QUESTION)
    assert server.problems == []
    return answer, server, calls(engine)


def test_a_good_reply_is_validated_recorded_and_priced(engine: Engine) -> None:
    answer, server, [call] = ask(engine, completion(GOOD))
    assert answer.status == "ok"
    assert answer.value == Colour(name="red", share=0.5, note=None)
    assert server.requests[0]["response_format"]["type"] == "json_schema"
    assert (call.prompt_tokens, call.completion_tokens) == (120, 30)
    assert call.cost_usd == Decimal("0.0018")
    assert (call.model_asked, call.model_returned) == ("test-model", "test-model-2026")
    assert (call.status, call.rung, call.http_status) == ("ok", "json_schema", 200)
    assert call.reply is not None
    assert call.parameters["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(
    "wrapped", [f"```json\n{GOOD}\n```", f"<think>red? yes {{}}</think>\n{GOOD}", f"```\n{GOOD}\n```"]
)
def test_a_fence_or_thinking_around_the_reply_is_taken_off(engine: Engine, wrapped: str) -> None:
    answer, _, made = ask(engine, completion(wrapped))
    assert answer.status == "ok"
    assert len(made) == 1


BAD_REPLIES = {
    "cut": completion('{"name": "red", "sha'),
    "cut, saying length": completion('{"name": "red", "sha', "length"),
    "NaN": completion('{"name": "red", "share": NaN, "note": null}'),
    "duplicate key": completion('{"name": "red", "name": "green", "share": 0.5, "note": null}'),
    "extra key": completion('{"name": "red", "share": 0.5, "note": null, "stop": 0}'),
    "missing key": completion('{"name": "red", "share": 0.5}'),
    "string number": completion('{"name": "red", "share": "0.5", "note": null}'),
    "unknown enum": completion('{"name": "blue", "share": 0.5, "note": null}'),
    "text around": completion(f"Sure! {GOOD} Anything else?"),
    "two documents": completion(f"{GOOD}\n{GOOD}"),
    "a list": completion(f"[{GOOD}]"),
    "null content": completion(None),
    "empty content": completion(""),
    "empty choices": completion(GOOD, choices=[]),
    "null choices": completion(GOOD, choices=None),
    "HTML": Scripted("<html><body>welcome</body></html>", content_type="text/html"),
    "cut envelope": Scripted('{"id": "x", "choices": [{"mess'),
    "a bare string": Scripted('"hello"'),
    "deep nesting": completion("[" * 50_000),
}


@pytest.mark.parametrize("bad", BAD_REPLIES.values(), ids=BAD_REPLIES.keys())
def test_a_reply_that_does_not_hold_goes_down_the_ladder_and_then_abstains(
    engine: Engine, bad: Scripted
) -> None:
    answer, server, made = ask(engine, bad)
    assert (answer.status, answer.value) == ("abstained", None)
    assert answer.detail
    assert [call.rung for call in made] == ["json_schema", "json_object", "repair"]
    forms = [request["response_format"]["type"] for request in server.requests]
    assert forms == ["json_schema", "json_object", "json_object"]


@pytest.mark.parametrize("bad", BAD_REPLIES.values(), ids=BAD_REPLIES.keys())
def test_a_repaired_reply_is_used(engine: Engine, bad: Scripted) -> None:
    answer, server, made = ask(engine, bad, bad, completion(GOOD))
    assert answer.status == "ok"
    assert len(made) == 3
    assert "cannot be used" in server.requests[2]["messages"][-1]["content"]


def test_a_cut_reply_is_asked_for_again_with_more_room(engine: Engine) -> None:
    answer, server, _ = ask(engine, completion('{"name": "red', "length"), completion(GOOD))
    assert answer.status == "ok"
    assert [request["max_tokens"] for request in server.requests] == [100, 200]


def test_a_server_without_json_schema_is_asked_for_a_json_object(engine: Engine) -> None:
    answer, server, made = ask(
        engine, failure(400, None, "response_format json_schema unsupported"), completion(GOOD)
    )
    assert answer.status == "ok"
    assert [call.status for call in made] == ["bad_request", "ok"]
    assert "additionalProperties" in server.requests[1]["messages"][0]["content"]


def test_a_refusal_and_a_content_filter_are_final(engine: Engine) -> None:
    refusing = {
        "index": 0,
        "message": {"role": "assistant", "content": None, "refusal": "I cannot"},
        "finish_reason": "stop",
    }
    answer, _, made = ask(engine, completion(None, choices=[refusing]))
    assert (answer.status, answer.detail, len(made)) == ("refused", "I cannot", 1)
    with chat_server(completion(GOOD, "content_filter")) as server:
        filtered = client(engine, provider(server, name="other")).ask(QUESTION)
    assert (filtered.status, filtered.value, len(server.requests)) == ("filtered", None, 1)


@pytest.mark.parametrize(
    ("answered", "status", "tries"),
    [
        (failure(401, "invalid_api_key", f"Incorrect API key provided: {KEY}"), "unauthorised", 1),
        (failure(403), "unauthorised", 1),
        (failure(429, "insufficient_quota"), "quota", 1),
        (failure(402), "quota", 1),
        (failure(429, "rate_limit_exceeded"), "rate_limited", 3),
        (failure(500), "server_error", 3),
        (failure(503, None, "overloaded"), "server_error", 3),
        (Scripted("<html>bad gateway</html>", 502, content_type="text/html"), "server_error", 3),
        (failure(404, "model_not_found"), "bad_request", 2),
        (Scripted('{"error": {"message": "Rate limit", "code": 429}}'), "rate_limited", 3),
        (Scripted('{"error": {"message": "no credit", "code": "insufficient_quota"}}'), "quota", 1),
        (Scripted('{"error": "boom"}'), "bad_request", 2),
    ],
)
def test_failures_are_typed_and_only_passing_ones_are_tried_again(
    engine: Engine, answered: Scripted, status: str, tries: int
) -> None:
    answer, server, made = ask(engine, answered)
    assert (answer.status, answer.value) == (status, None)
    assert len(server.requests) == tries
    assert len(made) == tries
    assert made[-1].status == status


def test_retry_after_is_honoured_and_never_past_the_deadline(engine: Engine) -> None:
    waited: list[float] = []
    with chat_server(failure(429, "rate_limit_exceeded", retry_after="2"), completion(GOOD)) as server:
        answer = client(engine, provider(server), sleep=waited.append).ask(QUESTION)
    assert (answer.status, waited) == ("ok", [2.0])
    with chat_server(failure(429, "rate_limit_exceeded", retry_after="90")) as server:
        limited = client(engine, provider(server, name="b"), sleep=waited.append).ask(QUESTION)
    assert (limited.status, waited, len(server.requests)) == ("rate_limited", [2.0], 1)


def test_a_silent_server_ends_in_a_timeout_at_the_deadline(engine: Engine) -> None:
    began = time.monotonic()
    with chat_server(Scripted(GOOD, pause_seconds=1.5)) as server:
        answer = client(engine, provider(server), deadline_seconds=0.4).ask(QUESTION)
    assert answer.status == "timeout"
    assert time.monotonic() - began < 10
    [call] = calls(engine)
    assert (call.status, call.prompt_tokens, call.cost_usd) == ("timeout", None, None)


def test_an_unreachable_server_is_typed_and_costs_nothing(engine: Engine) -> None:
    with chat_server(completion(GOOD)) as server:
        pass
    answer = client(engine, provider(server)).ask(QUESTION)
    assert answer.status == "unreachable"
    assert {call.reserved_usd for call in calls(engine)} == {Decimal(0)}


def test_missing_usage_is_unknown_and_not_nothing(engine: Engine) -> None:
    answer, _, [call] = ask(engine, completion(GOOD, usage=None))
    assert answer.status == "ok"
    assert (call.prompt_tokens, call.completion_tokens, call.cost_usd) == (None, None, None)
    assert call.reserved_usd > 0
    assert PostgresStore(engine).spent() == call.reserved_usd


def test_the_next_provider_answers_when_the_first_cannot(engine: Engine) -> None:
    with chat_server(failure(401)) as first, chat_server(completion(GOOD)) as second:
        asked = client(engine, provider(first), provider(second, name="second"))
        answer = asked.ask(QUESTION)
        again = client(engine, provider(first), provider(second, name="second")).ask(QUESTION)
    assert (answer.status, answer.provider, answer.cached) == ("ok", "second", False)
    assert (again.value, again.provider, again.cached) == (answer.value, "second", True)
    assert (len(first.requests), len(second.requests)) == (1, 1)


def test_asking_again_costs_nothing_and_gives_the_same_bytes(engine: Engine) -> None:
    with chat_server(completion(GOOD), completion('{"name": "green", "share": 1, "note": "x"}')) as server:
        first = client(engine, provider(server)).ask(QUESTION)
        second = client(engine, provider(server)).ask(QUESTION)
        other = client(engine, provider(server)).ask(
            Question("colour", "You name colours.", "Which colour?", Colour, version=2, max_tokens=100)
        )
    assert (second.cached, second.value) == (True, first.value)
    assert (other.cached, other.value != first.value) == (False, True)
    assert len(server.requests) == 2


def test_a_transient_failure_is_not_remembered(engine: Engine) -> None:
    with chat_server(failure(500), failure(500), failure(500), completion(GOOD)) as server:
        assert client(engine, provider(server)).ask(QUESTION).status == "server_error"
        assert client(engine, provider(server)).ask(QUESTION).status == "ok"


def test_a_spent_budget_skips_the_rest_and_keeps_what_is_done(engine: Engine) -> None:
    with chat_server(completion(GOOD)) as server:
        asking = client(engine, provider(server), budget=Budget(Decimal("0.006"), Decimal(10)))
        questions = [Question("colour", "s", f"number {n}", Colour, max_tokens=100) for n in range(5)]
        answers = [asking.ask(question) for question in questions]
    assert [answer.status for answer in answers] == ["ok", "ok", "ok", "skipped_budget", "skipped_budget"]
    assert len(server.requests) == 3
    assert PostgresStore(engine).spent(run_id=asking.run_id) <= Decimal("0.006")


def test_the_monthly_budget_counts_all_runs(engine: Engine) -> None:
    with chat_server(completion(GOOD)) as server:
        small = Budget(Decimal(10), Decimal("0.004"))
        assert client(engine, provider(server), budget=small).ask(QUESTION).status == "ok"
        later = Question("colour", "s", "another", Colour, max_tokens=200)
        assert client(engine, provider(server), budget=small).ask(later).status == "skipped_budget"


def test_the_key_is_sent_but_never_kept(engine: Engine) -> None:
    answer, server, [call] = ask(
        engine, failure(401, "invalid_api_key", f"Incorrect API key: {KEY} or sk-live-abcdefgh")
    )
    assert server.authorizations == [f"Bearer {KEY}"]
    kept = json.dumps([call.reply, call.detail, call.parameters, answer.detail])
    assert "0123456789abcdef" not in kept
    assert "abcdefgh" not in kept


def test_without_a_provider_nothing_is_asked(engine: Engine) -> None:
    assert client(engine).ask(QUESTION).status == "no_provider"


def test_usage_of_a_useless_reply_is_recorded(engine: Engine) -> None:
    _, _, made = ask(engine, completion("not json"))
    assert [call.prompt_tokens for call in made] == [USAGE["prompt_tokens"]] * 3
    assert all(call.cost_usd for call in made)
