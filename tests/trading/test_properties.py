"""What holds for every account, whatever is ordered and whatever the bars do."""

import math
from collections import Counter
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from falcon_pipelines.bars.calendar import midnight, sessions_from
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db.models import Order as OrderRow
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.engine import open_account, step
from falcon_pipelines.trading.ledger import check_books, rebuild
from falcon_pipelines.trading.moments import regular_moments
from falcon_pipelines.trading.orders import (
    CancelRequest,
    Command,
    Costs,
    Dividend,
    Input,
    Order,
    OrderRequest,
    Protection,
    Split,
    usd,
)
from falcon_pipelines.trading.replay import Journal, bars_by_time, replay
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.rows import memory_data, memory_of, order_of, order_row
from falcon_pipelines.trading.script import Script
from tests.trading.panels import MONDAY, days

QUIET = settings(deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow])
BARS = 8
TICKERS = ("X", "Y")
SESSIONS = sessions_from(MONDAY, BARS)

prices = st.integers(80, 120)
cents = st.sampled_from([0.0, 0.25, 0.5])


@st.composite
def bars(draw: st.DrawFn) -> tuple[float, float, float, float, float] | None:
    if draw(st.integers(0, 9)) == 0:
        return None
    four = sorted(draw(prices) + draw(cents) for _ in range(4))
    inside = [four[1], four[2]]
    if draw(st.booleans()):
        inside.reverse()
    return (inside[0], four[3], four[0], inside[1], float(draw(st.sampled_from([0, 90, 1_000, 100_000]))))


levels = st.integers(75, 125).map(lambda price: usd(price))
percents = st.sampled_from([1.0, 2.5, 5.0, 10.0])


@st.composite
def protections(draw: st.DrawFn) -> Protection | None:
    if draw(st.booleans()):
        return None
    return Protection(
        stop=draw(st.none() | levels),
        stop_pct=draw(st.none() | percents) if draw(st.booleans()) else None,
        target=draw(st.none() | levels),
        trail_pct=draw(st.none() | percents),
        breakeven_pct=draw(st.none() | percents),
        max_days=draw(st.none() | st.integers(1, 4)),
    )


@st.composite
def requests(draw: st.DrawFn, number: int) -> Input:
    at = midnight(draw(st.sampled_from(SESSIONS)))
    choice = draw(st.integers(0, 19))
    if choice == 0:
        return Command(at, draw(st.sampled_from(["pause", "resume", "flatten", "acknowledge"])))
    if choice == 1:
        return CancelRequest(f"c{number}", at, f"o{draw(st.integers(0, 12))}")
    kind = draw(st.sampled_from(["market", "market", "limit", "stop", "stop_limit", "trailing"]))
    side = draw(st.sampled_from(["buy", "buy", "sell"]))
    return OrderRequest(
        id=f"o{number}",
        at=at,
        ticker=draw(st.sampled_from(TICKERS)),
        side=side,
        type=kind,
        quantity=draw(st.sampled_from([1, 10, 33, 100])),
        limit=draw(levels) if kind in ("limit", "stop_limit") else None,
        stop=draw(levels) if kind in ("stop", "stop_limit") else None,
        trail_pct=draw(percents) if kind == "trailing" else None,
        protect=draw(protections()) if side == "buy" else None,
    )


@st.composite
def actions(draw: st.DrawFn) -> Split | Dividend:
    session = draw(st.integers(0, BARS - 2))
    at, ticker = midnight(SESSIONS[session]), draw(st.sampled_from(TICKERS))
    if draw(st.booleans()):
        return Split(
            at, ticker, draw(st.sampled_from([Fraction(2), Fraction(3, 2), Fraction(1, 3), Fraction(1, 10)]))
        )
    return Dividend(at, ticker, usd(0.333333), SESSIONS[draw(st.integers(session, BARS - 1))])


@st.composite
def markets(draw: st.DrawFn) -> Panel:
    return days({ticker: [draw(bars()) for _ in range(BARS)] for ticker in TICKERS})


@st.composite
def stories(draw: st.DrawFn) -> list[Input]:
    asked: list[Input] = [draw(requests(number)) for number in range(draw(st.integers(1, 12)))]
    asked += draw(st.lists(actions(), max_size=2))
    return sorted(asked, key=lambda item: (item.at, isinstance(item, OrderRequest | CancelRequest | Command)))


