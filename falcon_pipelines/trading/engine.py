"""The account from one bar to the next: settlement, corporate actions, requests, matching, halts.

`step` is a pure function: the same state, inputs and bars give the same outcome, so a run can be repeated
from any bar. Storage, time and data belong to the callers.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal
from typing import assert_never

from falcon_pipelines.bars.calendar import previous_session
from falcon_pipelines.trading.account import AccountState, Outcome, Rules
from falcon_pipelines.trading.bookkeeper import Bookkeeper
from falcon_pipelines.trading.ledger import ZERO, Books
from falcon_pipelines.trading.matching import match
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import (
    Bar,
    CancelRequest,
    Command,
    Delisting,
    Dividend,
    EditStop,
    Input,
    Order,
    OrderRequest,
    Split,
    usd,
)
from falcon_pipelines.trading.turn import Turn, money, trailed


def open_account(name: str, cash: Decimal, at: datetime) -> Outcome:
    """A new account with its starting cash booked."""
    keeper = Bookkeeper(Books())
    keeper.deposit(at, cash)
    state = AccountState(name, books=keeper.books, peak_equity=cash, day_start_equity=cash)
    return Outcome(state, entries=tuple(keeper.entries))


def step(
    state: AccountState,
    moment: Moment,
    inputs: Sequence[Input],
    bars: Mapping[str, Bar],
    rules: Rules,
    replayed: Collection[str] = (),
) -> Outcome:
    """The account after the bars of `moment`.

    `inputs` are the corporate actions and requests that became due since the last bar, in the order in which
    they take effect; `bars` hold at least the tickers of `state.tickers()` and of the inputs that have a bar
    now. Each ticker's bars come in order of time; those of different tickers need not. Fills of tickers in
    `replayed` are flagged so.
    """
    turn = Turn(state, moment, bars, rules, replayed)
    if state.session is None or state.session < moment.session:
        begin_session(turn)
    for item in inputs:
        match_input(turn, item)
    match(turn)
    judge(turn)
    return turn.outcome()


def act(state: AccountState, moment: Moment, inputs: Sequence[Input], rules: Rules) -> Outcome:
    """The account after inputs that need no bar: commands while the exchange is closed, actions before its open."""
    turn = Turn(state, moment, {}, rules)
    if state.session is None or state.session < moment.session:
        begin_session(turn)
    for item in inputs:
        match_input(turn, item)
    return turn.outcome()


def match_input(turn: Turn, item: Input) -> None:
    """Do what one input asks for."""
    if isinstance(item, OrderRequest):
        place(turn, item)
    elif isinstance(item, CancelRequest):
        cancel(turn, item)
    elif isinstance(item, EditStop):
        edit_stop(turn, item)
    elif isinstance(item, Command):
        obey(turn, item)
    elif isinstance(item, Split):
        split(turn, item)
    elif isinstance(item, Dividend):
        turn.keeper.dividend(turn.moment.time, item.ticker, item.amount, item.pay)
    elif isinstance(item, Delisting):
        delist(turn, item)
    else:
        assert_never(item)


def place(turn: Turn, request: OrderRequest) -> None:
    """Accept an order, or refuse it with the reason."""
    last = turn.prices.get(request.ticker)
    bar = turn.bars.get(request.ticker)
    best = None
    if request.type == "trailing":
        best = float(last) if last is not None else bar.open if bar is not None else None
    order = Order(
        id=request.id,
        ticker=request.ticker,
        side=request.side,
        type=request.type,
        quantity=request.quantity or 0,
        submitted_at=request.at,
        sequence=turn.next_sequence(),
        limit=request.limit,
        stop=request.stop,
        trail_pct=request.trail_pct,
        best=best,
        protect=request.protect,
        sizing=request.sizing,
        strategy=request.strategy,
        profile=request.profile,
    )
    order = trailed(order)
    reason = _sale_refusal(turn, order) if order.side == "sell" else _purchase_refusal(turn, order)
    if reason is not None:
        turn.reject(order, reason)
        return
    if request.closes:
        for entry in turn.orders.of(order.ticker):
            if entry.side == "buy":
                turn.orders.end(entry, "cancelled", f"{order.id} closes the position")
    turn.orders.put(replace(order, reserve=reserve(turn, order)))


def reserve(turn: Turn, order: Order) -> Decimal:
    """Cash kept back for a resting purchase whose price is known, in dollars."""
    price = order.limit if order.limit is not None else order.stop
    if order.side == "sell" or price is None or order.type == "trailing":
        return ZERO
    if order.type == "stop":
        price = usd(price * (1 + Decimal(str(turn.rules.costs.slippage_bps)) / 10_000))
    return turn.cost(price, order.remaining)


def _purchase_refusal(turn: Turn, order: Order) -> str | None:
    if turn.halts:
        return "entries are halted: " + ", ".join(halt.kind for halt in turn.halts)
    needed, free = reserve(turn, order), turn.free_cash()
    if needed > free:
        return (
            f"not enough cash: {order.quantity} {order.ticker} would need {money(needed)} dollars, "
            f"{money(max(free, ZERO))} are free"
        )
    return None


def _sale_refusal(turn: Turn, order: Order) -> str | None:
    if order.sizing is not None:
        return f"no short sales: no {order.ticker} is held to sell"
    coming = turn.orders.coming(order.ticker)
    going = sum(
        o.remaining
        for o in turn.orders.of(order.ticker)
        if order.type == "market" and o.side == "sell" and o.type == "market" and o.role == "order"
    )
    held = turn.held(order.ticker)
    if order.quantity <= held + coming - going:
        return None
    if not held:
        return f"no position: no {order.ticker} is held to sell"
    return f"more than is held: {order.quantity} {order.ticker} to sell, {held - going} held"


def cancel(turn: Turn, request: CancelRequest) -> None:
    """Take back what is left of an order."""
    order = turn.orders.get(request.order)
    if order is None and request.order in turn.orders.changed:
        return  # ended in this very turn
    if order is None:
        turn.refuse(request.id, f"nothing to cancel: {request.order} is not an open order")
        return
    turn.orders.end(order, "cancelled", request.reason)


def edit_stop(turn: Turn, request: EditStop) -> None:
    """Move the stop of an open order."""
    order = turn.orders.get(request.order)
    if order is None or order.stop is None or order.type == "trailing":
        turn.refuse(request.id, f"no stop to move: {request.order} is not an open stop order")
        return
    edited = replace(order, stop=request.stop, edited=True, raise_at=None)
    if order.side == "buy" and reserve(turn, edited) > turn.free_cash(order.id):
        turn.refuse(request.id, f"not enough cash to move the stop of {request.order}")
        return
    turn.orders.put(replace(edited, reserve=reserve(turn, edited)))


def obey(turn: Turn, command: Command) -> None:
    """Do what an operator said; saying it twice changes nothing more."""
    if command.command == "pause":
        turn.halt("paused", "paused by the operator")
    elif command.command == "resume":
        turn.end_halts("paused")
    elif command.command == "acknowledge":
        turn.end_halts("drawdown", "reconciliation", "stop_guard")
        turn.peak_equity = turn.equity()
        turn.stop_exits.clear()
    elif command.command == "flatten":
        _close(turn, command, None)
    elif command.command == "close":
        _close(turn, command, command.ticker)
    else:
        assert_never(command.command)


def _close(turn: Turn, command: Command, ticker: str | None) -> None:
    """Cancel open purchases and sell at the next open, one ticker or all."""
    for order in turn.orders.of(ticker):
        if order.side == "buy":
            turn.orders.end(order, "cancelled", f"cancelled by {command.command}")
    for held in sorted(turn.keeper.books.lots) if ticker is None else [ticker]:
        name = f"{turn.state.name}:{command.command}:{held}:{command.at.isoformat()}"
        selling = any(
            order.side == "sell" and order.type == "market" and order.role == "order"
            and order.remaining >= turn.held(held)
            for order in turn.orders.of(held)
        )  # fmt: skip
        if turn.held(held) and not selling:
            at = min(command.at, turn.moment.starts)
            place(turn, OrderRequest(name, at, held, "sell", "market", turn.held(held)))


def delist(turn: Turn, action: Delisting) -> None:
    """Cancel the ticker's orders and, where it is known what a share was paid, end the position."""
    for order in turn.orders.of(action.ticker):
        turn.orders.end(order, "cancelled", f"{action.ticker} is no longer traded")
    if action.amount is not None and turn.held(action.ticker):
        turn.keeper.delist(turn.moment.time, action.ticker, action.amount, turn.moment.settles_on)


