"""The bars that the dashboard draws: of tickers picked lately or held, and of what accounts are compared with.

One row a ticker, renewed as bars are added.
"""

import contextlib
from collections.abc import Collection, Iterator
from datetime import UTC, date, datetime, timedelta

import numpy as np
from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.bars.panel import FIELDS, Panel, session_of
from falcon_pipelines.bars.store import BarStore, UnknownTicker
from falcon_pipelines.db.models import AccountMark, PositionMark, PriceChart, ScreenPick, ScreenRun

SESSIONS = 252
RENEWED_DAYS = 45
"""How long after it was picked a ticker's chart is renewed."""
MOST = 1000


def tickers_to_draw(session: Session, version: str) -> set[str]:
    """Tickers picked in the last weeks before the newest screen, or held, whose chart is not of this data version."""
    drawn = set(session.scalars(select(PriceChart.ticker).where(PriceChart.data_version == version)))
    return _charted_tickers(session) - drawn


def renew_charts(session: Session, store: BarStore, tickers: Collection[str]) -> int:
    """Write the newest bars of these tickers, adjusted as of the newest session; how many were written.

    A ticker the store does not know is left out. In the caller's transaction. Raises the store's errors.
    """
    version = store.current_version()
    known = store.sessions("day", version)
    if not known or not tickers:
        return 0
    return _draw(session, store, sorted(tickers), known[-SESSIONS:][0], known[-1], version)


def renew_benchmark(session: Session, store: BarStore, ticker: str) -> int:
    """Write the bars of what paper accounts are compared with, from before the first close of any account on.

    Nothing is done where they are of this data version already or the store does not know the ticker; how many
    were written. In the caller's transaction. Raises the store's errors.
    """
    version = store.current_version()
    known = store.sessions("day", version)
    drawn = select(PriceChart.data_version).where(PriceChart.ticker == ticker)
    if not known or session.scalar(drawn) == version:
        return 0
    first_close = session.scalar(select(func.min(AccountMark.session)))
    earlier = [day for day in known if first_close is None or day < first_close]
    first = min(known[-SESSIONS:][0], (earlier or known)[-1])
    return _draw(session, store, [ticker], first, known[-1], version)


def _draw(
    session: Session, store: BarStore, tickers: list[str], first: date, last: date, version: str
) -> int:
    written = 0
    for panel in _panels(store, tickers, first, last, version):
        days = [session_of(moment).isoformat() for moment in panel.timestamps]
        values = np.stack([panel[name] for name in FIELDS], axis=2)
        for column, ticker in enumerate(panel.tickers):
            present = ~np.isnan(values[:, column]).any(axis=1)
            bars = [
                [days[row], *(round(float(value), 6) for value in values[row, column])]
                for row in np.flatnonzero(present)
            ]
            if bars:
                _write(session, ticker, panel, bars)
                written += 1
    return written


def _charted_tickers(session: Session) -> set[str]:
    held = set(session.scalars(select(PositionMark.ticker)))
    newest = session.scalar(select(func.max(ScreenRun.session)))
    if newest is None:
        return held
    picked = session.scalars(
        select(ScreenPick.ticker)
        .join(ScreenRun)
        .where(ScreenRun.session >= newest - timedelta(days=RENEWED_DAYS))
        .group_by(ScreenPick.ticker)
        .order_by(func.max(ScreenRun.id).desc())
        .limit(MOST)
    )
    return held | set(picked)


def _panels(store: BarStore, tickers: list[str], first: date, last: date, version: str) -> Iterator[Panel]:
    """All tickers at once; one by one where the store does not know one of them."""

    def read(names: list[str]) -> Panel:
        return store.panel(names, first, last, adjust="all", as_of=last, version=version)

    try:
        yield read(tickers)
    except UnknownTicker:
        for ticker in tickers:
            with contextlib.suppress(UnknownTicker):
                yield read([ticker])


def _write(session: Session, ticker: str, panel: Panel, bars: list[list[object]]) -> None:
    row = {
        "synthetic": panel.synthetic,
        "data_version": panel.version,
        "as_of": panel.as_of,
        "bars": bars,
        "updated_at": datetime.now(UTC),
    }
    statement = insert(PriceChart).values(ticker=ticker, **row)
    session.execute(statement.on_conflict_do_update(index_elements=["ticker"], set_=row))
