"""The paper account: orders, fills and double-entry postings. Positions, cash and profit are derived."""

from datetime import date
from decimal import Decimal
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Index, Numeric, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from falcon_pipelines.db.models.base import Base, Created, Moment, Money, Price, Shares


class Account(Base):
    """A paper account; one per strategy on paper. A reset opens a new one."""

    __tablename__ = "accounts"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(unique=True)
    spec_id: Mapped[int | None] = mapped_column(ForeignKey("strategy_specs.id"))
    synthetic: Mapped[bool] = mapped_column(comment="trades synthetic bars")
    opened_at: Mapped[Moment]
    closed_at: Mapped[Moment | None]
    cursor: Mapped[Moment | None] = mapped_column(comment="timestamp of the last bar that was worked through")
    live_sequence: Mapped[int | None] = mapped_column(
        BigInteger, comment="last live bar worked through; null for an account that trades stored bars"
    )
    broker: Mapped[str] = mapped_column(default="paper", comment="who fills its orders: paper, alpaca")
    rules: Mapped[dict[str, Any]] = mapped_column(JSONB, default=dict, comment="costs and limits")
    memory: Mapped[dict[str, Any]] = mapped_column(
        JSONB,
        default=dict,
        comment="what risk control remembers: peak, start of the day, cooldowns, stop exits",
    )


class Order(Base):
    """An intention to trade; its fills say what came of it."""

    __tablename__ = "orders"
    __table_args__ = (
        CheckConstraint("side IN ('buy', 'sell')", name="side"),
        CheckConstraint("quantity >= 0", name="quantity_not_negative"),
        Index("ix_orders_account", "account_id", "status"),
        Index("ix_orders_newest", "account_id", "submitted_at", "id"),
        Index("ix_orders_ticker", "account_id", "ticker"),
    )

    id: Mapped[str] = mapped_column(primary_key=True, comment="client order id, derived from the intent")
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    ticker: Mapped[str]
    side: Mapped[str]
    type: Mapped[str] = mapped_column(comment="market, limit, stop, stop_limit, trailing")
    quantity: Mapped[Shares] = mapped_column(comment="0 while a sizing rule has not decided it")
    limit: Mapped[Price | None] = mapped_column("limit_price")
    stop: Mapped[Price | None] = mapped_column("stop_price")
    trail_pct: Mapped[Decimal | None] = mapped_column(Numeric(10, 4))
    parent_id: Mapped[str | None] = mapped_column(ForeignKey("orders.id"))
    role: Mapped[str] = mapped_column(default="order", comment="order, stop, trail, target, partial, time")
    due: Mapped[date | None] = mapped_column(comment="session of a scheduled exit")
    status: Mapped[str] = mapped_column(comment="submitted, open, filled, cancelled, rejected")
    reason: Mapped[str | None]
    submitted_at: Mapped[Moment] = mapped_column(comment="acts on the first bar that starts then or later")
    sequence: Mapped[int] = mapped_column(default=0, comment="order of arrival in the account")
    detail: Mapped[dict[str, Any]] = mapped_column(
        JSONB,
        default=dict,
        comment="what matching remembers, in today's shares: filled, best, protection, ...",
    )
    created_at: Mapped[Created]


class Fill(Base):
    """A trade at a price on one bar."""

    __tablename__ = "fills"
    __table_args__ = (Index("ix_fills_account", "account_id", "filled_at", "id"),)

    id: Mapped[str] = mapped_column(primary_key=True, comment="hash of order, bar and sequence")
    account_id: Mapped[int | None] = mapped_column(
        comment="its order's, set by a trigger: so that an account's newest fills are found at once"
    )
    order_id: Mapped[str] = mapped_column(ForeignKey("orders.id"), index=True)
    quantity: Mapped[Shares]
    price: Mapped[Price]
    fee: Mapped[Money]
    filled_at: Mapped[Moment] = mapped_column(index=True, comment="start of the bar it was filled on")
    flags: Mapped[list[Any]] = mapped_column(JSONB)
    created_at: Mapped[Created]


class Posting(Base):
    """One leg of a double entry; the amounts of an entry sum to zero."""

    __tablename__ = "postings"
    __table_args__ = (
        Index("ix_postings_account", "account_id", "ledger"),
        Index("ix_postings_order", "account_id", "number", "leg", unique=True),
        Index(
            "ix_postings_ticker",
            "account_id",
            "ticker",
            "number",
            postgresql_where=text("ledger = 'securities'"),
        ),
    )

    entry_id: Mapped[UUID] = mapped_column(primary_key=True)
    leg: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    number: Mapped[int] = mapped_column(comment="of the entry, from 0 in each account")
    kind: Mapped[str] = mapped_column(comment="deposit, buy, sell, settlement, split, dividend, ...")
    ledger: Mapped[str] = mapped_column(
        comment="cash, unsettled, securities, receivable, capital, realised, dividends"
    )
    ticker: Mapped[str | None]
    amount: Mapped[Money]
    quantity: Mapped[Shares | None] = mapped_column(comment="shares moved, on a securities leg")
    fill_id: Mapped[str | None] = mapped_column(ForeignKey("fills.id"), index=True)
    booked_at: Mapped[Moment]
    settles_on: Mapped[date | None]


