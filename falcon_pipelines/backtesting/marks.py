"""Masks of signals, searched by the kernel for the next bar on which something can happen. Compiled code."""

from typing import Any

import numpy as np
from numba import njit

ENTRY_LONG, ENTRY_SHORT, EXIT_LONG, EXIT_SHORT = 1, 2, 4, 8
"""What a bar and column is marked with, in the bits of one byte."""
_ENTRIES_IN_WORD = 0x0303030303030303


@njit
def merged(entry_long: Any, entry_short: Any, exit_long: Any, exit_short: Any, first: int, last: int) -> Any:
    """The marks of each bar and column in one byte, a flat array of the rows from `first` to before `last`.

    From (T, N) masks. After the last row comes an ENTRY_LONG, so that every search ends, then padding to a whole
    word. Flat loops, so that the compiler uses vectors.
    """
    columns = entry_long.shape[1]
    start, size = first * columns, (last - first) * columns
    a, b = entry_long.ravel()[start : start + size], entry_short.ravel()[start : start + size]
    c, d = exit_long.ravel()[start : start + size], exit_short.ravel()[start : start + size]
    marks = np.empty((size // 8 + 1) * 8, np.uint8)
    for i in range(size):
        marks[i] = a[i] | b[i] << 1 | c[i] << 2 | d[i] << 3
    marks[size:] = ENTRY_LONG
    return marks


@njit
def any_set(mask: Any) -> Any:
    """Whether a (T, N) mask is set anywhere."""
    found = np.uint8(0)
    for value in mask.ravel():
        found |= value
    return found != 0


@njit
def entry_places(marks: Any, size: int) -> Any:
    """Indices below `size` of the merged marks that have an entry; `size` itself after the last."""
    words = marks.view(np.uint64)
    found = np.empty(64, np.int64)
    count = 0
    for word in range(len(words)):
        if words[word] & np.uint64(_ENTRIES_IN_WORD) == 0:
            continue
        for place in range(8 * word, min(8 * word + 8, size)):
            if marks[place] & (ENTRY_LONG | ENTRY_SHORT):
                if count == len(found) - 1:
                    grown = np.empty(2 * len(found), np.int64)
                    grown[:count] = found[:count]
                    found = grown
                found[count] = place
                count += 1
    found[count] = size
    return found[: count + 1]


@njit
def marked_rows(marks: Any, rows: int, columns: int) -> Any:
    """One byte a row of merged marks: whether any column is set; padded as `merged` does."""
    if columns == 1:
        return marks
    flags = np.ones((rows // 8 + 1) * 8, np.uint8)
    for row in range(rows):
        found = np.uint8(0)
        for i in range(row * columns, row * columns + columns):
            found |= marks[i]
        flags[row] = found
    return flags


@njit
def next_flagged(flags: Any, words: Any, row: int) -> int:
    """The first row from `row` on whose flag is set; `words` is the same memory in steps of eight rows."""
    while flags[row] == 0:
        row += 1
        if row & 7 == 0:
            word = row >> 3
            while words[word] == 0:
                word += 1
            row = word << 3
    return row


@njit
def insert_columns(live: Any, count: int, entering: Any, row_start: int, active: Any) -> int:
    """Add to the sorted `live[:count]` the columns of a row's entry `places` that are not active; the new count."""
    fresh = 0
    for place in entering:
        if not active[place - row_start]:
            fresh += 1
    if fresh == 0:
        return count
    total = count + fresh
    at = total - 1
    old = count - 1
    new = len(entering) - 1
    while new >= 0:
        column = entering[new] - row_start
        if active[column]:
            new -= 1
            continue
        while old >= 0 and live[old] > column:
            live[at] = live[old]
            at -= 1
            old -= 1
        live[at] = column
        at -= 1
        new -= 1
    return total
