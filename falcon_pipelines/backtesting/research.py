"""A stored spec over the bar store: which bars and costs it is run with, and running a stored backtest again."""

from dataclasses import dataclass
from typing import Any

from falcon_pipelines.backtesting.assumed_costs import with_assumed_costs
from falcon_pipelines.backtesting.documents import verdict_document
from falcon_pipelines.backtesting.evidence import Evidence, gather
from falcon_pipelines.backtesting.reproduction import code_version, environment
from falcon_pipelines.backtesting.run import BacktestResult, run_backtest
from falcon_pipelines.backtesting.store import RunKey, differing_columns
from falcon_pipelines.backtesting.tearsheet import tearsheet
from falcon_pipelines.backtesting.trials import TrialsLedger
from falcon_pipelines.backtesting.verdict import Verdict, judge
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.errors import FalconError
from falcon_pipelines.strategies.spec import Spec
from falcon_pipelines.strategies.store import spec_of
from falcon_pipelines.strategies.universe import universe_bars

SEED = 7
INITIAL_CASH = 100_000.0


class NotReproducible(FalconError):
    """A stored backtest, run again on its data version, gave another result."""


@dataclass(frozen=True)
class Judgement:
    """A verdict with all it rests on."""

    spec: Spec
    result: BacktestResult
    evidence: Evidence
    verdict: Verdict
    seed: int

    def document(self) -> dict[str, Any]:
        """Everything as JSON types."""
        return verdict_document(self.spec, self.result, self.evidence, self.verdict, self.seed)

    def tearsheet(self) -> str:
        """The self-contained HTML page of it."""
        return tearsheet(self.spec, self.result, self.evidence, self.verdict, seed=self.seed)


def backtest_spec(spec: Spec, store: BarStore, version: str) -> BacktestResult:
    """Run a spec with its default parameters over its universe, pinned to a data version."""
    priced = with_assumed_costs(spec).with_params({})
    return run_backtest(priced, universe_bars(spec, store, version), cash=INITIAL_CASH)


def run_key(row: models.StrategySpec, result: BacktestResult) -> RunKey:
    """What the result depends on."""
    settings: dict[str, Any] = {
        "tickers": list(result.panel.tickers),
        "cash": result.initial_cash,
        "fee_bps": result.parameters.fee_bps,
        "slippage_bps": result.parameters.slippage_bps,
        "adjust": result.panel.adjust,
        "synthetic": result.panel.synthetic,
        "environment": environment(),
    }
    return RunKey(
        spec_id=row.id,
        spec_hash=row.spec_hash,
        data_version=result.panel.version,
        code_version=code_version(),
        seed=SEED,
        settings=settings,
    )


def weigh(backtest: models.Backtest, store: BarStore, ledger: TrialsLedger) -> Judgement:
    """Run a stored backtest again on its own spec and data version, and gather the evidence for its verdict.

    Raises NotReproducible unless every stored figure, trade and equity comes out the same.
    """
    spec = with_assumed_costs(spec_of(backtest.spec))
    panel = universe_bars(spec, store, backtest.data_version)
    result, evidence = gather(spec, panel, cash=INITIAL_CASH, ledger=ledger, seed=backtest.seed)
    different = differing_columns(backtest, result)
    if different:
        raise NotReproducible(
            f"backtest {backtest.id}: {', '.join(different)} came out differently on the same data; the code has "
            "changed since: materialise backtests again"
        )
    return Judgement(spec, result, evidence, judge(result, evidence, seed=backtest.seed), backtest.seed)
