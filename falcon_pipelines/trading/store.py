"""The paper account in the database: one writer works through bars, each in one transaction, each once.

Orders, fills, postings and halts are the truth; the account's state is rebuilt from them. Whoever submits an
order only inserts a row; the writer, which locks the account's row, is the only one to act on it.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Engine, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.errors import InputError
from falcon_pipelines.trading.account import AccountState, Outcome, Rules, market_value
from falcon_pipelines.trading.commands import answer_commands, pending_commands
from falcon_pipelines.trading.engine import open_account, step
from falcon_pipelines.trading.ledger import Books, check_books, rebuild
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, Halt, Input, Order, OrderRequest, usd
from falcon_pipelines.trading.rows import (
    ORDERS,
    SUBMITTED,
    entries_of,
    fill_row,
    halt_row,
    memory_data,
    memory_of,
    order_of,
    order_row,
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
    """An account as it was read, and the last bar it has worked through."""

    id: int
    state: AccountState
    rules: Rules
    cursor: datetime | None


def create_account(
    session: Session,
    name: str,
    cash: Decimal,
    opened_at: datetime,
    rules: Rules,
    *,
    spec_id: int | None = None,
    synthetic: bool = False,
) -> int:
    """Open an account with its starting cash, or find the open one of that name; returns its id.

    Raises AccountExists where an account of that name is closed or has other rules or another spec.
    """
    row = {
        "name": name,
        "spec_id": spec_id,
        "synthetic": synthetic,
        "opened_at": opened_at,
        "rules": rules_data(rules),
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
    if known.closed_at is not None or known.rules != row["rules"] or known.spec_id != spec_id:
        raise AccountExists(f"account {name}: is closed or trades by other rules; open a new one")
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
    account = _account(session, account_id, lock=lock)
    return StoredAccount(account_id, _state(session, account), rules_of_data(account.rules), account.cursor)


def _account(session: Session, account_id: int, *, lock: bool) -> models.Account:
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


def _state(session: Session, account: models.Account) -> AccountState:
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
        halts=_halts(session, account.id),
        **memory_of(account.memory),
    )


def _halts(session: Session, account_id: int) -> tuple[Halt, ...]:
    rows = session.scalars(
        select(models.AccountHalt)
        .where(models.AccountHalt.account_id == account_id, models.AccountHalt.until.is_(None))
        .order_by(models.AccountHalt.since, models.AccountHalt.kind)
    )
    return tuple(Halt(row.kind, row.reason, row.since) for row in rows)  # type: ignore[arg-type]


def pending(session: Session, account_id: int, until: datetime) -> list[OrderRequest]:
    """Submitted orders that may act on a bar that starts at `until`, in order of arrival."""
    rows = session.scalars(
        select(models.Order)
        .where(
            models.Order.account_id == account_id,
            models.Order.status == SUBMITTED,
            models.Order.submitted_at <= until,
        )
        .order_by(models.Order.submitted_at, models.Order.sequence, models.Order.created_at, models.Order.id)
    )
    return [request_of(row) for row in rows]


def save(
    session: Session,
    account_id: int,
    moment: Moment,
    before: AccountState,
    outcome: Outcome,
    priced: set[str],
    benchmark: Decimal | None,
) -> None:
    """Write what one bar did; `priced` are the tickers that had a bar."""
    state = outcome.state
    if outcome.orders:
        rows = [order_row(account_id, order) for order in sorted(outcome.orders, key=_arrival)]
        statement = insert(ORDERS)
        kept = {name: statement.excluded[name] for name in rows[0] if name not in ("id", "account_id")}
        session.execute(statement.on_conflict_do_update(index_elements=["id"], set_=kept), rows)
    if outcome.fills:
        session.execute(insert(models.Fill), [fill_row(fill) for fill in outcome.fills])
    if outcome.entries:
        session.execute(insert(models.Posting), posting_rows(account_id, outcome.entries))
    _save_halts(session, account_id, outcome)
    _save_marks(session, account_id, moment, before, state, priced, benchmark)
    session.execute(
        update(models.Account)
        .where(models.Account.id == account_id)
        .values(cursor=moment.time, memory=memory_data(state))
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
        session=moment.session,
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


class Trader:
    """The one writer of an account.

    Keeps the state between bars and reads it again when someone else wrote.
    """

    def __init__(self, engine: Engine, account_id: int) -> None:
        self.engine = engine
        self.account_id = account_id
        self._known: StoredAccount | None = None

    @property
    def account(self) -> StoredAccount:
        """The account as of now."""
        with transaction(self.engine) as session:
            return self._locked(session)

    def _locked(self, session: Session) -> StoredAccount:
        row = _account(session, self.account_id, lock=True)
        if row.closed_at is not None:
            raise AccountClosed(f"account {row.name}: was closed on {row.closed_at:%Y-%m-%d}; open a new one")
        known = self._known
        if known is None or known.cursor != row.cursor:
            known = StoredAccount(self.account_id, _state(session, row), rules_of_data(row.rules), row.cursor)
        else:  # reconciliation may have halted the account in the meantime
            known = replace(known, state=replace(known.state, halts=_halts(session, self.account_id)))
        self._known = known
        return known

    def work(
        self,
        moment: Moment,
        bars: Mapping[str, Bar],
        inputs: Sequence[Input] = (),
        *,
        decide: Decide | None = None,
        benchmark: Decimal | None = None,
    ) -> Outcome | None:
        """Work through the bars of one time in one transaction; None where that was done before.

        Acts on `inputs` (corporate actions, commands) and then on the submitted orders that are due. The
        orders that `decide` makes of the new state are submitted in the same transaction.
        """
        with transaction(self.engine) as session:
            before = self._locked(session)
            if before.cursor is not None and moment.time <= before.cursor:
                return None
            commands = pending_commands(session, self.account_id)
            orders = pending(session, self.account_id, moment.starts)
            due = [*inputs, *commands.values(), *orders]
            outcome = step(before.state, moment, due, bars, before.rules)
            save(session, self.account_id, moment, before.state, outcome, set(bars), benchmark)
            answer_commands(session, commands, outcome, moment)
            if decide is not None:
                submit(session, self.account_id, decide(outcome.state))
        self._known = StoredAccount(self.account_id, outcome.state, before.rules, moment.time)
        return outcome
