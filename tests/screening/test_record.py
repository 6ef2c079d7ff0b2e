"""The record finds what is there, calls noise noise, and claims nothing of too few or overlapping picks."""

from datetime import date

import numpy as np
import pytest

from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.screening.intervals import estimate, neighbour_correlation
from falcon_pipelines.screening.outcomes import HorizonOpen, outcome
from falcon_pipelines.screening.record import Measure, Record, ScoredRun, record
from tests.screening.markets import names, panel_of

DAYS = sessions_from(date(2020, 1, 2), 600)


def runs(
    count: int, edge: float, *, seed: int = 1, pool: int = 80, horizon: int = 5, every: int = 1, top: int = 10
) -> list[ScoredRun]:
    """Daily random returns; `edge` is what a score of one adds to the return of the horizon over a score of zero."""
    rng = np.random.default_rng(seed)
    length = count * every + horizon
    market = rng.normal(0, 0.01, length)
    own = rng.normal(0, 0.02, (length, pool))
    made = []
    for n in range(0, count * every, every):
        scores = np.sort(rng.random(pool))[::-1]
        returns = (market[n : n + horizon, None] + own[n : n + horizon]).sum(axis=0) + edge * (scores - 0.5)
        confidence = np.clip(0.5 + edge * 3 + rng.normal(0, 0.05, top), 0, 1)
        made.append(
            ScoredRun(
                entry=DAYS[n],
                exit=DAYS[n + horizon - 1],
                position=n,
                scores=scores,
                returns=returns,
                picked=np.arange(top),
                benchmark=float(market[n : n + horizon].sum()),
                confidence=confidence,
                percentiles={"factor": scores},
            )
        )
    return made


def named(made: Record, name: str) -> Measure:
    return next(measure for measure in made.measures if measure.name == name)


def test_a_planted_factor_is_found_in_every_measure() -> None:
    made = record(runs(100, 0.06), 5)
    assert made.verdict == "better than random picks from the same pool"
    assert made.placebo_p == pytest.approx(1 / 501)
    for name in (
        "hit_rate_over_base",
        "rank_ic",
        "top_minus_bottom",
        "excess_over_benchmark",
        "excess_over_placebo",
    ):
        measure = named(made, name)
        assert measure.state == "measured"
        assert measure.low is not None
        assert measure.low > 0
    hits = named(made, "hit_rate")
    assert hits.value is not None
    assert hits.compared_with is not None
    assert hits.value > hits.compared_with
    assert (hits.n, made.separate_horizons) == (1000, 20)


def test_a_factor_that_is_wrong_is_called_worse() -> None:
    assert record(runs(100, -0.06), 5).verdict == "worse than random picks from the same pool"


@pytest.mark.parametrize("horizon", [1, 5, 10])
def test_noise_is_no_better_than_the_pool(horizon: int) -> None:
    verdicts = [record(runs(120, 0.0, seed=s, horizon=horizon), horizon).verdict for s in range(15)]
    assert sum(verdict.startswith("better") for verdict in verdicts) <= 1
    assert sum(verdict.startswith("no better") for verdict in verdicts) >= 13


def test_too_few_picks_are_insufficient_and_have_no_numbers() -> None:
    made = record(runs(4, 0.06, every=5), 5)
    assert made.verdict.startswith("insufficient (40 of 100)")
    assert made.placebo_p is None
    for measure in made.measures:
        assert measure.state.startswith("insufficient (")
        assert (measure.value, measure.low, measure.high) == (None, None, None)


def test_many_picks_of_few_separate_horizons_are_insufficient_too() -> None:
    made = record(runs(20, 0.06, horizon=10), 10)
    assert made.picks == 200
    assert made.verdict.startswith("insufficient (2 of 6) separate horizons")


def test_no_runs_at_all() -> None:
    made = record([], 5)
    assert (made.runs, made.picks, made.through, made.reliability) == (0, 0, None, ())
    assert made.verdict.startswith("insufficient (0 of 100)")


def test_confidence_is_scored_against_what_happened() -> None:
    made = record(runs(100, 0.06), 5)
    brier = named(made, "brier")
    assert brier.value is not None
    assert 0 < brier.value < 0.3
    assert sum(one.n for one in made.reliability) == 1000
    full = next(one for one in made.reliability if one.n > 100)
    assert full.observed_low is not None
    assert full.observed is not None
    assert full.observed_high is not None
    assert full.observed_low < full.observed < full.observed_high
    without = [ScoredRun(**{**vars(run), "confidence": np.full(10, np.nan)}) for run in runs(100, 0.06)]
    silent = record(without, 5)
    assert named(silent, "brier").state == "insufficient (0 of 100)"
    assert silent.reliability == ()


@pytest.mark.parametrize("horizon", [1, 5, 20])
def test_intervals_of_overlapping_horizons_hold_what_they_promise(horizon: int) -> None:
    rng = np.random.default_rng(horizon)
    covered = 0
    for _ in range(400):
        steps = rng.normal(0, 1, 240 + horizon)
        sums = np.convolve(steps, np.ones(horizon), "valid")[:240]
        found = estimate(sums, np.ones(240), np.arange(240), horizon)
        assert found is not None
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0 <= found.high
    assert 0.92 <= covered / 400 <= 0.985


def test_neighbouring_blocks_share_a_quarter_at_most() -> None:
    assert neighbour_correlation(1) == 0
    assert 0.15 < neighbour_correlation(5) < neighbour_correlation(50) < 0.25


def test_an_outcome_is_bought_at_the_open_and_sold_at_the_close() -> None:
    close = np.array([[10.0, 20, 30, 40], [11, 22, np.nan, 44], [12, np.nan, np.nan, 46], [13, 26, 30, 48]])
    opened = close - 1
    panel = panel_of(close, ("A", "B", "GONE", "SPY"), open=opened)
    days = sessions_from(date(2023, 1, 3), 4)
    came = outcome(panel, ("A", "B", "GONE", "NEVER"), "SPY", days[1], days[2])
    np.testing.assert_allclose(came.returns, [12 / 10 - 1, 22 / 21 - 1, np.nan, np.nan])
    assert came.benchmark == pytest.approx(46 / 43 - 1)
    assert came.ended_early == 1


def test_an_outcome_is_never_computed_before_its_horizon_closes() -> None:
    panel = panel_of(np.full((3, 2), 10.0), names(2))
    days = sessions_from(date(2023, 1, 3), 5)
    with pytest.raises(HorizonOpen):
        outcome(panel, names(2), "SPY", days[0], days[3])
