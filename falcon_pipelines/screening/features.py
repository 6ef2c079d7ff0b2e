"""The features of the whole market at one moment, in one Polars pass over its day bars.

Each looks only at the panel's last bar and what came before it. A window of n sessions is n sessions of the market,
whether or not a ticker traded on them: a return needs its two bars, an average of prices nine tenths of its window's
bars; volumes count a day without trading as zero; RSI and ATR run over the ticker's own bars as
`strategies.indicators` has them. Only tickers with a bar on the last session have features.
"""

from collections.abc import Iterable, Sequence

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import sessions as calendar_sessions
from falcon_pipelines.bars.panel import FIELDS, Panel
from falcon_pipelines.profiles.catalogue import Feature, feature
from falcon_pipelines.screening.market import Features, Market, Reference

HISTORY = 260
"""Sessions of history that cover the longest feature, with room for RSI and ATR to settle."""
SMALLEST_SECTOR = 3
"""Members with a value below which a sector's median says nothing."""
_ANNUAL = 252**0.5
_FULL = 0.9
_DECIMALS = 9
_DIGITS = 12
"""Beyond these a number is rounding noise, which would tell equal rows apart by where they stand."""


def feature_table(market: Market, names: Iterable[str], atr_periods: Iterable[int] = (14,)) -> pl.DataFrame:
    """A row per ticker with a bar on the last session, in the panel's order.

    Columns: ticker; price, open, high, low, volume of the last session; `atr_N` in US dollars for each period;
    `traded`, the dollars traded over the whole history; then the named features, null where there is no value.
    A feature whose input is absent altogether (no sectors, no minutes) is null for all.
    """
    wanted = [found for found in (feature(name) for name in dict.fromkeys(names)) if found is not None]
    returns = sorted({f.window or 1 for f in wanted if f.family in ("sector_strength", "sector_relative")})
    bars = [f for f in wanted if f.need == "bars" and f.family not in ("price", "volume")]
    aggregated = _one_pass(
        market.panel, [*bars, *(_return(n) for n in returns)], tuple(dict.fromkeys(atr_periods))
    )
    table = _with_minutes(aggregated, market.minutes)
    table = _with_reference(table, market.reference, market)
    table = table.with_columns(_season(market), *_sector_medians(returns))
    rest = [f for f in wanted if f.need != "bars"]
    table = table.with_columns(
        *(_of_sector(f).alias(f.name) for f in rest if f.family in ("sector_strength", "sector_relative"))
    )
    atr = [name for name in table.columns if name.startswith("atr_") and not name.startswith("atr_percent")]
    first = ["ticker", "price", "open", "high", "low", "volume", "traded", *atr]
    named = [f.name for f in wanted]
    context = [name for name in ("sector", "about") if name not in named]
    plain = {f.name for f in wanted if f.unit not in ("usd", "shares")}
    chosen = table.select(list(dict.fromkeys([*first, *named, *context])))
    return chosen.with_columns(
        (
            pl.col(name).fill_nan(None).round(_DECIMALS)
            if name in plain
            else pl.col(name).fill_nan(None).round_sig_figs(_DIGITS)
        )
        for name, kind in chosen.schema.items()
        if kind == pl.Float64
    )


def features_of(market: Market, names: Iterable[str], atr_periods: Iterable[int] = (14,)) -> Features:
    """The feature table with what a screen must know of it."""
    about = market.reference
    return Features(
        table=feature_table(market, names, atr_periods),
        session=market.session,
        slot=market.slot,
        bars_session=market.bars_session,
        known_through=market.known_through,
        version=market.panel.version,
        reference_version=None if about is None else about.version,
        sessions=market.sessions,
        synthetic=market.panel.synthetic,
        notes=() if about is None else about.notes,
        missing=dict(market.missing),
    )


def _return(window: int) -> Feature:
    found = feature(f"return_{window}")
    assert found is not None
    return found


def long_bars(panel: Panel) -> pl.DataFrame:
    """The panel's bars in rows, by ticker and time: column (of the ticker), s (row of the panel), own (bars of the
    ticker before this one), left (after it), then FIELDS."""
    sessions, tickers = panel["close"].shape
    there = np.isfinite(panel["close"]).T.ravel()
    counts = np.isfinite(panel["close"]).sum(axis=0)
    whole = bool(there.all())
    data = {
        "column": np.repeat(np.arange(tickers, dtype=np.int32), counts),
        "s": _picked(np.tile(np.arange(sessions, dtype=np.int32), tickers), there, whole),
    }
    starts = np.repeat(np.cumsum(counts) - counts, counts)
    own = np.arange(len(starts)) - starts
    data["own"] = own.astype(np.int32)
    data["left"] = (np.repeat(counts, counts) - 1 - own).astype(np.int32)
    for name in FIELDS:
        data[name] = _picked(panel[name].T.ravel(), there, whole)
    return pl.DataFrame(data)


