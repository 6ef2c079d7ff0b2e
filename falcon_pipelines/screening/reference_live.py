"""Sources that know only the present: what they say is kept by day, so that a run can be made again on the same."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

import polars as pl

from falcon_pipelines.bars.calendar import NEW_YORK
from falcon_pipelines.screening.market import Reference
from falcon_pipelines.screening.reference import (
    SnapshotMissing,
    newest_snapshot,
    reference_of,
    save_snapshot,
)

OLDEST_DAYS = 7


class Fetcher(Protocol):
    """A service that gives rows of reference data as of now."""

    @property
    def name(self) -> str:
        """The service's name."""

    def fetch(
        self, tickers: Sequence[str], before: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """Rows as `reference_of` takes them, and notes; `before` is the newest snapshot. Raises SourceError."""


def today_in_new_york() -> date:
    """The date in New York."""
    return datetime.now(NEW_YORK).date()


@dataclass(frozen=True)
class SnapshotReference:
    """A fetcher with a memory: one snapshot a day under `folder`; a session sees the newest one up to its own day."""

    fetcher: Fetcher
    folder: Path
    today: Callable[[], date] = field(default=today_in_new_york)

    @property
    def name(self) -> str:
        """The service's name."""
        return self.fetcher.name

    def known(self, session: date, through: date, tickers: Sequence[str]) -> Reference:
        """What the service said on the session or up to a week before; asks it where the session is today.

        Raises SnapshotMissing for a session of which nothing was kept: what is known now was not known then.
        """
        today = self.today()
        kept = newest_snapshot(self.folder, min(session, today))
        notes: tuple[str, ...] = ()
        if session >= today and (kept is None or kept[0] < today):
            rows, notes = self.fetcher.fetch(tickers, kept[1] if kept else None)
            save_snapshot(self.folder, today, rows)
            kept = today, rows
        if kept is None or (session - kept[0]).days > OLDEST_DAYS:
            raise SnapshotMissing(
                f"{self.name} knows only the present and nothing was kept on {session}; "
                "set FALCON_REFERENCE_SOURCE=csv for earlier sessions"
            )
        notes = (*notes, f"{self.name} as of {kept[0]}")
        return reference_of(kept[1], session, through, self.name, notes)
