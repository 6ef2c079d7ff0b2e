"""Builds the table of securities from what a reference service lists: tickers, delistings, ticker changes.

Pure functions. Such services list a ticker once for each company that held it, know a FIGI for most but not all of
them, and sometimes give one FIGI to two tickers at once; dates before the service's own are not known to it. The ids
made here begin with `massive:`; what a person put into the table is stronger (see `securities.merged`).
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import polars as pl

from falcon_pipelines.bars.securities import REFERENCE, SECURITY_SCHEMA, ordered

BEGINNING = date(1990, 1, 1)
"""The first day of a ticker whose beginning is not known."""
MOST_QUESTIONS = 1000
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Listing:
    """A ticker as listed: `delisted` is the last day it traded, None while it does; `figi` where it is known."""

    ticker: str
    name: str | None = None
    figi: str | None = None
    delisted: date | None = None


@dataclass(frozen=True)
class TickerChange:
    """From `day` on a security trades as `ticker`."""

    day: date
    ticker: str


@dataclass(frozen=True)
class _Held:
    security_id: str
    ticker: str
    first: date
    last: date
    name: str | None


def securities_of(
    listings: Sequence[Listing],
    changes: Mapping[str, Sequence[TickerChange]],
    known: pl.DataFrame,
    today: date,
) -> pl.DataFrame:
    """The table, with SECURITY_SCHEMA, of all `listings`; `changes` by FIGI, `known` is the table so far.

    What is known of a security's former tickers and of beginnings is kept, so that changes need to be asked for only
    once. A security that is listed under a new name, nobody says since when, has it from `today` on.
    """
    before: dict[str, list[_Held]] = {}
    for security, ticker, first, last, name in known.sort("first").iter_rows():
        before.setdefault(security, []).append(_Held(security, ticker, first, last or today - _DAY, name))
    held: list[_Held] = []
    for security_id, together in _by_security(listings).items():
        figi = security_id.removeprefix(REFERENCE)
        told = sorted(changes.get(figi, ()), key=lambda change: change.day)
        held += (
            _from_changes(security_id, told, together)
            if told
            else _in_turn(security_id, together, before.get(security_id, []))
        )
    rows = [
        (item.security_id, item.ticker, item.first, None if item.last == date.max else item.last, item.name)
        for item in _one_holder_a_day(held)
    ]
    return ordered(pl.DataFrame(rows, schema=SECURITY_SCHEMA, orient="row"))


def questions(
    listings: Sequence[Listing], known: pl.DataFrame, appeared: Collection[str], most: int = MOST_QUESTIONS
) -> tuple[str, ...]:
    """The FIGIs whose ticker changes are worth asking for, the most telling first.

    Those listed under several tickers; those whose ticker is not the known one; and those of tickers that `appeared`
    in the bars and whose beginning is not known.
    """
    active = {item.figi: item.ticker for item in listings if item.figi and item.delisted is None}
    tickers: dict[str, set[str]] = {}
    for item in listings:
        if item.figi:
            tickers.setdefault(item.figi, set()).add(item.ticker)
    rows = known.select("security_id", "ticker", "first", "last").rows()
    open_as = {security: ticker for security, ticker, _, last in rows if last is None}
    dated = {(security, ticker) for security, ticker, first, _ in rows if first > BEGINNING}
    several = [
        figi
        for figi, names in tickers.items()
        if len(names) > 1 and not any((REFERENCE + figi, name) in dated for name in names)
    ]
    renamed = [figi for figi, ticker in active.items() if open_as.get(REFERENCE + figi, ticker) != ticker]
    new = [
        figi
        for figi, ticker in active.items()
        if ticker in set(appeared) and (REFERENCE + figi, ticker) not in dated
    ]
    return tuple(dict.fromkeys([*renamed, *several, *new]))[:most]


def _by_security(listings: Sequence[Listing]) -> dict[str, list[Listing]]:
    """The listings of each security id, the earliest to end first."""
    found: dict[str, list[Listing]] = {}
    nameless: dict[str, int] = {}
    for item in sorted(dict.fromkeys(listings), key=lambda item: (_end(item), item.ticker, item.name or "")):
        if item.figi:
            security_id = REFERENCE + item.figi
            if any(
                other.ticker != item.ticker and _end(other) == _end(item)
                for other in found.get(security_id, ())
            ):
                # One FIGI under two tickers at once: a when-issued line, another spelling.
                security_id += f":{item.ticker}"
        else:
            nameless[item.ticker] = nameless.get(item.ticker, 0) + 1
            number = nameless[item.ticker]
            security_id = REFERENCE + item.ticker + (f"#{number}" if number > 1 else "")
        found.setdefault(security_id, []).append(item)
    return found


def _end(item: Listing) -> date:
    return item.delisted or date.max


def _from_changes(
    security_id: str, changes: Sequence[TickerChange], listings: Sequence[Listing]
) -> list[_Held]:
    end, name = _end(listings[-1]), listings[-1].name
    ends = [change.day - _DAY for change in changes[1:]]
    return [
        _Held(security_id, change.ticker, change.day, last, name)
        for change, last in zip(changes, [*ends, end], strict=True)
        if change.day <= last
    ]


def _in_turn(security_id: str, listings: Sequence[Listing], before: Sequence[_Held]) -> list[_Held]:
    """One ticker after the other, in the order in which they ended; first those that are listed no more."""
    listed = {item.ticker for item in listings}
    firsts = {(item.security_id, item.ticker): item.first for item in before}
    held = [item for item in before if item.ticker not in listed]
    for item in listings:
        first = firsts.get((security_id, item.ticker), BEGINNING)
        if held:
            first = max(first, held[-1].last + _DAY)
        if first <= _end(item):
            held.append(_Held(security_id, item.ticker, first, _end(item), item.name))
    return held


def _one_holder_a_day(held: Sequence[_Held]) -> list[_Held]:
    """Lets a ticker's holders follow each other; where two would hold it at once, the one listed last begins later."""
    kept: list[_Held] = []
    free_from: dict[str, date] = {}
    for item in sorted(held, key=lambda item: (item.last, item.first, item.security_id)):
        first = max(item.first, free_from.get(item.ticker, BEGINNING))
        if first > item.last:
            continue
        kept.append(_Held(item.security_id, item.ticker, first, item.last, item.name))
        free_from[item.ticker] = item.last if item.last == date.max else item.last + _DAY
    return [item for item in kept if item.first < date.max]
