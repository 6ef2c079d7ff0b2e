"""Alpaca's paper trading API on loopback: orders with brackets, positions, cancelling and replacing."""

import json
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

OPEN = ("new", "accepted", "held", "partially_filled")


class Exchange:
    """The account at Alpaca. Nothing fills but by `fill`."""

    def __init__(self) -> None:
        self.orders: dict[str, dict[str, Any]] = {}
        self.positions: dict[str, int] = {}
        self.requests: list[tuple[str, str, Any]] = []
        self.refuse: str | None = None
        self.refused: Callable[[dict[str, Any]], bool] = lambda _order: True
        """Which orders `refuse` is said to."""
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def by_client_id(self, name: str) -> dict[str, Any]:
        return next(o for o in self.orders.values() if o["client_order_id"] == name)

    def legs(self, name: str) -> dict[str, dict[str, Any]]:
        """The living legs of an entry: stop and target."""
        found = [self.orders[leg] for leg in self.by_client_id(name)["leg_ids"]]
        return {"stop" if o["stop_price"] else "target": o for o in found if o["status"] in OPEN}

    def fill(self, order: dict[str, Any], price: float, quantity: int | None = None) -> None:
        """Fill an order; a filled leg cancels its sibling, a filled entry wakes its legs."""
        before = int(order["filled_qty"])
        quantity = quantity if quantity is not None else int(order["qty"]) - before
        worth = float(order["filled_avg_price"] or 0) * before + price * quantity
        total = before + quantity
        order |= {"filled_qty": str(total), "filled_avg_price": str(worth / total)}
        order["status"] = "filled" if total == int(order["qty"]) else "partially_filled"
        order["filled_at"] = now()
        sign = 1 if order["side"] == "buy" else -1
        self.positions[order["symbol"]] = self.positions.get(order["symbol"], 0) + sign * quantity
        for other in self.orders.values():
            family = [*other["leg_ids"], *([other["id"]] if other["order_class"] == "oco" else [])]
            if order["id"] in family and order["status"] == "filled":
                for leg in family:
                    if leg != order["id"] and self.orders[leg]["status"] in OPEN:
                        self.orders[leg]["status"] = "canceled"

    def cancel(self, order: dict[str, Any]) -> None:
        """Cancel an order with its legs; a leg, with the others of its group."""
        for other in self.orders.values():
            if order["id"] == other["id"] or order["id"] in other["leg_ids"]:
                for name in (order["id"], *other["leg_ids"]):
                    if self.orders[name]["status"] in OPEN:
                        self.orders[name]["status"] = "canceled"
                if other["order_class"] == "oco" and other["status"] in OPEN:
                    other["status"] = "canceled"

    def available(self, ticker: str) -> int:
        """Shares that no open sale keeps back; the legs of a bracket keep the same ones back."""
        legs = {leg for order in self.orders.values() for leg in order["leg_ids"][1:]}
        legs |= {order["leg_ids"][0] for order in self.orders.values() if order["order_class"] == "oco"}
        legs |= {leg for order in self.orders.values() if order["status"] in OPEN for leg in order["leg_ids"]}
        selling = [
            o for o in self.orders.values()
            if (o["symbol"], o["side"]) == (ticker, "sell") and o["status"] in OPEN and o["id"] not in legs
        ]  # fmt: skip
        return self.positions.get(ticker, 0) - sum(int(o["qty"]) - int(o["filled_qty"]) for o in selling)

    def protection(self, ticker: str) -> list[tuple[str, str, str]]:
        """Kind, price and shares of each open sale of a ticker that waits for a price."""
        return sorted(
            (o["type"], o["stop_price"] or o["limit_price"], str(int(o["qty"]) - int(o["filled_qty"])))
            for o in self.orders.values()
            if (o["symbol"], o["side"]) == (ticker, "sell") and o["status"] in OPEN and o["type"] != "market"
        )

    def place(self, body: dict[str, Any]) -> dict[str, Any]:
        pair = body.get("order_class") == "oco"  # the order itself is the limit, its leg the stop
        order = self._order({**body, **(body["take_profit"] if pair else {})})
        for kind, price in (("take_profit", "limit_price"), ("stop_loss", "stop_price")):
            leg = body.get(kind)
            if leg and not (pair and kind == "take_profit"):
                side = "sell" if body["side"] == "buy" or pair else "buy"
                made = self._order(
                    {"symbol": body["symbol"], "qty": body["qty"], "side": side, price: leg[price],
                     "type": "limit" if kind == "take_profit" else "stop", "client_order_id": str(uuid.uuid4())}
                )  # fmt: skip
                order["leg_ids"].append(made["id"])
        return order

    def _order(self, body: dict[str, Any]) -> dict[str, Any]:
        order = {
            "id": str(uuid.uuid4()), "client_order_id": body["client_order_id"], "symbol": body["symbol"],
            "asset_id": str(uuid.uuid4()), "asset_class": "us_equity", "notional": None, "qty": str(int(body["qty"])),
            "filled_qty": "0", "filled_avg_price": None, "order_class": body.get("order_class", "simple"),
            "order_type": body["type"], "type": body["type"], "side": body["side"], "time_in_force": "gtc",
            "limit_price": _text(body.get("limit_price")), "stop_price": _text(body.get("stop_price")),
            "status": "new", "extended_hours": False, "leg_ids": [], "trail_percent": None, "trail_price": None,
            "hwm": None, "created_at": now(), "updated_at": now(), "submitted_at": now(), "filled_at": None,
            "expired_at": None, "canceled_at": None, "failed_at": None, "replaced_at": None, "replaced_by": None,
            "replaces": None, "position_intent": None,
        }  # fmt: skip
        self.orders[order["id"]] = order
        return order

    def shown(self, order: dict[str, Any], *, nested: bool) -> dict[str, Any]:
        legs = [self.shown(self.orders[leg], nested=False) for leg in order["leg_ids"]] if nested else None
        return {**{name: value for name, value in order.items() if name != "leg_ids"}, "legs": legs or None}


