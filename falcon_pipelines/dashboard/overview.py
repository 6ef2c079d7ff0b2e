"""The overview: what a trader wants to know first, read in one transaction."""

from datetime import datetime, time

from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.queries import accounts, control, market_data, orders, screening, strategies
from falcon_pipelines.dashboard.queries.accounts import AccountName, Position, Standing
from falcon_pipelines.dashboard.queries.control import HaltRow
from falcon_pipelines.dashboard.queries.market_data import DataHealth
from falcon_pipelines.dashboard.queries.screening import Screen
from falcon_pipelines.dashboard.queries.strategies import StrategyRow
from falcon_pipelines.dashboard.values import Value


class Overview(Value):
    """Account, positions, candidates, strategies and data; empty or None where nothing is there yet."""

    accounts: list[AccountName]
    account: AccountName | None
    standing: Standing | None
    positions: list[Position]
    halts: list[HaltRow]
    rejected: int
    screens: list[Screen]
    strategies: list[StrategyRow]
    data: DataHealth


def overview(session: Session, account_id: int | None = None) -> Overview:
    """The overview for one account, the first when none is named."""
    every = accounts.accounts(session)
    account = accounts.chosen(every, account_id)
    standing = None if account is None else accounts.standing(session, account.id)
    return Overview(
        accounts=every,
        account=account,
        standing=standing,
        positions=[] if account is None else accounts.positions(session, account.id),
        halts=[] if account is None else control.halts(session, account.id),
        rejected=0
        if account is None or standing is None
        else orders.rejected_since(
            session, account.id, datetime.combine(standing.session, time(), tzinfo=NEW_YORK)
        ),
        screens=screening.newest_screens(session),
        strategies=strategies.leaderboard(session),
        data=market_data.data_health(session),
    )
