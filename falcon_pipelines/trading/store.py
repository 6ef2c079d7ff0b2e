"""Paper accounts in the database: opened, handed orders, and read back.

Orders, fills, postings and halts are the truth; the account's state is rebuilt from them. Whoever submits an
order only inserts a row; the writer (`writer`), which locks the account's row, is the only one to act on it.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.errors import InputError
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.engine import open_account
from falcon_pipelines.trading.ledger import Books, check_books, rebuild
from falcon_pipelines.trading.orders import Halt, OrderRequest, usd
from falcon_pipelines.trading.rows import (
    ORDERS,
    REQUEST_COLUMNS,
    SUBMITTED,
    entries_of,
    memory_data,
    memory_of,
    order_of,
    posting_rows,
    request_of,
    request_row,
    rules_data,
    rules_of_data,
)

Decide = Callable[[AccountState], Sequence[OrderRequest]]


class UnknownAccount(InputError):
    """No such paper account."""


class AccountExists(InputError):
    """An account of that name was opened with other terms."""


class AccountClosed(InputError):
    """The account has ended: its history stays, but it trades no more."""


@dataclass(frozen=True)
class StoredAccount:
    """An account as it was read, and the last bar it has worked through: by time, and of live bars by arrival."""

    id: int
    state: AccountState
    rules: Rules
    cursor: datetime | None
    live_sequence: int | None = None


def create_account(
    session: Session,
    name: str,
    cash: Decimal,
    opened_at: datetime,
    rules: Rules,
    *,
    spec_id: int | None = None,
    synthetic: bool = False,
    live_sequence: int | None = None,
    broker: str = "paper",
) -> int:
    """Open an account with its starting cash, or find the open one of that name; returns its id.

    One with a `live_sequence` trades the live bars that arrive after it, others stored bars. Raises
    AccountExists where an account of that name is closed or has other rules, bars or another spec.
    """
    row = {
        "name": name,
        "spec_id": spec_id,
        "synthetic": synthetic,
        "opened_at": opened_at,
        "rules": rules_data(rules),
        "live_sequence": live_sequence,
        "broker": broker,
    }
    first = open_account(name, usd(cash), opened_at)
    made = session.execute(
        insert(models.Account)
        .values(**row, memory=memory_data(first.state))
        .on_conflict_do_nothing(index_elements=["name"])
        .returning(models.Account.id)
    ).scalar_one_or_none()
    if made is not None:
        session.execute(insert(models.Posting), posting_rows(made, first.entries))
        return made
    known = session.scalars(select(models.Account).where(models.Account.name == name)).one()
    other = (rules_of_data(known.rules), known.spec_id, known.broker) != (rules, spec_id, broker)
    live = known.live_sequence is not None
    if known.closed_at is not None or other or live != (live_sequence is not None):
        raise AccountExists(f"account {name}: is closed or trades by other rules or bars; open a new one")
    return known.id


def close_account(session: Session, account_id: int, at: datetime) -> None:
    """End an account; its history stays. A reset closes one account and opens another."""
    session.execute(
        update(models.Account)
        .where(models.Account.id == account_id, models.Account.closed_at.is_(None))
        .values(closed_at=at)
    )


def submit(session: Session, account_id: int, requests: Sequence[OrderRequest]) -> int:
    """Hand in orders; returns how many are new. An id that is known already changes nothing."""
    if not requests:
        return 0
    rows = [request_row(account_id, request, place) for place, request in enumerate(requests)]
    statement = insert(ORDERS).values(rows).on_conflict_do_nothing(index_elements=["id"])
    return len(session.execute(statement.returning(ORDERS.c.id)).all())


def account_named(session: Session, name: str) -> int:
    """The id of an account. Raises UnknownAccount naming those there are."""
    found = session.scalar(select(models.Account.id).where(models.Account.name == name))
    if found is None:
        known = session.scalars(select(models.Account.name).order_by(models.Account.name).limit(10)).all()
        raise UnknownAccount(
            f"{name}: there is no such paper account; there are {', '.join(known) or 'none yet'}"
        )
    return found


def load_account(session: Session, account_id: int, *, lock: bool = False) -> StoredAccount:
    """The account's state, rebuilt from postings and orders; `lock` makes the caller its only writer.

    Raises UnknownAccount, and BooksDoNotBalance where the postings contradict each other.
    """
    account = find_account(session, account_id, lock=lock)
    return stored(session, account)


def stored(session: Session, account: models.Account) -> StoredAccount:
    """What a row of `accounts` stands for."""
    rules = rules_of_data(account.rules)
    return StoredAccount(account.id, state_of(session, account), rules, account.cursor, account.live_sequence)


def find_account(session: Session, account_id: int, *, lock: bool) -> models.Account:
    """The account's row; `lock` keeps others from writing. Raises UnknownAccount."""
    query = select(models.Account).where(models.Account.id == account_id)
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    account = session.scalars(query).one_or_none()
    if account is None:
        raise UnknownAccount(f"account {account_id}: there is no such paper account")
    return account


def stored_books(session: Session, account_id: int) -> Books:
    """The books that follow from the account's postings. Raises BooksDoNotBalance."""
    query = (
        select(models.Posting)
        .where(models.Posting.account_id == account_id)
        .order_by(models.Posting.number, models.Posting.leg)
    )
    books = rebuild(entries_of(session.scalars(query)))
    check_books(books)
    return books


def state_of(session: Session, account: models.Account) -> AccountState:
    """The account's state, rebuilt from postings, open orders and halts. Raises BooksDoNotBalance."""
    orders = session.scalars(
        select(models.Order)
        .where(models.Order.account_id == account.id, models.Order.status == "open")
        .order_by(models.Order.sequence)
    )
    prices = session.execute(
        select(models.PositionMark.ticker, models.PositionMark.price).where(
            models.PositionMark.account_id == account.id
        )
    )
    return AccountState(
        name=account.name,
        books=stored_books(session, account.id),
        orders={order.id: order_of(order) for order in orders},
        prices={row.ticker: row.price for row in prices},
        halts=halts_of(session, account.id),
        **memory_of(account.memory),
    )


def halts_of(session: Session, account_id: int) -> tuple[Halt, ...]:
    """The halts that are in force."""
    rows = session.scalars(
        select(models.AccountHalt)
        .where(models.AccountHalt.account_id == account_id, models.AccountHalt.until.is_(None))
        .order_by(models.AccountHalt.since, models.AccountHalt.kind)
    )
    return tuple(Halt(row.kind, row.reason, row.since) for row in rows)  # type: ignore[arg-type]


def pending(session: Session, account_id: int, until: datetime | None = None) -> list[OrderRequest]:
    """Submitted orders in order of arrival; with `until` those that may act on a bar that starts then."""
    order = models.Order
    query = select(*REQUEST_COLUMNS).where(order.account_id == account_id, order.status == SUBMITTED)
    if until is not None:
        query = query.where(order.submitted_at <= until)
    rows = session.execute(query.order_by(order.submitted_at, order.sequence, order.created_at, order.id))
    return [request_of(row) for row in rows]


def submitted_tickers(session: Session, account_ids: Sequence[int]) -> frozenset[str]:
    """The tickers of orders that no bar has met yet."""
    order = models.Order
    query = select(order.ticker).where(order.account_id.in_(account_ids), order.status == SUBMITTED)
    return frozenset(session.scalars(query.distinct()))
