"""Masks of signals, searched by the kernel for the next bar on which something can happen. Compiled code."""

from typing import Any

import numpy as np
from numba import njit


@njit
def merged(entry_long: Any, entry_short: Any, exit_long: Any, exit_short: Any, first: int, last: int) -> Any:
    """One byte for each bar and column: whether it has an entry of either side, and whether it has any signal.

    (T, N) masks to two flat arrays of the rows from `first` to before `last`, each with a 1 after the last,
    then padding to whole words. Flat loops, so that the compiler uses vectors.
    """
    columns = entry_long.shape[1]
    start, size = first * columns, (last - first) * columns
    a, b = entry_long.ravel()[start : start + size], entry_short.ravel()[start : start + size]
    c, d = exit_long.ravel()[start : start + size], exit_short.ravel()[start : start + size]
    entries, marks = np.empty((size // 8 + 1) * 8, np.uint8), np.empty((size // 8 + 1) * 8, np.uint8)
    for i in range(size):
        entries[i] = a[i] | b[i]
        marks[i] = a[i] | b[i] | c[i] | d[i]
    entries[size:] = 1
    marks[size:] = 1
    return entries, marks


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
