"""Reference data from Massive's REST API: ratios and floats in bulk, earnings dates, sectors by ticker."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

import polars as pl

from falcon_pipelines.bars.flat_files import BadCredentials, NetworkFailed, OutOfPlan, SourceError, Throttled
from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.screening.reference_live import today_in_new_york

DETAILS_A_DAY = 1000
"""A sector takes a request of its own; those of the most traded tickers come first, the rest on later days."""
_EARNINGS_BACK = timedelta(days=100)
_EARNINGS_AHEAD = timedelta(days=100)
_PAGE = 1000
_SECTORS = (
    (100, 999, "Consumer Defensive"),
    (1000, 1299, "Basic Materials"),
    (1300, 1399, "Energy"),
    (1400, 1499, "Basic Materials"),
    (1500, 1799, "Industrials"),
    (2000, 2199, "Consumer Defensive"),
    (2200, 2399, "Consumer Cyclical"),
    (2400, 2699, "Basic Materials"),
    (2700, 2799, "Communication Services"),
    (2830, 2836, "Healthcare"),
    (2840, 2844, "Consumer Defensive"),
    (2800, 2899, "Basic Materials"),
    (2900, 2999, "Energy"),
    (3000, 3399, "Basic Materials"),
    (3570, 3579, "Technology"),
    (3400, 3599, "Industrials"),
    (3600, 3699, "Technology"),
    (3710, 3719, "Consumer Cyclical"),
    (3700, 3799, "Industrials"),
    (3840, 3851, "Healthcare"),
    (3800, 3899, "Technology"),
    (3900, 3999, "Consumer Cyclical"),
    (4000, 4799, "Industrials"),
    (4800, 4899, "Communication Services"),
    (4900, 4999, "Utilities"),
    (5000, 5199, "Industrials"),
    (5400, 5499, "Consumer Defensive"),
    (5200, 5999, "Consumer Cyclical"),
    (6500, 6599, "Real Estate"),
    (6798, 6798, "Real Estate"),
    (6000, 6799, "Financial"),
    (7370, 7379, "Technology"),
    (7000, 7299, "Consumer Cyclical"),
    (7300, 7399, "Industrials"),
    (7800, 7999, "Communication Services"),
    (8000, 8099, "Healthcare"),
    (8731, 8734, "Healthcare"),
    (8000, 8999, "Industrials"),
)


def sector_of(sic_code: str | None) -> str | None:
    """The sector that a Standard Industrial Classification code belongs to; the first range that holds it counts."""
    if sic_code is None or not sic_code.isdigit():
        return None
    code = int(sic_code)
    return next((sector for low, high, sector in _SECTORS if low <= code <= high), None)


@dataclass(frozen=True)
class MassiveReference(MassiveRest):
    """Massive's reference data; what is not in the subscription is left out and said so."""

    name: str = "massive"
    today: Callable[[], date] = today_in_new_york

    def fetch(
        self, tickers: Sequence[str], before: pl.DataFrame | None
    ) -> tuple[pl.DataFrame, tuple[str, ...]]:
        """Rows of ratios, floats, earnings dates and sectors. Raises BadCredentials, Throttled, NetworkFailed."""
        notes: list[str] = []
        rows: list[dict[str, Any]] = []
        today = self.today()
        for what, read in (
            ("ratios", self._ratios),
            ("floats", self._floats),
            ("earnings", lambda: self._earnings(today)),
        ):
            try:
                rows += read()
            except OutOfPlan as error:
                notes.append(str(error))
            except (BadCredentials, NetworkFailed, Throttled):
                raise
            except SourceError as error:
                notes.append(f"Massive: {what}: {error}")
        rows += self._sectors(tickers, before)
        return pl.DataFrame(rows, schema=_SCHEMA), tuple(notes)

    def _ratios(self) -> list[dict[str, Any]]:
        found = self._all("ratios", lambda client: client.list_financials_ratios(limit=_PAGE))
        return [
            {
                "ticker": row.ticker,
                "market_cap": row.market_cap,
                "pe": row.price_to_earnings,
                # A fraction, as the API documents it.
                "dividend_yield": None if row.dividend_yield is None else row.dividend_yield * 100,
            }
            for row in found
            if row.ticker
        ]

    def _floats(self) -> list[dict[str, Any]]:
        found = self._all("floats", lambda client: client.list_stocks_floats(limit=_PAGE))
        return [
            {"ticker": row.ticker, "float_shares": float(row.free_float)}
            for row in found
            if row.ticker and row.free_float is not None
        ]

    def _earnings(self, today: date) -> list[dict[str, Any]]:
        found = self._all(
            "earnings dates",
            lambda client: client.list_benzinga_earnings(
                date_gte=(today - _EARNINGS_BACK).isoformat(),
                date_lte=(today + _EARNINGS_AHEAD).isoformat(),
                limit=_PAGE,
            ),
        )
        return [
            {"ticker": row.ticker, "earnings_date": date.fromisoformat(row.date[:10])}
            for row in found
            if row.ticker and row.date
        ]

    def _sectors(self, tickers: Sequence[str], before: pl.DataFrame | None) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = []
        if before is not None and "sector" in before.columns:
            known = before.filter(pl.col("sector").is_not_null()).unique("ticker", keep="last")
            rows = known.select("ticker", "sector", "industry", "about").to_dicts()
        there = {row["ticker"] for row in rows}
        for ticker in [ticker for ticker in tickers if ticker not in there][:DETAILS_A_DAY]:
            try:
                [details] = self._details(ticker)
            except (BadCredentials, NetworkFailed, Throttled):
                raise
            except SourceError:
                continue  # not every ticker has details
            sector = sector_of(getattr(details, "sic_code", None))
            if sector is not None:
                rows.append(
                    {
                        "ticker": ticker,
                        "sector": sector,
                        "industry": getattr(details, "sic_description", None),
                        "about": (getattr(details, "description", None) or None),
                    }
                )
        return rows

    def _details(self, ticker: str) -> list[Any]:
        return self._all(f"details of {ticker}", lambda client: [client.get_ticker_details(ticker)])


_SCHEMA: dict[str, type[pl.DataType]] = {
    "ticker": pl.String,
    "sector": pl.String,
    "industry": pl.String,
    "about": pl.String,
    "market_cap": pl.Float64,
    "float_shares": pl.Float64,
    "pe": pl.Float64,
    "dividend_yield": pl.Float64,
    "earnings_date": pl.Date,
}
