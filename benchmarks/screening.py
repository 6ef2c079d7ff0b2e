"""Speed of screening: features and five profiles over a whole market, beside the same per ticker in pandas.

Run: python -m benchmarks.screening [tickers]. 10,500 tickers x 252 sessions, seeded. Prints seconds, peak memory and
the ratio, each beside its target. pandas does a fifth of the tickers; its time is multiplied by five.
"""

import sys
import tempfile
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import numpy as np

from benchmarks.measure import measured

TICKERS, SESSIONS, PANDAS_SHARE = 10_500, 252, 5
TARGET_SECONDS, TARGET_RATIO, TARGET_MB = 1.5, 20.0, 1000.0
_FIELDS = ("open", "high", "low", "close", "volume")
_SECTORS = ("Energy", "Technology", "Healthcare", "Financial", "Utilities", "Industrials")


def write_market(folder: Path, tickers: int, seed: int = 11) -> None:
    """Random walks with one bar in two hundred missing, as arrays."""
    rng = np.random.default_rng(seed)
    shape = SESSIONS, tickers
    close = rng.uniform(3, 60, tickers) * np.exp(np.cumsum(rng.normal(0, 0.02, shape), axis=0))
    opened = close * np.exp(rng.normal(0, 0.004, shape))
    arrays = {
        "open": opened,
        "high": np.maximum(close, opened) * 1.01,
        "low": np.minimum(close, opened) * 0.99,
        "close": close,
        "volume": rng.lognormal(14, 0.8, shape),
    }
    halted = rng.random(shape) < 0.005
    halted[-1] = False
    for name, array in arrays.items():
        array[halted] = np.nan
        np.save(folder / f"{name}.npy", array)


def falcon(folder: str) -> Iterator[None]:
    """Features in one pass and five screens, warm: the second time in a process."""
    market, profiles = _market(Path(folder))
    _screen_all(market, profiles)
    yield
    picks = _screen_all(market, profiles)
    if sorted(picks) != [
        "earnings_plays",
        "high_momentum",
        "mean_reversion",
        "momentum_breakouts",
        "seasonal_sector_rotation",
    ]:
        raise SystemExit(f"not every profile gave picks: {picks}")


def pandas_per_ticker(folder: str) -> Iterator[None]:
    """The same features ticker by ticker in pandas, and the same five rankings."""
    import pandas as pd

    panel = {name: np.load(Path(folder) / f"{name}.npy")[:, ::PANDAS_SHARE] for name in _FIELDS}
    frames = [
        pd.DataFrame({name: panel[name][:, column] for name in _FIELDS})
        for column in range(panel["close"].shape[1])
    ]
    _pandas_features(frames[0])
    yield
    table = pd.DataFrame([_pandas_features(frame) for frame in frames])
    for factors in (
        ("return_1", "relative_volume", "rsi_14"),
        ("return_21", "relative_volume", "distance_to_high_63"),
        ("return_63", "return_21", "volatility_20"),
        ("rsi_14", "distance_to_sma_20", "relative_volume"),
        ("distance_to_high_252", "return_126", "return_21"),
    ):
        scores = sum(
            table[name].clip(table[name].quantile(0.01), table[name].quantile(0.99)).rank(pct=True)
            for name in factors
        )
        scores.nlargest(10)


