"""Backtests and verdicts in the database, with everything needed to run them again."""

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.verdict import Verdict
from falcon_pipelines.bars.panel import session_of
from falcon_pipelines.db import models
from falcon_pipelines.errors import InputError
from falcon_pipelines.json_types import plain


class NoBacktest(InputError):
    """A verdict was asked for of a spec that has not been backtested."""


@dataclass(frozen=True)
class RunKey:
    """What a backtest depends on: the same key gives the same bytes."""

    spec_id: int
    spec_hash: str
    data_version: str
    code_version: str
    seed: int
    settings: dict[str, Any]


def find_backtest(session: Session, key: RunKey) -> models.Backtest | None:
    """The stored run with this key."""
    return session.scalar(
        select(models.Backtest).where(
            models.Backtest.spec_id == key.spec_id,
            models.Backtest.data_version == key.data_version,
            models.Backtest.code_version == key.code_version,
            models.Backtest.seed == key.seed,
            models.Backtest.settings == key.settings,
        )
    )


def save_backtest(session: Session, key: RunKey, result: BacktestResult) -> models.Backtest:
    """Store a run in the caller's transaction; a run with the same key is returned as it is."""
    present = find_backtest(session, key)
    if present is not None:
        return present
    row = models.Backtest(**asdict(key), **result_columns(result))
    session.add(row)
    session.flush()
    return row


def result_columns(result: BacktestResult) -> dict[str, Any]:
    """What of a result is stored, by column; running the same again gives the same."""
    return {
        "first_session": session_of(result.panel.timestamps[0]),
        "last_session": session_of(result.panel.timestamps[-1]),
        "initial_cash": _money(result.initial_cash),
        "final_equity": _money(result.final_equity),
        "closed_trades": len(result.trades),
        "open_trades": len(result.open_trades),
        "stats": plain(result.stats.as_dict()),
        "benchmark": plain(
            {"final_equity": result.benchmark.final_equity} | result.benchmark.stats.as_dict()
        ),
        "trades": [plain(asdict(trade)) for trade in result.trades],
        "equity": [
            [plain(at), round(float(own), 2), round(float(other), 2)]
            for at, own, other in zip(
                result.panel.timestamps, result.equity, result.benchmark.equity, strict=True
            )
        ],
        "warnings": list(result.warnings),
    }


def differing_columns(row: models.Backtest, result: BacktestResult) -> tuple[str, ...]:
    """The columns of a stored run that a result does not repeat to the last digit."""
    return tuple(name for name, value in result_columns(result).items() if getattr(row, name) != value)


def save_verdict(
    session: Session, backtest_id: int, verdict: Verdict, evidence: dict[str, Any]
) -> models.Verdict:
    """Store a backtest's verdict and the evidence it rests on; there is one a backtest."""
    row = session.scalar(select(models.Verdict).where(models.Verdict.backtest_id == backtest_id))
    if row is None:
        row = models.Verdict(backtest_id=backtest_id)
        session.add(row)
    row.verdict = verdict.verdict
    row.reason = verdict.reason
    row.inputs = [plain(asdict(item)) for item in verdict.inputs]
    row.evidence = plain(evidence)
    row.trials = verdict.trials
    session.flush()
    return row


def newest_backtest(session: Session, spec_name: str) -> models.Backtest:
    """The newest stored backtest of a spec of that name; raises NoBacktest."""
    row = session.scalar(
        select(models.Backtest)
        .join(models.StrategySpec)
        .where(models.StrategySpec.name == spec_name)
        .order_by(models.Backtest.id.desc())
        .limit(1)
    )
    if row is None:
        raise NoBacktest(f"{spec_name} has no backtest yet; materialise backtests first")
    return row


def _money(value: float) -> Decimal:
    return Decimal(str(round(value, 6)))
