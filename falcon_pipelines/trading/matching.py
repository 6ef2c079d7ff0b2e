"""How the open orders of an account meet the bars of one time; every price comes from `fill_rules`.

Within a bar: scheduled exits and market sales at the open, then market purchases at the open in order of
arrival, then exits inside the bar, then entries inside it with the exits of those, then what a completed bar
changes.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from falcon_pipelines.backtesting.fill_rules import (
    AT_OPEN,
    BUY,
    BY_LIMIT,
    BY_STOP,
    NO_EXIT,
    SELL,
    STOPPED,
    fills_at_open,
    limit_fill,
    protective_exit,
    stop_fill,
    stop_limit_fill,
)
from falcon_pipelines.trading.ledger import ZERO
from falcon_pipelines.trading.orders import Bar, Order, usd
from falcon_pipelines.trading.purchases import enter
from falcon_pipelines.trading.turn import STOP_ROLES, Turn, trailed


def match(turn: Turn) -> None:
    """Fill what the bars of this time allow."""
    match_open(turn)
    turn.positions_at_open = set(turn.keeper.books.lots)
    cash = turn.keeper.books.cash
    for ticker in sorted(turn.positions_at_open & set(turn.bars)):
        match_exits(turn, ticker)
    turn.held_back = turn.keeper.books.cash - cash
    entered = match_entries(turn)
    complete(turn, entered)
    turn.drop_baseless_sales()


def _with_bars(turn: Turn) -> list[Order]:
    return [order for order in turn.acting_orders() if order.ticker in turn.bars]


def _acts_at_open(turn: Turn, order: Order) -> bool:
    if order.role == "time":
        return (order.due is not None and order.due <= turn.moment.session) or (
            order.bars_left is not None and order.bars_left <= 0
        )
    return order.type == "market" or (order.triggered and order.type in ("stop", "trailing"))


def match_open(turn: Turn) -> None:
    """Orders that take the open: sales first, so that their proceeds can pay for purchases."""
    orders = [order for order in _with_bars(turn) if _acts_at_open(turn, order)]
    waiting = [order for order in orders if order.side == "sell" and not _sell_at_open(turn, order)]
    turn.sizing_equity = _equity_at_open(turn)
    for order in orders:
        if order.side == "buy" and order.id in turn.orders:
            enter(turn, turn.orders[order.id], turn.bars[order.ticker].open, slip=True)
    for order in waiting:
        _sell_at_open(turn, order)


def _sell_at_open(turn: Turn, order: Order) -> bool:
    """Whether there was something to sell (the bar's volume may still have allowed nothing)."""
    if order.id not in turn.orders:
        return True
    if not turn.held(order.ticker):
        return False
    turn.leave(turn.orders[order.id], turn.bars[order.ticker].open, slip=True)
    return True


def _equity_at_open(turn: Turn) -> Decimal:
    books = turn.keeper.books
    total = books.cash + books.receivable
    for ticker in books.lots:
        bar = turn.bars.get(ticker)
        price = turn.prices[ticker] if bar is None else usd(bar.open)
        total += books.quantity(ticker) * price
    return total


def match_exits(turn: Turn, ticker: str) -> None:
    """Stops and targets of the shares held since the open or longer."""
    bar = turn.bars[ticker]
    for parent in dict.fromkeys(order.parent for order in turn.acting_orders(ticker) if order.parent):
        match_bracket(turn, parent, ticker, AT_OPEN)
    alone = [order for order in turn.acting_orders(ticker) if order.side == "sell" and not order.parent]
    targets = [order for order in alone if order.type == "limit"]
    for order in targets:
        if fills_at_open(SELL, float(order.limit or 0), bar.open):
            _match_single(turn, order, bar, ())
    targets = [order for order in targets if order.id in turn.orders]
    for order in alone:
        if order.type in ("stop", "trailing", "stop_limit") and order.id in turn.orders:
            rivals = any(
                not math.isnan(limit_fill(SELL, float(o.limit or 0), bar.open, bar.high, bar.low))
                for o in targets
            )
            _match_single(turn, turn.orders[order.id], bar, ("ambiguous",) if rivals else ())
    for order in targets:
        if order.id in turn.orders:
            _match_single(turn, turn.orders[order.id], bar, ())


def match_bracket(turn: Turn, parent: str, ticker: str, entered: int, entry: float = math.nan) -> None:
    """The exits of one entry against its bar; a stop is taken before a target where both were reached.

    `entry` is the price in dollars of an entry inside the bar: no stop sells above it and no target below it, since
    price is there when they become live.
    """
    bar = turn.bars[ticker]
    if entered == AT_OPEN:
        _leave_at_better_open(turn, turn.orders.bracket(parent, ticker), bar)
    family = turn.orders.bracket(parent, ticker)
    stop = _live_stop(family)
    targets = sorted(
        (
            order
            for order in family
            if order.role in ("target", "partial")
            and not (entered == AT_OPEN and _beyond_at_open(order, bar))
        ),
        key=lambda order: order.limit or ZERO,
    )
    level = math.nan if stop is None or stop.stop is None else float(stop.stop)
    if entered != AT_OPEN and level > entry:
        level = entry
    nearest = float(targets[0].limit or 0) if targets else math.nan
    price, outcome, ambiguous = protective_exit(
        1, level, nearest, bar.open, bar.high, bar.low, bar.close, entered
    )
    if outcome == NO_EXIT:
        return
    flags = ("ambiguous",) if ambiguous else ()
    if outcome != STOPPED or (ambiguous and bar.open > level and _target_first(family)):
        for order in targets:
            at = _target_price(float(order.limit or 0), bar, entered, entry)
            if not math.isnan(at) and order.id in turn.orders:
                turn.leave(turn.orders[order.id], at, slip=False, flags=flags)
    if outcome == STOPPED and stop is not None and stop.id in turn.orders:
        turn.leave(turn.orders[stop.id], price, slip=True, flags=flags)
        for order in targets:
            if order.id in turn.orders:
                turn.orders.end(turn.orders[order.id], "cancelled", f"{stop.id} was triggered")


def _leave_at_better_open(turn: Turn, family: Sequence[Order], bar: Bar) -> None:
    """Fill the targets that the bar opens beyond, before anything inside it."""
    for order in family:
        if _beyond_at_open(order, bar) and order.id in turn.orders:
            turn.leave(turn.orders[order.id], bar.open, slip=False)


def _beyond_at_open(order: Order, bar: Bar) -> bool:
    is_target = order.role in ("target", "partial") and order.limit is not None
    return is_target and fills_at_open(SELL, float(order.limit or 0), bar.open)


def _target_first(family: Sequence[Order]) -> bool:
    return any(order.protect is not None and order.protect.target_first for order in family)


def _live_stop(family: Sequence[Order]) -> Order | None:
    """The tightest of an entry's stops."""
    stops = [order for order in family if order.role in STOP_ROLES and order.stop is not None]
    return max(stops, key=lambda order: (order.stop or ZERO, order.role == "stop"), default=None)


def _target_price(limit: float, bar: Bar, entered: int, entry: float) -> float:
    if entered == AT_OPEN:
        return limit_fill(SELL, limit, bar.open, bar.high, bar.low)
    reached = bar.close > limit if entered == BY_LIMIT else bar.high > limit
    return max(limit, entry) if reached else math.nan


def _match_single(turn: Turn, order: Order, bar: Bar, flags: tuple[str, ...]) -> int | None:
    """One order inside the bar; returns when a purchase was entered, None where nothing was bought."""
    side = BUY if order.side == "buy" else SELL
    prices = (bar.open, bar.high, bar.low)
    limit = float(order.limit) if order.limit is not None else math.nan
    slip = False
    entered = BY_LIMIT
    if order.type == "limit" or (order.type == "stop_limit" and order.triggered):
        price = limit_fill(side, limit, *prices)
    elif order.type == "stop_limit":
        triggered, price = stop_limit_fill(side, float(order.stop or 0), limit, *prices, bar.close)
        if triggered:
            order = turn.orders.put(replace(order, triggered=True))
        entered = BY_STOP if price == float(order.stop or 0) else BY_LIMIT
    else:
        if order.stop is None:
            order = turn.orders.put(trailed(replace(order, best=bar.open)))
        price = stop_fill(side, float(order.stop or 0), *prices)
        slip, entered = True, BY_STOP
    if math.isnan(price):
        return None
    if price == bar.open and price != limit:
        entered = AT_OPEN
    if side == SELL:
        turn.leave(order, price, slip=slip, flags=flags)
        return None
    return entered if enter(turn, order, price, slip=slip) else None


def match_entries(turn: Turn) -> dict[str, int]:
    """Resting purchases in order of arrival, then their own exits.

    Returns how each filled one was entered.
    """
    found: dict[str, int] = {}
    resting = [o for o in _with_bars(turn) if o.side == "buy" and o.type != "market" and not o.parent]
    for order in resting:
        if order.id not in turn.orders or _acts_at_open(turn, order):
            continue
        entered = _match_single(turn, turn.orders[order.id], turn.bars[order.ticker], ())
        if entered is not None:
            found[order.id] = entered
            match_bracket(turn, order.id, order.ticker, entered, float(turn.fills[-1].price))
    return found


def complete(turn: Turn, entered: dict[str, int]) -> None:
    """What the completed bars change: last prices, trailing and breakeven levels, bars held."""
    for ticker in turn.keeper.books.lots.keys() & turn.bars.keys():
        turn.prices[ticker] = usd(turn.bars[ticker].close)
    for order in _with_bars(turn):
        bar = turn.bars[order.ticker]
        direction = 1 if order.side == "sell" else -1
        extreme = bar.high if direction > 0 else bar.low
        if order.parent and entered.get(order.parent) == BY_LIMIT:
            extreme = bar.close  # the high may have come before the entry
        if order.type == "trailing" and not order.triggered:
            if order.best is None or direction * extreme > direction * order.best:
                turn.orders.put(trailed(replace(order, best=extreme)))
        elif order.raise_at is not None and usd(extreme) >= order.raise_at:
            level = max(order.stop or ZERO, order.raise_to or ZERO)
            turn.orders.put(replace(order, stop=level, raise_at=None))
        elif order.bars_left is not None:
            turn.orders.put(replace(order, bars_left=order.bars_left - 1))
