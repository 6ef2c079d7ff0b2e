"""What happened on paper, read from the books: orders, fills, positions, equity, performance, the day's report."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import dagster as dg
from sqlalchemy import func, select

from falcon_pipelines.assets.market_data import OWNERS, columns
from falcon_pipelines.assets.trading import GROUP
from falcon_pipelines.db import models
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database

_SHOWN = 25
_BOOKS: dict[str, Any] = {"group_name": GROUP, "owners": OWNERS, "kinds": {"postgres"}, "code_version": "1"}


def _table(heading: Sequence[str], rows: Sequence[Sequence[object]]) -> dg.MetadataValue:
    lines = ["| " + " | ".join(heading) + " |", "|" + " --- |" * len(heading)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return dg.MetadataValue.md("\n".join(lines))


def _result(
    count: int, heading: Sequence[str], rows: Sequence[Sequence[object]], **more: Any
) -> dg.MaterializeResult:
    return dg.MaterializeResult(
        metadata={"dagster/row_count": count, "newest": _table(heading, rows), **more}
    )


@dg.asset(
    deps=[dg.AssetKey("paper_trades")],
    **_BOOKS,
    metadata=columns(order="string", account="string", ticker="string", status="string"),
    description="Every order that was meant, with what became of it; the newest are shown.",
)
def orders_intended(database: Database) -> dg.MaterializeResult:
    """Reads orders and counts them by status."""
    order = models.Order
    with database.transaction() as session:
        by_status: Mapping[str, int] = dict(
            session.execute(select(order.status, func.count()).group_by(order.status)).all()
        )
        rows = session.execute(
            select(
                order.submitted_at,
                models.Account.name,
                order.id,
                order.side,
                order.ticker,
                order.status,
                order.reason,
            )
            .join(models.Account, order.account_id == models.Account.id)
            .where(order.parent_id.is_(None))
            .order_by(order.submitted_at.desc(), order.id)
            .limit(_SHOWN)
        ).all()
    heading = ("at", "account", "order", "side", "ticker", "status", "reason")
    lines = [(f"{row[0]:%Y-%m-%dT%H:%MZ}", *row[1:6], row[6] or "") for row in rows]
    return _result(sum(by_status.values()), heading, lines, by_status=dg.MetadataValue.json(dict(by_status)))


@dg.asset(
    deps=[orders_intended],
    **_BOOKS,
    metadata=columns(fill="string", ticker="string", quantity="numeric", price="numeric"),
    description="Every fill; the newest are shown.",
)
def fills(database: Database) -> dg.MaterializeResult:
    """Reads fills."""
    fill, order = models.Fill, models.Order
    with database.transaction() as session:
        count = session.scalar(select(func.count()).select_from(fill)) or 0
        rows = session.execute(
            select(
                fill.filled_at,
                models.Account.name,
                order.side,
                fill.quantity,
                order.ticker,
                fill.price,
                fill.flags,
            )
            .join(order, fill.order_id == order.id)
            .join(models.Account, order.account_id == models.Account.id)
            .order_by(fill.filled_at.desc(), fill.id)
            .limit(_SHOWN)
        ).all()
    heading = ("bar", "account", "side", "quantity", "ticker", "price", "flags")
    lines = [
        (f"{time:%Y-%m-%dT%H:%MZ}", name, side, f"{quantity:,.0f}", ticker, f"{price:,.4f}", ", ".join(flags))
        for time, name, side, quantity, ticker, price, flags in rows
    ]
    return _result(count, heading, lines)


@dg.asset(
    deps=[fills],
    **_BOOKS,
    metadata=columns(account="string", ticker="string", quantity="numeric", priced_at="timestamptz"),
    description="What is held, at its last price and the time of that.",
)
def positions(database: Database) -> dg.MaterializeResult:
    """Reads the positions that follow from the postings."""
    posting, mark = models.Posting, models.PositionMark
    with database.transaction() as session:
        shares = func.sum(posting.quantity)
        rows = session.execute(
            select(
                models.Account.name,
                posting.ticker,
                shares,
                func.sum(posting.amount),
                mark.price,
                mark.priced_at,
            )
            .join(models.Account, posting.account_id == models.Account.id)
            .outerjoin(mark, (mark.account_id == posting.account_id) & (mark.ticker == posting.ticker))
            .where(posting.ledger == "securities")
            .group_by(models.Account.name, posting.ticker, mark.price, mark.priced_at)
            .having(shares > 0)
            .order_by(models.Account.name, posting.ticker)
        ).all()
    heading = ("account", "ticker", "quantity", "cost", "price", "priced at")
    lines = [
        (
            *(name, ticker, f"{quantity:,.0f}", f"{cost:,.2f}"),
            "—" if price is None else f"{price:,.4f}",
            "—" if at is None else f"{at:%Y-%m-%dT%H:%MZ}",
        )
        for name, ticker, quantity, cost, price, at in rows
    ]
    return _result(len(lines), heading, lines)


@dg.asset(
    deps=[fills],
    **_BOOKS,
    metadata=columns(account="string", session="date", equity="numeric"),
    description="Equity of every account at the end of each session; the newest of each is shown.",
)
def equity(database: Database) -> dg.MaterializeResult:
    """Reads the marks of the accounts."""
    mark = models.AccountMark
    with database.transaction() as session:
        count = session.scalar(select(func.count()).select_from(mark)) or 0
        rows = session.execute(
            select(
                models.Account.name, mark.session, mark.equity, mark.cash, mark.market_value, mark.receivable
            )
            .join(models.Account, mark.account_id == models.Account.id)
            .order_by(models.Account.name, mark.session.desc())
            .distinct(models.Account.name)
        ).all()
    heading = ("account", "session", "equity", "cash", "invested", "receivable")
    return _result(count, heading, [(*row[:2], *(f"{value:,.2f}" for value in row[2:])) for row in rows])


@dg.asset(
    deps=[fills],
    **_BOOKS,
    metadata=columns(dimension="string", name="string", exits="int", realised="numeric"),
    description="Realised profit by strategy, source, screening profile and video.",
)
def performance(database: Database) -> dg.MaterializeResult:
    """Attributes every sale to whose idea the purchase was."""
    from falcon_pipelines.trading.performance import deals
    from falcon_pipelines.trading.performance import performance as by_dimension

    with database.transaction() as session:
        groups = by_dimension(deals(session))
    heading = ("by", "name", "entries", "exits", "hit rate", "realised", "fees")
    lines = [
        (
            *(group.dimension, group.name, group.entries, group.exits),
            "—" if group.hit_rate is None else f"{group.hit_rate:.0%} of {group.exits}",
            f"{group.realised:,.2f}",
            f"{group.fees:,.2f}",
        )
        for group in groups
    ]
    return _result(len(lines), heading, lines)


@dg.asset(
    deps=[dg.AssetKey("screen_candidates"), dg.AssetKey("day_bars")],
    **_BOOKS,
    metadata=columns(ticker="string", rule="string", outcome="string", outcome_return="float"),
    description="Candidates that were not bought, why, and what they would have made.",
)
def skipped_trades(bars: Bars, database: Database) -> dg.MaterializeResult:
    """Scores those whose horizon is over."""
    from falcon_pipelines.trading.skip_scores import score_skipped, summary

    with database.transaction() as session:
        scored = score_skipped(session, bars.reader())
        rows = session.scalars(select(models.SkippedTrade)).all()
        by_rule = summary(rows)
        count = len(rows)
    lines = [(rule, n, "—" if mean is None else f"{mean:+.2%}") for rule, (n, mean) in by_rule.items()]
    return _result(count, ("refused by", "scored", "mean return"), lines, scored_now=scored)


@dg.asset(
    deps=[fills],
    **_BOOKS,
    metadata=columns(account="string", problem="string"),
    description="Every account's books proved from the database, each night; a break halts its entries.",
)
def reconciliation(database: Database) -> dg.MaterializeResult:
    """Proves the books; what does not hold is told, and halts entries until acknowledged."""
    from falcon_pipelines.trading.reconciliation import halt_broken

    broken = {name: list(problems) for name, problems in halt_broken(database.engine).items()}
    with database.transaction() as session:
        accounts = session.scalar(select(func.count()).select_from(models.Account)) or 0
    return dg.MaterializeResult(
        metadata={"dagster/row_count": accounts, "broken": dg.MetadataValue.json(broken)}
    )


@dg.asset(
    deps=[fills],
    **_BOOKS,
    metadata=columns(account="string", kind="string", ticker="string", amount="numeric"),
    description="Splits, dividends and delistings that the accounts lived through; the trader applies them before the open.",
)
def corporate_actions_lived(database: Database) -> dg.MaterializeResult:
    """Reads the postings of corporate actions."""
    posting = models.Posting
    kinds = ("split", "cash_in_lieu", "dividend", "payment", "delisting")
    with database.transaction() as session:
        rows = session.execute(
            select(
                posting.booked_at,
                models.Account.name,
                posting.kind,
                posting.ticker,
                posting.amount,
                posting.quantity,
            )
            .join(models.Account, posting.account_id == models.Account.id)
            .where(posting.kind.in_(kinds), posting.ledger.in_(("securities", "receivable")))
            .order_by(posting.booked_at.desc(), posting.account_id, posting.number)
        ).all()
    heading = ("at", "account", "kind", "ticker", "amount", "shares")
    lines = [
        (
            f"{time:%Y-%m-%d}",
            name,
            kind,
            ticker,
            f"{amount:,.2f}",
            "" if quantity is None else f"{quantity:,.0f}",
        )
        for time, name, kind, ticker, amount, quantity in rows[:_SHOWN]
    ]
    return _result(len(rows), heading, lines)


class ReportConfig(dg.Config):
    """The session to report on, as 2026-11-02; default: the newest one."""

    session: str | None = None


@dg.asset(
    deps=[reconciliation, equity, performance, positions, skipped_trades],
    **_BOOKS,
    metadata=columns(session="date", report="string"),
    description="The day's report, shown here and sent once as the daily digest.",
)
def daily_report(config: ReportConfig, database: Database) -> dg.MaterializeResult:
    """Writes the report of the newest session."""
    from falcon_pipelines.trading.daily_report import daily_report as write
    from falcon_pipelines.trading.daily_report import newest_day, send_report

    with database.transaction() as session:
        day = date.fromisoformat(config.session) if config.session else newest_day(session)
        if day is None:
            return dg.MaterializeResult(
                metadata={"report": dg.MetadataValue.md("No account has traded yet.")}
            )
        report = write(session, day)
        sent = send_report(session, day, report)
    return dg.MaterializeResult(
        metadata={"report": dg.MetadataValue.md(report), "session": str(day), "put_in_outbox": sent}
    )


BOOK_ASSETS = (
    orders_intended,
    fills,
    positions,
    equity,
    performance,
    skipped_trades,
    reconciliation,
    corporate_actions_lived,
    daily_report,
)
