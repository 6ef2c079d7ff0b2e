"""All combinations of a spec's parameter values, made one by one when they are asked for."""

import itertools
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import overload


class ParamGrid(Sequence[dict[str, float]]):
    """Every choice of one value for each name, the last name varying fastest; one empty choice without names."""

    def __init__(self, choices: Mapping[str, Sequence[float]]) -> None:
        self._names = tuple(choices)
        self._choices = tuple(tuple(values) for values in choices.values())

    def __len__(self) -> int:
        return math.prod(len(values) for values in self._choices)

    def __iter__(self) -> Iterator[dict[str, float]]:
        for values in itertools.product(*self._choices):
            yield dict(zip(self._names, values, strict=True))

    @overload
    def __getitem__(self, index: int) -> dict[str, float]: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[dict[str, float], ...]: ...
    def __getitem__(self, index: int | slice) -> dict[str, float] | tuple[dict[str, float], ...]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(len(self))[index])
        place = range(len(self))[index]
        values = []
        for choices in reversed(self._choices):
            place, choice = divmod(place, len(choices))
            values.append(choices[choice])
        return dict(zip(self._names, reversed(values), strict=True))

    def __contains__(self, params: object) -> bool:
        return (
            isinstance(params, Mapping)
            and set(params) == set(self._names)
            and all(params[name] in values for name, values in zip(self._names, self._choices, strict=True))
        )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ParamGrid):
            return NotImplemented
        return (self._names, self._choices) == (other._names, other._choices)

    def __hash__(self) -> int:
        return hash((self._names, self._choices))