rules = st.builds(
    Rules,
    st.builds(Costs, st.sampled_from([0.0, 3.7]), st.sampled_from([0.0, 12.5])),
    st.builds(
        Limits,
        volume_share=st.sampled_from([0.1, None]),
        max_positions=st.sampled_from([1, None]),
        cash_share=st.sampled_from([0.5, None]),
        drawdown=st.sampled_from([0.02, None]),
        daily_loss=st.sampled_from([0.01, None]),
        cooldown=st.sampled_from([1, None]),
    ),
)


def run(market: Panel, story: Sequence[Input], terms: Rules, *, restart: bool = False) -> Journal:
    first = open_account("a", Decimal(20_000), midnight(SESSIONS[0]))
    journal = Journal(first.state)
    journal.add(first)
    done = 0
    for moment, made in bars_by_time(market, regular_moments(market), market.tickers):
        due = done
        while due < len(story) and story[due].at <= moment.starts:
            due += 1
        before = len(journal.fills)
        state = reread(journal) if restart else journal.state
        journal.add(step(state, moment, story[done:due], made, terms))
        done = due
        holds(journal, before, made, terms)
    return journal


def reread(journal: Journal) -> AccountState:
    """The state as a new process finds it: books from postings, orders and memory from their rows."""
    state = journal.state
    orders: dict[str, Order] = {}
    for order in state.orders.values():
        row = order_row(1, order)
        detail = row.pop("detail")
        limit, stop = row.pop("limit_price"), row.pop("stop_price")
        orders[order.id] = order_of(OrderRow(**row, limit=limit, stop=stop, detail=detail))
    return AccountState(
        name=state.name,
        books=rebuild(journal.entries),
        orders=orders,
        prices=state.prices,
        halts=state.halts,
        **memory_of(memory_data(state)),
    )


def holds(journal: Journal, before: int, made: Any, terms: Rules) -> None:
    """The invariants, after each bar."""
    state = journal.state
    check_books(state.books)
    assert state.books.cash >= 0
    assert rebuild(journal.entries) == state.books
    assert all(lot.quantity > 0 for lots in state.books.lots.values() for lot in lots)
    for ticker in TICKERS:
        held = state.books.quantity(ticker)
        sales = [order for order in state.orders.values() if order.ticker == ticker and order.side == "sell"]
        coming = sum(
            order.remaining
            for order in state.orders.values()
            if order.ticker == ticker and order.side == "buy" and order.type == "market"
        )
        assert all(0 < order.remaining <= held + coming for order in sales)
        covers = {
            order.parent: order.remaining for order in sales if order.parent and order.role != "partial"
        }
        assert sum(covers.values()) <= held
    traded: Counter[str] = Counter()
    for fill in journal.fills[before:]:
        bar = made[fill.ticker]
        traded[fill.ticker] += fill.quantity
        slip = terms.costs.slippage_bps / 10_000
        assert bar.low * (1 - slip) - 1e-6 <= float(fill.price) <= bar.high * (1 + slip) + 1e-6
    if terms.limits.volume_share is not None:
        for ticker, quantity in traded.items():
            assert quantity <= math.floor(made[ticker].volume * terms.limits.volume_share + 1e-9)
    reserved = sum((order.reserve for order in state.orders.values()), Decimal(0))
    assert reserved <= state.books.cash


@settings(QUIET, max_examples=250)
@given(markets(), stories(), rules)
def test_books_balance_nothing_is_sold_naked_and_cash_never_runs_out(
    market: Panel, story: list[Input], terms: Rules
) -> None:
    journal = run(market, story, terms)
    assert len({fill.id for fill in journal.fills}) == len(journal.fills)
    if not any(isinstance(item, Split) for item in story):
        for ticker in TICKERS:
            signed = sum(
                fill.quantity if fill.side == "buy" else -fill.quantity
                for fill in journal.fills
                if fill.ticker == ticker
            )
            assert signed == journal.state.books.quantity(ticker)
        for order in journal.orders.values():
            assert sum(fill.quantity for fill in journal.fills if fill.order == order.id) == order.filled


@settings(QUIET, max_examples=80)
@given(markets(), stories(), rules)
def test_a_restart_before_every_bar_makes_the_same_fills_and_books(
    market: Panel, story: list[Input], terms: Rules
) -> None:
    straight, restarted = run(market, story, terms), run(market, story, terms, restart=True)
    assert straight.fills == restarted.fills
    assert straight.rejections == restarted.rejections
    assert straight.state == restarted.state


