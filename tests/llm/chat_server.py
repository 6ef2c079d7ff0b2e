"""A server of the chat completions protocol on the loopback: says what a script tells it to, refuses what the
protocol does not allow."""

import json
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

USAGE = {"prompt_tokens": 120, "completion_tokens": 30, "total_tokens": 150}


@dataclass(frozen=True)
class Scripted:
    """One answer of the server: a status and a body, after a pause."""

    body: str
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    pause_seconds: float = 0.0
    content_type: str = "application/json"


def completion(content: str | None, finish_reason: str = "stop", **changes: Any) -> Scripted:
    """A chat completion as the protocol documents it; `changes` replace top-level fields, None leaves one out."""
    document: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1790000000,
        "model": "test-model-2026",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": content, "refusal": None},
                "finish_reason": finish_reason,
                "logprobs": None,
            }
        ],
        "usage": USAGE,
    } | changes
    return Scripted(json.dumps({key: value for key, value in document.items() if value is not None}))


def failure(status: int, code: str | None = None, message: str = "no", **headers: str) -> Scripted:
    """An error as the protocol documents it."""
    body = {"error": {"message": message, "type": "error", "param": None, "code": code}}
    return Scripted(
        json.dumps(body), status, {name.replace("_", "-"): value for name, value in headers.items()}
    )


class ChatServer:
    """What was asked, and what is answered next; the last scripted answer repeats."""

    def __init__(self, script: Sequence[Scripted], url: str) -> None:
        self.script = list(script)
        self.url = url
        self.requests: list[dict[str, Any]] = []
        self.problems: list[str] = []
        self.authorizations: list[str] = []

    def next(self) -> Scripted:
        """The answer to the latest request."""
        return self.script[min(len(self.requests), len(self.script)) - 1]


@contextmanager
def chat_server(*script: Scripted) -> Iterator[ChatServer]:
    """A running server; `problems` must be empty in the end: what a request had that the protocol does not know."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            request = json.loads(self.rfile.read(int(self.headers["content-length"])))
            state.requests.append(request)
            state.authorizations.append(self.headers.get("authorization", ""))
            state.problems.extend(protocol_problems(self.path, request))
            answer = state.next()
            time.sleep(answer.pause_seconds)
            body = answer.body.encode()
            try:
                self.send_response(answer.status)
                self.send_header("content-type", answer.content_type)
                self.send_header("content-length", str(len(body)))
                for name, value in answer.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)
            except OSError:
                return

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class names it so
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    state = ChatServer(script, f"http://127.0.0.1:{server.server_port}/v1")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def protocol_problems(path: str, request: dict[str, Any]) -> list[str]:
    """What in a request is not as the published schema of POST /chat/completions says."""
    problems = [] if path == "/v1/chat/completions" else [f"path {path}"]
    allowed = {"model", "messages", "temperature", "max_tokens", "max_completion_tokens", "response_format"}
    problems += [f"unknown field {name}" for name in request.keys() - allowed]
    if not isinstance(request.get("model"), str):
        problems.append("model is not a string")
    if not 0 <= request.get("temperature", 0) <= 2:
        problems.append("temperature out of range")
    messages = request.get("messages") or []
    problems += [] if messages else ["no messages"]
    for message in messages:
        if message.get("role") not in ("system", "user", "assistant") or not isinstance(
            message.get("content"), str
        ):
            problems.append(f"message {message}")
    form = request.get("response_format", {"type": "text"})
    if form["type"] == "json_schema":
        shape = form["json_schema"]
        if set(shape) - {"name", "strict", "schema", "description"} or shape.get("strict") is not True:
            problems.append("json_schema wrapper")
        if not shape["name"].replace("_", "").replace("-", "").isalnum() or len(shape["name"]) > 64:
            problems.append(f"schema name {shape['name']!r}")
        problems += _schema_problems(shape["schema"], "schema")
    elif form["type"] not in ("json_object", "text"):
        problems.append(f"response_format {form['type']}")
    return problems


def _schema_problems(schema: dict[str, Any], place: str) -> list[str]:
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    problems = [
        f"{place}: keyword {key}" for key in schema.keys() & {"anyOf", "$ref", "default", "oneOf", "allOf"}
    ]
    if "object" in kinds:
        if schema.get("additionalProperties") is not False:
            problems.append(f"{place}: additional properties allowed")
        if set(schema["required"]) != set(schema["properties"]):
            problems.append(f"{place}: not every property is required")
        for name, child in schema["properties"].items():
            problems += _schema_problems(child, f"{place}.{name}")
    if "array" in kinds:
        problems += _schema_problems(schema["items"], f"{place}[]")
    return problems
