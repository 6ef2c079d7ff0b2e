"""What the backtest commands read: the spec file, and its bars from a file or from the bar store."""

from datetime import date
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.bars.panel import Frequency, Panel
    from falcon_pipelines.strategies.spec import Spec

SpecFile = Annotated[
    Path,
    typer.Argument(help="A strategy spec, YAML or JSON, or the name of a built-in one.", show_default=False),
]
Tickers = Annotated[
    str | None, typer.Option(help="Comma-separated; default: the spec's universe, else all of --bars.")
]
Bars = Annotated[
    Path | None,
    typer.Option(
        help="CSV or Parquet of ticker,timestamp,open,high,low,close,volume; default: the bar store."
    ),
]
Cash = Annotated[float, typer.Option(help="Initial cash, dollars.", min=0.01, max=1e15)]
FeeBps = Annotated[
    float | None, typer.Option(help="Fee per side in basis points; default: the spec's.", min=0, max=10_000)
]
SlippageBps = Annotated[
    float | None,
    typer.Option(help="Slippage per side in basis points; default: the spec's.", min=0, max=9_999),
]
Day = Annotated[str | None, typer.Option(metavar="DATE", help="Session, as 2014-06-09.")]

Report = Annotated[
    Path | None, typer.Option(help="Write a tearsheet to this file: HTML that needs nothing else.")
]


class UnknownTicker(InputError):
    """A ticker has no bars where it was looked for."""


class NoBarsInRange(InputError):
    """No bar lies in the range asked for."""


class NoUniverse(InputError):
    """Nothing says which tickers to test on."""


def parse_day(text: str | None, option: str) -> date | None:
    """A session date of an option. Raises InputError naming the option."""
    if text is None:
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is no date; write it as 2014-06-09") from None


def parse_range(start: str | None, end: str | None) -> tuple[date | None, date | None]:
    """First and last session of `--start` and `--end`. Raises InputError."""
    first, last = parse_day(start, "--start"), parse_day(end, "--end")
    if first and last and first > last:
        raise NoBarsInRange(f"--start {first} is after --end {last}")
    return first, last


def load_panel(
    spec: "Spec", tickers: str | None, bars: Path | None, start: str | None, end: str | None
) -> "Panel":
    """The bars a spec is tested on: only those from `start` to `end` exist for it, indicators warm up inside.

    Raises UnknownTicker, NoBarsInRange, NoUniverse, and what reading a file or the store raises.
    """
    from falcon_pipelines.strategies.timeframes import at_timeframe

    first, last = parse_range(start, end)
    wanted = _wanted(spec, tickers)
    if bars is None:
        return _from_store(spec, wanted, first, last)
    panel = _from_file(bars, wanted)
    liquid = getattr(spec.universe, "liquid", None) if wanted is None else None
    if liquid is not None:
        from falcon_pipelines.strategies.universe import most_traded_before

        chosen, first = most_traded_before(between(panel, None, last), int(liquid), first)
        panel = select(panel, chosen)
    panel = at_timeframe(panel, spec.timeframe)
    cut = between(panel, first, last)
    if len(cut) == 0:
        found = f"{_day(panel, 0)} to {_day(panel, -1)}" if len(panel) else "none"
        raise NoBarsInRange(
            f"{bars}: no bars of {', '.join(panel.tickers[:5])} from {first or 'the start'} "
            f"to {last or 'the end'}; there are {found}"
        )
    return cut


def _wanted(spec: "Spec", tickers: str | None) -> tuple[str, ...] | None:
    if tickers is not None:
        names = tuple(dict.fromkeys(name.strip() for name in tickers.split(",") if name.strip()))
        if not names:
            raise NoUniverse("--tickers names no ticker; write --tickers SPY,AAPL")
        return names
    return tuple(dict.fromkeys(getattr(spec.universe, "tickers", ()))) or None


def _from_file(path: Path, wanted: tuple[str, ...] | None) -> "Panel":
    from falcon_pipelines.bars.bar_files import read_bar_file

    panel = read_bar_file(path)
    if wanted is None:
        return panel
    for name in wanted:
        if name not in panel.tickers:
            near = get_close_matches(name.upper(), panel.tickers, n=3, cutoff=0.5) or panel.tickers[:5]
            raise UnknownTicker(f"{path}: no bars of {name}; there are {', '.join(near)}")
    return select(panel, wanted)


def _from_store(
    spec: "Spec", wanted: tuple[str, ...] | None, first: date | None, last: date | None
) -> "Panel":
    from falcon_pipelines import settings
    from falcon_pipelines.bars.store import BarStore
    from falcon_pipelines.strategies.universe import universe_bars

    if wanted is None and getattr(spec.universe, "liquid", None) is None:
        raise NoUniverse(f"{spec.name}: its universe is empty; add --tickers SPY,AAPL")
    store = BarStore(settings.load().market_data)
    frequency: Frequency = "day" if spec.timeframe == "day" else "minute"
    if not store.sessions(frequency):
        raise NoBarsInRange(
            f"{store.root}: the bar store has no {frequency} bars; run `falcon ingest` or use --bars"
        )
    return universe_bars(spec, store, store.current_version(), first, last, wanted)


def select(panel: "Panel", tickers: tuple[str, ...]) -> "Panel":
    """The panel of some of its tickers, without the times at which none of them has a bar."""
    import numpy as np

    from falcon_pipelines.bars.panel import Panel

    columns = [panel.tickers.index(name) for name in tickers]
    rows = ~np.all(np.isnan(panel["close"][:, columns]), axis=1)
    return Panel(
        timestamps=panel.timestamps[rows],
        tickers=tickers,
        fields={name: values[rows][:, columns] for name, values in panel.fields.items()},
        frequency=panel.frequency,
        version=panel.version,
        adjust=panel.adjust,
        as_of=panel.as_of,
        synthetic=panel.synthetic,
    )


def between(panel: "Panel", first: date | None, last: date | None) -> "Panel":
    """The rows of the sessions from `first` to `last`, both included."""
    from falcon_pipelines.strategies.sessions import session_days

    if not len(panel):
        return panel
    days = session_days(panel.timestamps)
    epoch = date(1970, 1, 1)
    start = 0 if first is None else int(days.searchsorted((first - epoch).days, side="left"))
    stop = len(panel) if last is None else int(days.searchsorted((last - epoch).days, side="right"))
    return panel.rows(start, max(start, stop))


def _day(panel: "Panel", row: int) -> str:
    return str(panel.timestamps[row].astype("datetime64[D]"))
