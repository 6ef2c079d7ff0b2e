"""One profile applied to the market as it is known at one moment: a pool, ranked, and the best of it as picks. Pure."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from falcon_pipelines.bars.calendar import sessions
from falcon_pipelines.profiles.catalogue import Feature, feature
from falcon_pipelines.profiles.schema import Profile, Slot
from falcon_pipelines.screening.levels import DECIMALS, MOST_OF_THE_PRICE, price_levels
from falcon_pipelines.screening.market import Features
from falcon_pipelines.screening.scoring import Scores, passes, scores
from falcon_pipelines.screening.ties import ranked

FACTOR_SCORE = "factor score, not AI"
DEFAULT_SEED = 20240102


@dataclass(frozen=True)
class Contribution:
    """What one factor gave to a score: points = weight x percentile, and the points of a pick sum to its score."""

    percentile: float
    weight: float
    points: float


@dataclass(frozen=True)
class ModelView:
    """What a language model made of a pick: its part is to reorder, annotate or reject, never to add."""

    rank: float
    agreement: float
    low_agreement: bool
    rejected: bool
    note: str
    snapshot: Mapping[str, object]
    replies: tuple[Mapping[str, object], ...]


@dataclass(frozen=True)
class Pick:
    """One candidate: what it was chosen for, and where to enter, stop and take profit (US dollars a share)."""

    rank: int
    ticker: str
    score: float
    factors: Mapping[str, float]
    contributions: Mapping[str, Contribution]
    close: float
    atr: float
    entry_low: float
    entry_high: float
    stop: float
    target: float
    confidence: float | None
    judged_by: str
    version: str
    factor_rank: int
    sector: str | None = None
    about: str | None = None
    model: ModelView | None = None


@dataclass(frozen=True)
class Watched:
    """How a ticker of the watchlist fared: its rank in the pool, or the filters it failed."""

    ticker: str
    rank: int | None
    score: float | None
    failed: tuple[str, ...]


@dataclass(frozen=True)
class Pool:
    """All that passed the filters, best first: what the picks were chosen from."""

    tickers: tuple[str, ...]
    scores: tuple[float, ...]
    percentiles: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True)
class Screen:
    """The outcome of one profile at one moment; `reason` says why it was skipped, and is None where it ran."""

    profile: Profile
    session: date
    slot: Slot
    bars_session: date
    version: str
    reference_version: str | None
    seed: int
    considered: int
    picks: tuple[Pick, ...]
    pool: Pool
    watched: tuple[Watched, ...]
    notes: tuple[str, ...]
    synthetic: bool
    reason: str | None = None
    judged_by: str = FACTOR_SCORE

    @property
    def universe(self) -> int:
        """Tickers that passed every filter."""
        return len(self.pool.tickers)

    @property
    def kept(self) -> tuple[Pick, ...]:
        """The picks that no model rejected."""
        return tuple(pick for pick in self.picks if pick.model is None or not pick.model.rejected)


def screen(profile: Profile, features: Features, seed: int = DEFAULT_SEED) -> Screen:
    """Rank the market by the profile. The features must be those of the profile, or more.

    A profile whose inputs are not there gives a Screen with a reason and no picks.
    """
    reason = missing_inputs(profile, features) or _too_old(profile, features)
    if reason is not None:
        return _screen(profile, features, seed, reason=reason)
    table = features.table
    passing = table.filter(_eligible(profile, table))
    reason = _uncovered(profile, passing)
    if reason is not None:
        return _screen(profile, features, seed, reason=reason)
    if profile.missing_data.factor == "drop":
        passing = passing.filter(pl.all_horizontal(pl.col(f.name).is_not_null() for f in profile.factors))
    made = scores(profile, passing)
    order = ranked(
        made.score, _content(profile, passing), passing["ticker"].to_list(), seed, features.session
    )
    pool = Pool(
        tickers=tuple(passing["ticker"][order].to_list()),
        scores=tuple(np.round(made.score[order], 6).tolist()),
        percentiles={name: tuple(np.round(v[order], 4).tolist()) for name, v in made.percentiles.items()},
    )
    best = order[: profile.top_k]
    rows = passing[best].to_dicts()
    picks = tuple(
        _pick(profile, features.version, row, made, position, rank)
        for rank, (position, row) in enumerate(zip(best, rows, strict=True), start=1)
    )
    watched = _watched(profile, table, pool)
    return _screen(profile, features, seed, picks=picks, pool=pool, watched=watched)


def missing_inputs(profile: Profile, features: Features) -> str | None:
    """What the profile needs and the features lack, and what to do about it; None where all is there."""
    problems: list[str] = []
    wanted = [found for found in (feature(name) for name in profile.features) if found is not None]
    for need in ("minutes", "sectors", "earnings", "fundamentals", "seasons"):
        absent = [f.name for f in wanted if f.need == need and not _has_any(features, f)]
        if absent:
            why = features.missing.get(need, f"there are no {need} for this session")
            problems.append(f"{', '.join(absent)}: {why}")
    longest = max(wanted, key=lambda f: f.sessions)
    levels = profile.levels.atr_period + 1
    if longest.sessions > features.sessions:
        problems.append(
            f"{longest.name} needs {longest.sessions} sessions of day bars, there are {features.sessions}"
        )
    elif levels > features.sessions:
        problems.append(
            f"stops and targets need {levels} sessions of day bars (ATR over {levels - 1}), "
            f"there are {features.sessions}"
        )
    return "; ".join(problems) or None


def _has_any(features: Features, about: Feature) -> bool:
    """Whether any ticker has the feature, or would have with more history."""
    column = "sector" if about.need == "sectors" and about.sessions > features.sessions else about.name
    return column in features.table.columns and bool(features.table[column].is_not_null().any())


def staleness(features: Features) -> int:
    """How many sessions older than they could be the newest bars are."""
    if features.bars_session >= features.known_through:
        return 0
    return len(sessions(features.bars_session, features.known_through)) - 1


def _too_old(profile: Profile, features: Features) -> str | None:
    age, most = staleness(features), profile.missing_data.stale_sessions
    if age <= most:
        return None
    return (
        f"the newest day bars are of {features.bars_session}, {age} sessions older than they could be "
        f"(missing_data.stale_sessions is {most}); run `falcon ingest day`"
    )


def _eligible(profile: Profile, table: pl.DataFrame) -> pl.Expr:
    universe = profile.universe
    atr = pl.col(f"atr_{profile.levels.atr_period}")
    tests = [(atr > 0) & (pl.col("price") > 0), _has_levels(profile)]
    if universe.tickers is not None:
        tests.append(pl.col("ticker").is_in(list(universe.tickers)))
    if universe.exclude:
        tests.append(~pl.col("ticker").is_in(list(universe.exclude)))
    if profile.sector_focus:
        tests.append(pl.col("sector").str.to_lowercase().is_in([s.lower() for s in profile.sector_focus]))
    if universe.liquid is not None:
        most = table["dollar_volume"].drop_nulls().top_k(universe.liquid)
        tests.append(pl.col("dollar_volume") >= (most.min() if len(most) else 0))
    tests += [passes(rule) for rule in profile.filters]
    return pl.all_horizontal(tests).fill_null(value=False)


def _has_levels(profile: Profile) -> pl.Expr:
    """Whether the price levels differ in the decimals that are kept."""
    rule = profile.levels
    atr = pl.col(f"atr_{rule.atr_period}")
    least = min(rule.entry_atr, rule.stop_atr - rule.entry_atr, rule.target_atr - rule.entry_atr)
    reach = pl.min_horizontal(atr, MOST_OF_THE_PRICE / rule.stop_atr * pl.col("price"))
    return reach * least > 10 * 10.0**-DECIMALS


def _uncovered(profile: Profile, passing: pl.DataFrame) -> str | None:
    """Why the run cannot be trusted: a factor that too few of those it would rank have."""
    if not passing.height:
        return None
    least = profile.missing_data.min_coverage_percent
    for factor in profile.factors:
        there = passing[factor.name].is_not_null().sum()
        if there == 0 or there < least / 100 * passing.height:
            return (
                f"only {there} of the {passing.height} tickers that pass the filters have {factor.name} "
                f"(missing_data.min_coverage_percent is {least:g})"
            )
    return None


def _content(profile: Profile, rows: pl.DataFrame) -> np.ndarray:
    """What each row's data are, for the tie-breaking hash."""
    numbers = [name for name in rows.columns if rows.schema[name] == pl.Float64 and not name.startswith("_")]
    used = {"price", "open", "high", "low", "volume", "traded", f"atr_{profile.levels.atr_period}"}
    used |= set(profile.features)
    chosen = sorted(set(numbers) & used)
    return np.ascontiguousarray(rows.select(pl.col(chosen).fill_null(float("inf")) + 0.0).to_numpy())


