"""Spoken words as one canonical text: numbers as digits, letters joined, fillers gone, synonyms merged.

Every canonical token remembers the spoken words it came from, so that a match can be quoted and timed.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from falcon_pipelines.strategies.extraction.spoken_numbers import is_number, merge_numbers
from falcon_pipelines.strategies.extraction.vocabulary import (
    CONTRACTIONS,
    FILLERS,
    FRACTIONS,
    LETTERS,
    PHRASES,
    SAME,
    SYMBOLS,
    TURNS,
)
from falcon_pipelines.strategies.transcripts import Word

SENTENCE_END = "."
QUESTION_END = "?"
TURN = "|"
"""Begins a word with which a speaker takes a new turn (`|so`, `|now`, `|but`); weaker than a full stop."""


@dataclass(frozen=True)
class Token:
    """One canonical word; `first` and `last` are positions in the transcript's words."""

    text: str
    first: int
    last: int
    comma: bool = False


@dataclass(frozen=True)
class Text:
    """Canonical tokens as one string separated by single spaces, with a way back to the spoken words."""

    tokens: tuple[Token, ...]
    string: str
    starts: tuple[int, ...]

    @classmethod
    def of(cls, tokens: Sequence[Token]) -> "Text":
        """The text of these tokens."""
        starts, position = [], 0
        for token in tokens:
            starts.append(position)
            position += len(token.text) + 1
        return cls(tuple(tokens), " ".join(token.text for token in tokens), tuple(starts))

    def span_of(self, first: int, last: int) -> tuple[int, int]:
        """Characters of the tokens that come from the spoken words `first` to `last`; empty where none does."""
        inside = [i for i, token in enumerate(self.tokens) if token.last >= first and token.first <= last]
        if not inside:
            return 0, 0
        return self.starts[inside[0]], self.starts[inside[-1]] + len(self.tokens[inside[-1]].text)

    def words_of(self, start: int, end: int) -> tuple[int, int]:
        """First and last spoken word of the characters from `start` up to `end`."""
        begin = max(0, bisect_right(self.starts, start) - 1)
        inside = [
            token
            for token, position in zip(
                self.tokens[begin : bisect_left(self.starts, end)], self.starts[begin:], strict=False
            )
            if position + len(token.text) > start
        ]
        return min(token.first for token in inside), max(token.last for token in inside)


_PIECE = re.compile(
    r"\d+(?:st|nd|rd|th)\b|\d{1,3}(?:,\d{3})+(?:\.\d+)?|\d+\.\d+|\.\d+|\d+|[a-z]+(?:'[a-z]+)?|"
    r"[%$<>≤≥:/\-\u2013\u2014+]|[.?!;,]"
)


def tokens(words: Sequence[Word]) -> tuple[Token, ...]:
    """The canonical tokens of a transcript's words.

    "R. S. I. under thirty" becomes `rsi below 30`; "the 50-day" becomes `the 50 day`; a full stop stays.
    """
    found = _pieces(words)
    found = _join_letters(found)
    found = _replace_phrases(found, PHRASES)
    found = merge_numbers(found)
    found = _signed(found)
    found = _replace_phrases(found, FRACTIONS)
    return tuple(_mark_turns(found))


def _pieces(words: Sequence[Word]) -> list[Token]:
    found: list[Token] = []
    in_brackets = False
    for index, (word, _) in enumerate(words):
        text = word.lower().replace("\u2019", "'").replace("&", " and ")
        if text.startswith("[") or in_brackets:
            in_brackets = "]" not in text
            continue
        if text.startswith(">>"):
            found.append(Token(SENTENCE_END, index, index))
            text = text.lstrip(">")
        if re.fullmatch(r"(?:[a-z]\.){2,}[a-z]?\.?", text):
            text = text.replace(".", "")
        _append_pieces(found, text, index)
    return found


def _append_pieces(found: list[Token], text: str, index: int) -> None:
    pieces = _PIECE.findall(text)
    dollars = False
    for position, piece in enumerate(pieces):
        after = pieces[position + 1] if position + 1 < len(pieces) else ""
        before = pieces[position - 1] if position else ""
        if piece == "$":
            dollars = True
        elif piece == ",":
            if found and found[-1].first == index:
                found[-1] = replace(found[-1], comma=True)
        elif piece in ".!;?":
            if position == len(pieces) - 1 or after in '.?!"':
                found.append(Token(QUESTION_END if piece == "?" else SENTENCE_END, index, index))
        elif piece == "-" and position == 0 and after[:1].isdigit():
            found.append(Token("minus", index, index))
        elif piece in "-\u2013\u2014:/":
            if before.isdigit() and after.isdigit() and piece != "/":
                found.append(Token("to", index, index))
        elif piece in SYMBOLS:
            found.append(Token(SYMBOLS[piece], index, index))
        else:
            plain = piece.replace(",", "")
            plain = f"0{plain}" if plain.startswith(".") else plain
            spoken = CONTRACTIONS.get(plain, SAME.get(plain, plain)).split()
            found.extend(Token(part, index, index) for part in spoken)
            if dollars and plain[0].isdigit():
                found.append(Token("dollars", index, index))
                dollars = False


def _join_letters(found: list[Token]) -> list[Token]:
    joined: list[Token] = []
    position = 0
    while position < len(found):
        run = position
        while run < len(found) and len(found[run].text) == 1 and found[run].text.isalpha():
            run += 1
        letters = "".join(token.text for token in found[position:run])
        known = next((name for name in LETTERS if letters.startswith(name)), None)
        if known:
            last = found[position + len(known) - 1]
            joined.append(Token(known, found[position].first, last.last, last.comma))
            position += len(known)
        else:
            joined.append(found[position])
            position += 1
    return joined


def _replace_phrases(found: list[Token], phrases: dict[str, str]) -> list[Token]:
    result: list[Token] = []
    position = 0
    while position < len(found):
        for length in (4, 3, 2):
            group = found[position : position + length]
            canonical = phrases.get(" ".join(token.text for token in group)) if len(group) == length else None
            if canonical is not None:
                result.extend(
                    Token(part, group[0].first, group[-1].last, group[-1].comma) for part in canonical.split()
                )
                position += length
                break
        else:
            result.append(found[position])
            position += 1
    return result


def _signed(found: list[Token]) -> list[Token]:
    """The tokens with "minus one hundred" and "negative one hundred" as one number."""
    signed: list[Token] = []
    for token in found:
        if signed and signed[-1].text in ("minus", "negative") and is_number(token.text):
            signed[-1] = replace(token, text=f"-{token.text}", first=signed[-1].first)
        else:
            signed.append(token)
    return signed


def _mark_turns(found: list[Token]) -> list[Token]:
    marked: list[Token] = []
    for token in found:
        if token.text in FILLERS:
            continue
        if token.text in TURNS:
            marked.append(replace(token, text=TURN + token.text))
            continue
        marked.append(token)
    return marked
