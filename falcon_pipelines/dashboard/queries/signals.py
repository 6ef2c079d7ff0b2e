"""Counts that decide whether somebody has to look, in one statement."""

from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import aggregate_order_by
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.values import Dollars, Value
from falcon_pipelines.db.models import CheckResult, Feed, LlmCall, Notification, Order, Request


class FeedState(Value):
    """A source of live bars: live, quiet while the exchange is closed, stale while they should come and do not."""

    name: str
    state: str
    detail: str | None


class Signals(Value):
    """How much of each kind there is; 0 where nothing is the matter."""

    rejected: int
    failing_errors: int
    failing_warnings: int
    unsent: int
    unanswered: int
    llm_spent: Dollars
    feeds: list[FeedState]


def signals(
    session: Session,
    *,
    account_id: int | None,
    rejected_since: datetime,
    now_less_an_hour: datetime,
    month: datetime,
) -> Signals:
    """The counts; rejected orders are those of one account."""
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
    feeds = select(
        func.jsonb_agg(
            aggregate_order_by(
                func.jsonb_build_object("name", Feed.name, "state", Feed.state, "detail", Feed.detail),
                Feed.name,
            )
        )
    )
    row = session.execute(
        select(
            rejected.scalar_subquery(),
            failing.where(CheckResult.severity == "ERROR").scalar_subquery(),
            failing.where(CheckResult.severity != "ERROR").scalar_subquery(),
            unsent.scalar_subquery(),
            unanswered.scalar_subquery(),
            spent.scalar_subquery(),
            feeds.scalar_subquery(),
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
    )
