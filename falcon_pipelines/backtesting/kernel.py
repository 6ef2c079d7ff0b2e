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
from falcon_pipelines.backtesting.compiled_rules import slipped
from falcon_pipelines.backtesting.entries import buying_power, fill_entry, sort_by_rank
from falcon_pipelines.backtesting.exits import complete_bar, inside_bar
from falcon_pipelines.backtesting.fill_rules import BUY, SELL
from falcon_pipelines.backtesting.marks import (
    ENTRY_LONG,
    ENTRY_SHORT,
    EXIT_LONG,
    EXIT_SHORT,
    any_set,
    entry_places,
    insert_columns,
    marked_rows,
    merged,
    next_flagged,
)
from falcon_pipelines.backtesting.parameters import FIXED_SHARES

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
        "compiled_rules.py",
        "parameters.py",
        "book.py",
        "entries.py",
        "exits.py",
        "marks.py",
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
def _read_signals(position: Any, side: int, leaves_long: Any, leaves_short: Any) -> bool:
    """Schedule for the next open what a completed bar signals; returns whether that is an entry.

    `side` is that of the entry signalled, 0 without one. Exits count only while holding; an entry against the
    position closes it and opens the other side.
    """
    if position.quantity != 0.0:
        held = 1 if position.quantity > 0 else -1
        if position.exit_reason == 0:
            if leaves_long if held > 0 else leaves_short:
                position.exit_reason = SIGNAL
            elif side == -held:
                position.exit_reason = REVERSAL
        if side != -held:
            return False
    if side == 0:
        return False
    position.wanted_side = side
    position.wanted_quantity = 0.0
    return True


@njit
def _call_margin(account: Any, positions: Any, live: Any, bar: int, bars: BarArrays) -> bool:
    """Schedule the buying-in of shorts that cash no longer backs; returns whether any short is held."""
    short_value = 0.0
    for column in live:
        if positions[column].quantity < 0.0:
            short_value -= positions[column].quantity * bars.filled[bar, column]
    if (short_value > 0.0 and account.cash < SHORT_MAINTENANCE * short_value) or account.cash < 0.0:
        for column in live:
            position = positions[column]
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
def _next_end(positions: Any, live: Any, last_bar: Any, last: int) -> int:
    """The first row on which a position's bars end before those of others do; `last` where none does."""
    ends = last
    for column in live:
        if positions[column].quantity != 0.0 and last_bar[column] < last - 1:
            ends = min(ends, last_bar[column])
    return ends


