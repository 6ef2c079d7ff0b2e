"""The overview: what a trader wants to know first, read in one transaction."""

from datetime import datetime, time

from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.queries import market_data, screening, strategies, trading
from falcon_pipelines.dashboard.queries.market_data import DataHealth
from falcon_pipelines.dashboard.queries.screening import Screen
from falcon_pipelines.dashboard.queries.strategies import StrategyRow
from falcon_pipelines.dashboard.queries.trading import AccountName, Position, Standing
from falcon_pipelines.dashboard.values import Value


class Overview(Value):
    """Account, positions, candidates, strategies and data; empty or None where nothing is there yet."""

    accounts: list[AccountName]
    account: AccountName | None
    standing: Standing | None
    positions: list[Position]
    rejected: int
    screens: list[Screen]
    strategies: list[StrategyRow]
    data: DataHealth


def overview(session: Session, account_id: int | None = None) -> Overview:
    """The overview for one account, the first when none is named."""
    every = trading.accounts(session)
    account = trading.chosen(every, account_id)
    standing = None if account is None else trading.standing(session, account.id)
    return Overview(
        accounts=every,
        account=account,
        standing=standing,
        positions=[] if account is None else trading.positions(session, account.id),
        rejected=0
        if account is None or standing is None
        else trading.rejected_since(
            session, account.id, datetime.combine(standing.session, time(), tzinfo=NEW_YORK)
        ),
        screens=screening.newest_screens(session),
        strategies=strategies.strategies(session),
        data=market_data.data_health(session),
    )
