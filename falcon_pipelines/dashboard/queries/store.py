"""What compute reported of the bar store: sizes, why lines are in quarantine, revisions, corporate actions."""

from datetime import date, datetime

from sqlalchemy import select, tuple_
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.cursors import Cursor, whole_number
from falcon_pipelines.dashboard.queries.tickers import is_ticker
from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.models import CorporateActionRow, DiskUsage, ManifestEntry, QuarantineCount

FREE = "free"
"""The area that is not the store's: what the disk has left."""


class Area(Value):
    """One part of the bar store on a node's disk; `free` is what the disk has left."""

    node: str
    area: str
    files: int
    bytes: int
    measured_at: datetime


class QuarantineRow(Value):
    """Lines of one session's file that broke one rule, and the first of them."""

    frequency: str
    session: date
    revision: int
    rule: str
    lines: int
    example_line: int
    example: str


class RevisionRow(Value):
    """A session whose source file was replaced: what the newest revision has against the one before."""

    frequency: str
    session: date
    revision: int
    rows: int
    rows_before: int | None
    source: str
    added_at: datetime


class ActionRow(Value):
    """A split, dividend or delisting; `ratio` is new shares per old, `amount` US dollars per share."""

    ticker: str
    kind: str
    ex_date: date
    ratio: float | None
    amount: float | None
    pay_date: date | None


def disk_usage(session: Session) -> list[Area]:
    """Every reported area, the largest first; free space last."""
    rows = session.scalars(
        select(DiskUsage).order_by(DiskUsage.node, DiskUsage.area == FREE, DiskUsage.bytes.desc())
    )
    return [
        Area(node=row.node, area=row.area, files=row.files, bytes=row.bytes, measured_at=row.measured_at)
        for row in rows
    ]


QuarantinePlace = tuple[date, str, int, str]


def quarantine(
    session: Session, *, after: QuarantinePlace | None = None, limit: int = 50
) -> Page[QuarantineRow]:
    """Why lines were refused, the newest sessions first."""
    place = (
        QuarantineCount.session,
        QuarantineCount.frequency,
        QuarantineCount.revision,
        QuarantineCount.rule,
    )
    query = select(QuarantineCount).order_by(*(part.desc() for part in place)).limit(limit + 1)
    if after is not None:
        query = query.where(tuple_(*place) < after)
    rows = session.scalars(query).all()
    items = [
        QuarantineRow(
            frequency=row.frequency,
            session=row.session,
            revision=row.revision,
            rule=row.rule,
            lines=row.lines,
            example_line=row.example_line,
            example=row.example,
        )
        for row in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    return Page(items=items, next=None if last is None else quarantine_cursor(last))


def quarantine_cursor(row: QuarantineRow) -> str:
    """Where a page of the quarantine ends."""
    return str(Cursor(at=_midnight(row.session), id=f"{row.frequency} {row.revision} {row.rule}"))


def parsed_quarantine_cursor(cursor: Cursor | None) -> QuarantinePlace | None:
    """What `quarantine_cursor` wrote. Raises InvalidCursor."""
    if cursor is None:
        return None
    frequency, _, rest = cursor.id.partition(" ")
    revision, _, rule = rest.partition(" ")
    return cursor.at.date(), frequency, min(whole_number(revision), 2**31 - 1), rule


def revisions(session: Session, *, before: int | None = None, limit: int = 50) -> Page[RevisionRow]:
    """Replaced sessions, the newest replacement first; `before` is the number that a page ended with."""
    newer_query = (
        select(ManifestEntry)
        .where(ManifestEntry.kind == "bars", ManifestEntry.revision > 1)
        .order_by(ManifestEntry.seq.desc())
        .limit(limit + 1)
    )
    if before is not None:
        newer_query = newer_query.where(ManifestEntry.seq < before)
    newer = newer_query.subquery()
    rows_before = (
        select(ManifestEntry.rows)
        .where(
            ManifestEntry.kind == "bars",
            ManifestEntry.frequency == newer.c.frequency,
            ManifestEntry.session == newer.c.session,
            ManifestEntry.revision == newer.c.revision - 1,
        )
        .limit(1)
        .scalar_subquery()
    )
    rows = session.execute(select(newer, rows_before.label("rows_before")).order_by(newer.c.seq.desc())).all()
    items = [
        RevisionRow(
            frequency=row.frequency,
            session=row.session,
            revision=row.revision,
            rows=row.rows,
            rows_before=row.rows_before,
            source=row.source,
            added_at=row.created_at,
        )
        for row in rows[:limit]
    ]
    return Page(items=items, next=str(rows[limit - 1].seq) if len(rows) > limit else None)


def corporate_actions(
    session: Session,
    *,
    ticker: str | None = None,
    after: tuple[date, str, str] | None = None,
    limit: int = 50,
) -> Page[ActionRow]:
    """Corporate actions, newest ex-date first."""
    key = tuple_(CorporateActionRow.ex_date, CorporateActionRow.ticker, CorporateActionRow.kind)
    query = (
        select(CorporateActionRow)
        .order_by(
            CorporateActionRow.ex_date.desc(),
            CorporateActionRow.ticker.desc(),
            CorporateActionRow.kind.desc(),
        )
        .limit(limit + 1)
    )
    if ticker is not None:
        query = query.where(is_ticker(CorporateActionRow.ticker, ticker))
    if after is not None:
        query = query.where(key < after)
    rows = session.scalars(query).all()
    items = [
        ActionRow(
            ticker=row.ticker,
            kind=row.kind,
            ex_date=row.ex_date,
            ratio=row.ratio,
            amount=row.amount,
            pay_date=row.pay_date,
        )
        for row in rows[:limit]
    ]
    last = items[-1] if len(rows) > limit else None
    return Page(items=items, next=None if last is None else action_cursor(last))


def action_cursor(row: ActionRow) -> str:
    """Where a page of actions ends."""
    return str(Cursor(at=_midnight(row.ex_date), id=f"{row.ticker} {row.kind}"))


def parsed_action_cursor(cursor: Cursor | None) -> tuple[date, str, str] | None:
    """What `action_cursor` wrote."""
    if cursor is None:
        return None
    ticker, _, kind = cursor.id.rpartition(" ")
    return cursor.at.date(), ticker, kind


def _midnight(day: date) -> datetime:
    return datetime.fromisoformat(f"{day}T00:00:00+00:00")
