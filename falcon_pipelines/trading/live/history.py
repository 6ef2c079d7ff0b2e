"""The bars a strategy decides on: stored ones, continued by the live minutes that are not stored yet."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import midnight, next_session, sessions
from falcon_pipelines.bars.panel import FIELDS, Panel, session_of
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.models import LiveBar
from falcon_pipelines.errors import FalconError
from falcon_pipelines.strategies.spec import Spec
from falcon_pipelines.strategies.timeframes import MINUTES, at_timeframe
from falcon_pipelines.strategies.universe import universe_tickers
from falcon_pipelines.strategies.warm_up import entry_warm_up

SESSION_MINUTES = 390
SETTLING = 3
"""So many times its warm-up is read for intraday strategies: recursive indicators forget their start slowly."""


class SessionsMissing(FalconError):
    """Sessions between the stored and the live bars are in neither: a signal would be computed over a hole."""


class DecisionBars:
    """The bars of one spec. What is stored of the days before is read once for each data version and day."""

    def __init__(self, spec: Spec, store: BarStore) -> None:
        self.spec = spec
        self.store = store
        self._key: tuple[str, date] | None = None
        self._tickers: tuple[str, ...] = ()
        self._stored: Panel | None = None

    def tickers(self, today: date) -> tuple[str, ...]:
        """The universe of the spec. Raises the errors of the bar store."""
        self._read(today)
        return self._tickers

    def panel(self, session: Session, today: date, cursor: int) -> Panel:
        """Complete bars of the spec's timeframe with the live ones that arrived up to `cursor`.

        Adjusted as of `today`, so that the newest prices are those that are traded. Raises SessionsMissing.
        """
        self._read(today)
        stored = self._stored
        last = None if stored is None else session_of(stored.timestamps[-1])
        since = midnight(next_session(last)) if last else midnight(today) - timedelta(days=10)
        live = live_minutes(session, self._tickers, since, cursor)
        if live is None:
            if stored is None:
                raise SessionsMissing(f"{self.spec.name}: there are neither stored nor live bars")
            return stored
        found = {day.astype(object) for day in np.unique(live.timestamps.astype("datetime64[D]"))}
        if last is not None:
            newest = max(found)
            missing = [day for day in sessions(next_session(last), newest) if day not in found]
            if missing:
                raise SessionsMissing(
                    f"{self.spec.name}: no bars of {missing[0]}, neither stored nor live; ingest that session"
                )
        if stored is None or stored.frequency == "minute":
            whole = live if stored is None else _joined(stored, live)
            return at_timeframe(whole, self.spec.timeframe)
        return _joined(stored, at_timeframe(live, "day"))

    def _read(self, today: date) -> None:
        version = self.store.current_version()
        if self._key == (version, today):
            return
        self._tickers, since = universe_tickers(self.spec, self.store, version)
        read = self._days if self.spec.timeframe == "day" else self._minutes
        self._stored = read(today, version, since)
        self._key = (version, today)

    def _days(self, today: date, version: str, since: date | None) -> Panel | None:
        stored = self.store.sessions("day", version)
        known = [day for day in stored if day < today and (since is None or day >= since)]
        if not known:
            return None
        return self.store.panel(
            self._tickers, known[0], known[-1], adjust="all", as_of=today, version=version
        )

    def _minutes(self, today: date, version: str, since: date | None) -> Panel | None:
        bars = entry_warm_up(self.spec) * SETTLING
        wanted = 2 + bars * MINUTES[self.spec.timeframe] // SESSION_MINUTES
        stored = self.store.sessions("minute", version)
        known = [day for day in stored if day < today and (since is None or day >= since)][-wanted:]
        if not known:
            return None
        return self.store.panel(
            self._tickers, known[0], known[-1], adjust="all", as_of=today, version=version, frequency="minute"
        )


def live_minutes(session: Session, tickers: Sequence[str], since: datetime, cursor: int) -> Panel | None:
    """The newest revision of each live bar from `since` on that arrived up to `cursor`; None without any."""
    bar = LiveBar
    rows = session.execute(
        select(bar.starts_at, bar.ticker, *(getattr(bar, name) for name in FIELDS))
        .where(bar.ticker.in_(tickers), bar.starts_at >= since, bar.sequence <= cursor)
        .order_by(bar.ticker, bar.starts_at, bar.revision.desc())
        .distinct(bar.ticker, bar.starts_at)
    ).all()
    if not rows:
        return None
    times = sorted({row[0] for row in rows})
    place = {time: number for number, time in enumerate(times)}
    column = {ticker: number for number, ticker in enumerate(tickers)}
    values = np.full((len(FIELDS), len(times), len(tickers)), np.nan)
    for time, ticker, *prices in rows:
        values[:, place[time], column[ticker]] = [float(price) for price in prices]
    stamps = np.array([time.astimezone(UTC).replace(tzinfo=None) for time in times], "datetime64[ns]")
    return Panel(stamps, tuple(tickers), dict(zip(FIELDS, values, strict=True)), "minute", "live")


def _joined(stored: Panel, live: Panel) -> Panel:
    """Stored bars followed by the live ones after them, of the same tickers."""
    rows = live.rows(int(np.searchsorted(live.timestamps, stored.timestamps[-1], side="right")), len(live))
    return replace(
        stored,
        timestamps=np.concatenate([stored.timestamps, rows.timestamps]),
        fields={name: np.concatenate([stored[name], rows[name]]) for name in stored.fields},
    )
