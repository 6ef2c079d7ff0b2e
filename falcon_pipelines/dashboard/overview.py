"""The overview: what a trader wants to know first, read in one transaction."""

from datetime import UTC, datetime, time, timedelta

from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.queries import (
    accounts,
    control,
    market_data,
    operations,
    screening,
    strategies,
)
from falcon_pipelines.dashboard.queries import positions as held
from falcon_pipelines.dashboard.queries.accounts import AccountName, Standing
from falcon_pipelines.dashboard.queries.control import HaltRow
from falcon_pipelines.dashboard.queries.market_data import DataHealth
from falcon_pipelines.dashboard.queries.operations import NotificationRow, RunRow
from falcon_pipelines.dashboard.queries.positions import Position
from falcon_pipelines.dashboard.queries.screening import Screen
from falcon_pipelines.dashboard.queries.signals import Signals, signals
from falcon_pipelines.dashboard.queries.strategies import StrategyRow, WaitingStrategy
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Value

RUNS_LOOKED_BACK = timedelta(days=1)
CANDIDATES_SHOWN = 5
STRATEGIES_SHOWN = 10
NOTIFICATIONS_SHOWN = 8


class Overview(Value):
    """Account, positions, candidates, strategies, data and services; empty or None where nothing is there yet."""

    accounts: list[AccountName]
    account: AccountName | None
    standing: Standing | None
    positions: list[Position]
    halts: list[HaltRow]
    screens: list[Screen]
    strategies: list[StrategyRow]
    waiting: list[WaitingStrategy]
    data: DataHealth
    failed_runs: list[RunRow]
    notifications: list[NotificationRow]
    signals: Signals


def overview(session: Session, account_id: int | None = None, now: datetime | None = None) -> Overview:
    """The overview for one account, the first when none is named."""
    now = now or datetime.now(UTC)
    every = accounts.accounts(session)
    account = accounts.chosen(every, account_id)
    standing = None if account is None else accounts.standing(session, account, surroundings().benchmark)
    best = strategies.leaderboard(session, limit=STRATEGIES_SHOWN).items
    return Overview(
        accounts=every,
        account=account,
        standing=standing,
        positions=[] if account is None else held.positions(session, account.id),
        halts=[] if account is None else control.halts(session, account.id).items,
        screens=screening.newest_screens(session, limit=CANDIDATES_SHOWN),
        strategies=best,
        waiting=strategies.waiting_for_decision(best),
        data=market_data.data_health(session),
        failed_runs=operations.runs(
            session, statuses=("failed",), since=now - RUNS_LOOKED_BACK, limit=20
        ).items,
        notifications=operations.notifications(session, limit=NOTIFICATIONS_SHOWN).items,
        signals=signals(
            session,
            account_id=None if account is None else account.id,
            rejected_since=now
            if standing is None
            else datetime.combine(standing.session, time(), tzinfo=NEW_YORK),
            now_less_an_hour=now - timedelta(hours=1),
            month=operations.month_start(now),
        ),
    )
