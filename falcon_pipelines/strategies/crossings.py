"""Where one series crosses another: compiled, because sweeps spend most of their time on it."""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def crossings(rising: Any, falling: Any, wanted: bool) -> Any:
    """(N, T) True where it is known that `rising` is above `falling` now and was not on the bar before.

    With `wanted` False, where it is known not to be so: as soon as either half is false. NaN is unknown.
    """
    rows, bars = rising.shape
    found = np.zeros((rows, bars), np.bool_)
    for row in range(rows):
        a, b, out = rising[row], falling[row], found[row]
        now_a, now_b, now_out = a[1:], b[1:], out[1:]
        then_a, then_b = a[:-1], b[:-1]
        if wanted:
            for t in range(len(now_out)):
                now_out[t] = (now_a[t] > now_b[t]) & (then_a[t] <= then_b[t])
        else:
            if bars > 0:
                out[0] = a[0] <= b[0]
            for t in range(len(now_out)):
                now_out[t] = (now_a[t] <= now_b[t]) | (then_a[t] > then_b[t])
    return found
