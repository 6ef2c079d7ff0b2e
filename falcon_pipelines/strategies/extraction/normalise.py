"""Spoken words as one canonical text: numbers as digits, letters joined, fillers gone, synonyms merged.

Every canonical token remembers the spoken words it came from, so that a match can be quoted and timed.
"""

import re
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace

from falcon_pipelines.strategies.extraction.spoken_numbers import is_number, merge_numbers
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
_SYMBOLS = {
    "%": "percent",
    "$": "dollars",
    "<": "below",
    ">": "above",
    "≤": "below",
    "≥": "above",
    "+": "and",
}
_CONTRACTIONS = {
    "i'm": "i am",
    "im": "i am",
    "i'll": "i will",
    "i'd": "i would",
    "i've": "i have",
    "it's": "it is",
    "it'll": "it will",
    "that's": "that is",
    "thats": "that is",
    "that'll": "that will",
    "there's": "there is",
    "here's": "here is",
    "what's": "what is",
    "let's": "let us",
    "lets": "let us",
    "don't": "do not",
    "dont": "do not",
    "doesn't": "does not",
    "didn't": "did not",
    "won't": "will not",
    "wouldn't": "would not",
    "can't": "can not",
    "cannot": "can not",
    "isn't": "is not",
    "isnt": "is not",
    "aren't": "are not",
    "wasn't": "was not",
    "you're": "you are",
    "you'll": "you will",
    "you'd": "you would",
    "you've": "you have",
    "we're": "we are",
    "we'll": "we will",
    "we've": "we have",
    "they're": "they are",
    "they'll": "they will",
    "price's": "price is",
    "stock's": "stock is",
    "gonna": "going to",
    "wanna": "want to",
    "gotta": "have to",
}
_SAME = {
    "averages": "average",
    "crossover": "cross",
    "crossovers": "cross",
    "mas": "ma",
    "smas": "sma",
    "emas": "ema",
    "bands": "band",
    "bollinger's": "bollinger",
    "bollingers": "bollinger",
    "days": "day",
    "day's": "day",
    "days'": "day",
    "periods": "period",
    "bars": "bar",
    "candles": "bar",
    "candle": "bar",
    "candlestick": "bar",
    "candlesticks": "bar",
    "sessions": "session",
    "weeks": "week",
    "months": "month",
    "hours": "hour",
    "minutes": "minute",
    "min": "minute",
    "mins": "minute",
    "pct": "percent",
    "percentage": "percent",
    "stops": "stop",
    "stoploss": "stop loss",
    "losses": "loss",
    "targets": "target",
    "takeprofit": "take profit",
    "atrs": "atr",
    "rsi's": "rsi",
    "underneath": "below",
    "beneath": "below",
    "under": "below",
    "over": "above",
    "twice": "2 times",
    "double": "2 times",
    "triple": "3 times",
    "dollar": "dollars",
    "bucks": "dollars",
    "shares": "share",
    "stocks": "stock",
    "gains": "gain",
    "profits": "profit",
    "whenever": "when",
    "anytime": "when",
    "everytime": "when",
    "gotten": "got",
    "purchase": "buy",
    "purchases": "buy",
    "purchasing": "buying",
    "purchased": "bought",
    "stochastics": "stochastic",
    "currently": "presently",
    "buyers": "buyer",
    "sellers": "seller",
    "r's": "r",
    "i's": "i",
    "a's": "a",
    "atr's": "atr",
    "reclaim": "cross above",
    "reclaims": "crosses above",
    "reclaiming": "crossing above",
    "retakes": "crosses above",
    "retake": "cross above",
}
_PHRASES = {
    "chat gpt": "chatgpt",
    "chat g p t": "chatgpt",
    "per cent": "percent",
    "percent age": "percent",
    "relative strength index": "rsi",
    "average true range": "atr",
    "simple moving average": "sma",
    "exponential moving average": "ema",
    "weighted moving average": "wma",
    "simple average": "sma",
    "exponential average": "ema",
    "volume weighted average price": "vwap",
    "v wap": "vwap",
    "mac d": "macd",
    "mack d": "macd",
    "mac dee": "macd",
    "rs i": "rsi",
    "are s i": "rsi",
    "bowl inger": "bollinger",
    "break even": "breakeven",
    "pick up share": "buy",
    "pick up some": "buy",
    "pick some up": "buy",
    "picking up share": "buying",
    "start buying": "buy",
    "begin buying": "buy",
    "start selling": "sell",
    "begin selling": "sell",
    "at the moment": "presently",
    "at present": "presently",
    "as of late": "lately",
    "williams percent r": "williams_r",
    "williams r": "williams_r",
    "right now": "presently",
    "from now on": "presently",
    "or so": "or_so",
    "just because": "just_because",
    "as well": "",
    "you know": "",
    "kind of": "",
    "sort of": "",
    "of course": "",
    "pretty much": "",
    "you guys": "you",
    "right away": "",
    "at this point": "",
    "i mean": "i_mean",
    "s and p": "sp",
    "r squared": "rsquared",
    "say so": "say_so",
    "if so": "if_so",
    "so far": "so_far",
    "so that": "so_that",
    "so much": "so_much",
    "so many": "so_many",
    "as soon as": "once",
    "the moment": "once",
    "the minute": "once",
    "the second": "the_second",
    "the instant": "once",
    "any time": "when",
    "every time": "when",
    "each time": "when",
    "up and above": "above",
    "down and below": "below",
    "above and above": "",
    "game above": "",
    "above the last": "of the last",
    "above the past": "of the last",
    "of the past": "of the last",
    "above the previous": "of the last",
    "of the previous": "of the last",
}
_FRACTIONS = {
    "half a percent": "0.5 percent",
    "half percent": "0.5 percent",
    "a half percent": "0.5 percent",
    "a half a percent": "0.5 percent",
    "half of a percent": "0.5 percent",
    "half of 1 percent": "0.5 percent",
    "quarter percent": "0.25 percent",
    "quarter of a percent": "0.25 percent",
    "a quarter percent": "0.25 percent",
    "a quarter of a percent": "0.25 percent",
    "a percent": "1 percent",
    "for a week": "for 1 week",
    "for a month": "for 1 month",
    "after a week": "after 1 week",
    "after a month": "after 1 month",
}
_FILLER_WORDS = """
    um uh uhh er erm hmm mm mhm ah oh really simply always usually typically generally normally
    obviously definitely immediately automatically personally essentially basically literally
    actually honestly clearly also even just then please guys folks exactly strictly quickly finally
    eventually like very quite super
"""
_FILLERS = frozenset(_FILLER_WORDS.split())
_TURNS = frozenset(
    {"so", "now", "okay", "ok", "alright", "anyway", "anyways", "well", "but", "however", "because", "cause"}
)
_LETTERS = (
    "vwap",
    "spy",
    "qqq",
    "macd",
    "rsi",
    "ema",
    "sma",
    "wma",
    "atr",
    "adx",
    "cci",
    "mfi",
    "obv",
    "dma",
    "ma",
)


def tokens(words: Sequence[Word]) -> tuple[Token, ...]:
    """The canonical tokens of a transcript's words.

    "R. S. I. under thirty" becomes `rsi below 30`; "the 50-day" becomes `the 50 day`; a full stop stays.
    """
    found = _pieces(words)
    found = _join_letters(found)
    found = _replace_phrases(found, _PHRASES)
    found = merge_numbers(found)
    found = _signed(found)
    found = _replace_phrases(found, _FRACTIONS)
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
        elif piece in _SYMBOLS:
            found.append(Token(_SYMBOLS[piece], index, index))
        else:
            plain = piece.replace(",", "")
            plain = f"0{plain}" if plain.startswith(".") else plain
            spoken = _CONTRACTIONS.get(plain, _SAME.get(plain, plain)).split()
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
        known = next((name for name in _LETTERS if letters.startswith(name)), None)
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
        if token.text in _FILLERS:
            continue
        if token.text in _TURNS:
            marked.append(replace(token, text=TURN + token.text))
            continue
        marked.append(token)
    return marked
