"""Flat files over S3: listing, downloads that resume, retries that respect the server, one error per failure."""

import random
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass, field
from datetime import date
from functools import cached_property, partial
from http import HTTPStatus
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from falcon_pipelines.bars.flat_files import (
    PREFIX,
    SIP,
    BadCredentials,
    NetworkFailed,
    OutOfPlan,
    RemoteFile,
    SessionMissing,
    SourceError,
    Throttled,
    file_key,
    folder_key,
    missing,
    session_of,
)
from falcon_pipelines.bars.panel import Frequency

ATTEMPTS = 5
CONNECT_TIMEOUT_SECONDS = 5
READ_TIMEOUT_SECONDS = 30
MAX_WAIT_SECONDS = 60.0
_CHUNK_BYTES = 1 << 20
_CREDENTIAL_CODES = {
    "InvalidAccessKeyId",
    "SignatureDoesNotMatch",
    "ExpiredToken",
    "InvalidToken",
    "InvalidClientTokenId",
    "AuthorizationHeaderMalformed",
}
_THROTTLE_CODES = {"SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests"}

Result = TypeVar("Result")


@dataclass(frozen=True)
class S3Source:
    """Massive's bucket of flat files, or any S3 bucket of the same layout.

    Every request has timeouts and at most ATTEMPTS tries, waiting as long as the server asks (Retry-After) or
    twice as long each time. `sleep` is how it waits.
    """

    endpoint: str
    bucket: str
    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    prefix: str = PREFIX
    page_keys: int = 1000
    sleep: Callable[[float], None] = field(default=time.sleep, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.access_key and self.secret_key):
            raise BadCredentials("no S3 keys: set FALCON_S3_ACCESS_KEY and FALCON_S3_SECRET_KEY")

    @property
    def name(self) -> str:
        return "s3"

    @property
    def basis(self) -> str:
        return SIP

    @cached_property
    def _client(self) -> Any:
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name="us-east-1",
            config=Config(
                connect_timeout=CONNECT_TIMEOUT_SECONDS,
                read_timeout=READ_TIMEOUT_SECONDS,
                retries={"total_max_attempts": 1},
                s3={"addressing_style": "path"},
                max_pool_connections=8,
                # Compatible servers do not all know the newer checksum headers.
                request_checksum_calculation="when_required",
                response_checksum_validation="when_required",
            ),
        )

    def where(self, frequency: Frequency, session: date) -> str:
        """Where that session's file is expected, for messages."""
        return f"{self.endpoint}/{self.bucket}/{file_key(frequency, session, self.prefix)}"

    def sessions(self, frequency: Frequency) -> Collection[date]:
        """All sessions the bucket lists. Raises SourceError."""
        found = (session_of(item["Key"]) for item in self._listing(frequency))
        return sorted(session for session in found if session is not None)

    def files(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        """What the bucket lists of those sessions. Raises SourceError."""
        wanted = {file_key(frequency, session, self.prefix): session for session in sessions}
        if not wanted:
            return {}
        # Keys sort by date, so one listing from just before the first key to the last covers any range.
        return {
            wanted[item["Key"]]: RemoteFile(
                wanted[item["Key"]], frequency, item["Key"], item["ETag"].strip('"'), int(item["Size"])
            )
            for item in self._listing(frequency, min(wanted)[:-1], max(wanted))
            if item["Key"] in wanted
        }

    def _listing(self, frequency: Frequency, after: str = "", last: str = "~") -> Iterator[dict[str, Any]]:
        folder = folder_key(frequency, self.prefix)
        position = {"StartAfter": after} if after else {}
        while True:
            list_page = self._client.list_objects_v2
            request = partial(
                list_page, Bucket=self.bucket, Prefix=folder, MaxKeys=self.page_keys, **position
            )
            page = self._try(f"listing {folder}", request)
            contents = page.get("Contents", [])
            yield from contents
            if not page.get("IsTruncated") or (contents and contents[-1]["Key"] >= last):
                return
            position = {"ContinuationToken": page["NextContinuationToken"]}

    def head(self, frequency: Frequency, session: date) -> RemoteFile:
        """One session's file as it is now. Raises SessionMissing and other SourceErrors."""
        key = file_key(frequency, session, self.prefix)
        answer = self._try(key, lambda: self._client.head_object(Bucket=self.bucket, Key=key), session)
        return RemoteFile(session, frequency, key, answer["ETag"].strip('"'), int(answer["ContentLength"]))

    def heads(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        """What the bucket has of those sessions now, one HEAD each. Raises SourceError."""
        found = {}
        for session in sessions:
            with suppress(SessionMissing):
                found[session] = self.head(frequency, session)
        return found

    def fetch(self, file: RemoteFile, target: Path) -> RemoteFile:
        """Downloads the file, resuming after a broken connection; starts over when it was replaced meanwhile."""
        with target.open("wb") as out:

            def attempt() -> RemoteFile:
                nonlocal file
                while True:
                    try:
                        self._download(file, out)
                        return file
                    except _Replaced:
                        out.seek(0)
                        out.truncate()
                        file = self.head(file.frequency, file.session)

            return self._try(file.key, attempt, file.session)

    def _download(self, file: RemoteFile, out: Any) -> None:
        from botocore.exceptions import ClientError

        have = out.tell()
        if have == file.size_bytes:
            return
        ranged = {"Range": f"bytes={have}-"} if have else {}
        try:
            answer = self._client.get_object(
                Bucket=self.bucket, Key=file.key, IfMatch=f'"{file.etag}"', **ranged
            )
        except ClientError as error:
            if _status(error) == HTTPStatus.PRECONDITION_FAILED:
                raise _Replaced from None
            raise
        if answer["ETag"].strip('"') != file.etag:
            raise _Replaced
        with closing(answer["Body"]) as body:
            for chunk in body.iter_chunks(_CHUNK_BYTES):
                out.write(chunk)
        if out.tell() != file.size_bytes:
            raise _Incomplete

    def _try(self, what: str, request: Callable[[], Result], session: date | None = None) -> Result:
        from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
        from urllib3.exceptions import HTTPError

        for attempt in range(1, ATTEMPTS + 1):
            try:
                return request()
            except ClientError as error:
                if not _is_transient(error):
                    self._refuse(error, what, session)
                failure: Exception = error
                wait = _retry_after(error)
            except (
                BotoCoreError,
                HTTPClientError,
                HTTPError,
                ConnectionError,
                TimeoutError,
                _Incomplete,
            ) as error:
                failure, wait = error, None
            if attempt < ATTEMPTS:
                backoff = min(MAX_WAIT_SECONDS, 0.5 * 2.0**attempt) * random.uniform(0.75, 1.0)  # noqa: S311
                self.sleep(backoff if wait is None else min(MAX_WAIT_SECONDS, wait))
        reason = _reason(failure)
        if isinstance(failure, ClientError) and _is_throttle(failure):
            raise Throttled(
                f"{self.endpoint}: {what}: asked to slow down {ATTEMPTS} times ({reason}); try again later"
            ) from failure
        raise NetworkFailed(
            f"{self.endpoint}: {what}: failed {ATTEMPTS} times ({reason}); check the network and FALCON_S3_ENDPOINT"
        ) from failure

    def _refuse(self, error: Any, what: str, session: date | None) -> NoReturn:
        code, status = error.response["Error"].get("Code", ""), _status(error)
        if code in _CREDENTIAL_CODES or status == HTTPStatus.UNAUTHORIZED:
            raise BadCredentials(
                f"{self.endpoint} does not accept the S3 keys ({code}); "
                "check FALCON_S3_ACCESS_KEY and FALCON_S3_SECRET_KEY"
            ) from error
        if code == "NoSuchBucket":
            raise SourceError(
                f"{self.endpoint} has no bucket {self.bucket}; check FALCON_S3_BUCKET"
            ) from error
        if status == HTTPStatus.FORBIDDEN:
            raise OutOfPlan(
                f"{self.endpoint}: {what}: access denied; "
                "the subscription does not include it, or the keys lack the right"
            ) from error
        if status == HTTPStatus.NOT_FOUND and session is not None:
            raise missing(f"{self.endpoint}/{self.bucket}/{what}", session) from error
        raise SourceError(f"{self.endpoint}: {what}: {_reason(error)}") from error


class _Replaced(Exception):
    """The file changed at the source while it was being fetched."""


class _Incomplete(Exception):
    """The connection ended before the file did."""


def _status(error: Any) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _is_throttle(error: Any) -> bool:
    return (
        _status(error) in (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)
        or error.response["Error"].get("Code") in _THROTTLE_CODES
    )


def _is_transient(error: Any) -> bool:
    return _is_throttle(error) or _status(error) >= HTTPStatus.INTERNAL_SERVER_ERROR


def _retry_after(error: Any) -> float | None:
    headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    try:
        return max(0.0, float(headers["retry-after"]))
    except (KeyError, ValueError):
        return None


def _reason(error: Exception) -> str:
    lines = str(error).splitlines()
    return lines[0] if lines else type(error).__name__.lstrip("_").lower()