def split(turn: Turn, action: Split) -> None:
    """New quantities, cost per share, last price and resting orders; fractions are paid out in cash.

    A fraction of a share is worth the last price before the split divided by its ratio.
    """
    ticker, ratio = action.ticker, action.ratio
    divide = Decimal(ratio.denominator) / Decimal(ratio.numerator)

    def price(value: Decimal | None) -> Decimal | None:
        return None if value is None else usd(value * divide)

    if ticker in turn.prices:
        turn.prices[ticker] = usd(turn.prices[ticker] * divide)
    if ticker in turn.keeper.books.lots:
        turn.keeper.split(turn.moment.time, ticker, ratio, turn.prices[ticker], turn.moment.settles_on)
    for order in turn.orders.of(ticker):
        protect = order.protect
        if protect is not None:
            distance = None if protect.stop_distance is None else protect.stop_distance * float(divide)
            protect = replace(
                protect, stop=price(protect.stop), target=price(protect.target), stop_distance=distance
            )
        filled = int(order.filled * ratio)
        changed = replace(
            order,
            quantity=filled + int(order.remaining * ratio),
            filled=filled,
            limit=price(order.limit),
            stop=price(order.stop),
            best=None if order.best is None else order.best * float(divide),
            raise_at=price(order.raise_at),
            raise_to=price(order.raise_to),
            reserve=ZERO,
            protect=protect,
        )
        if not changed.remaining and not order.sizing:
            turn.orders.end(order, "cancelled", "the split left no whole share of it")
            continue
        needed = reserve(turn, changed)
        turn.orders.put(replace(changed, reserve=min(needed, max(ZERO, turn.free_cash(order.id)))))
    turn.orders.fit_exits(ticker, turn.held(ticker))