def _pick(
    profile: Profile, version: str, row: Mapping[str, object], made: Scores, position: int, rank: int
) -> Pick:
    close, atr = _number(row["price"]), _number(row[f"atr_{profile.levels.atr_period}"])
    levels = price_levels(close, atr, profile.levels)
    if levels is None:
        raise AssertionError(f"{row['ticker']}: no price levels around {close} with an ATR of {atr}")
    sector, about = row.get("sector"), row.get("about")
    return Pick(
        rank=rank,
        ticker=str(row["ticker"]),
        score=round(float(made.score[position]), 6),
        factors={
            name: round(float(values[position]), 6)
            for name, values in made.values.items()
            if np.isfinite(values[position])
        },
        contributions={
            name: Contribution(
                percentile=round(float(made.percentiles[name][position]), 6),
                weight=round(weight, 6),
                points=round(float(weight * made.percentiles[name][position]), 6),
            )
            for name, weight in made.weights.items()
        },
        close=close,
        atr=round(atr, 6),
        entry_low=levels.entry_low,
        entry_high=levels.entry_high,
        stop=levels.stop,
        target=levels.target,
        confidence=None,
        judged_by=FACTOR_SCORE,
        version=version,
        factor_rank=rank,
        sector=None if sector is None else str(sector),
        about=None if about is None else str(about),
    )


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value


