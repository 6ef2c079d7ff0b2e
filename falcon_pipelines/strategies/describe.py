"""What a spec means in plain English, and where every value in it comes from."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from falcon_pipelines.strategies import exits as x
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.numbers import plain
from falcon_pipelines.strategies.spec import (
    IndicatorUse,
    MostLiquid,
    Spec,
    TickerList,
    open_params,
    param_grid,
)
from falcon_pipelines.strategies.warm_up import entry_warm_up
from falcon_pipelines.strategies.words import Words

BAR_NAMES = {
    "day": "day",
    "1m": "1-minute",
    "5m": "5-minute",
    "15m": "15-minute",
    "30m": "30-minute",
    "1h": "1-hour",
}


@dataclass(frozen=True)
class Field:
    """One value of a spec and its provenance: stated, inferred or default.

    What a file gives without a reason is stated where the file is a person's own, and inferred where it names a
    source whose words it does not quote.
    """

    field: str
    value: str
    state: str
    quote: str | None = None
    start_seconds: float | None = None


@dataclass(frozen=True)
class Meaning:
    """A spec in words. `warm_up` is the number of bars before the first possible entry."""

    rules: tuple[str, ...]
    conventions: dict[str, str]
    warm_up: int
    combinations: int
    fields: tuple[Field, ...]
    warnings: tuple[str, ...]

    @property
    def assumptions(self) -> tuple[Field, ...]:
        """The values that nobody stated or gave."""
        return tuple(field for field in self.fields if field.state in ("inferred", "default", "assumed"))


def describe(spec: Spec) -> Meaning:
    """The meaning of a spec at its parameters' defaults."""
    words = Words(spec)
    return Meaning(
        rules=tuple(_rules(spec, words)),
        conventions={use.id: f"{use.fn}: {INDICATORS[use.fn].convention}" for use in spec.indicators},
        warm_up=entry_warm_up(spec),
        combinations=len(param_grid(spec)),
        fields=tuple(_with_states(spec, words)),
        warnings=tuple(_warnings(spec)),
    )


def _rules(spec: Spec, words: Words) -> Iterator[str]:
    yield f"On {BAR_NAMES[spec.timeframe]} bars of regular sessions, for {_universe(spec, words)}."
    for use in spec.indicators:
        yield f"{use.id} is the {words.indicator(use)}."
    sides = (("Buys", spec.entry.long), ("Sells short", spec.entry.short))
    for verb, entry in sides:
        if entry is not None:
            yield f"{verb} at the next bar's open when {words.condition(entry)}."
    yield from _exit_rules(spec, words)
    yield f"{_sizing(spec, words)}; at most {words.count(spec.execution.max_positions, 'position')} at a time."
    if spec.execution.rank_by is not None:
        order = "highest" if spec.execution.rank_order == "descending" else "lowest"
        yield f"When cash or places are short, the {order} {words.operand(spec.execution.rank_by)} goes first."
    yield _warm_up(spec)
    yield (
        f"Costs per side: fee {words.number(spec.execution.fee_bps)} and slippage "
        f"{words.number(spec.execution.slippage_bps)} basis points."
    )


def _warm_up(spec: Spec) -> str:
    bars = entry_warm_up(spec)
    text = f"No entry before a ticker has {bars + 1} {BAR_NAMES[spec.timeframe]} bar{'s' if bars else ''}"
    coarser = sorted(
        {str(use.timeframe) for use in spec.indicators if use.timeframe not in (None, spec.timeframe)}
    )
    return text + (
        f", at least: indicators on {' and '.join(coarser)} bars need as many of those." if coarser else "."
    )


def _universe(spec: Spec, words: Words) -> str:
    match spec.universe:
        case TickerList(tickers=tickers):
            return ", ".join(tickers)
        case MostLiquid(liquid=count):
            return f"the {words.number(count)} tickers most traded before the start"
    return "whatever tickers it is run on"


def _exit_rules(spec: Spec, words: Words) -> Iterator[str]:
    rules = spec.exit
    if isinstance(rules.signal, x.Sided):
        for verb, condition in (("Sells", rules.signal.long), ("Buys back", rules.signal.short)):
            if condition is not None:
                yield f"{verb} at the next bar's open when {words.condition(condition)}."
    elif rules.signal is not None:
        yield f"Closes at the next bar's open when {words.condition(rules.signal)}."
    if rules.stop is not None:
        yield f"Initial stop: {words.stop(rules.stop)}; live from the entry bar on, at the open where it gaps."
    if rules.target is not None:
        yield f"Target: {words.distance(rules.target)}, filled only where price trades through it."
    if rules.trailing is not None:
        yield f"Trailing stop: {words.number(rules.trailing.percent)} % from the best price of completed bars."
    if rules.breakeven is not None:
        yield f"The stop moves to the fill price once {words.distance(rules.breakeven)} has been reached."
    for part in rules.partial:
        yield f"Closes {words.number(part.fraction)} of the entered quantity at {words.distance(part.at)}."
    if rules.time_stop is not None:
        yield f"Closes after {words.count(rules.time_stop.bars, 'bar')}."


def _sizing(spec: Spec, words: Words) -> str:
    match spec.sizing:
        case x.PercentOfEquity(percent_of_equity=percent):
            return f"Each position takes {words.number(percent)} % of equity"
        case x.RiskPerTrade(risk_per_trade=percent):
            return f"Each position risks {words.number(percent)} % of equity down to its stop"
        case x.VolatilityTarget(volatility_target=percent):
            return f"Each position is sized to {words.number(percent)} % annual volatility"
        case x.FixedShares(fixed_shares=shares):
            return f"Each position has {words.number(shares)} shares"
    raise TypeError(f"not a sizing: {spec.sizing!r}")


