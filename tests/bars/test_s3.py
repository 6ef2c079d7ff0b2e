import hashlib
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import boto3
import pytest

from falcon_pipelines.bars.flat_files import (
    BadCredentials,
    NetworkFailed,
    OutOfPlan,
    RemoteFile,
    SessionMissing,
    SourceError,
    Throttled,
    file_key,
)
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.s3 import ATTEMPTS, S3Source
from falcon_pipelines.bars.store import BarStore
from tests.bars.conftest import BUCKET
from tests.bars.market import MONDAY, TUESDAY, line, write_lines


def source_at(
    endpoint: str, prefix: str = "us_stocks_sip", sleep: Callable[[float], None] | None = None
) -> S3Source:
    return S3Source(
        endpoint, BUCKET, "key", "secret", prefix, page_keys=3, sleep=sleep or (lambda seconds: None)
    )


@cache
def client_of(endpoint: str) -> Any:
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id="key",
        aws_secret_access_key="secret",
        region_name="us-east-1",
    )


def put(endpoint: str, key: str, content: bytes) -> None:
    client_of(endpoint).put_object(Bucket=BUCKET, Key=key, Body=content)


def test_sessions_listed_by_a_real_server_are_ingested_once(
    s3_endpoint: str, tmp_path: Path, store: BarStore
) -> None:
    for session in (MONDAY, TUESDAY):
        path = write_lines(tmp_path, session, [line("A", session)])
        put(s3_endpoint, file_key("day", session, "once"), path.read_bytes())
    source = source_at(s3_endpoint, "once")
    assert list(source.sessions("day")) == [MONDAY, TUESDAY]
    assert [r.status for r in ingest_range(source, store, "day", MONDAY, TUESDAY)] == ["new_revision"] * 2
    assert [r.status for r in ingest_range(source, store, "day", MONDAY, TUESDAY)] == ["unchanged"] * 2
    assert store.log().entries[0].source == "s3"


def test_a_listing_of_more_than_a_page_is_complete(s3_endpoint: str) -> None:
    days = [date.fromordinal(date(2010, 1, 1).toordinal() + n) for n in range(10)]
    for day in days:
        put(s3_endpoint, file_key("day", day, "long"), b"x")
    source = source_at(s3_endpoint, "long")
    assert list(source.sessions("day")) == days
    assert set(source.files("day", days[3:8])) == set(days[3:8])


def test_a_session_the_bucket_does_not_have_is_missing(
    s3_endpoint: str, tmp_path: Path, store: BarStore
) -> None:
    source = source_at(s3_endpoint, "empty")
    with pytest.raises(SessionMissing, match=r"empty/day_aggs_v1/2014/06/2014-06-09\.csv\.gz"):
        list(ingest_range(source, store, "day", MONDAY, TUESDAY))
    with pytest.raises(SessionMissing):
        source.head("day", MONDAY)


def test_an_unknown_bucket_is_named(s3_endpoint: str) -> None:
    with pytest.raises(SourceError, match="no bucket elsewhere"):
        S3Source(s3_endpoint, "elsewhere", "key", "secret").sessions("day")


def test_missing_keys_are_noticed_before_any_request() -> None:
    with pytest.raises(BadCredentials, match="FALCON_S3_ACCESS_KEY"):
        S3Source("http://127.0.0.1:9", BUCKET, "", "")


def test_keys_are_not_in_the_representation() -> None:
    assert "secret" not in repr(source_at("http://127.0.0.1:9"))


