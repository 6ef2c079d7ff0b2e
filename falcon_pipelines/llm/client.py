"""Asking a language model for one structured answer: ladder, provider chain, retries, deadline, cache, budget."""

import hashlib
import json
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel

from falcon_pipelines.llm import pricing
from falcon_pipelines.llm.replies import Envelope, UnusableReply, parse_reply, read_envelope
from falcon_pipelines.llm.schemas import strict_schema
from falcon_pipelines.llm.store import CallRecord, LlmStore, StoredReply
from falcon_pipelines.llm.transport import PER_CALL_SECONDS, Exchange, classify, exchange
from falcon_pipelines.settings import LlmProvider

M = TypeVar("M", bound=BaseModel)
Status = Literal[
    "ok",
    "abstained",
    "refused",
    "filtered",
    "unauthorised",
    "bad_request",
    "quota",
    "rate_limited",
    "server_error",
    "timeout",
    "unreachable",
    "skipped_budget",
    "no_provider",
]
Rung = Literal["json_schema", "json_object", "repair"]

CLIENT_VERSION = 1
"""Part of every cache key: raised when the same question would be asked or read in another way."""
_FINAL = ("ok", "abstained", "refused", "filtered")
_RETRIED = ("rate_limited", "server_error", "timeout", "unreachable")
_RETRIES = 2
_BACKOFF_SECONDS = 1.0


@dataclass(frozen=True)
class Question(Generic[M]):
    """What is asked: `reply` is the shape of the answer, `version` that of the code that wrote the prompt."""

    purpose: str
    system: str
    user: str
    reply: type[M]
    version: int = 1
    max_tokens: int = 4000


@dataclass(frozen=True)
class Answer(Generic[M]):
    """How a question ended; `value` is there exactly when `status` is `ok`. A cached answer cost nothing."""

    status: Status
    value: M | None
    detail: str | None
    provider: str | None
    model: str | None
    cached: bool


@dataclass(frozen=True)
class Budget:
    """Spending limits in US dollars, checked before each call."""

    per_run_usd: Decimal
    per_month_usd: Decimal


@dataclass
class LlmClient:
    """A chain of providers with a memory; one per run, whose id its budget counts against."""

    providers: Sequence[LlmProvider]
    store: LlmStore
    budget: Budget
    deadline_seconds: float = 180.0
    run_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    sleep: Callable[[float], None] = time.sleep

    def ask(self, question: Question[M]) -> Answer[M]:
        """The first final answer of the chain; from the store where this was asked before.

        Never raises for what a provider can do; every call that was made is in the store.
        """
        schema = strict_schema(question.reply)
        keys = [_cache_key(provider, question, schema) for provider in self.providers]
        for key in keys:
            stored = self.store.reply(key)
            if stored is not None:
                return _from_store(stored, question)
        last: Answer[M] = Answer("no_provider", None, "no language model is configured", None, None, False)
        deadline = time.monotonic() + self.deadline_seconds
        for provider, key in zip(self.providers, keys, strict=True):
            reply = _Asking(self, provider, question, schema, deadline).run()
            if reply.status in _FINAL:
                self.store.keep(key, reply)
                return _from_store(reply, question, cached=False)
            last = _from_store(reply, question, cached=False)
            if reply.status == "skipped_budget" or time.monotonic() >= deadline:
                break
        return last


def _from_store(reply: StoredReply, question: Question[M], *, cached: bool = True) -> Answer[M]:
    value = parse_reply(reply.content, question.reply).value if reply.content is not None else None
    status: Any = reply.status
    return Answer(status, value, reply.detail, reply.provider, reply.model_returned, cached)


def _cache_key(provider: LlmProvider, question: Question[M], schema: dict[str, Any]) -> str:
    content = {
        "provider": [provider.name, provider.base_url, provider.json_schema],
        "model": provider.model,
        "messages": [question.system, question.user],
        "schema": schema,
        "parameters": [_token_limit(provider), question.max_tokens, provider.temperature],
        "code": [CLIENT_VERSION, question.version],
    }
    return _hash(content)


def _token_limit(provider: LlmProvider) -> str:
    own = (urlsplit(provider.base_url).hostname or "").endswith("openai.com")
    return provider.token_limit or ("max_completion_tokens" if own else "max_tokens")


def _hash(content: object) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


