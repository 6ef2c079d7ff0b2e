"""Massive's websocket through its own client: minute aggregates of the whole market's trades."""

import asyncio
import contextlib
import json
import logging
import threading
import time
from typing import Any

from falcon_pipelines.services.backoff import Backoff
from falcon_pipelines.trading.feed.arrivals import Arrivals, Complaint, Connected, Lost
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.sources import EVERYTHING

log = logging.getLogger(__name__)

_CONNECT_SECONDS = 30.0
_REFUSED_SECONDS = 60.0
_LARGEST_FRAME = 16 << 20
_WELL = ("connected", "auth_success", "success")


class MassiveStream:
    """A Source. One connection at a time; a broken one is replaced after a pause."""

    name = "massive"
    basis = "sip"
    live = True

    def __init__(self, api_key: str, arrivals: Arrivals, *, socket: str, backoff: Backoff | None = None):
        self._key = api_key
        self._arrivals = arrivals
        self._socket = socket
        self._backoff = backoff or Backoff(first=1.0, most=60.0)
        self._wanted: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._client: Any = None
        self._connection: asyncio.Task[None] | None = None
        self._reason = ""
        self._thread: threading.Thread | None = None

    def now(self) -> int:
        return int(self._arrivals.clock())

    def watch(self, tickers: frozenset[str]) -> None:
        before, self._wanted = self._wanted, tickers
        if self._thread is None:
            if tickers:
                self._thread = threading.Thread(target=self._run, name="massive", daemon=True)
                self._thread.start()
            return
        added, gone = _topics(tickers - before), _topics(before - tickers)
        self._in_loop(lambda: self._resubscribe(added, gone))

    def reconnect(self, reason: str) -> None:
        def cancel() -> None:
            self._reason = reason
            if self._connection is not None:
                self._connection.cancel()

        self._in_loop(cancel)

    def stop(self) -> None:
        self._stopping.set()
        self.reconnect("stopping")
        if self._thread is not None:
            self._thread.join(10)

    def _in_loop(self, action: Any) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has just ended
                self._loop.call_soon_threadsafe(action)

    def _resubscribe(self, added: list[str], gone: list[str]) -> None:
        if self._client is not None:
            if gone:
                self._client.unsubscribe(*gone)
            if added:
                self._client.subscribe(*added)

    def _run(self) -> None:
        asyncio.run(self._connect_until_stopped())

    async def _connect_until_stopped(self) -> None:
        self._loop = asyncio.get_running_loop()
        while not self._stopping.is_set():
            self._reason = ""
            pause = await self._one_connection()
            if self._stopping.is_set():
                return
            self._arrivals.tell(Lost(self._reason))
            until = time.monotonic() + max(pause, self._backoff.pause())
            while time.monotonic() < until and not self._stopping.is_set():
                await asyncio.sleep(0.1)

    async def _one_connection(self) -> float:
        """Runs until the connection ends, and leaves why in `_reason`; the shortest pause before the next, in seconds."""
        from massive.exceptions import AuthError
        from massive.websocket import WebSocketClient

        scheme, _, host = self._socket.partition("://")
        heard = asyncio.Event()
        client = WebSocketClient(
            api_key=self._key,
            feed=host.rstrip("/"),
            market="stocks",
            raw=True,
            secure=scheme == "wss",
            subscriptions=_topics(self._wanted),
            max_reconnects=0,
        )

        async def process(frame: str | bytes) -> None:
            if not heard.is_set():
                heard.set()
                self._backoff.reset()
                self._arrivals.tell(Connected(self.now()))
            self._read(frame)

        self._client = client
        self._connection = asyncio.create_task(client.connect(process, max_size=_LARGEST_FRAME))
        watcher = asyncio.create_task(self._give_up_unless(heard))
        try:
            await self._connection
            self._reason = self._reason or "the server closed the connection"
        except asyncio.CancelledError:
            self._reason = self._reason or "cancelled"
        except AuthError as error:
            self._reason = f"Massive does not accept the API key ({error}); check FALCON_MASSIVE_API_KEY"
            return _REFUSED_SECONDS
        except Exception as error:  # noqa: BLE001 - whatever the client raises, the next connection is tried
            self._reason = f"{type(error).__name__}: {error}"
        finally:
            watcher.cancel()
            self._client = None
        return 0.0

    async def _give_up_unless(self, heard: asyncio.Event) -> None:
        """The client tries a server that does not answer for ever and says nothing; this ends it."""
        try:
            await asyncio.wait_for(heard.wait(), _CONNECT_SECONDS)
        except TimeoutError:
            self._reason = f"{self._socket} does not answer"
            if self._connection is not None:
                self._connection.cancel()

    def _read(self, frame: str | bytes) -> None:
        try:
            messages = json.loads(frame)
        except ValueError:
            self._arrivals.misread()
            return
        if not isinstance(messages, list):
            messages = [messages]
        bars = []
        for message in messages:
            kind = message.get("ev") if isinstance(message, dict) else None
            if kind == "AM":
                bar = bar_of(message)
                if bar is None:
                    self._arrivals.misread()
                else:
                    bars.append(bar)
            elif kind == "status":
                if message.get("status") not in _WELL:
                    self._arrivals.tell(Complaint(f"{message.get('status')}: {message.get('message')}"))
            elif kind is None:
                self._arrivals.misread()
        if bars:
            self._arrivals.put(bars)


def bar_of(message: dict[str, Any]) -> MinuteBar | None:
    """An `AM` message as a bar; None when it lacks something. Volume is the decimal one where it is given."""
    try:
        milliseconds = message["s"]
        return MinuteBar(
            _text(message["sym"]),
            milliseconds // 1_000 if milliseconds % 1_000 == 0 else -1,
            float(message["o"]),
            float(message["h"]),
            float(message["l"]),
            float(message["c"]),
            float(message.get("dv") or message["v"]),
        )
    except (KeyError, TypeError, ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _topics(tickers: frozenset[str]) -> list[str]:
    return ["AM.*"] if tickers == EVERYTHING else [f"AM.{ticker}" for ticker in sorted(tickers)]
