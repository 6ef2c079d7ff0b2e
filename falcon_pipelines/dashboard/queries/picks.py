"""One candidate of a run in full: its factors, what a model said, and every profile that picked the ticker."""

from datetime import date

from pydantic import computed_field
from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.charts import has_chart
from falcon_pipelines.dashboard.queries.documents import number, text
from falcon_pipelines.dashboard.values import PerShare, Ratio, Value
from falcon_pipelines.db.models import ScreenPick, ScreenRun

EARLIER = 50


class FactorShare(Value):
    """One factor of a pick: its value, where that stands among all that passed, and what it adds to the score."""

    name: str
    value: float | str | None
    percentile: float | None
    weight: float | None
    points: float | None


class OtherPick(Value):
    """The same ticker, picked by some profile in some run."""

    run_id: int
    profile: str
    session: date
    slot: str
    rank: int
    score: float
    close: PerShare


class Pick(Value):
    """A candidate of one run."""

    run_id: int
    profile: str
    profile_version: int | None
    session: date
    slot: str
    data_version: str
    universe: int
    judged_by: str
    ticker: str
    rank: int
    picks: int
    score: float
    close: PerShare
    atr: PerShare | None
    entry_low: PerShare
    entry_high: PerShare
    stop: PerShare
    target: PerShare
    sector: str | None
    factors: list[FactorShare]
    factor_rank: int | None
    model_rank: float | None
    rejected: bool
    confidence: Ratio | None
    agreement: Ratio | None
    low_agreement: bool
    model_note: str | None
    same_session: list[OtherPick]
    earlier: list[OtherPick]
    has_chart: bool

    @computed_field  # type: ignore[prop-decorator]
    @property
    def reward_to_risk(self) -> float | None:
        """(target - entry) / (entry - stop) from the middle of the entry range; None without risk."""
        entry = (self.entry_low + self.entry_high) / 2
        risk = entry - self.stop
        return float((self.target - entry) / risk) if risk else None


def pick(session: Session, run_id: int, ticker: str) -> Pick | None:
    """None when the run did not pick this ticker."""
    run = session.get(ScreenRun, run_id)
    found = next((item for item in run.picks if item.ticker == ticker), None) if run is not None else None
    if run is None or found is None:
        return None
    others = _others(session, ticker, run_id)
    return Pick(
        run_id=run.id,
        profile=run.profile,
        profile_version=run.profile_version,
        session=run.session,
        slot=run.slot,
        data_version=run.data_version,
        universe=run.universe,
        judged_by=run.judged_by,
        ticker=ticker,
        rank=found.rank,
        picks=len(run.picks),
        score=found.score,
        close=found.close,
        atr=found.atr,
        entry_low=found.entry_low,
        entry_high=found.entry_high,
        stop=found.stop,
        target=found.target,
        sector=found.sector,
        factors=_factors(found),
        factor_rank=found.factor_rank,
        model_rank=found.model_rank,
        rejected=found.rejected,
        confidence=None if found.confidence is None else float(found.confidence),
        agreement=found.agreement,
        low_agreement=found.low_agreement,
        model_note=found.model_note,
        same_session=[other for other in others if other.session == run.session],
        earlier=[other for other in others if other.session != run.session],
        has_chart=has_chart(session, ticker),
    )


def _factors(found: ScreenPick) -> list[FactorShare]:
    values = found.factors if isinstance(found.factors, dict) else {}
    shares = found.contributions if isinstance(found.contributions, dict) else {}
    rows = []
    for name, value in values.items():
        share = shares.get(name)
        share = share if isinstance(share, dict) else {}
        rows.append(
            FactorShare(
                name=name,
                value=number(value) if number(value) is not None else text(value),
                percentile=number(share.get("percentile")),
                weight=number(share.get("weight")),
                points=number(share.get("points")),
            )
        )
    return rows


def _others(session: Session, ticker: str, run_id: int) -> list[OtherPick]:
    rows = session.execute(
        select(ScreenPick, ScreenRun)
        .join(ScreenRun, ScreenPick.run_id == ScreenRun.id)
        .where(ScreenPick.ticker == ticker, ScreenRun.id != run_id)
        .order_by(ScreenRun.id.desc())
        .limit(EARLIER)
    ).all()
    return [
        OtherPick(
            run_id=run.id,
            profile=run.profile,
            session=run.session,
            slot=run.slot,
            rank=item.rank,
            score=item.score,
            close=item.close,
        )
        for item, run in rows
    ]