@njit
def _at(values: Any, bar: int, column: int) -> Any:
    """An element of signal numbers, which are (1, 1) where they are the same everywhere."""
    return values[bar, column] if values.size > 1 else values[0, 0]


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
    last_bar = _last_bars(bars.close, first, last)
    # Columns that hold or wait, in order; of them those with an order for the next open; and a queue of entries.
    live, due, queue = np.empty(columns, np.int64), np.empty(columns, np.int64), np.empty(columns, np.int64)
    active, changed = np.zeros(columns, np.uint8), np.zeros(columns, np.uint8)
    count = 0
    waiting = 0
    held = 0
    marks = merged(
        signals.entry_long, signals.entry_short, signals.exit_long, signals.exit_short, first, last
    )
    entries = entry_places(marks, (last - first) * columns)
    entry = 0
    completes = (
        p.trailing_percent > 0.0 or not np.isnan(p.breakeven_percent) or not np.isnan(p.breakeven_r)
        or p.time_stop_bars > 0
    )  # fmt: skip
    watches_bars = (
        completes or p.stop_percent > 0.0 or p.stop_by_distance or p.stop_by_level
        or not np.isnan(p.target_percent) or p.partials > 0
    )  # fmt: skip
    capped = not np.isnan(p.volume_share)
    shorts = any_set(signals.entry_short)
    rows = marks if watches_bars else marked_rows(marks, last - first, columns)
    words = rows.view(np.uint64)
    short = False
    bar = first
    while bar < last:
        if waiting == 0 and not short and (held == 0 or not watches_bars):
            if held == 0:
                bar = first + entries[entry] // columns
            else:
                bar = min(
                    first + next_flagged(rows, words, bar - first),
                    _next_end(positions, live[:count], last_bar, last),
                )
            if bar >= last:
                break
        if waiting > 0:
            wanted = 0
            for i in range(waiting):
                column = due[i]
                changed[column] = 1
                position = positions[column]
                if not bars.gapless and np.isnan(bars.close[bar, column]):
                    continue
                volume = bars.volume[bar, column] if capped else 0.0
                if position.quantity != 0.0 and position.exit_reason != 0:
                    side = SELL if position.quantity > 0 else BUY
                    orders, _ = reduce(
                        orders, account, position, bar, column, abs(position.quantity),
                        slipped(side, bars.open[bar, column], p.slippage_bps), position.exit_reason, False,
                        volume, p,
                    )  # fmt: skip
                    if position.quantity == 0.0:
                        held -= 1
                if position.wanted_side != 0 and position.quantity * position.wanted_side >= 0.0:
                    queue[wanted] = column
                    wanted += 1
            if wanted > 0:
                equity, free = account.cash, account.cash
                if shorts or p.sizing != FIXED_SHARES:
                    equity, free = buying_power(
                        account.cash, positions, live[:count], bar, bars.open, bars.filled
                    )
                slots = p.max_positions - held
                if wanted > 1:
                    sort_by_rank(positions, queue[:wanted])
                for i in range(wanted):
                    column = queue[i]
                    volume = bars.volume[bar, column] if capped else 0.0
                    orders, cash_used, slots_used = fill_entry(
                        orders, account, positions[column], bar, column, bars.open[bar, column],
                        volume, equity, free, slots, p,
                    )  # fmt: skip
                    free -= cash_used
                    slots -= slots_used
        if watches_bars:
            for i in range(count):
                column = live[i]
                position = positions[column]
                if bars.low[bar, column] > position.below and bars.high[bar, column] < position.above:
                    continue
                if position.quantity != 0.0 and not np.isnan(bars.close[bar, column]):
                    changed[column] = 1
                    volume = bars.volume[bar, column] if capped else 0.0
                    orders = inside_bar(
                        orders, account, position, bar, column, bars.open[bar, column], bars.high[bar, column],
                        bars.low[bar, column], bars.close[bar, column], volume, p,
                    )  # fmt: skip
        row_start = (bar - first) * columns
        before = entry
        while entries[entry] < row_start + columns and entry < len(entries) - 1:
            entry += 1
        if entry > before:
            count = insert_columns(live, count, entries[before:entry], row_start, active)
        held = 0
        waiting = 0
        short = False
        kept = 0
        for i in range(count):
            column = live[i]
            marked = marks[row_start + column]
            if not (marked or changed[column] or completes or shorts or last_bar[column] == bar):
                held += 1
                live[kept] = column
                kept += 1
                continue
            changed[column] = 0
            position = positions[column]
            if last_bar[column] == bar and bar < last - 1:
                if position.quantity != 0.0:
                    orders = record(
                        orders, account, bar, column, -position.quantity, bars.close[bar, column], p, DELISTED, False
                    )  # fmt: skip
                    position.quantity = 0.0
                position.exit_reason = 0
                position.wanted_side = 0
                position.wanted_quantity = 0.0
                active[column] = 0
                continue
            if (marked or completes) and (bars.gapless or not np.isnan(bars.close[bar, column])):
                if completes and position.quantity != 0.0:
                    complete_bar(position, bars.high[bar, column], bars.low[bar, column], p)
                if marked:
                    entry_side = np.int64(marked & ENTRY_LONG != 0) - np.int64(marked & ENTRY_SHORT != 0)
                    out_long, out_short = marked & EXIT_LONG != 0, marked & EXIT_SHORT != 0
                    if _read_signals(position, entry_side, out_long, out_short):
                        levels = signals.stop_level_long if entry_side > 0 else signals.stop_level_short
                        position.wanted_level = _at(levels, bar, column)
                        position.wanted_distance = _at(signals.stop_distance, bar, column)
                        position.wanted_volatility = _at(signals.volatility, bar, column)
                        position.wanted_rank = _at(signals.rank, bar, column)
            waits = position.wanted_side != 0 or position.exit_reason != 0
            if position.quantity != 0.0:
                held += 1
                short = short or position.quantity < 0.0
            elif not waits:
                active[column] = 0
                continue
            if waits:
                due[waiting] = column
                waiting += 1
            active[column] = 1
            live[kept] = column
            kept += 1
        count = kept
        if short or (count > 0 and account.cash < 0.0):
            short = _call_margin(account, positions, live[:count], bar, bars)
            waiting = 0
            for i in range(count):
                position = positions[live[i]]
                if position.wanted_side != 0 or position.exit_reason != 0:
                    due[waiting] = live[i]
                    waiting += 1
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
