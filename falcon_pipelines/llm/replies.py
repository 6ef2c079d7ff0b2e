"""Reading what a server sent: its envelope, and the JSON in it. Nothing is believed that is not checked here."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

M = TypeVar("M", bound=BaseModel)

_THINKING = re.compile(r"\A\s*<think>.*?</think>\s*", re.DOTALL | re.IGNORECASE)
_FENCE = re.compile(r"\A\s*```(?:json)?\s*\n(.*?)\n?```\s*\Z", re.DOTALL | re.IGNORECASE)


class UnusableReply(ValueError):
    """A reply is not the JSON that was asked for; the message says why, for the repair and the record."""


@dataclass(frozen=True)
class Usage:
    """Tokens as the provider counted them; None where it did not say (which is not zero)."""

    prompt_tokens: int | None
    completion_tokens: int | None


@dataclass(frozen=True)
class Envelope:
    """A chat completion taken apart. `content` is None where the server sent none."""

    content: str | None
    finish_reason: str | None
    refusal: str | None
    model: str | None
    usage: Usage
    error: Mapping[str, Any] | None


@dataclass(frozen=True)
class Parsed(Generic[M]):
    """A reply that holds, and its text in canonical form."""

    value: M
    text: str


def read_envelope(body: str) -> Envelope:
    """The chat completion in a response body; fields of the wrong type count as missing.

    Raises UnusableReply where the body is no JSON object (an HTML page, a cut text).
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        raise UnusableReply("the server did not answer with JSON") from None
    if not isinstance(document, dict):
        raise UnusableReply("the server did not answer with a JSON object")
    choices = document.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices and isinstance(choices[0], dict) else {}
    message = choice.get("message")
    message = message if isinstance(message, dict) else {}
    error = document.get("error")
    if isinstance(error, str):
        error = {"message": error}
    return Envelope(
        content=_text(message.get("content")),
        finish_reason=_text(choice.get("finish_reason")),
        refusal=_text(message.get("refusal")),
        model=_text(document.get("model")),
        usage=_usage(document.get("usage")),
        error=error if isinstance(error, dict) else None,
    )


def parse_reply(content: str, model: type[M]) -> Parsed[M]:
    """The value that the text of a reply holds; a code fence or a <think> block around it is taken off.

    Raises UnusableReply for anything but one JSON document of exactly that shape: duplicate or extra keys, NaN,
    numbers as strings, unknown enum values, text before or after.
    """
    text = _THINKING.sub("", content)
    fenced = _FENCE.match(text)
    text = fenced[1] if fenced else text
    try:
        document = json.loads(text, object_pairs_hook=_no_duplicates, parse_constant=_no_constants)
    except UnusableReply:
        raise
    except (ValueError, RecursionError) as error:
        raise UnusableReply(f"not one JSON document: {str(error)[:120]}") from None
    try:
        value = model.model_validate_json(json.dumps(document), strict=True)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(part) for part in detail['loc'])}: {detail['msg']}"
            for detail in error.errors()[:5]
        ]
        raise UnusableReply("; ".join(problems)) from None
    return Parsed(value, json.dumps(document, ensure_ascii=False, sort_keys=True, separators=(",", ":")))


def _no_duplicates(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    if len(set(keys)) < len(keys):
        raise UnusableReply(f"the key {max(keys, key=keys.count)!r} stands twice")
    return dict(pairs)


def _no_constants(name: str) -> float:
    raise UnusableReply(f"{name} is not a JSON number")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _usage(value: object) -> Usage:
    def count(name: str) -> int | None:
        number = value.get(name) if isinstance(value, dict) else None
        valid = isinstance(number, int) and not isinstance(number, bool) and 0 <= number < 10**9
        return number if valid else None

    return Usage(count("prompt_tokens"), count("completion_tokens"))
