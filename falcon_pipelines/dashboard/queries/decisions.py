"""What a decision on a strategy rests on: its newest verdict, and what was decided before."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import Backtest, Decision, Promotion, StrategySpec, Verdict


class Subject(Value):
    """A strategy that somebody is about to decide on."""

    id: int
    name: str
    verdict: str | None
    reason: str | None
    on_paper: bool
    standing: str | None
    choice: str | None
    decided_by: str | None
    decided_at: datetime | None


def subject(session: Session, spec_id: int) -> Subject | None:
    """None when there is no such strategy."""
    spec = session.get(StrategySpec, spec_id)
    if spec is None:
        return None
    verdict = session.scalars(
        select(Verdict)
        .join(Backtest, Verdict.backtest_id == Backtest.id)
        .where(Backtest.spec_id == spec_id)
        .order_by(Verdict.id.desc())
        .limit(1)
    ).one_or_none()
    decision = session.scalars(
        select(Decision).where(Decision.spec_id == spec_id).order_by(Decision.id.desc()).limit(1)
    ).one_or_none()
    promotion = session.scalars(
        select(Promotion).where(Promotion.spec_id == spec_id).order_by(Promotion.id.desc()).limit(1)
    ).one_or_none()
    return Subject(
        id=spec.id,
        name=spec.name,
        verdict=verdict.verdict if verdict else None,
        reason=verdict.reason if verdict else None,
        on_paper=promotion.promoted if promotion else False,
        standing=promotion.reason if promotion else None,
        choice=decision.choice if decision else None,
        decided_by=decision.decided_by if decision else None,
        decided_at=decision.created_at if decision else None,
    )
