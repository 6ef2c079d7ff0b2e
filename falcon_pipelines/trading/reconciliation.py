"""Proof of the books from the database: what is stored must follow from what happened, or entries halt."""

from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import Engine, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.db.engine import snapshot, transaction
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.trading.errors import BooksDoNotBalance
from falcon_pipelines.trading.ledger import Books
from falcon_pipelines.trading.store import stored_books

TOLERANCE = Decimal("0.000001")


def reconcile(session: Session, account_id: int) -> tuple[str, ...]:
    """What does not hold in an account's books, in words; nothing when all is well. Asks several questions: a session of
    `snapshot` where somebody may write meanwhile.

    Every entry sums to zero and its number follows the one before; each fill is booked once, for its quantity
    at its price and fee; shares bought less shares sold, carried through splits, are the position; no order
    is filled beyond its quantity, nor otherwise than its fills say; no cash, settled or not, is below zero; the
    newest mark is cash + receivables + positions at their last prices; and open sales do not exceed what is held.
    """
    problems = [*_entries(session, account_id), *_fills(session, account_id), *_orders(session, account_id)]
    try:
        books = stored_books(session, account_id)
    except BooksDoNotBalance as error:
        return (*problems, str(error))
    return (*problems, *_open_sales(session, account_id, books), *_mark(session, account_id, books))


def broken_books(session: Session) -> dict[str, tuple[str, ...]]:
    """The problems of every account that has some, by its name."""
    accounts = session.execute(select(models.Account.id, models.Account.name).order_by(models.Account.id))
    found = {name: reconcile(session, account_id) for account_id, name in accounts.all()}
    return {name: problems for name, problems in found.items() if problems}


def halt_broken(engine: Engine) -> dict[str, tuple[str, ...]]:
    """Reconcile all accounts and halt the entries of those that are broken, until acknowledged; tells people.

    All is read as of one moment: a trader at work commits bars between one question and the next.
    """
    with snapshot(engine) as session:
        broken = broken_books(session)
    if broken:
        account = models.Account
        with transaction(engine) as session:
            named = session.execute(select(account.id, account.name).where(account.name.in_(broken)))
            for account_id, name in named.all():
                halt_account(session, account_id, broken[name][0])
    return broken


def halt_account(session: Session, account_id: int, reason: str) -> None:
    """Halt the entries of an account whose books are in doubt, until acknowledged; once."""
    account = session.scalars(
        select(models.Account).where(models.Account.id == account_id).with_for_update()
    ).one()
    halted = session.scalars(
        select(models.AccountHalt).where(
            models.AccountHalt.account_id == account.id,
            models.AccountHalt.kind == "reconciliation",
            models.AccountHalt.until.is_(None),
        )
    ).first()
    if halted is not None:
        return
    since = datetime.now(UTC)
    session.execute(
        insert(models.AccountHalt).values(
            account_id=account.id, kind="reconciliation", since=since, reason=reason
        )
    )
    notify(
        session,
        f"halt:{account.name}:reconciliation:{since.isoformat()}",
        "reconciliation",
        f"{account.name}: the books do not agree",
        f"{reason}. Entries are halted until acknowledged; exits still run.",
    )


def _entries(session: Session, account_id: int) -> list[str]:
    posting = models.Posting
    rows = session.execute(
        select(posting.number, func.min(posting.kind), func.sum(posting.amount))
        .where(posting.account_id == account_id)
        .group_by(posting.entry_id, posting.number)
        .order_by(posting.number)
    ).all()
    problems = [f"entry {number} ({kind}) is off by {total} dollars" for number, kind, total in rows if total]
    if [number for number, _, _ in rows] != list(range(len(rows))):
        problems.append("the numbers of the entries have a gap or repeat")
    return problems


