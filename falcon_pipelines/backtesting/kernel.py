"""The fill kernel: turns signals over bars into fills of one account. Decides when and how much; every price
comes from `fill_rules`. Statistics, trades and reports are made elsewhere from the fills.

Within a bar: scheduled exits at the open, then entries at the open in order of rank, then stops, targets and
partial exits inside the bar, then the close: delistings, trailing and breakeven levels, margin, and the signals
that schedule what happens at the next open. Bars on which nothing can happen are skipped.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numba import njit
from numpy.typing import NDArray

from falcon_pipelines.backtesting.book import (
    ACCOUNT,
    DELISTED,
    ENTRY,
    MARGIN_CALL,
    ORDER,
    POSITION,
    REASONS,
    REVERSAL,
    SIGNAL,
    BarArrays,
    SignalArrays,
    record,
    reduce,
)
from falcon_pipelines.backtesting.entries import enter_by_rank
from falcon_pipelines.backtesting.exits import complete_bar, inside_bar
from falcon_pipelines.backtesting.fill_rules import BUY, SELL, slipped

__all__ = [
    "ENTRY",
    "ORDER",
    "REASONS",
    "BarArrays",
    "SignalArrays",
    "compiled",
    "simulate",
    "simulate_account",
]

SHORT_MAINTENANCE = 1.3
"""Cash that must back each dollar of short positions at a close (FINRA Rule 4210(c)(3): 30 % above the value);
below it the shorts are bought in at the next open."""


def _sources() -> str:
    """Digest of all code that compiled entry points contain."""
    names = (
        "fill_rules.py",
        "parameters.py",
        "book.py",
        "entries.py",
        "exits.py",
        "kernel.py",
        "tallies.py",
        "batch.py",
    )
    digest = hashlib.sha256()
    for name in names:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()


SOURCES = _sources()


def compiled(build: Callable[[str], Callable[..., Any]]) -> Callable[..., Any]:
    """An entry point compiled once and kept on disk.

    numba notices changes only of the file that holds the entry point. `build` gets a digest of all the sources
    and returns a function that refers to it, which makes the digest part of the key on disk.
    """
    return njit(cache=True, nogil=True)(build(SOURCES))


@njit
def _read_signals(position: Any, bar: int, column: int, signals: SignalArrays) -> None:
    """Schedule for the next open what a completed bar signals.

    Exits count only while holding; an entry against the position closes it and opens the other side; a bar
    that signals long and short entries at once signals neither.
    """
    side = 0
    if signals.entry_long[bar, column] != signals.entry_short[bar, column]:
        side = 1 if signals.entry_long[bar, column] else -1
    if position.quantity == 0.0:
        if side != 0:
            position.wanted_side = side
            position.wanted_quantity = 0.0
            position.wanted_since = bar
        return
    held = 1 if position.quantity > 0 else -1
    if position.exit_reason == 0:
        leaves = signals.exit_long[bar, column] if held > 0 else signals.exit_short[bar, column]
        if leaves:
            position.exit_reason = SIGNAL
        elif side == -held:
            position.exit_reason = REVERSAL
    if side == -held:
        position.wanted_side = side
        position.wanted_quantity = 0.0
        position.wanted_since = bar


@njit
def _call_margin(account: Any, positions: Any, active: Any, bar: int, bars: BarArrays) -> bool:
    """Schedule the buying-in of shorts that cash no longer backs; returns whether any short is held."""
    short_value = 0.0
    for column in range(len(active)):
        if active[column] and positions[column].quantity < 0.0:
            short_value -= positions[column].quantity * bars.filled[bar, column]
    if (short_value > 0.0 and account.cash < SHORT_MAINTENANCE * short_value) or account.cash < 0.0:
        for position in positions:
            if position.quantity < 0.0 or (position.quantity > 0.0 and account.cash < 0.0):
                position.exit_reason = MARGIN_CALL
                position.wanted_side = 0
                position.wanted_quantity = 0.0
    return short_value > 0.0


@njit
def _last_bars(close: NDArray[np.float64], first: int, last: int) -> Any:
    """Row of each column's last bar before row `last`, -1 without any from row `first` on."""
    found = np.full(close.shape[1], -1)
    for column in range(close.shape[1]):
        for bar in range(last - 1, first - 1, -1):
            if not np.isnan(close[bar, column]):
                found[column] = bar
                break
    return found


@njit
def _next_end(positions: Any, active: Any, last_bar: Any, last: int) -> int:
    """The first row on which a position's bars end before those of others do; `last` where none does."""
    ends = last
    for column in range(len(active)):
        if active[column] and positions[column].quantity != 0.0 and last_bar[column] < last - 1:
            ends = min(ends, last_bar[column])
    return ends


@njit
def _either(first: Any, second: Any) -> Any:
    """(T, N) bytes: where either of two masks is True. Flat loops, so that the compiler uses vectors."""
    a, b = first.ravel(), second.ravel()
    either = np.empty(len(a), np.uint8)
    for i in range(len(a)):
        either[i] = a[i] | b[i]
    return either.reshape(first.shape)