def _picked(values: np.ndarray, there: np.ndarray, whole: bool) -> np.ndarray:
    return values if whole else values[there]


def _one_pass(panel: Panel, features: Sequence[Feature], atr_periods: Sequence[int]) -> pl.DataFrame:
    """Everything that day bars alone give, per ticker with a bar on the panel's last row."""
    last = len(panel) - 1
    periods = {f.window or 14 for f in features if f.family in ("rsi", "atr_percent")} | set(atr_periods)
    same = pl.col("own") > 0
    before = pl.when(same).then(pl.col("close").shift(1))
    change = pl.col("close") - before
    true_range = pl.max_horizontal("high", before) - pl.min_horizontal("low", before)
    rows = (
        long_bars(panel)
        .lazy()
        .with_columns(
            change=change,
            true_range=pl.when(same).then(true_range),
            dollars=pl.col("close") * pl.col("volume"),
            log_change=pl.when(same & (pl.col("s").shift(1) == pl.col("s") - 1)).then(
                (pl.col("close") / before).log()
            ),
        )
        .with_columns(*(_wilder_weight(n, len(panel)).alias(f"w{n}") for n in sorted(periods)))
    )
    made = [
        pl.col("s").last(),
        *(pl.col(name).last() for name in ("open", "high", "low", "volume")),
        pl.col("close").last().alias("price"),
        pl.col("dollars").sum().alias("traded"),
        *(_wilder("true_range", n).alias(f"atr_{n}") for n in dict.fromkeys(atr_periods)),
        *(_expression(f, last).alias(f.name) for f in {f.name: f for f in features}.values()),
    ]
    table = rows.group_by("column", maintain_order=True).agg(made).filter(pl.col("s") == last).collect()
    tickers = pl.Series(
        "ticker", np.asarray(panel.tickers, dtype=object)[table["column"].to_numpy()], pl.String
    )
    return table.with_columns(tickers)


def _wilder_weight(period: int, bars: int) -> pl.Expr:
    """What each change counts in Wilder's average at the ticker's last bar: the first `period` changes are their
    plain mean, and each later one moves it by 1 / period (Wilder 1978)."""
    decay = 1 - 1 / period
    powers = pl.lit(pl.Series(decay ** np.arange(bars)))
    after = pl.min_horizontal(pl.col("left"), (pl.col("left") + pl.col("own") - period).clip(lower_bound=0))
    return powers.gather(after) / period


def _wilder(column: str | pl.Expr, period: int) -> pl.Expr:
    """Wilder's average of a change per bar at the last bar; null before `period` changes are there."""
    value = pl.col(column) if isinstance(column, str) else column
    return pl.when(pl.len() > period).then((value * pl.col(f"w{period}")).sum())


def _at(column: str, row: int) -> pl.Expr:
    """The value on that row of the panel; null without a bar."""
    return pl.when(pl.col("s") == row).then(pl.col(column)).max()


def _within(column: str, last: int, n: int) -> pl.Expr:
    """The values of the last n rows of the panel."""
    return pl.when(pl.col("s") > last - n).then(pl.col(column))


def _full(value: pl.Expr, last: int, n: int) -> pl.Expr:
    """The value where the ticker was there at the start of the last n rows and traded on nine tenths of them."""
    enough = (pl.col("s") > last - n).sum() >= _FULL * n
    return _listed(pl.when(enough).then(value), last, n)


def _listed(value: pl.Expr, last: int, n: int) -> pl.Expr:
    """The value where the ticker was there at the start of the last n rows; it may have been halted since."""
    enough = last + 1 >= n
    return pl.when((pl.col("s").first() <= last - n + 1) & pl.lit(enough)).then(value)


