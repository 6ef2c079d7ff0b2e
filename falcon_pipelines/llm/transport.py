"""One HTTP exchange with a server of the chat completions protocol, and what kind of failure it ended in."""

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from functools import cache
from typing import TYPE_CHECKING, Any, Literal

from falcon_pipelines.settings import LlmProvider

if TYPE_CHECKING:
    import openai

Failure = Literal[
    "unauthorised", "bad_request", "quota", "rate_limited", "server_error", "timeout", "unreachable"
]
PER_CALL_SECONDS = 60.0
_LOOKS_LIKE_A_KEY = re.compile(r"\b(?:sk|pk|key|pplx|gsk|xai)-[A-Za-z0-9_\-*.]{6,}")
_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "quota_exceeded", "insufficient_credits")


@dataclass(frozen=True)
class Exchange:
    """What came back: a body with its HTTP status, or a failure. `retry_after` in seconds where the server said."""

    body: str | None
    http_status: int | None
    failure: Failure | None
    detail: str | None
    retry_after: float | None
    latency_ms: int


def exchange(provider: LlmProvider, payload: Mapping[str, Any], timeout: float) -> Exchange:
    """Send one chat completion request; never raises for what a server or a network can do."""
    import openai

    secret = provider.api_key.get_secret_value() if provider.api_key else "none"
    client = _client(provider.base_url, secret)
    began = time.monotonic()
    body: str | None = None
    status: int | None = None
    failure: Failure | None = None
    detail: str | None = None
    retry_after: float | None = None
    try:
        response = client.chat.completions.with_raw_response.create(timeout=timeout, **payload)
        body, status = response.text, response.status_code
    except openai.APITimeoutError:
        failure, detail = "timeout", f"no answer within {timeout:.0f} s"
    except openai.APIStatusError as error:
        body, status = error.response.text, error.status_code
        failure, detail = classify(status, error.body), _message(error.body) or f"HTTP {status}"
        retry_after = _retry_after(error.response.headers)
    except openai.APIConnectionError as error:
        failure, detail = "unreachable", f"{type(error.__cause__ or error).__name__}"
    except openai.OpenAIError as error:
        failure, detail = "bad_request", type(error).__name__
    latency = round((time.monotonic() - began) * 1000)
    return Exchange(blot(body, secret), status, failure, blot(detail, secret), retry_after, latency)


@cache
def _client(base_url: str, secret: str) -> "openai.OpenAI":
    """One client per server: making one reads all trusted certificates, which takes longer than many answers."""
    import openai

    return openai.OpenAI(base_url=base_url, api_key=secret, max_retries=0)


def classify(status: int | None, body: object) -> Failure:
    """The kind of failure that an HTTP status, or the error object of a body, stands for."""
    error = body if isinstance(body, dict) else {}
    error = error["error"] if isinstance(error.get("error"), dict) else error
    words = {str(error.get(name, "")).lower() for name in ("code", "type")}
    number = next((int(word) for word in words if word.isdigit()), status)
    if words & set(_QUOTA) or number == 402:
        return "quota"
    if number in (401, 403):
        return "unauthorised"
    if number == 429 or words & {"rate_limit_exceeded", "rate_limit_error", "too_many_requests"}:
        return "rate_limited"
    if number is not None and (number in (408, 409) or number >= 500):
        return "server_error"
    if words & {"server_error", "overloaded_error", "internal_error", "api_error"}:
        return "server_error"
    return "bad_request"


def blot(text: str | None, secret: str) -> str | None:
    """The text without the key, and without anything that looks like one."""
    if text is None:
        return None
    if len(secret) > 4:
        text = text.replace(secret, "[key]")
    return _LOOKS_LIKE_A_KEY.sub("[key]", text).replace("\x00", "")


def _message(body: object) -> str | None:
    error = body.get("error", body) if isinstance(body, dict) else None
    message = error.get("message") if isinstance(error, dict) else error
    return str(message)[:300] if message else None


def _retry_after(headers: Mapping[str, str]) -> float | None:
    value = headers.get("retry-after")
    if value is None:
        return None
    try:
        return max(0.0, float(value))
    except ValueError:
        pass
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except ValueError:
        return None