@settings(QUIET, max_examples=60)
@given(markets(), st.permutations(range(6)))
def test_the_order_in_which_orders_of_one_time_are_listed_does_not_matter_while_cash_lasts(
    market: Panel, places: list[int]
) -> None:
    made = [
        OrderRequest(f"o{i}", midnight(SESSIONS[i // 3]), TICKERS[i % 2], "buy", "market", 10 + i)
        for i in range(6)
    ]
    terms = Rules(limits=Limits(volume_share=None))
    found = [
        sorted((fill.order, fill.time, fill.quantity, fill.price) for fill in run(market, story, terms).fills)
        for story in (made, sorted((made[i] for i in places), key=lambda request: request.at))
    ]
    assert found[0] == found[1]


@settings(QUIET, max_examples=60)
@given(markets(), stories(), rules)
def test_replaying_a_script_twice_is_identical(market: Panel, story: list[Input], terms: Rules) -> None:
    asked = tuple(item for item in story if isinstance(item, OrderRequest | CancelRequest | Command))
    taken = tuple(item for item in story if isinstance(item, Split | Dividend))
    script = Script(Decimal(20_000), terms, asked, taken)
    assert replay(script, market) == replay(script, market)


def reference_fill(
    request: OrderRequest, rows: Sequence[tuple[float, ...] | None]
) -> tuple[int, float] | None:
    """Where a single purchase fills, written out plainly from the table of fill rules."""
    triggered = False
    for place, row in enumerate(rows):
        if row is None:
            continue
        open_, high, low, close = row[:4]
        limit, stop = (None if level is None else float(level) for level in (request.limit, request.stop))
        if request.type == "market":
            return place, open_
        if request.type == "stop":
            assert stop is not None
            if open_ >= stop:
                return place, open_
            if high >= stop:
                return place, stop
            continue
        assert limit is not None
        if request.type == "limit" or triggered:
            if low < limit:
                return place, min(open_, limit)
            continue
        assert stop is not None
        if open_ >= stop:
            triggered = True
            if low < limit:
                return place, min(open_, limit)
        elif high >= stop:
            triggered = True
            if stop < limit:
                return place, stop
            if close < limit:
                return place, limit
    return None


@settings(QUIET, max_examples=250)
@given(
    st.lists(bars(), min_size=BARS, max_size=BARS),
    st.sampled_from(["market", "limit", "stop", "stop_limit"]),
    levels,
    levels,
)
def test_single_orders_fill_where_a_plain_reference_matcher_fills_them(
    rows: list[Any], kind: str, limit: Decimal, stop: Decimal
) -> None:
    request = OrderRequest(
        "o",
        midnight(SESSIONS[0]),
        "X",
        "buy",
        kind,  # type: ignore[arg-type]
        10,
        limit=limit if kind in ("limit", "stop_limit") else None,
        stop=stop if kind in ("stop", "stop_limit") else None,
    )
    fills = run(days(rows), [request], Rules(limits=Limits(volume_share=None))).fills
    expected = reference_fill(request, rows)
    if expected is None:
        assert fills == []
    else:
        place, price = expected
        assert [(fill.time, float(fill.price)) for fill in fills] == [(midnight(SESSIONS[place]), price)]


@settings(QUIET, max_examples=100)
@given(st.lists(bars(), min_size=BARS, max_size=BARS), levels, levels, percents, st.booleans())
def test_brackets_leave_where_a_plain_reference_matcher_leaves(
    rows: list[Any], stop: Decimal, target: Decimal, trail: float, trailing: bool
) -> None:
    protect = Protection(stop=stop, target=target, trail_pct=trail if trailing else None)
    entry = OrderRequest("o", midnight(SESSIONS[0]), "X", "buy", "market", 10, protect=protect)
    fills = run(days(rows), [entry], Rules(limits=Limits(volume_share=None))).fills
    best, expected = math.nan, None
    for place, row in enumerate(rows):
        if row is None:
            continue
        open_, high, low, _ = row[:4]
        best = open_ if math.isnan(best) else best
        level = max(float(stop), round(best * (1 - trail / 100), 6)) if trailing else float(stop)
        if open_ > float(target):
            expected = (place, open_, False)
            break
        if low <= level:
            expected = (place, min(open_, level), open_ > level and high > float(target))
            break
        if high > float(target):
            expected = (place, float(target), False)
            break
        best = max(best, high)
    exits = [
        (SESSIONS.index(fill.time.date()), float(fill.price), bool(fill.flags))
        for fill in fills
        if fill.side == "sell"
    ]
    assert exits == ([] if expected is None else [pytest.approx(expected)])
