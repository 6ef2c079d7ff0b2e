"""What is known of a ticker for routing and limits: volatility from stored bars, the rest from a reference file.

The reference file is a CSV with the columns `ticker,etf,market_cap,sector`, in any order; an empty field is not known.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.errors import FalconError, InputError
from falcon_pipelines.trading.live.routing import TickerFacts

RETURNS = 20
SESSIONS_A_YEAR = 252
_COLUMNS = ("ticker", "etf", "market_cap", "sector")
_TRUTH = {"": None, "true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}


class BadReferenceFile(InputError):
    """A file of reference data that cannot be used."""


@dataclass(frozen=True)
class Reference:
    """What a reference file says of one ticker; `market_cap` in dollars."""

    etf: bool | None = None
    market_cap: float | None = None
    sector: str | None = None


def read_reference(path: Path) -> dict[str, Reference]:
    """The file by ticker. Raises BadReferenceFile naming the line."""
    found: dict[str, Reference] = {}
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = [name for name in _COLUMNS if name not in (reader.fieldnames or ())]
            if missing:
                raise BadReferenceFile(f"{path}: there is no column {missing[0]}")
            for number, row in enumerate(reader, 2):
                etf = (row["etf"] or "").strip().lower()
                cap = (row["market_cap"] or "").strip()
                try:
                    known = Reference(
                        _TRUTH[etf], float(cap) if cap else None, (row["sector"] or "").strip() or None
                    )
                except (KeyError, ValueError):
                    raise BadReferenceFile(
                        f"{path}: line {number}: etf must be true or false, market_cap a number"
                    ) from None
                found[row["ticker"]] = known
    except OSError as error:
        raise BadReferenceFile(f"{path}: {error.strerror}") from error
    return found


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
        self.reference = reference
        self.sectors = {ticker: known.sector for ticker, known in reference.items() if known.sector}
        self._key: tuple[str, date] | None = None
        self._volatility: dict[str, float | None] = {}

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
