"""The order of candidates with equal scores: seeded, and blind to how they are called and where they stood."""

import hashlib
from collections.abc import Sequence
from datetime import date

import numpy as np
from numpy.typing import NDArray

_DECIMALS = 12


def ranked(
    scores: NDArray[np.float64],
    content: NDArray[np.float64],
    tickers: Sequence[str],
    seed: int,
    session: date,
) -> list[int]:
    """Positions of the rows, best score first; equal scores in the order of a hash keyed with seed and session.

    `content` (n, m) holds what each row's data are: its last bar, the dollars traded over its history, its features.
    The hash is taken of that. A rule that must give the same result when the input is reversed cannot look at
    positions, and one that must survive a renaming cannot look at names; what a security's own bars say survives
    both, and a keyed hash of it is as good as a coin: over seeds, each of n tied rows comes first in 1/n of the
    cases, so every letter gets the share of picks that it has of the tied rows.

    Rows that agree in every number of `content` are twins, which no rule can tell apart without a name or a
    position: reversing or renaming exchanges them at most for each other, and what is picked, stop and target
    included, stays the same but for the label. Among twins, and only there, the hash of the name decides, because
    positions depend on how a file was sorted. The hash is keyed too, so the alphabet has no part in it.
    """
    keyed = np.round(scores, _DECIMALS)
    _, group, sizes = np.unique(keyed, return_inverse=True, return_counts=True)
    key = hashlib.blake2b(f"{seed}|{session.isoformat()}".encode(), digest_size=32).digest()
    tied = sizes[group] > 1
    own = [
        (_hash(content[i].tobytes(), key), _hash(tickers[i].encode(), key)) if tied[i] else (b"", b"")
        for i in range(len(tickers))
    ]
    return sorted(range(len(tickers)), key=lambda i: (-keyed[i], *own[i]))


def _hash(content: bytes, key: bytes) -> bytes:
    return hashlib.blake2b(content, key=key, digest_size=16).digest()