class Bucket:
    """One object on a scripted server. Each request takes the next of `faults`; None means behave."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.faults: list[Callable[[BaseHTTPRequestHandler], None] | None] = []
        self.requests: list[tuple[str, str | None, str | None]] = []

    @property
    def etag(self) -> str:
        return hashlib.md5(self.content).hexdigest()

    @property
    def file(self) -> RemoteFile:
        return RemoteFile(MONDAY, "day", file_key("day", MONDAY), self.etag, len(self.content))


def refuse(status: int, code: str, **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def fault(handler: BaseHTTPRequestHandler) -> None:
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", str(len(body)))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    return fault


@contextmanager
def serving(bucket: Bucket) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *args: object) -> None:
            pass

        def do_HEAD(self) -> None:
            self.answer()

        def do_GET(self) -> None:
            self.answer()

        def answer(self) -> None:
            bucket.requests.append((self.command, self.headers["Range"], self.headers["If-Match"]))
            fault = bucket.faults.pop(0) if bucket.faults else None
            if fault is not None:
                fault(self)
                return
            if_match = self.headers["If-Match"]
            if if_match and if_match.strip('"') != bucket.etag:
                refuse(412, "PreconditionFailed")(self)
                return
            first = int(re.match(r"bytes=(\d+)-", self.headers["Range"] or "bytes=0-").group(1))  # type: ignore[union-attr]
            self.send_response(206 if first else 200)
            self.send_header("ETag", f'"{bucket.etag}"')
            self.send_header("Content-Length", str(len(bucket.content) - first))
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(bucket.content[first:])

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def cut_after(
    bucket: Bucket, count: int, then: Callable[[], None] = lambda: None
) -> Callable[[BaseHTTPRequestHandler], None]:
    """Sends some bytes of the object and closes the connection."""

    def fault(handler: BaseHTTPRequestHandler) -> None:
        first = int(re.match(r"bytes=(\d+)-", handler.headers["Range"] or "bytes=0-").group(1))  # type: ignore[union-attr]
        handler.send_response(206 if first else 200)
        handler.send_header("ETag", f'"{bucket.etag}"')
        handler.send_header("Content-Length", str(len(bucket.content) - first))
        handler.end_headers()
        handler.wfile.write(bucket.content[first : first + count])
        handler.close_connection = True
        then()

    return fault


CONTENT = bytes(range(256)) * 20_000


def test_a_broken_download_resumes_where_it_stopped(tmp_path: Path) -> None:
    bucket = Bucket(CONTENT)
    bucket.faults = [cut_after(bucket, 3_000_000)]
    with serving(bucket) as endpoint:
        fetched = source_at(endpoint).fetch(bucket.file, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == CONTENT
    assert fetched.etag == bucket.etag
    (_, first_range, _), (_, second_range, if_match) = bucket.requests
    assert first_range is None
    assert int(re.match(r"bytes=(\d+)-", second_range or "").group(1)) > 1_000_000  # type: ignore[union-attr]
    assert if_match == f'"{bucket.etag}"'


def test_a_file_replaced_in_mid_download_starts_over_and_never_splices(tmp_path: Path) -> None:
    bucket = Bucket(CONTENT)
    listed = bucket.file
    new = CONTENT[::-1]
    bucket.faults = [cut_after(bucket, 3_000_000, then=lambda: setattr(bucket, "content", new))]
    with serving(bucket) as endpoint:
        fetched = source_at(endpoint).fetch(listed, tmp_path / "f")
    assert (tmp_path / "f").read_bytes() == new
    assert fetched.etag == bucket.etag != listed.etag


def test_throttling_waits_as_long_as_the_server_asks(tmp_path: Path) -> None:
    bucket = Bucket(b"content")
    bucket.faults = [
        refuse(503, "SlowDown", Retry_After="7"),
        refuse(429, "TooManyRequests", Retry_After="3"),
    ]
    waits: list[float] = []
    with serving(bucket) as endpoint:
        source_at(endpoint, sleep=waits.append).fetch(bucket.file, tmp_path / "f")
    assert waits == [7, 3]
    assert (tmp_path / "f").read_bytes() == b"content"


def test_retries_are_bounded_and_each_failure_has_its_type(tmp_path: Path) -> None:
    bucket = Bucket(b"content")
    waits: list[float] = []
    with serving(bucket) as endpoint:
        source = source_at(endpoint, sleep=waits.append)
        bucket.faults = [refuse(503, "SlowDown")] * ATTEMPTS
        with pytest.raises(Throttled):
            source.fetch(bucket.file, tmp_path / "f")
        assert len(waits) == ATTEMPTS - 1
        assert waits == sorted(waits)
        bucket.faults = [refuse(500, "InternalError")] * ATTEMPTS
        with pytest.raises(NetworkFailed, match="FALCON_S3_ENDPOINT"):
            source.fetch(bucket.file, tmp_path / "f")
        waits.clear()
        bucket.faults = [refuse(403, "AccessDenied")]
        with pytest.raises(OutOfPlan, match="subscription"):
            source.fetch(bucket.file, tmp_path / "f")
        bucket.faults = [refuse(403, "SignatureDoesNotMatch")]
        with pytest.raises(BadCredentials, match="FALCON_S3_SECRET_KEY"):
            source.fetch(bucket.file, tmp_path / "f")
        bucket.faults = [refuse(404, "NoSuchKey")]
        with pytest.raises(SessionMissing):
            source.fetch(bucket.file, tmp_path / "f")
        assert waits == []
    with pytest.raises(NetworkFailed, match=r"127\.0\.0\.1"):
        source.sessions("day")
