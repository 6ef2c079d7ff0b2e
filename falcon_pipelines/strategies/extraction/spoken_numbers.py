"""Spelled-out numbers as digits: "ninety five" is 95, "fifty two hundred" is 50 and 200."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from falcon_pipelines.strategies.extraction.normalise import Token

_DIGITS = {
    name: n
    for n, name in enumerate(["zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"])
}
_TEENS = {
    name: n + 10
    for n, name in enumerate(
        [
            "ten",
            "eleven",
            "twelve",
            "thirteen",
            "fourteen",
            "fifteen",
            "sixteen",
            "seventeen",
            "eighteen",
            "nineteen",
        ]
    )
}
_TENS = {
    name: (n + 2) * 10
    for n, name in enumerate(["twenty", "thirty", "forty", "fifty", "sixty", "seventy", "eighty", "ninety"])
} | {"fourty": 40}
_LISTED = frozenset(
    {"rule", "step", "number", "option", "part", "point", "reason", "day", "strategy", "method"}
)
"""Words after which a digit is a count of its own: "rule one fifty day" names no 150."""
_NUMBER_WORDS = frozenset({*_DIGITS, *_TEENS, *_TENS})


def number_text(value: float) -> str:
    """The digits of a number, without a trailing `.0`."""
    return str(int(value)) if value == int(value) else repr(round(value, 6))


def is_number(text: str) -> bool:
    """Whether a canonical token is a number."""
    digits = text.removeprefix("-")
    return digits[:1].isdigit() and digits.replace(".", "", 1).isdigit()


def merge_numbers(found: "Sequence[Token]") -> "list[Token]":
    """The tokens with every run of number words replaced by one token of digits."""
    merged: list[Token] = []
    position = 0
    while position < len(found):
        value, used = _number_at(found, position)
        if value is None:
            merged.append(found[position])
            position += 1
            continue
        last = found[position + used - 1]
        merged.append(replace(found[position], text=number_text(value), last=last.last, comma=last.comma))
        position += used
    return merged


def _number_at(found: "Sequence[Token]", start: int) -> tuple[float | None, int]:
    """The number beginning at `start` and how many tokens it takes; (None, 0) where there is none."""

    def word(offset: int) -> str:
        at = start + offset
        if at >= len(found) or (offset and found[at - 1].comma):
            return ""
        return found[at].text

    if word(0) == "point" and word(1) in _DIGITS:
        return _with_fraction(0.0, 0, word)
    if word(0) in ("a", "one") and word(1) in ("hundred", "thousand"):
        whole, used = 1.0, 1
    elif word(0) == "hundred":
        whole, used = 1.0, 0
    elif is_number(word(0)):
        whole, used = float(word(0)), 1
        if word(1) not in ("hundred", "thousand", "point", "and"):
            return whole, 1
    else:
        small, used = _below_hundred(word, 0)
        if small is None:
            return None, 0
        whole = float(small)
        if used == 2 and word(2) == "hundred":
            return whole - whole % 10, 1
        if word(0) == "one" and word(1) in _TENS and _before(found, start) not in _LISTED:
            rest, taken = _below_hundred(word, 1)
            return whole * 100 + (rest or 0), 1 + taken
    if word(used) == "hundred" and whole < 20:
        whole, used = whole * 100, used + 1
        skip = 1 if word(used) == "and" else 0
        rest, taken = _below_hundred(word, used + skip)
        if rest is not None and word(used + skip + taken) != "hundred":
            whole, used = whole + rest, used + skip + taken
    if word(used) == "thousand":
        whole, used = whole * 1000, used + 1
    return _with_fraction(whole, used, word)


def _before(found: "Sequence[Token]", start: int) -> str:
    return found[start - 1].text if start else ""


def _below_hundred(word: Callable[[int], str], at: int) -> tuple[int | None, int]:
    first, second = word(at), word(at + 1)
    if first in _TENS:
        if _DIGITS.get(second):
            return _TENS[first] + _DIGITS[second], 2
        return _TENS[first], 1
    if first in _TEENS:
        return _TEENS[first], 1
    if first in _DIGITS:
        return _DIGITS[first], 1
    return None, 0


def _with_fraction(whole: float, used: int, word: Callable[[int], str]) -> tuple[float, int]:
    if word(used) == "point" and (word(used + 1) in _DIGITS or is_number(word(used + 1))):
        digits, taken = "", used + 1
        while word(taken) in _DIGITS or (not digits and is_number(word(taken))):
            digits += str(_DIGITS.get(word(taken), word(taken)))
            taken += 1
        return float(f"{number_text(whole)}.{digits.replace('.', '')}"), taken
    if word(used) == "and" and word(used + 1) == "a" and word(used + 2) == "half":
        return whole + 0.5, used + 3
    return whole, used
