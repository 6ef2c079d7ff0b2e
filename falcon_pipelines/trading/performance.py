"""What strategies, sources, profiles and videos have earned on paper, from fills and postings."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.db import models

DIMENSIONS = ("strategy", "source", "profile", "video")
NOT_NAMED = "—"


@dataclass(frozen=True)
class Deal:
    """A fill with whose idea it was. `realised` is a sale's profit in dollars, fees of both sides taken off."""

    account: str
    ticker: str
    side: str
    fee: Decimal
    realised: Decimal
    strategy: str | None
    profile: str | None
    video: str | None

    @property
    def source(self) -> str:
        """Where the idea came from: a screening candidate, a video, or a strategy written by hand."""
        if self.profile is not None:
            return "candidate"
        return "video" if self.video is not None else "library"


@dataclass
class Performance:
    """What one strategy, source, profile or video did; dollars."""

    dimension: str
    name: str
    entries: int = 0
    exits: int = 0
    winners: int = 0
    realised: Decimal = field(default=Decimal(0))
    fees: Decimal = field(default=Decimal(0))

    @property
    def hit_rate(self) -> float | None:
        """Part of the exits that made money; None before the first."""
        return self.winners / self.exits if self.exits else None


def deals(session: Session) -> list[Deal]:
    """Every fill of every account in order; a sale belongs to whoever bought the ticker last in that account."""
    fill, order, account = models.Fill, models.Order, models.Account
    realised = (
        select(models.Posting.fill_id, (-func.sum(models.Posting.amount)).label("profit"))
        .where(models.Posting.ledger == "realised", models.Posting.fill_id.is_not(None))
        .group_by(models.Posting.fill_id)
        .subquery()
    )
    rows = session.execute(
        select(
            fill, order, account.name, models.StrategySpec.name, models.Transcript.title, realised.c.profit
        )
        .join(order, fill.order_id == order.id)
        .join(account, order.account_id == account.id)
        .outerjoin(models.StrategySpec, account.spec_id == models.StrategySpec.id)
        .outerjoin(models.Transcript, models.StrategySpec.transcript_id == models.Transcript.id)
        .outerjoin(realised, realised.c.fill_id == fill.id)
        .order_by(fill.filled_at, fill.id)
    ).all()
    origin: dict[tuple[str, str], tuple[str | None, str | None]] = {}
    found = []
    for filled, ordered, name, spec, title, profit in rows:
        key = (name, ordered.ticker)
        own = (ordered.detail.get("strategy") or spec, ordered.detail.get("profile"))
        if ordered.side == "buy":
            origin[key] = own
        strategy, profile = origin.get(key, own)
        found.append(
            Deal(
                account=name,
                ticker=ordered.ticker,
                side=ordered.side,
                fee=filled.fee,
                realised=profit or Decimal(0),
                strategy=strategy,
                profile=profile,
                video=title,
            )
        )
    return found


def performance(found: Iterable[Deal]) -> list[Performance]:
    """By each of DIMENSIONS, most earned first; a pick of several profiles counts for each of them."""
    groups: dict[tuple[str, str], Performance] = {}
    for deal in found:
        for dimension in DIMENSIONS:
            for name in _names(deal, dimension):
                group = groups.setdefault((dimension, name), Performance(dimension, name))
                group.fees += deal.fee
                if deal.side == "buy":
                    group.entries += 1
                else:
                    group.exits += 1
                    group.winners += deal.realised > 0
                    group.realised += deal.realised
    return sorted(groups.values(), key=lambda g: (DIMENSIONS.index(g.dimension), -g.realised, g.name))


def _names(deal: Deal, dimension: str) -> Sequence[str]:
    if dimension == "source":
        return (deal.source,)
    if dimension == "profile":
        return deal.profile.split("+") if deal.profile else ()
    if dimension == "video":
        return (deal.video,) if deal.video else ()
    return (deal.strategy or NOT_NAMED,)
