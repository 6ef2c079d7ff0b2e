"""Screening candidates on their way to an order: what they are, and whether one may be bought now. Pure but for reading."""

from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import session_open_close
from falcon_pipelines.db.models import ScreenPick, ScreenRun, SkippedTrade
from falcon_pipelines.trading.live.routing import EntryRules, RouteStrategy
from falcon_pipelines.trading.orders import OrderRequest, Protection

LOOK_BACK = timedelta(days=5)
"""A candidate that was not decided on for so long is forgotten."""


@dataclass(frozen=True)
class Candidate:
    """A ticker that one or more profiles picked after the close of `session`; prices in dollars.

    `rejected` is what the language model said against it, where it was asked and most of its answers were against.
    """

    session: date
    ticker: str
    profiles: tuple[str, ...]
    close: Decimal
    entry_low: Decimal
    entry_high: Decimal
    stop: Decimal
    target: Decimal
    confidence: float | None
    screened_at: datetime
    sector: str | None = None
    rejected: str | None = None

    @property
    def key(self) -> tuple[date, str]:
        """One decision is made for each."""
        return self.session, self.ticker

    @property
    def order_id(self) -> str:
        """The client order id of buying it: the same candidate has the same one."""
        return f"candidate:{self.session:%Y%m%d}:{self.ticker}:buy"


def candidate_key(order_id: str) -> tuple[date, str] | None:
    """Which candidate an order id stands for."""
    kind, _, rest = order_id.partition(":")
    if kind != "candidate":
        return None
    day, _, rest = rest.partition(":")
    return datetime.strptime(day, "%Y%m%d").replace(tzinfo=UTC).date(), rest.rpartition(":")[0]


@dataclass(frozen=True)
class Refusal:
    """Why a candidate is not bought; `rule` names what refused it, in a word."""

    rule: str
    reason: str


def open_candidates(session: Session, now: datetime) -> list[Candidate]:
    """Candidates known at `now` of which nothing was decided yet, by session and ticker.

    A run made after `now` (bars are replayed) counts from the close of its session on. What several profiles picked
    is one candidate; its levels are those of the pick with the best rank.
    """
    rows = session.execute(
        select(ScreenRun, ScreenPick)
        .join(ScreenPick, ScreenPick.run_id == ScreenRun.id)
        .outerjoin(
            SkippedTrade,
            (SkippedTrade.session == ScreenRun.session) & (SkippedTrade.ticker == ScreenPick.ticker),
        )
        .where(
            SkippedTrade.id.is_(None),
            ScreenRun.state == "done",
            ScreenRun.session >= (now - LOOK_BACK).date(),
        )
        .order_by(ScreenRun.session, ScreenPick.ticker, ScreenPick.rank, ScreenRun.profile, ScreenRun.id)
    ).all()
    found: dict[tuple[date, str], Candidate] = {}
    for run, pick in rows:
        known_at = run.created_at if run.created_at <= now else session_open_close(run.session)[1]
        if known_at > now:
            continue
        key = (run.session, pick.ticker)
        first = found.get(key)
        profiles = {run.profile} | set(first.profiles if first else ())
        base = first or Candidate(
            session=run.session,
            ticker=pick.ticker,
            profiles=(),
            close=pick.close,
            entry_low=pick.entry_low,
            entry_high=pick.entry_high,
            stop=pick.stop,
            target=pick.target,
            confidence=None if pick.confidence is None else float(pick.confidence),
            screened_at=known_at,
            sector=pick.sector,
            rejected=(pick.model_note or "no reason given") if pick.rejected else None,
        )
        newest = max(base.screened_at, known_at)
        found[key] = replace(base, profiles=tuple(sorted(profiles)), screened_at=newest)
    return list(found.values())


def entry_refusal(candidate: Candidate, price: float, now: datetime, rules: EntryRules) -> Refusal | None:
    """Why a candidate may not be bought at `price`, ever; None when it may, or may later."""
    age = now - candidate.screened_at
    if age > timedelta(hours=rules.max_age_hours):
        hours = age.total_seconds() / 3600
        where = (
            ""
            if in_range(candidate, price)
            else f"; its price never came into {candidate.entry_low} to {candidate.entry_high}"
        )
        return Refusal("age", f"screened {hours:.0f} hours ago, {rules.max_age_hours:g} are allowed{where}")
    if candidate.rejected is not None:
        return Refusal("model", f"the language model rejected it: {candidate.rejected}")
    if candidate.confidence is not None and candidate.confidence < rules.min_confidence:
        return Refusal(
            "confidence", f"confidence {candidate.confidence:.2f} is below {rules.min_confidence:.2f}"
        )
    low, high = float(candidate.entry_low), float(candidate.entry_high)
    stop, target = float(candidate.stop), float(candidate.target)
    if not (0 < stop < high and low <= high < target):
        return Refusal(
            "geometry", f"stop {stop:g}, entry {low:g} to {high:g}, target {target:g} make no trade"
        )
    distance = 100 * (1 - stop / price)
    if in_range(candidate, price) and distance < rules.min_stop_percent:
        return Refusal(
            "stop_distance",
            f"the stop is {distance:.2f} % below {price:g}, at least {rules.min_stop_percent:g} % are wanted",
        )
    return None


def in_range(candidate: Candidate, price: float) -> bool:
    """Whether the price is inside the entry range."""
    return float(candidate.entry_low) <= price <= float(candidate.entry_high)


def order_for(
    candidate: Candidate, name: str, strategy: RouteStrategy, volatility: float | None, at: datetime
) -> OrderRequest:
    """The purchase of a candidate, protected by its own stop and target and the strategy's other exits."""
    return OrderRequest(
        id=candidate.order_id,
        at=at,
        ticker=candidate.ticker,
        side="buy",
        type="market",
        sizing=strategy.sizing.sizing(volatility),
        protect=Protection(
            stop=candidate.stop,
            target=candidate.target,
            trail_pct=strategy.trail_percent,
            max_days=strategy.max_sessions,
            void_if_passed=True,
        ),
        strategy=name,
        profile="+".join(candidate.profiles),
    )


def skipped_row(
    candidate: Candidate, refusal: Refusal, at: datetime, strategy: str | None, account_id: int | None
) -> dict[str, object]:
    """A row of `skipped_trades`."""
    return {
        "session": candidate.session,
        "ticker": candidate.ticker,
        "profiles": list(candidate.profiles),
        "strategy": strategy,
        "account_id": account_id,
        "rule": refusal.rule,
        "reason": refusal.reason,
        "skipped_at": at,
        "close": candidate.close,
        "entry_low": candidate.entry_low,
        "entry_high": candidate.entry_high,
        "stop": candidate.stop,
        "target": candidate.target,
        "confidence": None if candidate.confidence is None else Decimal(str(candidate.confidence)),
    }