def _watched(profile: Profile, table: pl.DataFrame, pool: Pool) -> tuple[Watched, ...]:
    if not profile.watchlist:
        return ()
    ranks = {ticker: n for n, ticker in enumerate(pool.tickers, start=1)}
    failed = table.select("ticker", *(passes(f).alias(f.words()) for f in profile.filters))
    rows = {row.pop("ticker"): row for row in failed.to_dicts()}
    result = []
    for ticker in profile.watchlist:
        rank = ranks.get(ticker)
        if rank is not None:
            result.append(Watched(ticker, rank, pool.scores[rank - 1], ()))
        elif ticker not in rows:
            result.append(Watched(ticker, None, None, ("no bar on the newest session",)))
        else:
            why = tuple(words for words, fine in rows[ticker].items() if not fine)
            result.append(
                Watched(ticker, None, None, why or ("outside the universe, or a value is missing",))
            )
    return tuple(result)


def _screen(
    profile: Profile,
    features: Features,
    seed: int,
    *,
    picks: Sequence[Pick] = (),
    pool: Pool | None = None,
    watched: Sequence[Watched] = (),
    reason: str | None = None,
) -> Screen:
    age = staleness(features)
    notes = features.notes if features.reference_version is not None and _uses_reference(profile) else ()
    if age and reason is None:
        old = f"the newest day bars are of {features.bars_session}, {age} session(s) older than they could be"
        notes = (*notes, old)
    return Screen(
        profile=profile,
        session=features.session,
        slot=features.slot,
        bars_session=features.bars_session,
        version=features.version,
        reference_version=features.reference_version,
        seed=seed,
        considered=features.table.height,
        picks=tuple(picks),
        pool=pool or Pool((), (), {}),
        watched=tuple(watched),
        notes=notes,
        synthetic=features.synthetic,
        reason=reason,
    )


def _uses_reference(profile: Profile) -> bool:
    needs = {found.need for found in (feature(name) for name in profile.features) if found is not None}
    return bool(needs - {"bars", "minutes"})