def _expression(about: Feature, last: int) -> pl.Expr:
    n = about.window or 1
    close = pl.col("close").last()
    match about.family:
        case "average_volume":
            return _listed(_within("volume", last, n).sum() / n, last, n)
        case "dollar_volume":
            return _listed(_within("dollars", last, n).sum() / n, last, n)
        case "relative_volume":
            usual = (_within("volume", last, n + 1).sum() - pl.col("volume").last()) / n
            return _listed(pl.when(usual > 0).then(pl.col("volume").last() / usual), last, n + 1)
        case "gap":
            return (pl.col("open").last() / _at("close", last - 1) - 1) * 100
        case "return":
            return (close / _at("close", last - n) - 1) * 100
        case "close_location":
            low, high = pl.col("low").last(), pl.col("high").last()
            return pl.when(high > low).then((close - low) / (high - low) * 100)
        case "rsi":
            up = _wilder(pl.col("change").clip(lower_bound=0), n)
            down = _wilder(-pl.col("change").clip(upper_bound=0), n)
            return (
                pl.when(up + down > 0)
                .then(up / (up + down) * 100)
                .otherwise(pl.when(up.is_not_null()).then(0.0))
            )
        case "atr_percent":
            return _wilder("true_range", n) / close * 100
        case "volatility":
            deviation = _within("log_change", last, n).std()
            return _full(deviation, last, n + 1) * _ANNUAL * 100
        case "distance_to_sma":
            return (close / _full(_within("close", last, n).mean(), last, n) - 1) * 100
        case "distance_to_high":
            return (close / _listed(_within("high", last, n).max(), last, n) - 1) * 100
        case "distance_to_low":
            return (close / _listed(_within("low", last, n).min(), last, n) - 1) * 100
    raise ValueError(f"{about.name} is not made of day bars")


def _with_minutes(table: pl.DataFrame, minutes: pl.DataFrame | None) -> pl.DataFrame:
    names = ("performance_5m", "premarket_gap")
    if minutes is None:
        return table.with_columns(pl.lit(None, pl.Float64).alias(name) for name in names)
    return table.join(minutes.select("ticker", *names), on="ticker", how="left", maintain_order="left")


_REFERENCE_TYPES = {
    **dict.fromkeys(("sector", "industry", "about"), pl.String),
    **dict.fromkeys(
        ("market_cap", "float_shares", "short_float", "pe", "eps_growth", "dividend_yield"), pl.Float64
    ),
    **dict.fromkeys(("next_earnings", "last_earnings"), pl.Date),
}


def _with_reference(table: pl.DataFrame, reference: Reference | None, market: Market) -> pl.DataFrame:
    known = reference.table if reference is not None else pl.DataFrame(schema={"ticker": pl.String})
    absent = [pl.lit(None, kind).alias(name) for name, kind in _REFERENCE_TYPES.items() if name not in known]
    joined = table.join(
        known.with_columns(absent).select("ticker", *_REFERENCE_TYPES).unique("ticker", keep="first"),
        on="ticker",
        how="left",
        maintain_order="left",
    )
    return joined.with_columns(
        _sessions_between(market, joined["next_earnings"]).alias("sessions_to_earnings"),
        (-_sessions_between(market, joined["last_earnings"])).alias("sessions_since_earnings"),
    )


def _sessions_between(market: Market, dates: pl.Series) -> pl.Series:
    """Sessions after the newest known one up to each date, negative for earlier ones; null where none."""
    unknown = pl.Series([None] * len(dates), dtype=pl.Float64)
    there = dates.is_not_null()
    if not there.any():
        return unknown
    filled = dates.fill_null(market.known_through).to_numpy().astype("datetime64[D]")
    known = np.append(filled, np.datetime64(market.known_through, "D"))
    days = np.asarray(calendar_sessions(known.min().item(), known.max().item()), dtype="datetime64[D]")
    position = np.searchsorted(days, known, side="right").astype(float)
    return pl.Series(position[:-1] - position[-1]).zip_with(there, unknown)


def _season(market: Market) -> pl.Expr:
    seasons = dict(market.seasons or {})
    if not seasons:
        return pl.lit(None, pl.Float64).alias("sector_season")
    return (
        pl.col("sector")
        .replace_strict(list(seasons), list(seasons.values()), default=None, return_dtype=pl.Float64)
        .alias("sector_season")
    )


def _sector_medians(windows: Sequence[int]) -> list[pl.Expr]:
    return [
        pl.when(
            pl.col("sector").is_not_null() & (pl.col(f"return_{n}").count().over("sector") >= SMALLEST_SECTOR)
        )
        .then(pl.col(f"return_{n}").median().over("sector"))
        .alias(f"_sector_{n}")
        for n in windows
    ]


def _of_sector(about: Feature) -> pl.Expr:
    n = about.window or 1
    if about.family == "sector_strength":
        return pl.col(f"_sector_{n}") - pl.col(f"return_{n}").median()
    return pl.col(f"return_{n}") - pl.col(f"_sector_{n}")
