"""Loopback servers that speak Massive's and Alpaca's protocols: websocket and REST, with the faults of real ones."""

import asyncio
import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlparse

import msgpack
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from falcon_pipelines.trading.feed.bars import MinuteBar

KEY = "good-key"


class _Websockets:
    """A websocket server in a thread; subclasses say what it speaks."""

    def __init__(self) -> None:
        self.connections = 0
        self.subscribed: set[str] = set()
        self.accepting = True
        self._open: set[ServerConnection] = set()
        self._loop = asyncio.new_event_loop()
        started = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(started,), daemon=True)
        self._thread.start()
        started.wait()

    def send(self, frame: str | bytes) -> None:
        """Send a frame to whoever is connected, and wait until it is sent."""
        self._do(self._broadcast(frame))

    def drop(self) -> None:
        """Cut every connection without a word."""
        self._do(self._abort())

    def close(self) -> None:
        self._do(self._abort())
        self._do(self._shut())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _do(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(20)

    def _run(self, started: threading.Event) -> None:
        asyncio.set_event_loop(self._loop)
        self._server = self._loop.run_until_complete(self._listen())
        self.port = self._server.sockets[0].getsockname()[1]
        started.set()
        self._loop.run_forever()

    async def _listen(self) -> Server:
        return await serve(self._connection, "127.0.0.1", 0)

    async def _connection(self, socket: ServerConnection) -> None:
        self.subscribed.clear()
        self.connections += 1
        if not self.accepting:
            socket.transport.abort()
            return
        try:
            if await self.greet(socket):
                self._open.add(socket)
                async for frame in socket:
                    await self.answer(socket, frame)
        except ConnectionClosed:
            pass
        finally:
            self._open.discard(socket)
            if not self._open:
                self.subscribed.clear()

    async def _broadcast(self, frame: str | bytes) -> None:
        for socket in list(self._open):
            with suppress(ConnectionClosed):  # one that the feed is leaving for the next
                await socket.send(frame)

    async def _abort(self) -> None:
        for socket in list(self._open):
            socket.transport.abort()

    async def _shut(self) -> None:
        self._server.close()
        await self._server.wait_closed()

    async def greet(self, socket: ServerConnection) -> bool:
        raise NotImplementedError

    async def answer(self, socket: ServerConnection, frame: str | bytes) -> None:
        raise NotImplementedError


class MassiveSocket(_Websockets):
    """`wss://socket.massive.com/stocks`."""

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def bars(self, bars: Iterable[MinuteBar]) -> None:
        self.send(json.dumps([aggregate(bar) for bar in bars]))

    async def greet(self, socket: ServerConnection) -> bool:
        await socket.send(_status("connected", "Connected Successfully"))
        request = json.loads(await socket.recv())
        if request != {"action": "auth", "params": KEY}:
            await socket.send(_status("auth_failed", "authentication failed"))
            await socket.close()
            return False
        await socket.send(_status("auth_success", "authenticated"))
        return True

    async def answer(self, socket: ServerConnection, frame: str | bytes) -> None:
        request = json.loads(frame)
        topics = request["params"].split(",")
        if request["action"] == "subscribe":
            self.subscribed.update(topics)
        else:
            self.subscribed.difference_update(topics)
        await socket.send(_status("success", f"{request['action']}d to: {request['params']}"))


def aggregate(bar: MinuteBar) -> dict[str, Any]:
    """A bar as an `AM` message."""
    return {
        "ev": "AM", "sym": bar.ticker, "v": int(bar.volume), "dv": str(bar.volume), "av": 1, "op": 1.0, "vw": 1.0,
        "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "a": 1.0, "z": 10,
        "s": bar.time * 1_000, "e": bar.time * 1_000 + 60_000,
    }  # fmt: skip


def _status(status: str, message: str) -> str:
    return json.dumps([{"ev": "status", "status": status, "message": message}])


class AlpacaSocket(_Websockets):
    """`wss://stream.data.alpaca.markets/v2/iex`, in msgpack."""

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}"

    def bars(self, bars: Iterable[MinuteBar], kind: str = "b") -> None:
        self.send(msgpack.packb([alpaca_bar(bar, kind) for bar in bars]))

    async def greet(self, socket: ServerConnection) -> bool:
        await socket.send(msgpack.packb([{"T": "success", "msg": "connected"}]))
        request = msgpack.unpackb(await socket.recv())
        if (request.get("key"), request.get("secret")) != (KEY, KEY):
            await socket.send(msgpack.packb([{"T": "error", "code": 402, "msg": "auth failed"}]))
            await socket.close()
            return False
        await socket.send(msgpack.packb([{"T": "success", "msg": "authenticated"}]))
        return True

    async def answer(self, socket: ServerConnection, frame: str | bytes) -> None:
        request = msgpack.unpackb(frame)
        tickers = {*request.get("bars", ()), *request.get("updatedBars", ())}
        if request["action"] == "subscribe":
            self.subscribed.update(tickers)
        else:
            self.subscribed.difference_update(tickers)
        now = sorted(self.subscribed)
        await socket.send(msgpack.packb([{"T": "subscription", "bars": now, "updatedBars": now}]))


