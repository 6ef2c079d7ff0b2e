"""What is known of a ticker for routing and limits: volatility from stored bars, the rest from the reference data."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import FalconError
from falcon_pipelines.screening.reference import ReferenceSource, newest_snapshot, reference_of
from falcon_pipelines.screening.reference_live import SnapshotReference
from falcon_pipelines.trading.live.routing import TickerFacts

RETURNS = 20
SESSIONS_A_YEAR = 252


@dataclass(frozen=True)
class Reference:
    """What the reference data say of one ticker; `market_cap` in dollars."""

    etf: bool | None = None
    market_cap: float | None = None
    sector: str | None = None


def known_tickers(source: ReferenceSource | None, today: date) -> dict[str, Reference]:
    """What the configured source says of each ticker, without asking anyone; {} without a source.

    A service that knows only the present counts as the screens last kept it. Raises BadReferenceData.
    """
    if isinstance(source, SnapshotReference):
        kept = newest_snapshot(source.folder, today)
        table = pl.DataFrame() if kept is None else reference_of(kept[1], today, today, source.name).table
    else:
        table = pl.DataFrame() if source is None else source.known(today, today, ()).table
    return {
        row["ticker"]: Reference(row.get("etf"), row.get("market_cap"), row.get("sector"))
        for row in table.iter_rows(named=True)
    }


def annual_volatility(closes: np.ndarray) -> float | None:
    """Standard deviation of the last RETURNS daily log returns, annualised; None where there are fewer."""
    last = closes[-(RETURNS + 1) :]
    if len(last) <= RETURNS or not np.isfinite(last).all():
        return None
    return float(np.diff(np.log(last)).std(ddof=1) * math.sqrt(SESSIONS_A_YEAR))


class FactBook:
    """Facts of tickers; volatilities are computed once a session and data version.

    `sectors` grows with what screens know; limits on sectors read it as it is.
    """

    def __init__(self, store: BarStore, reference: Mapping[str, Reference]) -> None:
        self.store = store
        self.sectors: dict[str, str] = {}
        self.learn(reference)
        self._key: tuple[str, date] | None = None
        self._volatility: dict[str, float | None] = {}

    def learn(self, reference: Mapping[str, Reference]) -> None:
        """Newer reference data in place of those before; a sector that only a screen knew stays."""
        self.reference = reference
        self.sectors.update({ticker: known.sector for ticker, known in reference.items() if known.sector})

    def facts(self, ticker: str, price: float, today: date, sector: str | None = None) -> TickerFacts:
        """What is known of a ticker that now costs `price` dollars; `sector` is what its screen knew."""
        known = self.reference.get(ticker, Reference())
        if known.sector is None and sector is not None:
            self.sectors[ticker] = sector
        return TickerFacts(
            price, self.volatility(ticker, today), known.etf, known.market_cap, known.sector or sector
        )

    def volatility(self, ticker: str, today: date) -> float | None:
        """Annualised volatility over the sessions before `today`; None where the bars do not tell."""
        try:
            key = (self.store.current_version(), today)
            if self._key != key:
                self._key, self._volatility = key, {}
            if ticker not in self._volatility:
                days = [day for day in self.store.sessions("day") if day < today][-(RETURNS + 1) :]
                panel = self.store.panel(
                    [ticker], days[0], days[-1], ("close",), "all", today, version=key[0]
                )
                self._volatility[ticker] = annual_volatility(panel["close"][:, 0])
        except (FalconError, IndexError):
            return None
        return self._volatility[ticker]
