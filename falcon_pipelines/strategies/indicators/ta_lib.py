"""TA-Lib over NumPy arrays: the one place that imports it, without the data frames it would load on the way.

TA-Lib's package imports pandas and Polars where they are installed, only to accept their series too. Falcon hands
it arrays, and pandas costs half a second and 60 MB in every process that knows an indicator.
"""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec
from threading import get_ident
from types import ModuleType

FRAMES = ("pandas", "polars")


class _NotInstalled:
    """An import finder to which some packages are not installed; other threads import them as ever."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = names
        self._thread = get_ident()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name in self._names and get_ident() == self._thread:
            raise ModuleNotFoundError(f"{name} is not wanted here", name=name)
        return None


@contextmanager
def _without(names: Sequence[str]) -> Iterator[None]:
    finder = _NotInstalled(names)
    sys.meta_path.insert(0, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


with _without(FRAMES):
    import talib
    from talib import MA_Type, abstract  # type: ignore[attr-defined]

__all__ = ["MA_Type", "abstract", "talib"]
