"""What decides whether somebody has to look, counts and signs of life, in one statement."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ScalarSelect, func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import InstrumentedAttribute, Session

from falcon_pipelines.dashboard.queries.operations import ServiceRow
from falcon_pipelines.dashboard.values import Dollars, Value
from falcon_pipelines.db.models import (
    Account,
    AccountHalt,
    CheckResult,
    Feed,
    Heartbeat,
    LlmCall,
    Notification,
    Order,
    Request,
)


class FeedState(Value):
    """A source of live bars: live, quiet while the exchange is closed, stale while they should come and do not."""

    name: str
    state: str
    detail: str | None


class HaltElsewhere(Value):
    """Another account that makes no entries."""

    account_id: int
    account: str
    kind: str
    reason: str


class Signals(Value):
    """How much of each kind there is, 0 where nothing is the matter; services by node and name, feeds by name."""

    rejected: int
    failing_errors: int
    failing_warnings: int
    unsent: int
    unanswered: int
    llm_spent: Dollars
    feeds: list[FeedState]
    services: list[ServiceRow]
    halted_elsewhere: list[HaltElsewhere]


def signals(
    session: Session,
    *,
    account_id: int | None,
    rejected_since: datetime,
    now_less_an_hour: datetime,
    month: datetime,
) -> Signals:
    """The counts; rejected orders are those of one account, `halted_elsewhere` is of all others."""
    rejected = select(func.count()).where(
        Order.account_id == account_id, Order.status == "rejected", Order.submitted_at >= rejected_since
    )
    failing = select(func.count()).where(CheckResult.partition == "", ~CheckResult.passed)
    unsent = select(func.count()).where(Notification.sent_at.is_(None), Notification.problem.is_not(None))
    unanswered = select(func.count()).where(
        Request.handled_at.is_(None), Request.requested_at < now_less_an_hour
    )
    spent = select(func.coalesce(func.sum(func.coalesce(LlmCall.cost_usd, LlmCall.reserved_usd)), 0)).where(
        LlmCall.started_at >= month
    )
    halted = (
        select(
            func.jsonb_agg(
                func.jsonb_build_object(
                    "account_id",
                    Account.id,
                    "account",
                    Account.name,
                    "kind",
                    AccountHalt.kind,
                    "reason",
                    AccountHalt.reason,
                )
            )
        )
        .join(AccountHalt, AccountHalt.account_id == Account.id)
        .where(AccountHalt.until.is_(None), Account.closed_at.is_(None), Account.id != account_id)
    )
    row = session.execute(
        select(
            rejected.scalar_subquery(),
            failing.where(CheckResult.severity == "ERROR").scalar_subquery(),
            failing.where(CheckResult.severity != "ERROR").scalar_subquery(),
            unsent.scalar_subquery(),
            unanswered.scalar_subquery(),
            spent.scalar_subquery(),
            _as_list((Feed.name, Feed.state, Feed.detail), by=(Feed.name,)),
            _as_list(_SERVICE, by=(Heartbeat.node, Heartbeat.service)),
            halted.scalar_subquery(),
        )
    ).one()
    return Signals(
        rejected=row[0],
        failing_errors=row[1],
        failing_warnings=row[2],
        unsent=row[3],
        unanswered=row[4],
        llm_spent=row[5],
        feeds=[FeedState(**feed) for feed in row[6] or []],
        services=[ServiceRow(**service) for service in row[7] or []],
        halted_elsewhere=[HaltElsewhere(**halt) for halt in row[8] or []],
    )


_SERVICE = (
    Heartbeat.service,
    Heartbeat.node,
    Heartbeat.version,
    Heartbeat.state,
    Heartbeat.detail,
    Heartbeat.started_at,
    Heartbeat.beat_at,
)


def _as_list(
    columns: Sequence[InstrumentedAttribute[Any]], *, by: Sequence[InstrumentedAttribute[Any]]
) -> ScalarSelect[Any]:
    """All rows of a small table as one value; NULL where it has none."""
    named = [part for column in columns for part in (column.key, column)]
    return select(func.jsonb_agg(aggregate_order_by(func.jsonb_build_object(*named), *by))).scalar_subquery()