def _with_states(spec: Spec, words: Words) -> Iterator[Field]:
    listed = set()
    for name, value, given in _fields(spec, words):
        listed.add(name)
        reason = next((spec.provenance[key] for key in _outward(name) if key in spec.provenance), None)
        if reason is None:
            written = "stated" if spec.source is None else "inferred"
            yield Field(name, value, written if given else "default")
        else:
            yield Field(name, value, reason.state, reason.quote, reason.start_seconds)
    for key, reason in spec.provenance.items():
        if key not in listed:
            yield Field(key, "", reason.state, reason.quote, reason.start_seconds)


def _outward(name: str) -> Iterator[str]:
    """The field's own path, then those of the objects around it."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        yield ".".join(parts[:length])


def _fields(spec: Spec, words: Words) -> Iterator[tuple[str, str, bool]]:
    """Every field: path, value in words, and whether the document gives it."""
    set_keys = spec.model_fields_set
    yield "timeframe", spec.timeframe, "timeframe" in set_keys
    yield "session", spec.session, "session" in set_keys
    yield "universe", _universe(spec, words), spec.universe is not None
    for name, parameter in spec.params.items():
        tried = (
            f", tried: {', '.join(map(plain, parameter.choices()[:12]))}"
            if len(parameter.choices()) > 1
            else ""
        )
        yield f"params.{name}", f"{plain(parameter.value)}{tried}", True
    for use in spec.indicators:
        yield from _indicator_fields(spec, use, words)
    for side in ("long", "short"):
        condition = getattr(spec.entry, side)
        if condition is not None:
            yield f"entry.{side}", words.condition(condition), True
    yield from _exit_fields(spec, words)
    yield "sizing", _sizing(spec, words).lower(), "sizing" in set_keys
    for name, value in spec.execution:
        text = words.operand(value) if name == "rank_by" and value is not None else _text(value)
        yield f"execution.{name}", text, name in spec.execution.model_fields_set


def _indicator_fields(spec: Spec, use: IndicatorUse, words: Words) -> Iterator[tuple[str, str, bool]]:
    here, indicator = f"indicators.{use.id}", INDICATORS[use.fn]
    yield f"{here}.fn", use.fn, True
    if indicator.takes_source:
        yield f"{here}.source", words.operand(use.source or "close"), use.source is not None
    for parameter in indicator.parameters:
        value = use.params.get(parameter.name, parameter.default)
        yield f"{here}.params.{parameter.name}", words.number(value or 0), parameter.name in use.params
    yield f"{here}.timeframe", use.timeframe or spec.timeframe, use.timeframe is not None


def _exit_fields(spec: Spec, words: Words) -> Iterator[tuple[str, str, bool]]:
    rules = spec.exit
    if isinstance(rules.signal, x.Sided):
        for side, condition in rules.signal:
            if condition is not None:
                yield f"exit.signal.{side}", words.condition(condition), True
    else:
        yield (
            "exit.signal",
            words.condition(rules.signal) if rules.signal else "none",
            rules.signal is not None,
        )
    stop = rules.stop
    yield "exit.stop", words.stop(stop) if stop else "none", stop is not None
    if isinstance(stop, x.AtrStop):
        yield "exit.stop.atr.period", words.number(stop.atr.period), "period" in stop.atr.model_fields_set
    for name, distance in (("target", rules.target), ("breakeven", rules.breakeven)):
        yield f"exit.{name}", words.distance(distance) if distance else "none", distance is not None
    trailing, bars = rules.trailing, rules.time_stop
    yield "exit.trailing", f"{words.number(trailing.percent)} %" if trailing else "none", trailing is not None
    yield "exit.time_stop", f"{words.number(bars.bars)} bars" if bars else "none", bars is not None
    for index, part in enumerate(rules.partial):
        yield f"exit.partial.{index}", f"{words.number(part.fraction)} at {words.distance(part.at)}", True


def _text(value: Any) -> str:
    return "none" if value is None else plain(value) if isinstance(value, int | float) else str(value)


def _warnings(spec: Spec) -> Iterator[str]:
    rules = spec.exit
    if not any((rules.signal, rules.stop, rules.target, rules.trailing, rules.time_stop, rules.partial)):
        yield "exit: nothing ends a position; it is held to the end"
    if isinstance(rules.signal, x.Sided):
        for side, condition in rules.signal:
            if condition is not None and getattr(spec.entry, side) is None:
                yield f"exit.signal.{side}: never used, there is no entry.{side}"
    used = set(open_params(spec))
    yield from (f"params.{name}: nothing refers to ${name}" for name in spec.params if name not in used)
    referred = set(Words(spec).references())
    yield from (
        f"indicators.{use.id}: nothing refers to it" for use in spec.indicators if use.id not in referred
    )
    sizing, places = spec.sizing, spec.execution.max_positions
    if isinstance(sizing, x.PercentOfEquity) and not isinstance(sizing.percent_of_equity, str):
        room = max(int(100 // sizing.percent_of_equity), 1)
        if not isinstance(places, str) and places > room and not _one_ticker(spec):
            yield (
                f"sizing: at {plain(sizing.percent_of_equity)} % of equity each, cash is enough for {room} of the "
                f"{places} positions allowed"
            )
    if isinstance(rules.stop, x.IndicatorStop) and spec.entry.long and spec.entry.short:
        yield "exit.stop.indicator: longs and shorts have the same stop level; it can protect one of them only"
    for each in spec.unsupported:
        yield f"not part of this spec: {each.what} ({each.why})"


def _one_ticker(spec: Spec) -> bool:
    return isinstance(spec.universe, TickerList) and len(spec.universe.tickers) == 1
