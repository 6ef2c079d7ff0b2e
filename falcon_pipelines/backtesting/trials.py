"""The trials ledger: every set of parameters ever evaluated, because luck grows with the number of tries."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

if TYPE_CHECKING:
    from sqlalchemy import Engine

    from falcon_pipelines.backtesting.sweep import SweepResult
    from falcon_pipelines.strategies.spec import Spec


@dataclass(frozen=True)
class TrialRecord:
    """One evaluated set of parameters; `sharpe` is of bar returns, not annualised, None where undefined."""

    family: str
    params_hash: str
    data_version: str
    sharpe: float | None


@dataclass(frozen=True)
class TrialSummary:
    """How many trials there were, and the variance of their Sharpe ratios (per bar, squared)."""

    count: int
    variance: float


class TrialsLedger(Protocol):
    """Where trials are counted. The same trial (family, parameters, data) counts once."""

    def record(self, trials: Sequence[TrialRecord]) -> None:
        """Add trials; those already there stay as they are."""

    def summary(self) -> TrialSummary:
        """All trials of all strategies ever recorded here."""


def spec_family(spec: "Spec") -> str:
    """Hash of a spec without its parameter values, its name, its words and its costs: variants of one idea."""
    document = spec.document()
    for key in ("name", "description", "source", "provenance", "unsupported", "universe", "execution"):
        document.pop(key, None)
    document["params"] = sorted(document.get("params", {}))
    return _digest(document)


def trials_of(spec: "Spec", swept: "SweepResult", data_version: str) -> tuple[TrialRecord, ...]:
    """The combinations of a sweep as trials."""
    family = spec_family(spec)
    sharpes = swept.sharpe_per_bar.tolist()
    return tuple(
        TrialRecord(family, _digest(dict(params)), data_version, None if sharpe != sharpe else sharpe)
        for params, sharpe in zip(swept.params, sharpes, strict=True)
    )


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, separators=(",", ":"), default=float)
    return hashlib.sha256(text.encode()).hexdigest()


def summarise(sharpes: Sequence[float | None]) -> TrialSummary:
    """Count and variance (ddof 1) of trials; those without a Sharpe ratio count, and say nothing of the variance."""
    known = np.array([sharpe for sharpe in sharpes if sharpe is not None])
    return TrialSummary(len(sharpes), float(np.var(known, ddof=1)) if len(known) > 1 else 0.0)


class InMemoryTrials:
    """The ledger of one process, for runs on files: it forgets what other runs tried."""

    def __init__(self) -> None:
        self._trials: dict[tuple[str, str, str], float | None] = {}

    def record(self, trials: Sequence[TrialRecord]) -> None:
        """Add trials; those already there stay as they are."""
        for trial in trials:
            self._trials.setdefault((trial.family, trial.params_hash, trial.data_version), trial.sharpe)

    def summary(self) -> TrialSummary:
        """All trials recorded here."""
        return summarise(list(self._trials.values()))


class PostgresTrials:
    """The ledger in PostgreSQL (table `trials`), shared by all runs."""

    def __init__(self, engine: "Engine") -> None:
        self._engine = engine

    def record(self, trials: Sequence[TrialRecord]) -> None:
        """Add trials; those already there stay as they are."""
        from sqlalchemy.dialects.postgresql import insert

        from falcon_pipelines.db.models import Trial

        now = datetime.now(UTC)
        rows = [
            {
                "spec_family": trial.family,
                "params_hash": trial.params_hash,
                "data_version": trial.data_version,
                "sharpe": trial.sharpe,
                "evaluated_at": now,
            }
            for trial in trials
        ]
        with self._engine.begin() as connection:
            for first in range(0, len(rows), 5_000):
                connection.execute(insert(Trial).on_conflict_do_nothing(), rows[first : first + 5_000])

    def summary(self) -> TrialSummary:
        """All trials ever recorded in the database."""
        from sqlalchemy import func, select

        from falcon_pipelines.db.models import Trial

        with self._engine.connect() as connection:
            count, variance = connection.execute(
                select(func.count(), func.var_samp(Trial.sharpe)).select_from(Trial)
            ).one()
        return TrialSummary(int(count), float(variance) if variance is not None else 0.0)