def alpaca_bar(bar: MinuteBar, kind: str = "b") -> dict[str, Any]:
    """A bar as a `b` (or, corrected, `u`) message."""
    return {
        "T": kind, "S": bar.ticker, "o": bar.open, "h": bar.high, "l": bar.low, "c": bar.close, "v": bar.volume,
        "t": msgpack.Timestamp(bar.time, 0), "n": 3, "vw": bar.close,
    }  # fmt: skip


class Rest:
    """REST over `history`, the bars it knows by ticker. `failures` counts down answers of 500."""

    def __init__(self, answer: Callable[["Rest", str, dict[str, list[str]]], dict[str, Any]]) -> None:
        self.history: dict[str, list[MinuteBar]] = {}
        self.asked: list[tuple[str, int, int]] = []
        self.failures = 0
        rest = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                parts = urlparse(self.path)
                if rest.failures:
                    rest.failures -= 1
                    status, body = 400, {"status": "ERROR", "message": "try later"}
                else:
                    status, body = 200, answer(rest, parts.path, parse_qs(parts.query))
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def between(self, ticker: str, start: int, end: int) -> list[MinuteBar]:
        self.asked.append((ticker, start, end))
        return [bar for bar in self.history.get(ticker, ()) if start <= bar.time <= end]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


def massive_answer(rest: Rest, path: str, _query: dict[str, list[str]]) -> dict[str, Any]:
    """`/v2/aggs/ticker/T/range/1/minute/FROM/TO`."""
    _, _, _, _, ticker, _, _, _, first, last = path.split("/")
    bars = rest.between(ticker, int(first) // 1_000, int(last) // 1_000)
    results = [
        {"t": b.time * 1_000, "o": b.open, "h": b.high, "l": b.low, "c": b.close, "v": b.volume, "n": 3}
        for b in bars
    ]
    return {"status": "OK", "ticker": ticker, "resultsCount": len(results), "results": results}


def alpaca_answer(rest: Rest, _path: str, query: dict[str, list[str]]) -> dict[str, Any]:
    """`/v2/stocks/bars?symbols=...`."""
    start, end = (int(datetime.fromisoformat(query[name][0]).timestamp()) for name in ("start", "end"))
    bars = {
        ticker: [
            {
                "t": datetime.fromtimestamp(b.time, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
                "o": b.open, "h": b.high, "l": b.low, "c": b.close, "v": b.volume, "n": 3, "vw": b.close,
            }
            for b in rest.between(ticker, start, end)
        ]
        for ticker in query["symbols"][0].split(",")
    }  # fmt: skip
    return {"bars": bars, "next_page_token": None}


@contextmanager
def closing(server: Any) -> Iterator[Any]:
    """The server for the time of the block."""
    try:
        yield server
    finally:
        server.close()
