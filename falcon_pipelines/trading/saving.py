"""Writing what one bar did to a paper account: orders, fills, postings, halts and marks, in the caller's transaction."""

from datetime import datetime
from decimal import Decimal

from sqlalchemy import delete, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.trading.account import AccountState, Outcome, market_value
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Order, usd
from falcon_pipelines.trading.rows import ORDERS, fill_row, halt_row, memory_data, order_row, posting_rows


def save(
    session: Session,
    account_id: int,
    moment: Moment,
    before: AccountState,
    outcome: Outcome,
    priced: set[str],
    benchmark: Decimal | None,
    *,
    cursor: datetime | None,
    live_sequence: int | None = None,
) -> None:
    """Write what one bar did; `priced` are the tickers that had a bar.

    `cursor` and `live_sequence` say how far the account has then come.
    """
    state = outcome.state
    if outcome.orders:
        rows = [order_row(account_id, order) for order in sorted(outcome.orders, key=_arrival)]
        statement = insert(ORDERS)
        kept = {name: statement.excluded[name] for name in rows[0] if name not in ("id", "account_id")}
        saved = statement.on_conflict_do_update(index_elements=["id"], set_=kept)
        session.execute(saved.returning(ORDERS.c.id), rows)  # returning: SQLAlchemy then sends one statement
    if outcome.fills:
        session.execute(insert(models.Fill), [fill_row(fill) for fill in outcome.fills])
    if outcome.entries:
        session.execute(insert(models.Posting), posting_rows(account_id, outcome.entries))
    _save_halts(session, account_id, outcome)
    _save_marks(session, account_id, moment, before, state, priced, benchmark)
    session.execute(
        update(models.Account)
        .where(models.Account.id == account_id)
        .values(cursor=cursor, live_sequence=live_sequence, memory=memory_data(state))
    )


def _arrival(order: Order) -> int:
    return order.sequence


def _save_halts(session: Session, account_id: int, outcome: Outcome) -> None:
    for halt in (*outcome.state.halts, *outcome.ended_halts):
        statement = insert(models.AccountHalt).values(**halt_row(account_id, halt))
        session.execute(
            statement.on_conflict_do_update(
                index_elements=["account_id", "kind", "since"], set_={"until": statement.excluded.until}
            )
        )


def _save_marks(
    session: Session,
    account_id: int,
    moment: Moment,
    before: AccountState,
    state: AccountState,
    priced: set[str],
    benchmark: Decimal | None,
) -> None:
    mark = insert(models.AccountMark).values(
        account_id=account_id,
        session=state.session or moment.session,
        cash=state.books.cash,
        market_value=usd(market_value(state.books, state.prices)),
        receivable=state.books.receivable,
        equity=usd(state.equity),
        benchmark=benchmark,
    )
    fields = ("cash", "market_value", "receivable", "equity", "benchmark")
    session.execute(
        mark.on_conflict_do_update(
            index_elements=["account_id", "session"], set_={name: mark.excluded[name] for name in fields}
        )
    )
    gone = before.prices.keys() - state.prices.keys()
    if gone:
        session.execute(
            delete(models.PositionMark).where(
                models.PositionMark.account_id == account_id, models.PositionMark.ticker.in_(gone)
            )
        )
    fresh = [
        {"account_id": account_id, "ticker": ticker, "price": price, "priced_at": moment.time}
        for ticker, price in state.prices.items()
        if ticker in priced
    ]
    if fresh:
        position = insert(models.PositionMark)
        session.execute(
            position.on_conflict_do_update(
                index_elements=["account_id", "ticker"],
                set_={"price": position.excluded.price, "priced_at": position.excluded.priced_at},
            ),
            fresh,
        )
    for ticker, price in state.prices.items():
        if ticker not in priced and before.prices.get(ticker) != price:
            session.execute(
                update(models.PositionMark)
                .where(models.PositionMark.account_id == account_id, models.PositionMark.ticker == ticker)
                .values(price=price)
            )
