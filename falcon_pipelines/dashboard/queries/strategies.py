"""Strategies: the list with each one's newest verdict, and everything known of one."""

from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.backtests import (
    FIGURES,
    BacktestFigures,
    Statistic,
    Trade,
    VerdictView,
    figures,
    statistics,
    trade,
    verdict_view,
)
from falcon_pipelines.dashboard.queries.documents import mappings, second_of_video, text, texts
from falcon_pipelines.dashboard.queries.evidence import (
    Assumption,
    Claim,
    Flag,
    Refusal,
    Rule,
    assumptions,
    claims,
    flags,
    refusals,
    rules,
)
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import Backtest, StrategySpec, Transcript, Verdict


class StrategyRow(Value):
    """A strategy in a list; `backtest` and `verdict` are None until there is one."""

    id: int
    name: str
    description: str | None
    transcript_id: str | None
    video: str | None
    backtest: BacktestFigures | None
    verdict: str | None
    reason: str | None


class Source(Value):
    """The video a strategy was taken from."""

    transcript_id: str
    title: str
    channel: str | None
    origin: str
    link: str | None


class StrategyDetail(Value):
    """Everything known of one strategy, with its newest backtest."""

    id: int
    name: str
    spec_hash: str
    description: str | None
    timeframe: str | None
    written_at: datetime
    status: str | None
    source: Source | None
    rules: list[Rule]
    refused: list[Refusal]
    claims: list[Claim]
    flags: list[Flag]
    assumptions: list[Assumption]
    extraction_reason: str | None
    backtest: BacktestFigures | None
    statistics: list[Statistic]
    trades: list[Trade]
    warnings: list[str]
    verdict: VerdictView | None
    other_versions: list[int]


def strategies(session: Session) -> list[StrategyRow]:
    """The newest version of each strategy with its newest backtest and verdict, by name."""
    newest = select(func.max(StrategySpec.id)).group_by(StrategySpec.name)
    specs = session.execute(
        select(
            StrategySpec.id,
            StrategySpec.name,
            StrategySpec.document["description"].as_string(),
            StrategySpec.transcript_id,
            Transcript.title,
        )
        .outerjoin(Transcript, StrategySpec.transcript_id == Transcript.id)
        .where(StrategySpec.id.in_(newest))
        .order_by(StrategySpec.name)
    ).all()
    latest = (
        select(func.max(Backtest.id))
        .where(Backtest.spec_id.in_([spec.id for spec in specs]))
        .group_by(Backtest.spec_id)
    )
    tested = {
        row.spec_id: row
        for row in session.execute(
            select(*FIGURES, Verdict.verdict, Verdict.reason)
            .outerjoin(Verdict, Verdict.backtest_id == Backtest.id)
            .where(Backtest.id.in_(latest))
        )
    }
    return [
        StrategyRow(
            id=spec.id,
            name=spec.name,
            description=spec[2],
            transcript_id=spec.transcript_id,
            video=spec.title,
            backtest=figures(tested[spec.id], tested[spec.id].sharpe, tested[spec.id].max_drawdown)
            if spec.id in tested
            else None,
            verdict=tested[spec.id].verdict if spec.id in tested else None,
            reason=tested[spec.id].reason if spec.id in tested else None,
        )
        for spec in specs
    ]


VERDICT_ORDER = (
    "works",
    "promising",
    "no better than buy-and-hold",
    "insufficient evidence",
    None,
    "does not work",
)
"""Best evidence first; None is a strategy without a verdict."""


def leaderboard(session: Session) -> list[StrategyRow]:
    """All strategies: by verdict, then by excess return over the benchmark."""

    def place(row: StrategyRow) -> tuple[int, float]:
        known = VERDICT_ORDER.index(row.verdict) if row.verdict in VERDICT_ORDER else len(VERDICT_ORDER)
        excess = None if row.backtest is None else row.backtest.excess_return
        return known, -excess if excess is not None else float("inf")

    return sorted(strategies(session), key=place)


def strategy(session: Session, spec_id: int) -> StrategyDetail | None:
    """One strategy; None when there is none with this id."""
    row = session.execute(
        select(
            StrategySpec,
            Transcript.id,
            Transcript.title,
            Transcript.channel,
            Transcript.origin,
            Transcript.url,
        )
        .outerjoin(Transcript, StrategySpec.transcript_id == Transcript.id)
        .where(StrategySpec.id == spec_id)
    ).first()
    if row is None:
        return None
    spec: StrategySpec = row[0]
    document = spec.document if isinstance(spec.document, dict) else {}
    extraction = spec.extraction if isinstance(spec.extraction, dict) else {}
    named = document.get("source")
    source = named if isinstance(named, dict) else {}
    url = row.url or text(source.get("url"))
    backtest = session.scalars(
        select(Backtest).where(Backtest.spec_id == spec_id).order_by(Backtest.id.desc()).limit(1)
    ).first()
    verdict = (
        None
        if backtest is None
        else session.scalars(select(Verdict).where(Verdict.backtest_id == backtest.id)).first()
    )
    others = session.scalars(
        select(StrategySpec.id)
        .where(StrategySpec.name == spec.name, StrategySpec.id != spec.id)
        .order_by(StrategySpec.id.desc())
    ).all()
    stats = backtest.stats if backtest is not None and isinstance(backtest.stats, dict) else {}
    return StrategyDetail(
        id=spec.id,
        name=spec.name,
        spec_hash=spec.spec_hash,
        description=text(document.get("description")),
        timeframe=text(document.get("timeframe")),
        written_at=spec.created_at,
        status=text(extraction.get("status")),
        source=None
        if row.title is None
        else Source(
            transcript_id=row[1],
            title=row.title,
            channel=row.channel,
            origin=row.origin,
            link=second_of_video(url, None),
        ),
        rules=rules(document, extraction, url),
        refused=refusals(document, extraction, url),
        claims=claims(source, extraction, url),
        flags=flags(extraction, url),
        assumptions=assumptions(extraction),
        extraction_reason=text(extraction.get("reason")),
        backtest=None
        if backtest is None
        else figures(backtest, stats.get("sharpe"), stats.get("max_drawdown")),
        statistics=[] if backtest is None else statistics(backtest),
        trades=[] if backtest is None else [trade(item) for item in mappings(backtest.trades)],
        warnings=[] if backtest is None else texts(backtest.warnings),
        verdict=None if verdict is None else verdict_view(verdict),
        other_versions=list(others),
    )


def _newest_figures(row: Any) -> BacktestFigures | None:
    return None if row is None else figures(row, row.sharpe, row.max_drawdown)