def _pandas_features(all_bars: object) -> dict[str, float]:
    import pandas as pd

    assert isinstance(all_bars, pd.DataFrame)
    bars = all_bars.dropna()
    close, volume = bars["close"], bars["volume"]
    change = close.diff()
    up, down = change.clip(lower=0), -change.clip(upper=0)
    before = close.shift(1)
    ranges = [bars["high"] - bars["low"], (bars["high"] - before).abs(), (bars["low"] - before).abs()]
    true_range = pd.concat(ranges, axis=1).max(axis=1)
    gain, loss = (side.ewm(alpha=1 / 14, adjust=False).mean().iloc[-1] for side in (up, down))
    last = close.iloc[-1]
    return {
        "average_volume": volume.rolling(20).mean().iloc[-1],
        "dollar_volume": (close * volume).rolling(20).mean().iloc[-1],
        "relative_volume": volume.iloc[-1] / volume.shift(1).rolling(20).mean().iloc[-1],
        "rsi_14": 100 * gain / (gain + loss),
        "atr_14": true_range.ewm(alpha=1 / 14, adjust=False).mean().iloc[-1],
        "distance_to_sma_20": last / close.rolling(20).mean().iloc[-1] - 1,
        "distance_to_sma_200": last / close.rolling(200).mean().iloc[-1] - 1,
        "distance_to_high_63": last / bars["high"].rolling(63).max().iloc[-1] - 1,
        "distance_to_high_252": last / bars["high"].max() - 1,
        "volatility_20": np.log(close).diff().rolling(20).std().iloc[-1] * 252**0.5,
        **{f"return_{n}": close.pct_change(n).iloc[-1] for n in (1, 21, 63, 126)},
    }


def _market(folder: Path):  # type: ignore[no-untyped-def]
    import polars as pl

    from falcon_pipelines.bars.calendar import midnight, sessions_from
    from falcon_pipelines.bars.panel import Panel
    from falcon_pipelines.profiles.documents import bundled_profiles
    from falcon_pipelines.screening.market import Market, Reference

    fields = {name: np.load(folder / f"{name}.npy") for name in _FIELDS}
    tickers = tuple(f"T{n:05d}" for n in range(fields["close"].shape[1]))
    days = sessions_from(date(2024, 1, 2), SESSIONS)
    moments = np.array([midnight(day).replace(tzinfo=None) for day in days], dtype="datetime64[ns]")
    rng = np.random.default_rng(3)
    about = {
        "ticker": list(tickers),
        "sector": [_SECTORS[n % len(_SECTORS)] for n in range(len(tickers))],
        "next_earnings": [days[-1] + timedelta(days=1 + n % 40) for n in range(len(tickers))],
    }
    minutes = {
        "ticker": list(tickers),
        "performance_5m": rng.normal(0, 0.3, len(tickers)),
        "premarket_gap": rng.normal(0, 1, len(tickers)),
    }
    market = Market(
        days[-1],
        Panel(moments, tickers, fields, "day", "benchmark"),
        minutes=pl.DataFrame(minutes),
        reference=Reference(pl.DataFrame(about), "benchmark", "benchmark"),
        seasons={sector: 0.5 * n - 1 for n, sector in enumerate(_SECTORS)},
        season_years=5,
    )
    return market, list(bundled_profiles().values())


def _screen_all(market, profiles) -> dict[str, int]:  # type: ignore[no-untyped-def]
    from falcon_pipelines.screening.run import features_for
    from falcon_pipelines.screening.screens import screen

    features = features_for(profiles, market)
    made = [screen(profile, features) for profile in profiles]
    return {one.profile.name: len(one.picks) for one in made if one.picks}


def main() -> None:
    """Measure both and print what came out."""
    tickers = int(sys.argv[1]) if len(sys.argv) > 1 else TICKERS
    with tempfile.TemporaryDirectory() as folder:
        write_market(Path(folder), tickers)
        ours = measured("benchmarks.screening:falcon", folder)
        theirs = measured("benchmarks.screening:pandas_per_ticker", folder, repeat=1)
    slow = theirs.seconds * PANDAS_SHARE
    print(f"{tickers:,} tickers x {SESSIONS} sessions, features and five profiles")
    print(
        f"  Falcon              {ours.seconds:8.2f} s   ({ours.cpu_seconds:.2f} s of CPU; target {TARGET_SECONDS} s)"
    )
    print(f"  pandas per ticker   {slow:8.2f} s   ({theirs.cpu_seconds * PANDAS_SHARE:.2f} s of CPU)")
    print(f"  ratio               {slow / ours.seconds:8.1f}     (target {TARGET_RATIO:g})")
    print(f"  peak memory         {ours.peak_mb:8.0f} MB  (target {TARGET_MB:g} MB)")


if __name__ == "__main__":
    main()