def now() -> str:
    return datetime.now(UTC).isoformat()


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


@contextmanager
def alpaca() -> Iterator[Exchange]:
    """The API, for the time of the block."""
    exchange = Exchange()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _answer(self, status: int, document: Any = None) -> None:
            body = b"" if document is None else json.dumps(document).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def _body(self) -> Any:
            length = int(self.headers.get("Content-Length") or 0)
            return json.loads(self.rfile.read(length)) if length else None

        def _serve(self) -> None:
            parts, body = urlsplit(self.path), self._body()
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            exchange.requests.append((self.command, parts.path, body or query))
            where = parts.path.removeprefix("/v2/").split("/")
            if where == ["orders"] and self.command == "POST":
                self._post(body)
            elif where == ["orders"]:
                wanted = query.get("symbols", "").split(",") if query.get("symbols") else None
                found = [
                    o for o in exchange.orders.values()
                    if (query.get("status") != "open" or o["status"] in OPEN) and (not wanted or o["symbol"] in wanted)
                ]  # fmt: skip
                self._answer(200, [exchange.shown(o, nested=False) for o in found])
            elif where[0] == "positions":
                held = {ticker: n for ticker, n in exchange.positions.items() if n}
                self._answer(200, [_position(ticker, n) for ticker, n in held.items()])
            else:
                self._one(where[-1], query, body)

        def _post(self, body: Any) -> None:
            if any(o["client_order_id"] == body["client_order_id"] for o in exchange.orders.values()):
                self._answer(422, {"code": 40010001, "message": "client_order_id must be unique"})
            elif exchange.refuse and exchange.refused(body):
                self._answer(403, {"code": 40310000, "message": exchange.refuse})
            elif body["side"] == "sell" and exchange.available(body["symbol"]) < int(body["qty"]):
                self._answer(403, {"code": 40310000, "message": "insufficient qty available for order"})
            else:
                self._answer(200, exchange.shown(exchange.place(body), nested=True))

        def _one(self, name: str, query: dict[str, str], body: Any) -> None:
            if name.startswith("orders:by_client_order_id") or "client_order_id" in query:
                found = [
                    o for o in exchange.orders.values() if o["client_order_id"] == query["client_order_id"]
                ]
            else:
                found = [o for o in exchange.orders.values() if o["id"] == name]
            if not found:
                self._answer(404, {"code": 40410000, "message": "order not found"})
                return
            order = found[0]
            if self.command == "DELETE":
                exchange.cancel(order)
                self._answer(204)
            elif self.command == "PATCH":
                order |= {k: str(v) for k, v in body.items()}
                self._answer(200, exchange.shown(order, nested=False))
            else:
                self._answer(200, exchange.shown(order, nested=True))

        do_GET = do_POST = do_DELETE = do_PATCH = _serve  # noqa: N815 - the base class's names

        def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002 - the base class's name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    exchange.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield exchange
    server.shutdown()
    server.server_close()
    thread.join()


def _position(ticker: str, quantity: int) -> dict[str, Any]:
    return {
        "asset_id": str(uuid.uuid4()), "symbol": ticker, "exchange": "NASDAQ", "asset_class": "us_equity",
        "avg_entry_price": "1", "qty": str(quantity), "side": "long", "market_value": "1", "cost_basis": "1",
        "unrealized_pl": "0", "unrealized_plpc": "0", "unrealized_intraday_pl": "0", "unrealized_intraday_plpc": "0",
        "current_price": "1", "lastday_price": "1", "change_today": "0", "asset_marginable": True,
    }  # fmt: skip
