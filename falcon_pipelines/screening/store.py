"""Runs in the database: written whole or not at all, once; what is stored of a run is never changed."""

from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.db.candidates import Choice
from falcon_pipelines.db.models import ScreenJudgement, ScreenPick, ScreenPool, ScreenRun
from falcon_pipelines.json_types import plain
from falcon_pipelines.screening.horizon import entry_session, exit_session, is_forward
from falcon_pipelines.screening.judging import Judged
from falcon_pipelines.screening.screens import Pick, Screen

_TRANSIENT = (
    "rate_limited",
    "server_error",
    "timeout",
    "unreachable",
    "skipped_budget",
    "unauthorised",
    "quota",
)


def save_screen(
    session: Session,
    screen: Screen,
    *,
    profile_version: int | None = None,
    judged: Judged | None = None,
    now: datetime | None = None,
) -> int:
    """Store the run in the caller's transaction; returns its id.

    The same profile version, session, slot and data give the same picks: a run that is there already stays and its
    id is returned, unless a model could not answer then and has now, which makes another attempt.
    """
    made_at = now or datetime.now(UTC)
    earlier = session.scalars(
        select(ScreenRun)
        .where(
            ScreenRun.profile == screen.profile.name,
            ScreenRun.profile_version.is_not_distinct_from(profile_version),
            ScreenRun.session == screen.session,
            ScreenRun.slot == screen.slot,
            ScreenRun.data_version == screen.version,
        )
        .order_by(ScreenRun.attempt.desc())
    ).first()
    if earlier is not None and not _is_worth_another(earlier, screen, judged):
        return earlier.id
    row = _row(screen, profile_version, judged, made_at)
    row.attempt = 1 if earlier is None else earlier.attempt + 1
    session.add(row)
    session.flush()
    if screen.pool.tickers:
        session.add(
            ScreenPool(
                run_id=row.id,
                tickers=list(screen.pool.tickers),
                scores=list(screen.pool.scores),
                percentiles={name: list(values) for name, values in screen.pool.percentiles.items()},
            )
        )
        session.flush()
    return row.id


def newest_run(session: Session, profile: str) -> ScreenRun | None:
    """The newest run of a profile."""
    return session.scalar(
        select(ScreenRun).where(
            ScreenRun.id
            == select(func.max(ScreenRun.id)).where(ScreenRun.profile == profile).scalar_subquery()
        )
    )


def choices(screen: Screen, run_id: int | None = None) -> list[Choice]:
    """The picks that no model rejected, as what `db.candidates.merged` merges."""
    return [
        Choice(
            profile=screen.profile.name,
            run_id=run_id,
            session=screen.session,
            slot=screen.slot,
            rank=pick.rank,
            ticker=pick.ticker,
            score=pick.score,
            close=_price(pick.close),
            entry_low=_price(pick.entry_low),
            entry_high=_price(pick.entry_high),
            stop=_price(pick.stop),
            target=_price(pick.target),
            confidence=pick.confidence,
            judged_by=pick.judged_by,
            low_agreement=pick.model is not None and pick.model.low_agreement,
            data_version=pick.version,
        )
        for pick in screen.kept
    ]


def _is_worth_another(earlier: ScreenRun, screen: Screen, judged: Judged | None) -> bool:
    if earlier.state == "skipped":
        return screen.reason is None or screen.reason != earlier.reason
    if screen.reason is not None or judged is None:
        return False
    return (earlier.model_status is None or earlier.model_status in _TRANSIENT) and judged.status == "ok"


def _row(screen: Screen, profile_version: int | None, judged: Judged | None, made_at: datetime) -> ScreenRun:
    entry = entry_session(screen.session, screen.slot)
    skipped = screen.reason is not None
    row = ScreenRun(
        profile=screen.profile.name,
        profile_version=profile_version,
        session=screen.session,
        slot=screen.slot,
        state="skipped" if skipped else "done",
        reason=screen.reason,
        notes=list(screen.notes),
        data_version=screen.version,
        bars_session=screen.bars_session,
        reference_version=screen.reference_version,
        seed=screen.seed,
        considered=screen.considered,
        universe=screen.universe,
        judged_by=screen.judged_by,
        horizon_sessions=screen.profile.horizon_sessions,
        benchmark=screen.profile.benchmark,
        entry_session=entry,
        exit_session=exit_session(entry, screen.profile.horizon_sessions),
        forward=is_forward(entry, made_at),
        watched=[plain(vars(watched)) for watched in screen.watched],
        created_at=made_at,
    )
    share: Decimal | None = None
    if judged is not None:
        row.model_status = judged.status
        row.model_detail = judged.detail
        row.model = judged.model
        row.model_cutoff = judged.cutoff
        row.prompt_version = judged.prompt_version
        row.agreement = judged.agreement
        row.cost_usd = judged.cost_usd
        share = judged.cost_usd / len(screen.picks) if judged.cost_usd is not None and screen.picks else None
        row.judgements = [
            ScreenJudgement(
                permutation=said.permutation,
                ids=dict(said.ids),
                system=said.system,
                prompt=said.prompt,
                status=said.status,
                detail=said.detail,
                reply=said.reply,
                provider=said.provider,
                model=said.model,
                cached=said.cached,
                cost_usd=said.cost_usd,
            )
            for said in judged.asked
        ]
    row.picks = [_pick(pick, share) for pick in screen.picks]
    return row


def _pick(pick: Pick, cost: Decimal | None) -> ScreenPick:
    seen = pick.model
    return ScreenPick(
        rank=pick.rank,
        ticker=pick.ticker,
        score=pick.score,
        factors=dict(pick.factors),
        contributions={name: vars(value) for name, value in pick.contributions.items()},
        close=_price(pick.close),
        atr=_price(pick.atr),
        entry_low=_price(pick.entry_low),
        entry_high=_price(pick.entry_high),
        stop=_price(pick.stop),
        target=_price(pick.target),
        sector=pick.sector,
        factor_rank=pick.factor_rank,
        confidence=None if pick.confidence is None else _price(pick.confidence),
        model_rank=seen.rank if seen else None,
        rejected=seen.rejected if seen else False,
        agreement=seen.agreement if seen else None,
        low_agreement=seen.low_agreement if seen else False,
        model_note=seen.note if seen else None,
        snapshot=plain(dict(seen.snapshot)) if seen else None,
        replies=[plain(dict(reply)) for reply in seen.replies] if seen else None,
        cost_usd=cost,
    )


def _price(value: float) -> Decimal:
    return Decimal(str(round(value, 6)))