@njit
def _marked_rows(marks: Any, first: int, last: int) -> Any:
    """One byte a row: whether any column of the (T, N) mask is True; a 1 at row `last`, then padding."""
    columns = marks.shape[1]
    flags = np.zeros((last // 8 + 1) * 8, np.uint8)
    if columns == 1:
        flat = marks.ravel()
        flags[first:last] = flat[first:last]
    else:
        for bar in range(first, last):
            found = np.uint8(0)
            for column in range(columns):
                found |= marks[bar, column]
            flags[bar] = found
    flags[last] = 1
    return flags


@njit
def _next_flagged(flags: Any, words: Any, bar: int) -> int:
    """The first row from `bar` on whose flag is set; `words` is the same memory in steps of eight rows."""
    while flags[bar] == 0:
        if bar % 8 == 0 and words[bar // 8] == 0:
            bar += 8
        else:
            bar += 1
    return bar


@njit
def _at_open(
    orders: Any, account: Any, positions: Any, active: Any, partial_left: Any, bar: int, bars: BarArrays,
    signals: SignalArrays, p: Any,
) -> Any:  # fmt: skip
    """Scheduled exits, then the entries that wait, by rank. Returns the orders."""
    waiting = np.empty(len(active), np.int64)
    entries = 0
    for column in range(len(active)):
        if not active[column] or np.isnan(bars.close[bar, column]):
            continue
        position = positions[column]
        if position.quantity != 0.0 and position.exit_reason != 0:
            price = slipped(SELL if position.quantity > 0 else BUY, bars.open[bar, column], p.slippage_bps)
            orders, _ = reduce(
                orders, account, position, bar, column, abs(position.quantity), price, position.exit_reason, False,
                bars.volume[bar, column], p,
            )  # fmt: skip
        if position.wanted_side != 0 and position.quantity * position.wanted_side >= 0.0:
            waiting[entries] = column
            entries += 1
    if entries > 0:
        orders = enter_by_rank(
            orders, account, positions, active, partial_left, bar, waiting[:entries], bars, signals, p
        )
    return orders


@njit
def simulate_account(
    bars: BarArrays, signals: SignalArrays, p: Any, first: int, last: int, cash: float
) -> Any:
    """`simulate` for callers inside compiled code; `p` is one record of dtype PARAMETERS."""
    columns = bars.close.shape[1]
    orders = np.empty(64, ORDER)
    accounts = np.zeros(1, ACCOUNT)
    account = accounts[0]
    account.cash = cash
    positions = np.zeros(columns, POSITION)
    active = np.zeros(columns, np.uint8)
    partial_left = np.zeros((columns, p.partials))
    last_bar = _last_bars(bars.close, first, last)
    entry_marks = _either(signals.entry_long, signals.entry_short)
    marks = _either(entry_marks, _either(signals.exit_long, signals.exit_short))
    entry_rows = _marked_rows(entry_marks, first, last)
    marked_rows = _marked_rows(marks, first, last)
    entry_words = entry_rows.view(np.uint64)
    marked_words = marked_rows.view(np.uint64)
    watches_bars = (
        p.stop_percent > 0.0 or p.stop_by_distance or p.stop_by_level or p.trailing_percent > 0.0
        or not np.isnan(p.target_percent) or not np.isnan(p.breakeven_percent) or p.time_stop_bars > 0
        or p.partials > 0
    )  # fmt: skip
    held = 0
    busy = False
    short = False
    bar = first
    while bar < last:
        if not busy and not short and (held == 0 or not watches_bars):
            if held == 0:
                bar = _next_flagged(entry_rows, entry_words, bar)
            else:
                bar = min(
                    _next_flagged(marked_rows, marked_words, bar),
                    _next_end(positions, active, last_bar, last),
                )
            if bar >= last:
                break
        if busy:
            orders = _at_open(orders, account, positions, active, partial_left, bar, bars, signals, p)
        if watches_bars and (held > 0 or busy):
            for column in range(columns):
                if (
                    active[column]
                    and positions[column].quantity != 0.0
                    and not np.isnan(bars.close[bar, column])
                ):
                    position = positions[column]
                    if bars.low[bar, column] > position.below and bars.high[bar, column] < position.above:
                        continue
                    orders = inside_bar(orders, account, position, partial_left[column], bar, column, bars, p)
        held = 0
        busy = False
        for column in range(columns):
            if not active[column] and not marks[bar, column]:
                continue
            position = positions[column]
            if not np.isnan(bars.close[bar, column]):
                if last_bar[column] == bar and bar < last - 1:
                    if position.quantity != 0.0:
                        orders = record(
                            orders, account, bar, column, -position.quantity, bars.close[bar, column], p, DELISTED,
                            False,
                        )  # fmt: skip
                        position.quantity = 0.0
                    position.exit_reason = 0
                    position.wanted_side = 0
                    position.wanted_quantity = 0.0
                    active[column] = 0
                    continue
                if position.quantity != 0.0:
                    complete_bar(
                        position, partial_left[column], bars.high[bar, column], bars.low[bar, column], p
                    )
                if marks[bar, column]:
                    _read_signals(position, bar, column, signals)
            waits = position.wanted_side != 0 or position.exit_reason != 0
            if position.quantity != 0.0:
                held += 1
            busy = busy or waits
            active[column] = waits or position.quantity != 0.0
        short = held > 0 and _call_margin(account, positions, active, bar, bars)
        busy = busy or short
        bar += 1
    return orders[: account.fills], accounts


def _entry_point(sources: str) -> Callable[..., Any]:
    def simulate(
        bars: BarArrays, signals: SignalArrays, parameters: NDArray[np.void], cash: float
    ) -> tuple[NDArray[np.void], NDArray[np.void]]:
        """Fills of one account that starts with `cash` dollars and trades the N columns of (T, N) bars.

        `parameters` is one record of dtype PARAMETERS. Bars are NaN where a ticker has none; orders then wait
        for its next bar. A position whose bars end before the last row is closed at its last close. Returns
        the fills (dtype ORDER, in order of execution) and one record of dtype ACCOUNT.
        """
        len(sources)
        orders, accounts = simulate_account(bars, signals, parameters[0], 0, len(bars.close), cash)
        return orders.copy(), accounts

    return simulate


simulate = compiled(_entry_point)
