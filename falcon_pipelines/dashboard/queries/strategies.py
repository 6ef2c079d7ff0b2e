"""Strategies: the list with each one's newest verdict, and everything known of one."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from sqlalchemy import case, func, select, tuple_
from sqlalchemy.orm import Session, aliased

from falcon_pipelines.dashboard.cursors import Place
from falcon_pipelines.dashboard.queries.backtests import (
    FIGURES,
    BacktestFigures,
    Statistic,
    Trade,
    figures,
    statistics,
    trades,
)
from falcon_pipelines.dashboard.queries.documents import second_of_video, text, texts
from falcon_pipelines.dashboard.queries.evidence import (
    Assumption,
    Claim,
    Flag,
    Refusal,
    Rule,
    SpecVariant,
    assumptions,
    claims,
    flags,
    refusals,
    rules,
    spec_variants,
)
from falcon_pipelines.dashboard.queries.judgement import Judgement, VerdictView, judgement, verdict_view
from falcon_pipelines.dashboard.queries.meaning import Meaning, meaning
from falcon_pipelines.dashboard.queries.paper import HistoryRow, PaperRecord, history, paper_records
from falcon_pipelines.dashboard.queries.readings import Readings, readings
from falcon_pipelines.dashboard.values import Page, Ratio, Value
from falcon_pipelines.db.models import Backtest, Decision, StrategySpec, Transcript, Verdict

APPROVABLE = ("works", "promising")
"""Verdicts with which a strategy may go on paper once a person approves it."""


class WaitingStrategy(Value):
    """A strategy that passed and that nobody has decided on."""

    id: int
    name: str
    verdict: str


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
    decision: str | None


class StrategyLine(Value):
    """A strategy in one line of plain values, for a spreadsheet."""

    id: int
    name: str
    verdict: str | None
    reason: str | None
    decision: str | None
    closed_trades: int | None
    total_return: Ratio | None
    benchmark_return: Ratio | None
    excess_return: Ratio | None
    sharpe: float | None
    max_drawdown: Ratio | None
    first_session: date | None
    last_session: date | None
    data_version: str | None
    video: str | None

    @classmethod
    def of(cls, row: StrategyRow) -> "StrategyLine":
        """The line of a row of the leaderboard."""
        tested = row.backtest
        return cls(
            id=row.id,
            name=row.name,
            verdict=row.verdict,
            reason=row.reason,
            decision=row.decision,
            closed_trades=tested and tested.closed_trades,
            total_return=tested and tested.total_return,
            benchmark_return=tested and tested.benchmark_return,
            excess_return=tested and tested.excess_return,
            sharpe=tested and tested.sharpe,
            max_drawdown=tested and tested.max_drawdown,
            first_session=tested and tested.first_session,
            last_session=tested and tested.last_session,
            data_version=tested and tested.data_version,
            video=row.video,
        )


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
    meaning: Meaning
    rules: list[Rule]
    variants: list[SpecVariant]
    refused: list[Refusal]
    claims: list[Claim]
    flags: list[Flag]
    assumptions: list[Assumption]
    extraction_reason: str | None
    backtest: BacktestFigures | None
    statistics: list[Statistic]
    trades: list[Trade]
    first_trade: int
    warnings: list[str]
    verdict: VerdictView | None
    judgement: Judgement | None
    backtests: list[BacktestFigures]
    paper: list[PaperRecord]
    history: list[HistoryRow]
    decision: str | None
    readings: Readings | None
    other_versions: list[int]


VERDICT_ORDER = (
    "works",
    "promising",
    "no better than buy-and-hold",
    "insufficient evidence",
    None,
    "does not work",
)
"""Best evidence first; None is a strategy without a verdict."""
TRADES_A_PAGE = 100
BACKTESTS_SHOWN = 50

_LAST = len(VERDICT_ORDER)
_NO_EXCESS = -1e9
"""Where a strategy without an excess return stands among those with the same verdict."""


def leaderboard(
    session: Session,
    *,
    verdict: str | None = None,
    words: str | None = None,
    after: Place | None = None,
    limit: int = 50,
) -> Page[StrategyRow]:
    """The newest version of each strategy: by verdict, then by excess return over the benchmark.

    `words` must be in its name; `verdict` is one of VERDICT_ORDER, or `none` for those without.
    """
    versions = select(func.max(StrategySpec.id).label("id"), StrategySpec.name).group_by(StrategySpec.name)
    if words is not None:
        versions = versions.where(
            StrategySpec.name.contains(words.lower().replace(" ", "_"), autoescape=True)
        )
    newest = versions.subquery()
    tested = (
        select(Backtest.spec_id, Backtest.id, Backtest.excess_return)
        .distinct(Backtest.spec_id)
        .order_by(Backtest.spec_id, Backtest.id.desc())
        .subquery()
    )
    place = case(
        *((Verdict.verdict == name, index) for index, name in enumerate(VERDICT_ORDER) if name is not None),
        (Verdict.verdict.is_(None), VERDICT_ORDER.index(None)),
        else_=_LAST,
    )
    excess = -func.coalesce(tested.c.excess_return, _NO_EXCESS)
    ranked = (
        select(
            newest.c.id,
            place.label("place"),
            excess.label("behind"),
            tested.c.id.label("backtest_id"),
        )
        .outerjoin(tested, tested.c.spec_id == newest.c.id)
        .outerjoin(Verdict, Verdict.backtest_id == tested.c.id)
    )
    if verdict is not None:
        ranked = ranked.where(Verdict.verdict.is_(None) if verdict == "none" else Verdict.verdict == verdict)
    if after is not None:
        ranked = ranked.where(tuple_(place, excess, newest.c.id) > (after.place, after.behind, after.id))
    page = ranked.order_by(place, excess, newest.c.id).limit(limit + 1).subquery()
    decided = (
        select(Decision.choice)
        .where(Decision.spec_id == page.c.id)
        .order_by(Decision.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(
        select(
            page.c.id.label("strategy_id"),
            page.c.place,
            page.c.behind,
            StrategySpec.name,
            StrategySpec.document["description"].as_string().label("description"),
            StrategySpec.transcript_id,
            Transcript.title,
            Verdict.verdict,
            Verdict.reason,
            decided.label("decision"),
            *FIGURES,
        )
        .join(StrategySpec, StrategySpec.id == page.c.id)
        .outerjoin(Transcript, StrategySpec.transcript_id == Transcript.id)
        .outerjoin(Backtest, Backtest.id == page.c.backtest_id)
        .outerjoin(Verdict, Verdict.backtest_id == Backtest.id)
        .order_by(page.c.place, page.c.behind, page.c.id)
    ).all()
    items = [_strategy_row(row) for row in rows[:limit]]
    if len(rows) <= limit:
        return Page(items=items, next=None)
    last = rows[limit - 1]
    return Page(items=items, next=str(Place(place=last.place, behind=last.behind, id=last.strategy_id)))


def _strategy_row(row: Any) -> StrategyRow:
    return StrategyRow(
        id=row.strategy_id,
        name=row.name,
        description=row.description,
        transcript_id=row.transcript_id,
        video=row.title,
        backtest=None if row.id is None else figures(row, row.sharpe, row.max_drawdown),
        verdict=row.verdict,
        reason=row.reason,
        decision=row.decision,
    )


def waiting_for_decision(best_first: Iterable[StrategyRow]) -> list[WaitingStrategy]:
    """Those of the leaderboard that passed and that nobody has decided on."""
    return [
        WaitingStrategy(id=row.id, name=row.name, verdict=row.verdict)
        for row in best_first
        if row.verdict in APPROVABLE and row.decision is None
    ]


def strategy(
    session: Session, spec_id: int, benchmark_ticker: str, *, first_trade: int = 0
) -> StrategyDetail | None:
    """One strategy; None when there is none with this id.

    `first_trade` is where its page of trades begins, `benchmark_ticker` what its paper accounts are compared with.
    """
    named_so = aliased(StrategySpec)
    same_name = select(named_so.id).where(named_so.name == StrategySpec.name).order_by(named_so.id.desc())
    decision = (
        select(Decision.choice)
        .where(Decision.spec_id == StrategySpec.id)
        .order_by(Decision.id.desc())
        .limit(1)
        .scalar_subquery()
    )
    row = session.execute(
        select(
            StrategySpec,
            Transcript.id,
            Transcript.title,
            Transcript.channel,
            Transcript.origin,
            Transcript.url,
            func.array(same_name.scalar_subquery()).label("versions"),
            decision.label("decision"),
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
    versions: list[int] = row.versions
    tested = session.execute(
        select(*FIGURES, Backtest.stats, Backtest.warnings)
        .where(Backtest.spec_id == spec_id)
        .order_by(Backtest.id.desc())
        .limit(BACKTESTS_SHOWN)
    ).all()
    newest = tested[0] if tested else None
    verdict = (
        None
        if newest is None
        else session.scalars(select(Verdict).where(Verdict.backtest_id == newest.id)).first()
    )
    evidence = rules(document, extraction, url)
    decided = history(session, versions)
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
        meaning=meaning(spec.meaning, evidence),
        rules=evidence,
        variants=spec_variants(extraction),
        refused=refusals(document, extraction, url),
        claims=claims(source, extraction, url),
        flags=flags(extraction, url),
        assumptions=assumptions(extraction),
        extraction_reason=text(extraction.get("reason")),
        backtest=None if newest is None else figures(newest, newest.sharpe, newest.max_drawdown),
        statistics=[] if newest is None else statistics(newest),
        trades=[] if newest is None else trades(session, newest.id, first=first_trade, limit=TRADES_A_PAGE),
        first_trade=first_trade,
        warnings=[] if newest is None else texts(newest.warnings),
        verdict=None if verdict is None else verdict_view(verdict),
        judgement=None if verdict is None else judgement(verdict.evidence, url),
        backtests=[figures(item, item.sharpe, item.max_drawdown) for item in tested],
        paper=paper_records(session, versions, None if newest is None else newest.stats, benchmark_ticker),
        history=decided,
        decision=row.decision,
        readings=None if spec.transcript_id is None else readings(session, spec.transcript_id),
        other_versions=[version for version in versions if version != spec.id],
    )
