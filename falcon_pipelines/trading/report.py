"""A replay's result as the plain document that `falcon trade replay --json` prints."""

from typing import Any

from falcon_pipelines.trading.account import market_value
from falcon_pipelines.trading.orders import Halt, Order
from falcon_pipelines.trading.replay import ReplayResult


def replay_document(result: ReplayResult) -> dict[str, Any]:
    """All keys of the command's contract.

    Amounts in dollars, `cost` of positions and lots for all their shares.
    """
    state, books = result.state, result.state.books
    orders = [_order(order) for order in result.orders]
    orders += [
        {
            "id": request.id, "ticker": request.ticker, "side": request.side, "type": request.type,
            "quantity": request.quantity, "filled": 0, "limit": request.limit, "stop": request.stop,
            "trail_pct": request.trail_pct, "parent": None, "role": "order", "due": None,
            "status": "open", "reason": "no bar has started since", "at": request.at,
        }
        for request in result.waiting
    ]  # fmt: skip
    return {
        "orders": orders,
        "fills": [
            {
                "id": fill.id, "order": fill.order, "ticker": fill.ticker, "side": fill.side,
                "quantity": fill.quantity, "price": fill.price, "fee": fill.fee, "time": fill.time,
                "flags": list(fill.flags),
            }
            for fill in result.fills
        ],
        "rejections": [
            {"order": refused.order, "reason": refused.reason, "time": refused.time}
            for refused in result.rejections
        ],
        "postings": [
            {
                "entry": entry.number, "kind": entry.kind, "time": entry.booked_at, "ledger": leg.ledger,
                "ticker": leg.ticker, "amount": leg.amount, "quantity": leg.quantity,
                "settles_on": leg.settles_on, "fill": entry.fill,
            }
            for entry in result.entries
            for leg in entry.legs
        ],
        "positions": [_position(result, ticker) for ticker in sorted(books.lots)],
        "cash": books.cash,
        "settled_cash": books.settled_cash,
        "receivables": books.receivable,
        "market_value": market_value(books, state.prices),
        "equity": state.equity,
        "realised": books.realised,
        "unrealised": market_value(books, state.prices) - books.balance("securities"),
        "dividends": books.dividends,
        "halts": [_halt(halt) for halt in result.halts if halt.until is None],
        "past_halts": [_halt(halt) for halt in result.halts if halt.until is not None],
    }  # fmt: skip


def _order(order: Order) -> dict[str, Any]:
    return {
        "id": order.id, "ticker": order.ticker, "side": order.side, "type": order.type,
        "quantity": order.quantity, "filled": order.filled, "limit": order.limit, "stop": order.stop,
        "trail_pct": order.trail_pct, "parent": order.parent, "role": order.role, "due": order.due,
        "status": order.status, "reason": order.reason, "at": order.submitted_at,
    }  # fmt: skip


def _halt(halt: Halt) -> dict[str, Any]:
    return {"kind": halt.kind, "reason": halt.reason, "since": halt.since, "until": halt.until}


def _position(result: ReplayResult, ticker: str) -> dict[str, Any]:
    books, price = result.state.books, result.state.prices[ticker]
    quantity, cost = books.quantity(ticker), books.cost(ticker)
    return {
        "ticker": ticker,
        "quantity": quantity,
        "cost": cost,
        "cost_per_share": cost / quantity,
        "price": price,
        "market_value": price * quantity,
        "unrealised": price * quantity - cost,
        "lots": [
            {"opened": lot.opened_at, "quantity": lot.quantity, "cost": lot.cost}
            for lot in books.lots[ticker]
        ],
        "orders": [
            {
                "id": order.id, "side": order.side, "type": order.type, "quantity": order.remaining,
                "limit": order.limit, "stop": order.stop, "trail_pct": order.trail_pct, "due": order.due,
            }
            for order in result.state.orders.values()
            if order.ticker == ticker
        ],
    }  # fmt: skip
