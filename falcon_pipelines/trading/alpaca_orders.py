"""Orders in Alpaca's words: the client for its paper API, and what is sent to it. Never the live API."""

from collections.abc import Sequence
from decimal import ROUND_HALF_EVEN, Decimal
from functools import partial
from typing import Any
from urllib.parse import urlsplit

from alpaca.trading.client import TradingClient
from alpaca.trading.enums import OrderClass, OrderSide, TimeInForce
from alpaca.trading.requests import (
    LimitOrderRequest,
    MarketOrderRequest,
    OrderRequest,
    StopLimitOrderRequest,
    StopLossRequest,
    StopOrderRequest,
    TakeProfitRequest,
    TrailingStopOrderRequest,
)

from falcon_pipelines.errors import FalconError, InputError
from falcon_pipelines.settings import Settings
from falcon_pipelines.trading.orders import Order

PAPER_HOST = "paper-api.alpaca.markets"
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TIMEOUT_SECONDS = 10


class AlpacaNotConfigured(InputError):
    """The paper account cannot be reached with these settings."""


class AlpacaUnavailable(FalconError):
    """Alpaca does not answer, or not as it should."""


def paper_client(settings: Settings) -> TradingClient:
    """A client of the paper API. Raises AlpacaNotConfigured for any other address, and without keys."""
    url = settings.alpaca_trading_url.rstrip("/")
    host = urlsplit(url).hostname
    if host not in LOOPBACK and (host != PAPER_HOST or not url.startswith("https://")):
        raise AlpacaNotConfigured(
            f"FALCON_ALPACA_TRADING_URL: only https://{PAPER_HOST} is traded at, not {host}"
        )
    key, secret = settings.alpaca_key_id, settings.alpaca_secret_key
    if key is None or secret is None:
        raise AlpacaNotConfigured(
            "FALCON_BROKER is alpaca: set FALCON_ALPACA_KEY_ID and FALCON_ALPACA_SECRET_KEY of a paper account"
        )
    client = TradingClient(key.get_secret_value(), secret.get_secret_value(), paper=True, url_override=url)
    client._session.request = partial(client._session.request, timeout=TIMEOUT_SECONDS)  # type: ignore[method-assign]
    return client


def tick(price: Decimal) -> float:
    """A price as Alpaca takes it: whole cents from a dollar up, hundredths of a cent below."""
    step = Decimal("0.01") if price >= 1 else Decimal("0.0001")
    return float(price.quantize(step, ROUND_HALF_EVEN))


def unsupported(order: Order) -> str | None:
    """Why Alpaca cannot take an entry as it is meant; None when it can."""
    protect = order.protect
    if protect is None:
        return None
    if protect.partial:
        return "Alpaca's bracket orders have no partial exits"
    if order.type not in ("market", "limit"):
        return f"Alpaca's bracket orders begin with a market or limit order, not {order.type}"
    return None


def request_for(order: Order, children: Sequence[Order] = ()) -> OrderRequest:
    """What is sent for an order of ours; an entry carries its first stop and target (`children`) as a bracket."""
    stops = [child.stop for child in children if child.role in ("stop", "trail") and child.stop is not None]
    targets = [child.limit for child in children if child.role == "target" and child.limit is not None]
    fields: dict[str, Any] = {
        "symbol": order.ticker,
        "qty": order.remaining,
        "side": OrderSide(order.side),
        "time_in_force": TimeInForce.GTC,
        "client_order_id": order.id,
    }
    if stops or targets:
        fields["order_class"] = OrderClass.BRACKET if stops and targets else OrderClass.OTO
        if stops:
            fields["stop_loss"] = StopLossRequest(stop_price=tick(max(stops)))
        if targets:
            fields["take_profit"] = TakeProfitRequest(limit_price=tick(targets[0]))
    limit = None if order.limit is None else tick(order.limit)
    stop = None if order.stop is None else tick(order.stop)
    if order.type == "limit":
        return LimitOrderRequest(**fields, limit_price=limit)
    if order.type == "stop":
        return StopOrderRequest(**fields, stop_price=stop)
    if order.type == "stop_limit":
        return StopLimitOrderRequest(**fields, stop_price=stop, limit_price=limit)
    if order.type == "trailing":
        return TrailingStopOrderRequest(**fields, trail_percent=order.trail_pct)
    return MarketOrderRequest(**fields)


def value(word: Any) -> str:
    """A word of Alpaca's as text."""
    return str(getattr(word, "value", word))