class PositionTotal(Base):
    """Sums of the securities postings of a ticker, so that a page need not add up years of them.

    A trigger on `postings` keeps them in the same transaction; 0 shares where nothing is held any more.
    """

    __tablename__ = "position_totals"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id", ondelete="CASCADE"), primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    quantity: Mapped[Shares]
    cost: Mapped[Money]


class AccountHalt(Base):
    """A time in which an account made no entries. Exits always run."""

    __tablename__ = "account_halts"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(
        primary_key=True, comment="paused, daily_loss, drawdown, stop_guard, reconciliation"
    )
    since: Mapped[Moment] = mapped_column(primary_key=True)
    until: Mapped[Moment | None]
    reason: Mapped[str]


class OperatorCommand(Base):
    """What a person told an account to do; the trader does it on the next bar and writes what came of it."""

    __tablename__ = "operator_commands"
    __table_args__ = (
        CheckConstraint(
            "command IN ('pause', 'resume', 'close', 'flatten', 'cancel', 'edit_stop', 'acknowledge')",
            name="command",
        ),
        Index("ix_operator_commands_waiting", "account_id", "applied_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"))
    request_key: Mapped[str | None] = mapped_column(unique=True, comment="the same press has the same key")
    command: Mapped[str]
    target: Mapped[str | None] = mapped_column(comment="ticker to close, or order to cancel or edit")
    stop: Mapped[Price | None] = mapped_column("stop_price")
    requested_by: Mapped[str]
    requested_at: Mapped[Created]
    applied_at: Mapped[Moment | None] = mapped_column(comment="timestamp of the bar on which it took effect")
    result: Mapped[str | None] = mapped_column(comment="done, or why it was refused")


class AccountMark(Base):
    """Equity at the close of a session, derived from postings and bars; can be rebuilt from them."""

    __tablename__ = "account_marks"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    session: Mapped[date] = mapped_column(primary_key=True)
    cash: Mapped[Money]
    market_value: Mapped[Money]
    receivable: Mapped[Money]
    equity: Mapped[Money]
    benchmark: Mapped[Money | None] = mapped_column(comment="the same start held in the benchmark")


class PositionMark(Base):
    """Last known price of a held ticker, so that a page can value a position; can be rebuilt."""

    __tablename__ = "position_marks"

    account_id: Mapped[int] = mapped_column(ForeignKey("accounts.id"), primary_key=True)
    ticker: Mapped[str] = mapped_column(primary_key=True)
    price: Mapped[Price]
    priced_at: Mapped[Moment]


class SkippedTrade(Base):
    """A candidate that was not bought, why, and what it did afterwards."""

    __tablename__ = "skipped_trades"
    __table_args__ = (
        UniqueConstraint("session", "ticker"),
        CheckConstraint("outcome IN ('stop', 'target', 'open', 'no_entry', 'no_bars')", name="outcome"),
        Index("ix_skipped_trades_unscored", "session", postgresql_where=text("scored_at IS NULL")),
        Index("ix_skipped_trades_skipped_at", "skipped_at"),
    )

    id: Mapped[int] = mapped_column(primary_key=True)
    session: Mapped[date] = mapped_column(comment="whose close it was screened on")
    ticker: Mapped[str] = mapped_column(index=True)
    profiles: Mapped[list[Any]] = mapped_column(JSONB, comment="names of the profiles that picked it")
    strategy: Mapped[str | None] = mapped_column(comment="the strategy it was routed to")
    account_id: Mapped[int | None] = mapped_column(ForeignKey("accounts.id"))
    rule: Mapped[str] = mapped_column(
        comment="age, price, stop_distance, confidence, routing, held, risk, ..."
    )
    reason: Mapped[str]
    skipped_at: Mapped[Moment]
    close: Mapped[Price] = mapped_column(comment="when it was screened")
    entry_low: Mapped[Price]
    entry_high: Mapped[Price]
    stop: Mapped[Price]
    target: Mapped[Price]
    confidence: Mapped[Decimal | None]
    scored_at: Mapped[Moment | None]
    scored_through: Mapped[date | None] = mapped_column(comment="last session of the score")
    outcome: Mapped[str | None] = mapped_column(comment="stop, target, open, no_entry, no_bars")
    entry_price: Mapped[Price | None] = mapped_column(comment="open of the next session, had it been bought")
    exit_price: Mapped[Price | None]
    outcome_return: Mapped[float | None] = mapped_column(comment="of the trade not made, 0.05 for 5 %")


class NotificationDelivery(Base):
    """How far a notification has come on the way to one receiver; the receiver's address is not kept."""

    __tablename__ = "notification_deliveries"

    notification_id: Mapped[int] = mapped_column(ForeignKey("notifications.id"), primary_key=True)
    receiver: Mapped[str] = mapped_column(primary_key=True, comment="kind of service and a digest of its URL")
    attempts: Mapped[int] = mapped_column(default=0)
    attempted_at: Mapped[Moment | None] = mapped_column(comment="written before it is sent")
    sent_at: Mapped[Moment | None] = mapped_column(comment="written after the receiver took it")
