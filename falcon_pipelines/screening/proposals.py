"""Other weights for a profile's factors: proposed from its record, shrunk, decided by a person, reversible."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import ScreenOutcome, ScreenPool, ScreenProposal, ScreenRun
from falcon_pipelines.errors import InputError
from falcon_pipelines.json_types import plain
from falcon_pipelines.profiles.documents import dump_profile
from falcon_pipelines.profiles.schema import Profile
from falcon_pipelines.profiles.store import StoredProfile, get_profile, restore_profile, save_profile
from falcon_pipelines.screening.intervals import Estimate, estimate
from falcon_pipelines.screening.record import (
    HORIZONS_NEEDED,
    PICKS_NEEDED,
    ScoredRun,
    insufficient,
    rank_correlation,
)
from falcon_pipelines.screening.track import scored

Decision = Literal["approve", "reject", "revert"]
SHRINKAGE_HORIZONS = 24
MOST_OF_THE_EVIDENCE = 0.5


class NoProposal(InputError):
    """There is no reason for other weights, or not enough to tell; the message says which."""


class CannotDecide(InputError):
    """A proposal that is not there, or is not waiting for that decision."""


@dataclass(frozen=True)
class WeightChange:
    """Weights (shares of one) as they are and as proposed, with the rank correlation of each factor."""

    current: dict[str, float]
    proposed: dict[str, float]
    evidence: dict[str, Any]


def weight_change(profile: Profile, runs: Sequence[ScoredRun]) -> WeightChange:
    """Weights moved towards what each factor's rank correlation with the outcome would give it.

    That target is proportional to the mean correlation where it is above zero. The move is n / (n + 24) of the way
    for n separate horizons, half of it at most: the less there is to go by, the closer to the present weights.
    Raises NoProposal.
    """
    picks = sum(int(np.isfinite(run.returns[run.picked]).sum()) for run in runs)
    if picks < PICKS_NEEDED:
        raise NoProposal(
            f"{profile.name}: {insufficient(picks, PICKS_NEEDED)} picks have closed their horizon"
        )
    total = sum(factor.weight for factor in profile.factors)
    current = {factor.key: factor.weight / total for factor in profile.factors}
    found = {name: _correlation(name, runs, profile.horizon_sessions) for name in current}
    horizons = max((one.separate for one in found.values() if one is not None), default=0)
    if horizons < HORIZONS_NEEDED:
        raise NoProposal(f"{profile.name}: {insufficient(horizons, HORIZONS_NEEDED)} separate horizons")
    useful = {name: max(one.value, 0.0) if one is not None else 0.0 for name, one in found.items()}
    if sum(useful.values()) <= 0:
        raise NoProposal(f"{profile.name}: no factor was related to what came; other weights would not help")
    trust = min(horizons / (horizons + SHRINKAGE_HORIZONS), MOST_OF_THE_EVIDENCE)
    target = {name: value / sum(useful.values()) for name, value in useful.items()}
    proposed = {name: (1 - trust) * current[name] + trust * target[name] for name in current}
    evidence = {
        "runs": len(runs),
        "picks": picks,
        "separate_horizons": horizons,
        "trust": trust,
        "target": target,
        "rank_ic": {name: None if one is None else vars(one) for name, one in found.items()},
    }
    return WeightChange(
        {name: round(value, 4) for name, value in current.items()},
        {name: round(max(value, 1e-4), 4) for name, value in proposed.items()},
        evidence,
    )


def _correlation(name: str, runs: Sequence[ScoredRun], horizon: int) -> Estimate | None:
    having = [run for run in runs if name in run.percentiles]
    values = np.array([rank_correlation(run.percentiles[name], run.returns) for run in having])
    positions = np.array([run.position for run in having], dtype=np.int64)
    return estimate(values, np.ones(len(having)), positions, horizon) if having else None


def propose(session: Session, name: str) -> ScreenProposal:
    """Store a proposal for the profile's newest version from all its scored runs. Raises NoProposal, UnknownProfile."""
    stored = get_profile(session, name)
    rows = session.execute(
        select(ScreenRun, ScreenPool, ScreenOutcome)
        .join(ScreenPool, ScreenPool.run_id == ScreenRun.id)
        .join(ScreenOutcome, ScreenOutcome.run_id == ScreenRun.id)
        .where(ScreenRun.profile == name)
        .order_by(ScreenRun.entry_session, ScreenRun.id)
    ).all()
    first: dict[Any, ScoredRun] = {}
    for run, pool, came in rows:
        first.setdefault(run.entry_session, scored(run, pool, came))
    change = weight_change(stored.profile, list(first.values()))
    row = ScreenProposal(
        profile=name,
        base_version=stored.version,
        current=change.current,
        proposed=change.proposed,
        evidence=plain(change.evidence),
        state="proposed",
    )
    session.add(row)
    session.flush()
    return row


def decide(session: Session, proposal_id: int, decision: Decision, by: str) -> StoredProfile | None:
    """Approve (a new profile version), reject, or revert (the former version again) a proposal; returns the version made.

    Raises CannotDecide, UnknownProfile.
    """
    row = session.get(ScreenProposal, proposal_id, with_for_update=True)
    if row is None:
        raise CannotDecide(f"there is no proposal {proposal_id}")
    wanted = "approved" if decision == "revert" else "proposed"
    if row.state != wanted:
        raise CannotDecide(
            f"proposal {proposal_id} is {row.state}; only one that is {wanted} can be {_DONE[decision]}"
        )
    made: StoredProfile | None = None
    if decision == "approve":
        newest = get_profile(session, row.profile)
        if newest.version != row.base_version:
            raise CannotDecide(
                f"proposal {proposal_id} was made for version {row.base_version} of {row.profile}, which is now at "
                f"{newest.version}; propose again"
            )
        document = dump_profile(newest.profile.with_weights(row.proposed))
        made = save_profile(session, document, by, origin="proposal", note=f"proposal {proposal_id}")
        row.made_version = made.version
    elif decision == "revert":
        made = restore_profile(session, row.profile, row.base_version, by)
    row.state = _DONE[decision]
    row.decided_by, row.decided_at = by, datetime.now(UTC)
    session.flush()
    return made


_DONE: dict[Decision, str] = {"approve": "approved", "reject": "rejected", "revert": "reverted"}


def proposal_document(row: ScreenProposal) -> dict[str, Any]:
    """A proposal as JSON."""
    return {
        "id": row.id,
        "profile": row.profile,
        "base_version": row.base_version,
        "state": row.state,
        "current": row.current,
        "proposed": row.proposed,
        "evidence": row.evidence,
        "made_version": row.made_version,
        "decided_by": row.decided_by,
        "decided_at": row.decided_at,
        "created_at": row.created_at,
    }
