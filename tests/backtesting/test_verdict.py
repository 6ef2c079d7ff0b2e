"""The verdict refuses luck and recognises a real edge."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest

from falcon_pipelines.backtesting.evidence import gather
from falcon_pipelines.backtesting.run import run_backtest
from falcon_pipelines.backtesting.trials import InMemoryTrials, PostgresTrials
from falcon_pipelines.backtesting.verdict import judge
from falcon_pipelines.bars.panel import Panel
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.strategies.signals import Signals
from falcon_pipelines.strategies.spec import parse_spec
from tests.backtesting.builders import signals_for
from tests.backtesting.real_bars import real_panel
from tests.backtesting.specs import EDGE, SMA_CROSS

GOOD = {"works", "promising"}


def planted(seed: int, edge: float, bars: int = 2_500, both_ways: bool = False) -> Panel:
    """A walk whose next day rises by `edge` after a fall of more than 1 %, and drifts by nothing else.

    With `both_ways` it also falls by as much after a rise of more than 1 %, which only buy-and-hold suffers.
    """
    rng = np.random.default_rng(seed)
    shocks = rng.normal(0, 0.01, bars)
    moves = np.empty(bars)
    for i in range(bars):
        before = moves[i - 1] if i else 0.0
        moves[i] = shocks[i] + edge * (before < -0.01) - edge * (both_ways and before > 0.01)
    close = 100 * np.exp(np.cumsum(moves))
    open_ = np.concatenate([[100.0], close[:-1]])
    high, low = np.maximum(open_, close) * 1.002, np.minimum(open_, close) * 0.998
    table = {"open": open_, "high": high, "low": low, "close": close, "volume": np.full(bars, 1e6)}
    days = np.datetime64("2010-01-04T05:00", "ns") + np.arange(bars) * np.timedelta64(1, "D")
    fields = {name: values[:, None] for name, values in table.items()}
    return Panel(days, ("EDGE",), fields, "day", f"planted-{seed}", synthetic=True)


def coin_flips(panel: Panel, seed: int) -> Signals:
    rng = np.random.default_rng(seed)
    heads = rng.random(panel["close"].shape) < 0.5
    return signals_for(panel, entry_long=heads, exit_long=~heads)


@pytest.mark.parametrize(("both_ways", "expected"), [(True, {"works"}), (False, GOOD)])
def test_a_planted_edge_is_recognised(both_ways: bool, expected: set[str]) -> None:
    """Buy-and-hold earns a one-sided edge too, at far more risk: that may be called promising at most."""
    for seed in (1, 2):
        result, evidence = gather(parse_spec(EDGE), planted(seed, edge=0.01, both_ways=both_ways), fee_bps=2)
        judged = judge(result, evidence)
        assert judged.verdict in expected, judged
        assert judged.trials == 3


def test_the_same_rule_without_the_edge_does_not() -> None:
    for seed in (1, 2, 3):
        result, evidence = gather(parse_spec(EDGE), planted(seed, edge=0.0), fee_bps=2)
        assert judge(result, evidence).verdict not in GOOD


def test_the_best_of_500_moving_average_crosses_on_spy_is_not_promising(lean: Path) -> None:
    from falcon_pipelines.backtesting.sweep import sweep

    panel = real_panel(lean, "SPY", date(1998, 1, 2), date(2021, 3, 31))
    grid = (
        SMA_CROSS.replace("values: [10, 20, 30]", "low: 3, high: 52, step: 1")
        .replace("values: [50, 80, 120]", "low: 60, high: 150, step: 10")
        .replace("value: 50", "value: 60")
    )
    swept = sweep(parse_spec(grid), panel, fee_bps=10)
    assert len(swept) == 500
    enough = [one for one in swept.best(500) if one.closed_trades >= 30]
    best = enough[0].params
    overfit = grid.replace("value: 20", f"value: {best['fast']}").replace(
        "value: 60", f"value: {best['slow']}"
    )
    result, evidence = gather(parse_spec(overfit), panel, fee_bps=10)
    judged = judge(result, evidence)
    assert result.closed_positions >= 30
    assert judged.trials >= 500
    assert judged.verdict not in GOOD, judged


@pytest.mark.parametrize("seed", range(5))
def test_a_coin_flip_on_spy_is_not_promising(lean: Path, seed: int) -> None:
    """The rule is the parity of the cent of the close, which knows nothing of tomorrow."""
    panel = real_panel(lean, "SPY", date(2001, 4, 1), date(2021, 3, 31))
    signals = coin_flips(panel, seed)
    result = run_backtest(parse_spec(SMA_CROSS).with_params(), panel, fee_bps=2, signals=signals)
    assert result.closed_positions > 500
    assert judge(result).verdict not in GOOD


def test_fewer_than_30_trades_are_insufficient_evidence_however_good() -> None:
    panel = planted(1, edge=0.01, bars=150)
    result, evidence = gather(parse_spec(EDGE), panel)
    judged = judge(result, evidence)
    assert result.closed_positions < 30
    assert judged.verdict == "insufficient evidence"
    assert "30" in judged.reason


def test_a_strategy_that_loses_does_not_work() -> None:
    result, evidence = gather(parse_spec(EDGE), planted(4, edge=-0.01), fee_bps=10)
    assert judge(result, evidence).verdict == "does not work"


def test_without_evidence_a_good_backtest_stays_insufficient() -> None:
    result = run_backtest(parse_spec(EDGE).with_params(), planted(1, edge=0.01), fee_bps=2)
    assert judge(result).verdict == "insufficient evidence"


def test_every_input_names_its_threshold_and_source() -> None:
    result, evidence = gather(parse_spec(EDGE), planted(1, edge=0.01), fee_bps=2)
    judged = judge(result, evidence)
    assert len(judged.inputs) == 11
    assert all(item.source and item.name for item in judged.inputs)
    assert len({item.name for item in judged.inputs}) == 11


def test_the_same_seed_gives_the_same_verdict_to_the_last_digit() -> None:
    panel = planted(2, edge=0.004)
    first, second = (judge(*gather(parse_spec(EDGE), panel, seed=11)) for _ in range(2))
    assert first == second


def test_trials_of_earlier_runs_count_in_the_shared_ledger(database_url: str) -> None:
    ledger = PostgresTrials(database_engine(database_url))
    panel = planted(1, edge=0.01, bars=800)
    spec = parse_spec(EDGE)
    _, first = gather(spec, panel, ledger=ledger)
    _, again = gather(spec, panel, ledger=ledger)
    assert first.trials.count == again.trials.count == 3
    other = parse_spec(SMA_CROSS)
    _, more = gather(other, panel, ledger=ledger)
    assert more.trials.count == 3 + 9
    _, alone = gather(other, panel, ledger=InMemoryTrials())
    assert alone.trials.count == 9
    assert more.deflated_sharpe <= 1
