"""A stored spec over the bar store: which bars and costs it is run with, and running a stored backtest again."""

from typing import Any

from falcon_pipelines import __version__
from falcon_pipelines.backtesting.run import BacktestResult, run_backtest
from falcon_pipelines.backtesting.store import RunKey
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.errors import FalconError
from falcon_pipelines.strategies.spec import Spec
from falcon_pipelines.strategies.store import spec_of
from falcon_pipelines.strategies.universe import universe_bars

SEED = 7
INITIAL_CASH = 100_000.0
ASSUMED_FEE_BPS = 1.0
ASSUMED_SLIPPAGE_BPS = 5.0
"""Costs per side where a spec states none: nobody trades for free, so leaving them out would flatter."""


class NotReproducible(FalconError):
    """A stored backtest, run again on its data version, gave another result."""


def backtest_spec(spec: Spec, store: BarStore, version: str) -> BacktestResult:
    """Run a spec with its default parameters over its universe, pinned to a data version."""
    priced = with_assumed_costs(spec).with_params({})
    return run_backtest(priced, universe_bars(spec, store, version), cash=INITIAL_CASH)


def with_assumed_costs(spec: Spec) -> Spec:
    """The spec as it is where it states a cost, else with the assumed ones."""
    if {"fee_bps", "slippage_bps"} & spec.execution.model_fields_set:
        return spec
    assumed = {"fee_bps": ASSUMED_FEE_BPS, "slippage_bps": ASSUMED_SLIPPAGE_BPS}
    return spec.model_copy(update={"execution": spec.execution.model_copy(update=assumed)})


def run_key(row: models.StrategySpec, result: BacktestResult) -> RunKey:
    """What the result depends on."""
    settings: dict[str, Any] = {
        "tickers": list(result.panel.tickers),
        "cash": result.initial_cash,
        "fee_bps": result.parameters.fee_bps,
        "slippage_bps": result.parameters.slippage_bps,
        "adjust": result.panel.adjust,
        "synthetic": result.panel.synthetic,
    }
    return RunKey(
        spec_id=row.id,
        spec_hash=row.spec_hash,
        data_version=result.panel.version,
        code_version=__version__,
        seed=SEED,
        settings=settings,
    )


def rerun(backtest: models.Backtest, store: BarStore) -> BacktestResult:
    """The stored backtest again, from its spec and data version.

    Raises NotReproducible when it does not end with the stored equity to the cent.
    """
    result = backtest_spec(spec_of(backtest.spec), store, backtest.data_version)
    stored = float(backtest.final_equity)
    if abs(result.final_equity - stored) >= 0.005:
        raise NotReproducible(
            f"backtest {backtest.id} gave {result.final_equity:.2f} instead of {stored:.2f} on the same data; "
            "the code has changed since: materialise backtests again"
        )
    return result