class _Asking(Generic[M]):
    """One question put to one provider: down the ladder until an answer holds."""

    def __init__(
        self,
        client: LlmClient,
        provider: LlmProvider,
        question: Question[M],
        schema: dict[str, Any],
        deadline: float,
    ) -> None:
        self.client = client
        self.provider = provider
        self.question = question
        self.schema = schema
        self.deadline = deadline
        self.max_tokens = question.max_tokens
        self.model_returned: str | None = None

    def run(self) -> StoredReply:
        rungs: list[Rung] = ["json_schema", "json_object", "repair"]
        if not self.provider.json_schema:
            rungs.remove("json_schema")
        bad_reply, problem = "", "no reply"
        for rung in rungs:
            status, envelope, detail = self._exchange(rung, bad_reply, problem)
            if status != "ok":
                if status == "bad_request" and rung == "json_schema":
                    problem = detail or problem
                    continue
                return self._end(status, detail)
            if envelope is None or envelope.content is None:
                bad_reply, problem = "", detail or "the reply holds no text"
                continue
            try:
                parsed = parse_reply(envelope.content, self.question.reply)
            except UnusableReply as error:
                bad_reply, problem = envelope.content, str(error)
                if envelope.finish_reason == "length":
                    problem = f"cut off at {self.max_tokens} tokens"
                    self.max_tokens *= 2
                continue
            return self._end("ok", None, parsed.text)
        return self._end("abstained", problem)

    def _end(self, status: str, detail: str | None, content: str | None = None) -> StoredReply:
        return StoredReply(self.provider.name, status, content, detail, self.model_returned)

    def _exchange(self, rung: Rung, bad_reply: str, problem: str) -> tuple[str, Envelope | None, str | None]:
        """Status, envelope and detail of one rung, transient failures retried until the deadline."""
        payload = self._payload(rung, bad_reply, problem)
        for attempt in range(_RETRIES + 1):
            remaining = self.deadline - time.monotonic()
            if remaining <= 0:
                return "timeout", None, "the deadline for this question has passed"
            if self._over_budget(payload):
                return "skipped_budget", None, "the budget is spent"
            status, envelope, detail, retry_after = self._call(
                rung, payload, min(PER_CALL_SECONDS, remaining)
            )
            if status not in _RETRIED or attempt == _RETRIES:
                return status, envelope, detail
            pause = retry_after if retry_after is not None else _BACKOFF_SECONDS * 2**attempt
            if time.monotonic() + pause >= self.deadline:
                return status, envelope, detail
            self.client.sleep(pause)
        raise AssertionError("unreachable")

    def _payload(self, rung: Rung, bad_reply: str, problem: str) -> dict[str, Any]:
        system, user = self.question.system, self.question.user
        messages = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        payload: dict[str, Any] = {
            "model": self.provider.model,
            "messages": messages,
            _token_limit(self.provider): self.max_tokens,
        }
        if self.provider.temperature is not None:
            payload["temperature"] = self.provider.temperature
        if rung == "json_schema":
            shape = {"name": self.question.purpose, "strict": True, "schema": self.schema}
            payload["response_format"] = {"type": "json_schema", "json_schema": shape}
            return payload
        payload["response_format"] = {"type": "json_object"}
        shape_text = json.dumps(self.schema, sort_keys=True)
        messages[0] = {
            "role": "system",
            "content": f"{system}\nAnswer with one JSON object of exactly this JSON schema:\n{shape_text}",
        }
        if rung == "repair":
            if bad_reply:
                messages.append({"role": "assistant", "content": bad_reply})
            again = f"That answer cannot be used ({problem}). Answer again with the JSON object alone."
            messages.append({"role": "user", "content": again})
        return payload

    def _over_budget(self, payload: dict[str, Any]) -> bool:
        reserved = self._reserved(payload)
        budget, store = self.client.budget, self.client.store
        month = datetime.now(UTC).replace(day=1, hour=0, minute=0, second=0, microsecond=0)
        return (
            store.spent(run_id=self.client.run_id) + reserved > budget.per_run_usd
            or store.spent(since=month) + reserved > budget.per_month_usd
        )

    def _reserved(self, payload: dict[str, Any]) -> Decimal:
        characters = sum(len(message["content"]) for message in payload["messages"])
        day = datetime.now(UTC).date()
        return pricing.most_it_can_cost(self.provider, characters, self.max_tokens, day)

    def _call(
        self, rung: Rung, payload: dict[str, Any], timeout: float
    ) -> tuple[str, Envelope | None, str | None, float | None]:
        """One request, recorded before its content is looked at."""
        started = datetime.now(UTC)
        came = exchange(self.provider, payload, timeout)
        status: str = came.failure or "ok"
        detail = came.detail
        envelope: Envelope | None = None
        if came.body is not None:
            try:
                envelope = read_envelope(came.body)
            except UnusableReply as error:
                detail = detail or str(error)
        if envelope is not None and came.failure is None:
            status, detail = _judge(envelope, detail)
            self.model_returned = envelope.model
        self._record(rung, payload, came, envelope, status, detail, started)
        return status, envelope, detail, came.retry_after

    def _record(
        self,
        rung: Rung,
        payload: dict[str, Any],
        came: Exchange,
        envelope: Envelope | None,
        status: str,
        detail: str | None,
        started: datetime,
    ) -> None:
        usage = envelope.usage if envelope else None
        free = came.failure in ("unauthorised", "bad_request", "quota", "rate_limited", "unreachable")
        model = (envelope.model if envelope else None) or self.provider.model
        spent = pricing.cost(self.provider, model, usage, started.date()) if usage else None
        self.client.store.record(
            CallRecord(
                run_id=self.client.run_id,
                purpose=self.question.purpose,
                provider=self.provider.name,
                rung=rung,
                model_asked=self.provider.model,
                model_returned=envelope.model if envelope else None,
                prompt_hash=_hash(payload["messages"]),
                parameters={key: value for key, value in payload.items() if key not in ("messages", "model")},
                status=status,
                http_status=came.http_status,
                detail=detail,
                reply=came.body,
                prompt_tokens=usage.prompt_tokens if usage else None,
                completion_tokens=usage.completion_tokens if usage else None,
                cost_usd=spent,
                reserved_usd=Decimal(0) if free else self._reserved(payload),
                latency_ms=came.latency_ms,
                started_at=started,
            )
        )


def _judge(envelope: Envelope, detail: str | None) -> tuple[str, str | None]:
    """The status of a call that came back with 200."""
    if envelope.error is not None and envelope.content is None:
        message = str(envelope.error.get("message") or "an error without a message")[:300]
        return classify(None, dict(envelope.error)), message
    if envelope.refusal is not None:
        return "refused", envelope.refusal[:300]
    if envelope.finish_reason == "content_filter":
        return "filtered", "the provider's content filter stopped the reply"
    return "ok", detail