def _fills(session: Session, account_id: int) -> list[str]:
    """Each fill against its securities leg and its cash legs."""
    posting, fill, order = models.Posting, models.Fill, models.Order
    shares = func.sum(posting.quantity).filter(posting.ledger == "securities")
    cash = func.sum(posting.amount).filter(posting.ledger.in_(("cash", "unsettled")))
    entries = func.count(posting.entry_id.distinct())
    rows = session.execute(
        select(
            fill.id,
            order.id,
            order.side,
            order.ticker,
            fill.quantity,
            fill.price,
            fill.fee,
            shares,
            cash,
            entries,
        )
        .join(order, fill.order_id == order.id)
        .outerjoin(posting, posting.fill_id == fill.id)
        .where(order.account_id == account_id)
        .group_by(fill.id, order.id)
    ).all()
    problems = []
    for name, order_id, side, ticker, quantity, price, fee, moved, paid, count in rows:
        sign = 1 if side == "buy" else -1
        expected = -sign * quantity * price - fee
        if count != 1:
            problems.append(f"fill {name} of {order_id} is booked {count} times")
        elif moved != sign * quantity:
            problems.append(f"fill {name} of {order_id}: {quantity} {ticker} traded, {moved} booked")
        elif abs((paid or 0) - expected) > TOLERANCE:
            problems.append(f"fill {name} of {order_id}: {expected} dollars moved, {paid} booked")
    booked = session.scalar(
        select(func.count(posting.entry_id.distinct())).where(
            posting.account_id == account_id, posting.kind.in_(("buy", "sell"))
        )
    )
    if booked != len(rows):
        problems.append(f"{len(rows)} fills, but {booked} purchases and sales are booked")
    return problems


def _orders(session: Session, account_id: int) -> list[str]:
    """Each order against its fills; after a split of its ticker these no longer count in its shares."""
    posting, fill, order = models.Posting, models.Fill, models.Order
    split = select(posting.ticker).where(posting.account_id == account_id, posting.kind == "split")
    filled = func.coalesce(order.detail["filled"].as_integer(), 0)
    traded = func.coalesce(func.sum(fill.quantity), 0)
    rows = session.execute(
        select(order.id, order.quantity, filled, traded)
        .outerjoin(fill, fill.order_id == order.id)
        .where(order.account_id == account_id)
        .group_by(order.id)
        .having((filled > order.quantity) | (order.ticker.not_in(split) & (traded != filled)))
        .order_by(order.id)
    ).all()
    return [
        f"order {name}: {done} of {quantity:,.0f} shares filled, its fills are {total:,.0f}"
        for name, quantity, done, total in rows
    ]


def _open_sales(session: Session, account_id: int, books: Books) -> list[str]:
    """No sale is open for more than is held or is about to be bought at the market."""
    order = models.Order
    left = order.quantity - order.detail["filled"].as_integer()
    rows = session.execute(
        select(order.id, order.ticker, order.side, order.type, left)
        .where(order.account_id == account_id, order.status == "open")
        .order_by(order.id)
    ).all()
    backed = Counter({ticker: books.quantity(ticker) for ticker in books.lots})
    for row in rows:
        if row.side == "buy" and row.type == "market":
            backed[row.ticker] += int(row[4])
    return [
        f"open sale {row.id}: {row[4]} {row.ticker} to sell, {backed[row.ticker]} held"
        for row in rows
        if row.side == "sell" and row[4] > backed[row.ticker]
    ]


def _mark(session: Session, account_id: int, books: Books) -> list[str]:
    mark = session.scalars(
        select(models.AccountMark)
        .where(models.AccountMark.account_id == account_id)
        .order_by(models.AccountMark.session.desc())
        .limit(1)
    ).first()
    if mark is None:
        return []
    query = select(models.PositionMark.ticker, models.PositionMark.price).where(
        models.PositionMark.account_id == account_id
    )
    prices = dict(session.execute(query).all())
    unpriced = sorted(books.lots.keys() - prices.keys())
    if unpriced:
        return [f"{unpriced[0]} is held but has no last price"]
    worth = sum((books.quantity(ticker) * prices[ticker] for ticker in books.lots), Decimal(0))
    expected = books.cash + books.receivable + worth
    problems = []
    if abs(expected - mark.equity) > TOLERANCE:
        problems.append(f"equity of {mark.session} is stored as {mark.equity}, the books say {expected}")
    if mark.cash != books.cash:
        problems.append(f"cash of {mark.session} is stored as {mark.cash}, the books say {books.cash}")
    return problems