def begin_session(turn: Turn) -> None:
    """The first moment of a session: cash that settles, and the halts that are over."""
    turn.settle_session(turn.moment.session)
    _guard(turn)


def judge(turn: Turn) -> None:
    """At the end of a bar: the peak, and the losses that halt entries."""
    limits, worth = turn.rules.limits, turn.equity()
    turn.peak_equity = max(turn.peak_equity, worth)
    if limits.daily_loss is not None and turn.day_start_equity > 0:
        loss = 1 - worth / turn.day_start_equity
        if loss >= Decimal(str(limits.daily_loss)):
            turn.halt("daily_loss", f"{loss:.2%} lost today, {limits.daily_loss:.2%} halts entries")
    if limits.drawdown is not None and turn.peak_equity > 0:
        loss = 1 - worth / turn.peak_equity
        if loss >= Decimal(str(limits.drawdown)):
            turn.halt(
                "drawdown", f"{loss:.2%} below the peak, {limits.drawdown:.2%} halts until acknowledged"
            )
    _guard(turn)


def _guard(turn: Turn) -> None:
    """Halt entries after too many stop exits in a short time; old ones are forgotten."""
    limits = turn.rules.limits
    if limits.guard_stops is None:
        turn.stop_exits.clear()
        return
    first = turn.moment.session
    for _ in range(limits.guard_sessions - 1):
        first = previous_session(first)
    turn.stop_exits[:] = [day for day in turn.stop_exits if day >= first]
    if len(turn.stop_exits) >= limits.guard_stops:
        turn.halt("stop_guard", f"{len(turn.stop_exits)} stop exits within {limits.guard_sessions} sessions")
    elif any(halt.kind == "stop_guard" for halt in turn.halts):
        turn.end_halts("stop_guard")
