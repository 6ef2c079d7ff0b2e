"""Which strategies may be traded on paper: the evidence allows it, and a person has said so."""

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.db.decisions import Choice, request_decision

WORTH_TRADING = ("works", "promising")


@dataclass(frozen=True)
class Standing:
    """Whether a strategy is on paper, and the sentence that says why or why not."""

    promoted: bool
    reason: str


def standing(verdict: str | None, choice: str | None) -> Standing:
    """The rule: a verdict of WORTH_TRADING, and a newest decision to approve."""
    if choice == "retire":
        return Standing(promoted=False, reason="retired by a person")
    if verdict is None:
        return Standing(promoted=False, reason="no verdict yet")
    if verdict not in WORTH_TRADING:
        return Standing(
            promoted=False, reason=f"the verdict is {verdict!r}, not {' or '.join(WORTH_TRADING)}"
        )
    if choice is None:
        return Standing(promoted=False, reason="waits for a person's approval in the dashboard")
    return Standing(promoted=True, reason=f"the verdict is {verdict!r} and a person approved it")


def decide(session: Session, spec: models.StrategySpec, choice: Choice, by: str) -> Standing:
    """Write a person's decision and what follows from it, in the caller's transaction."""
    request_decision(session, spec.id, choice, by)
    return update_promotions(session)[spec.name]


def update_promotions(session: Session) -> dict[str, Standing]:
    """Write what has changed since the last time, in the caller's transaction; returns every spec's standing.

    A spec is on paper if its newest `promotions` row says so. Rows are only ever added.
    """
    standings: dict[str, Standing] = {}
    for spec in session.scalars(select(models.StrategySpec).order_by(models.StrategySpec.id)):
        verdict = session.scalars(
            select(models.Verdict)
            .join(models.Backtest)
            .where(models.Backtest.spec_id == spec.id)
            .order_by(models.Verdict.id.desc())
            .limit(1)
        ).one_or_none()
        decision = session.scalars(
            select(models.Decision)
            .where(models.Decision.spec_id == spec.id)
            .order_by(models.Decision.id.desc())
            .limit(1)
        ).one_or_none()
        now = standing(verdict.verdict if verdict else None, decision.choice if decision else None)
        before = _newest(session, spec.id)
        if before is None or (before.promoted, before.reason) != (now.promoted, now.reason):
            session.add(
                models.Promotion(
                    spec_id=spec.id,
                    promoted=now.promoted,
                    reason=now.reason,
                    verdict_id=verdict.id if verdict else None,
                    decision_id=decision.id if decision else None,
                )
            )
        standings[spec.name] = now
    session.flush()
    return standings


def promoted_specs(session: Session) -> tuple[models.StrategySpec, ...]:
    """The specs whose newest promotion row puts them on paper."""
    newest: dict[int, models.Promotion] = {}
    for row in session.scalars(select(models.Promotion).order_by(models.Promotion.id)):
        newest[row.spec_id] = row
    return tuple(row.spec for row in newest.values() if row.promoted)


def _newest(session: Session, spec_id: int) -> models.Promotion | None:
    return session.scalars(
        select(models.Promotion)
        .where(models.Promotion.spec_id == spec_id)
        .order_by(models.Promotion.id.desc())
        .limit(1)
    ).one_or_none()
