"""What is asked of an Alpaca paper account, and its answers as values or one of two errors. Knows no ledger."""

import logging
import time
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import requests
from alpaca.common.exceptions import APIError
from alpaca.trading.client import TradingClient
from alpaca.trading.enums import QueryOrderStatus
from alpaca.trading.models import Order as TheirOrder
from alpaca.trading.requests import (
    GetOrderByIdRequest,
    GetOrdersRequest,
    OrderRequest,
    ReplaceOrderRequest,
)

from falcon_pipelines.trading.alpaca_orders import AlpacaUnavailable, value

log = logging.getLogger(__name__)

CANCEL_SECONDS = 5.0


class Refused(Exception):
    """Alpaca understood and said no."""


class Gateway:
    """One Alpaca paper account. Every method may raise AlpacaUnavailable."""

    def __init__(self, client: TradingClient) -> None:
        self._client = client

    def positions(self) -> dict[str, int]:
        """Shares held by ticker."""
        return {held.symbol: int(Decimal(held.qty)) for held in _ask(self._client.get_all_positions)}

    def family(self, name: str) -> TheirOrder | None:
        """The order with our id `name` and its legs; None where Alpaca knows no such order."""
        order = _ask(lambda: self._client.get_order_by_client_id(name), missing=True)
        if order is None:
            return None
        nested = GetOrderByIdRequest(nested=True)
        found: TheirOrder = _ask(lambda: self._client.get_order_by_id(order.id, nested))
        return found

    def open_orders(self) -> Sequence[TheirOrder]:
        """All that is open, legs within their entries."""
        return self._open(GetOrdersRequest(status=QueryOrderStatus.OPEN, limit=500))

    def submit(self, request: OrderRequest) -> None:
        """Send an order; one that was sent before, with the same id, is left as it is. Raises Refused."""
        try:
            _ask(lambda: self._client.submit_order(request))
        except Refused as error:
            if "client_order_id" not in str(error):
                raise

    def release(self, ticker: str) -> None:
        """Cancel the open sales of a ticker, whose shares another sale needs."""
        mine = GetOrdersRequest(status=QueryOrderStatus.OPEN, symbols=[ticker], limit=500, nested=False)
        deadline = time.monotonic() + CANCEL_SECONDS
        while True:
            selling = [order for order in self._open(mine) if value(order.side) == "sell"]
            if not selling or time.monotonic() > deadline:
                return
            for order in selling:
                self.cancel(order)
            time.sleep(0.1)

    def cancel(self, order: TheirOrder) -> None:
        """Take an order back, if that is still possible."""
        try:
            _ask(lambda: self._client.cancel_order_by_id(order.id), missing=True)
        except Refused as error:
            log.info("order %s was not cancelled: %s", order.client_order_id, error)

    def move(self, leg: TheirOrder, field: str, now: float, wanted: float) -> None:
        """Change a price of an open order, where it is another."""
        if now == wanted:
            return
        try:
            _ask(lambda: self._client.replace_order_by_id(leg.id, ReplaceOrderRequest(**{field: wanted})))
        except Refused as error:
            log.warning("%s of %s stays at %s: %s", field, leg.symbol, now, error)

    def _open(self, request: GetOrdersRequest) -> Sequence[TheirOrder]:
        found: Sequence[TheirOrder] = _ask(lambda: self._client.get_orders(request))
        return found


def _ask(call: Callable[[], Any], *, missing: bool = False) -> Any:
    """An answer of Alpaca; None for what it does not know where `missing`.

    Raises Refused, and AlpacaUnavailable where it cannot be asked.
    """
    try:
        return call()
    except APIError as error:
        status = error.status_code
        if status == 404 and missing:
            return None
        if status in (403, 422):
            raise Refused(str(error.message)) from error
        raise AlpacaUnavailable(f"Alpaca answers {status}") from error
    except requests.RequestException as error:
        raise AlpacaUnavailable(f"Alpaca is not reached: {type(error).__name__}") from error
