"""Run an account over stored bars, from an order script.

The same engine as live paper trading, without a database.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.trading.account import AccountState, Outcome, Rules
from falcon_pipelines.trading.engine import open_account, step
from falcon_pipelines.trading.errors import BooksDoNotBalance, CannotTrade
from falcon_pipelines.trading.ledger import Entry, check_books, rebuild
from falcon_pipelines.trading.moments import Moment, regular_moments
from falcon_pipelines.trading.orders import Bar, Fill, Halt, Input, Order, OrderRequest, Rejection
from falcon_pipelines.trading.script import Script, inputs_in_order
from falcon_pipelines.trading.strategy_trader import Strategy, decide, rules_of

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec


@dataclass
class Journal:
    """Everything that happened to an account, in order; `orders` holds the last form of each."""

    state: AccountState
    orders: dict[str, Order] = field(default_factory=dict)
    fills: list[Fill] = field(default_factory=list)
    rejections: list[Rejection] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    ended_halts: list[Halt] = field(default_factory=list)

    def add(self, outcome: Outcome) -> None:
        self.state = outcome.state
        self.orders.update((order.id, order) for order in outcome.orders)
        self.fills.extend(outcome.fills)
        self.rejections.extend(outcome.rejections)
        self.entries.extend(outcome.entries)
        self.ended_halts.extend(outcome.ended_halts)


@dataclass(frozen=True)
class ReplayResult:
    """The account after the last bar and all that led there. `waiting` are orders whose time never came."""

    state: AccountState
    orders: tuple[Order, ...]
    fills: tuple[Fill, ...]
    rejections: tuple[Rejection, ...]
    entries: tuple[Entry, ...]
    halts: tuple[Halt, ...]
    waiting: tuple[OrderRequest, ...]
    equity: tuple[tuple[datetime, Decimal], ...]


def replay(script: Script, panel: Panel) -> ReplayResult:
    """Trade an order script over bars.

    Raises CannotTrade for bars in which a ticker of the script does not occur, or that are adjusted while it has
    corporate actions.
    """
    missing = sorted(set(script.tickers) - set(panel.tickers))
    if missing:
        raise CannotTrade(f"{missing[0]}: the bars have no such ticker, but the script names it")
    if script.actions and panel.adjust != "none":
        raise CannotTrade("the bars are adjusted already: actions need raw bars")
    moments = regular_moments(panel)
    opened = moments[0][1].starts if moments else datetime.min.replace(tzinfo=UTC)
    first = open_account("replay", script.cash, opened)
    journal = Journal(first.state)
    journal.add(first)
    inputs = inputs_in_order(script.requests, script.actions)
    curve = []
    done = 0
    for moment, bars in bars_by_time(panel, moments, script.tickers):
        due = done
        while due < len(inputs) and inputs[due].at <= moment.starts:
            due += 1
        journal.add(step(journal.state, moment, inputs[done:due], bars, script.rules))
        done = due
        curve.append((moment.time, journal.state.equity))
    return _result(journal, inputs[done:], curve)


def replay_spec(spec: "Spec", panel: Panel, cash: Decimal, rules: Rules | None = None) -> ReplayResult:
    """Paper-trade a spec without open parameters over bars of its timeframe; each bar's decision acts on the
    next.

    `rules` default to the spec's own costs and limits.
    """
    from falcon_pipelines.strategies.signals import compute_signals

    strategy, signals = Strategy.of(spec), compute_signals(spec, panel)
    rules = rules or rules_of(spec)
    moments = regular_moments(panel)
    if not moments:
        raise CannotTrade("none of the bars lies in a regular session of XNYS")
    first = open_account("replay", cash, moments[0][1].starts)
    journal = Journal(first.state)
    journal.add(first)
    wanted: tuple[Input, ...] = ()
    curve = []
    rows = [row for row, _ in moments]
    for row, (moment, bars) in zip(rows, bars_by_time(panel, moments, panel.tickers), strict=True):
        journal.add(step(journal.state, moment, wanted, bars, rules))
        wanted = decide(strategy, signals, panel, row, moment, journal.state)
        curve.append((moment.time, journal.state.equity))
    return _result(journal, wanted, curve)


def bars_by_time(
    panel: Panel, moments: Sequence[tuple[int, Moment]], tickers: Sequence[str]
) -> Iterator[tuple[Moment, Mapping[str, Bar]]]:
    """The bars of each moment by ticker, for the tickers asked for that have one."""
    columns = [panel.tickers.index(ticker) for ticker in tickers]
    values = [panel[name][:, columns] for name in FIELDS]
    for row, moment in moments:
        rows = zip(tickers, *(field[row].tolist() for field in values), strict=True)
        yield moment, {ticker: Bar(*prices) for ticker, *prices in rows if not math.isnan(prices[3])}


def _result(journal: Journal, left: Sequence[Input], curve: list[tuple[datetime, Decimal]]) -> ReplayResult:
    state = journal.state
    check_books(state.books)
    if rebuild(journal.entries) != state.books:
        raise BooksDoNotBalance("the postings do not lead to the account's books")
    return ReplayResult(
        state=state,
        orders=tuple(sorted(journal.orders.values(), key=lambda order: order.sequence)),
        fills=tuple(journal.fills),
        rejections=tuple(journal.rejections),
        entries=tuple(journal.entries),
        halts=(*journal.ended_halts, *state.halts),
        waiting=tuple(item for item in left if isinstance(item, OrderRequest)),
        equity=tuple(curve),
    )
