"""The risk limits of an account and how near each is, from its rules, what it remembers, and what it holds."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Literal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import number, text
from falcon_pipelines.dashboard.queries.positions import Position
from falcon_pipelines.dashboard.values import Value
from falcon_pipelines.db.models import Account, AccountMark, Posting

MONEY_LEDGERS = ("cash", "unsettled", "receivable")


class LimitUse(Value):
    """One limit. `now` and `limit` are ratios or counts by `unit`; `used` is now over limit, 1 is reached.

    Without a limit `limit` and `used` are None; `now` is None where it cannot be known, and `why` says why.
    """

    name: str
    effect: str
    unit: Literal["ratio", "count"]
    now: float | None
    limit: float | None
    used: float | None
    why: str | None = None


def limits(session: Session, account_id: int, positions: Sequence[Position]) -> list[LimitUse]:
    """Every limit of an account; empty when there is no such account."""
    account = session.execute(
        select(Account.rules, Account.memory, _MONEY.label("money")).where(Account.id == account_id)
    ).one_or_none()
    if account is None:
        return []
    equity = _equity(account.money, positions)
    rules = account.rules.get("limits") if isinstance(account.rules, dict) else None
    memory = account.memory if isinstance(account.memory, dict) else {}
    return list(_uses(rules if isinstance(rules, dict) else {}, memory, positions, equity))


def _uses(
    rules: Mapping[str, Any], memory: Mapping[str, Any], positions: Sequence[Position], equity: float | None
) -> Iterator[LimitUse]:
    values = {p.ticker: float(abs(p.market_value)) for p in positions if p.market_value is not None}
    unknown = None if equity else "no price is known for a position, so equity is not known"

    def share(part: float) -> float | None:
        return part / equity if equity else None

    def loss_from(name: str) -> float | None:
        before = number(memory.get(name))
        return max(0.0, 1 - equity / before) if equity is not None and before else None

    no_start = "the account has worked through no bar yet"
    yield _use(rules, "max_positions", "no further position is opened", "count", float(len(positions)))
    yield _use(rules, "cash_share", "no more is invested", "ratio", share(sum(values.values())), unknown)
    held_by = memory.get("held_by")
    yield _use(
        rules,
        "strategy_share",
        "no more is invested by one strategy; the largest is shown",
        "ratio",
        share(_largest(values, held_by if isinstance(held_by, dict) else {})),
        unknown,
    )
    sectors = memory.get("sectors") or rules.get("sectors")
    yield _use(
        rules,
        "sector_share",
        "no more is invested in one sector; the largest is shown",
        "ratio",
        share(_largest(values, sectors if isinstance(sectors, dict) else {})),
        unknown,
    )
    yield _use(
        rules,
        "daily_loss",
        "entries halt until the next session",
        "ratio",
        loss_from("day_start_equity"),
        unknown or no_start,
    )
    yield _use(
        rules,
        "drawdown",
        "entries halt until somebody acknowledges",
        "ratio",
        loss_from("peak_equity"),
        unknown or no_start,
    )
    stops = memory.get("stop_exits")
    yield _use(
        rules,
        "guard_stops",
        f"stop exits within {text(rules.get('guard_sessions')) or '1'} session(s) that halt entries",
        "count",
        float(len(stops)) if isinstance(stops, list) else 0.0,
    )


def _use(
    rules: Mapping[str, Any],
    name: str,
    effect: str,
    unit: Literal["ratio", "count"],
    now: float | None,
    why: str | None = None,
) -> LimitUse:
    limit = number(rules.get(name))
    used = None if limit is None or now is None else (now / limit if limit else float(now > 0))
    return LimitUse(
        name=name, effect=effect, unit=unit, now=now, limit=limit, used=used, why=why if now is None else None
    )


def _largest(values: Mapping[str, float], groups: Mapping[str, Any]) -> float:
    sums: dict[str, float] = defaultdict(float)
    for ticker, value in values.items():
        sums[text(groups.get(ticker)) or ""] += value
    return max(sums.values(), default=0.0)


def _equity(money: Decimal, positions: Sequence[Position]) -> float | None:
    """What the account is worth at the last known prices."""
    if any(position.market_value is None for position in positions):
        return None
    return float(money + sum((position.market_value or Decimal(0) for position in positions), Decimal(0)))


_AT_LAST_CLOSE = (
    select(AccountMark.cash + AccountMark.receivable)
    .where(AccountMark.account_id == Account.id)
    .order_by(AccountMark.session.desc())
    .limit(1)
    .scalar_subquery()
)
_OF_POSTINGS = (
    select(func.sum(Posting.amount))
    .where(Posting.account_id == Account.id, Posting.ledger.in_(MONEY_LEDGERS))
    .scalar_subquery()
)
_MONEY = func.coalesce(_AT_LAST_CLOSE, _OF_POSTINGS, 0)
"""Cash and what is due to the account; adding up all postings is only for one that has had no close yet."""
