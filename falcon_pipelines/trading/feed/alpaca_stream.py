"""Alpaca's websocket through its own client: minute bars, and later updates of them."""

import asyncio
import logging
import threading
from typing import Any, Literal

from falcon_pipelines.trading.feed.arrivals import Arrivals, Complaint, Connected, Lost
from falcon_pipelines.trading.feed.bars import MinuteBar

log = logging.getLogger(__name__)

_REFUSED_SECONDS = 60.0


class AlpacaStream:
    """A Source. The client connects again by itself, with pauses that grow; this hears of it."""

    name = "alpaca"
    live = True

    def __init__(
        self,
        key_id: str,
        secret_key: str,
        arrivals: Arrivals,
        *,
        basis: Literal["iex", "sip"] = "iex",
        socket: str | None = None,
        first_pause_seconds: float = 1.0,
    ) -> None:
        self.basis = basis
        self._keys = key_id, secret_key
        self._arrivals = arrivals
        self._socket = socket
        self._first_pause = first_pause_seconds
        self._wanted: frozenset[str] = frozenset()
        self._stopping = threading.Event()
        self._stream: Any = None
        self._thread: threading.Thread | None = None
        self._lock = threading.Lock()

    def now(self) -> int:
        return int(self._arrivals.clock())

    def watch(self, tickers: frozenset[str]) -> None:
        with self._lock:
            before, self._wanted = self._wanted, tickers
            stream = self._stream
        if self._thread is None:
            if tickers:
                self._thread = threading.Thread(target=self._run, name="alpaca", daemon=True)
                self._thread.start()
        elif stream is not None:
            stream.change(tickers - before, before - tickers)

    def reconnect(self, reason: str) -> None:
        stream = self._stream
        if stream is not None:
            stream.drop(reason)

    def stop(self) -> None:
        self._stopping.set()
        stream = self._stream
        if stream is not None:
            stream.end()
        if self._thread is not None:
            self._thread.join(10)

    def _run(self) -> None:
        stream_class = _stream_class()
        while not self._stopping.is_set():
            if not self._wanted:  # without any, the client would wait at full speed
                self._stopping.wait(0.5)
                continue
            with self._lock:
                self._stream = stream_class(
                    *self._keys, self.basis, self._socket, self._arrivals, self._first_pause, self._wanted
                )
            asyncio.run(self._stream.serve())
            # It ends by itself only when the account may not have these bars.
            self._stopping.wait(_REFUSED_SECONDS)


def bar_of(message: dict[str, Any]) -> MinuteBar | None:
    """A `b` or `u` message as a bar; None when it lacks something."""
    try:
        stamp = message["t"]
        if getattr(stamp, "nanoseconds", 0):
            return None
        ticker = message["S"]
        if not isinstance(ticker, str):
            return None
        return MinuteBar(
            ticker,
            int(stamp.seconds),
            float(message["o"]),
            float(message["h"]),
            float(message["l"]),
            float(message["c"]),
            float(message["v"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
        return None


def _stream_class() -> Any:
    """Made on first use: the client's import takes a second."""
    from alpaca.data.enums import DataFeed
    from alpaca.data.live import StockDataStream

    class Stream(StockDataStream):
        def __init__(
            self,
            key_id: str,
            secret_key: str,
            basis: str,
            socket: str | None,
            arrivals: Arrivals,
            first_pause: float,
            tickers: frozenset[str],
        ) -> None:
            super().__init__(
                key_id,
                secret_key,
                raw_data=True,
                feed=DataFeed(basis),
                url_override=socket,
                websocket_params={"ping_interval": 10, "ping_timeout": 20, "max_queue": 1024},
            )
            self._reconnect_min_backoff = first_pause
            self._arrivals = arrivals
            self._why = ""
            self._set(tickers, frozenset())

        async def serve(self) -> None:
            """Until `end`."""
            await self._run_forever()

        def change(self, added: frozenset[str], gone: frozenset[str]) -> None:
            """Watch other tickers; what cannot be said now is said on the next connection."""
            loop: Any = self._loop
            if loop is not None and loop.is_running():
                asyncio.run_coroutine_threadsafe(self._change(added, gone), loop)
            else:
                self._set(added, gone)

        def drop(self, why: str) -> None:
            """Close the connection; the client makes a new one."""
            self._why = why
            loop: Any = self._loop
            if loop is not None and loop.is_running():
                asyncio.run_coroutine_threadsafe(self._close_socket(), loop)

        def end(self) -> None:
            """Close the connection for good."""
            loop: Any = self._loop
            if loop is not None and loop.is_running():
                asyncio.run_coroutine_threadsafe(self._end(), loop)

        async def _end(self) -> None:
            await self.stop_ws()
            await self._close_socket()

        async def _close_socket(self) -> None:
            socket: Any = self._ws
            if socket is not None:
                await socket.close()

        async def _change(self, added: frozenset[str], gone: frozenset[str]) -> None:
            self._set(added, gone)
            if self._running:
                try:
                    if added:
                        await self._send_subscribe_msg()
                    for channel in ("bars", "updatedBars"):
                        await self._send_unsubscribe_msg(channel, sorted(gone))
                except Exception as error:  # noqa: BLE001 - the connection is going: the next one knows
                    log.info("subscription waits for the next connection: %s", error)

        def _set(self, added: frozenset[str], gone: frozenset[str]) -> None:
            for channel in ("bars", "updatedBars"):
                for ticker in gone:
                    self._handlers[channel].pop(ticker, None)
                for ticker in added:
                    self._handlers[channel][ticker] = _nobody

        async def _start_ws(self) -> None:
            try:
                await super()._start_ws()
            except ValueError as error:
                self._why = f"Alpaca refuses the connection ({error}); check FALCON_ALPACA_KEY_ID"
                raise
            except Exception as error:
                self._why = f"{type(error).__name__}: {error}"
                raise

        async def _send_subscribe_msg(self) -> None:
            await super()._send_subscribe_msg()
            if not self._running:
                self._arrivals.tell(Connected(int(self._arrivals.clock())))

        async def _wait_before_reconnect(self, retries: int) -> None:
            self._arrivals.tell(Lost(self._why or "the connection was lost"))
            self._why = ""
            await super()._wait_before_reconnect(retries)

        async def _dispatch(self, msg: Any) -> None:
            kind = msg.get("T")
            if kind in ("b", "u"):
                bar = bar_of(msg)
                if bar is None:
                    self._arrivals.misread()
                else:
                    self._arrivals.put([bar])
            elif kind == "error":
                self._arrivals.tell(Complaint(f"{msg.get('code')}: {msg.get('msg')}"))

    return Stream


async def _nobody(_message: Any) -> None:
    """Messages are read in `_dispatch`; the client wants a handler for each ticker it subscribes to."""
