"""Sources that answer for a watchlist instead of publishing flat files: Alpaca (IEX) and Yahoo.

Each turns its answers into flat files of the same layout, so that they are checked, stored and versioned like any
other. A session counts as published once it has closed and a quarter of an hour has passed.
"""

import gzip
import hashlib
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any, Literal, Protocol

import polars as pl

from falcon_pipelines.bars import calendar
from falcon_pipelines.bars.flat_files import (
    CSV_SCHEMA,
    BadCredentials,
    NetworkFailed,
    OutOfPlan,
    RemoteFile,
    SourceError,
    Throttled,
)
from falcon_pipelines.bars.panel import Frequency
from falcon_pipelines.errors import InputError

SETTLE = timedelta(minutes=15)
_TIMEOUT_SECONDS = 30
_ATTEMPTS = 4
_BACKOFF_SECONDS = 0.5


class NoWatchlist(InputError):
    """The source needs to be told which tickers to ask for."""


class Feed(Protocol):
    """Asks a service for raw bars: a table with CSV_SCHEMA, `window_start` in UTC nanoseconds."""

    @property
    def name(self) -> str: ...

    @property
    def basis(self) -> str: ...

    @property
    def first_session(self) -> date: ...

    def bars(self, tickers: Sequence[str], frequency: Frequency, start: date, end: date) -> pl.DataFrame: ...


@dataclass(frozen=True)
class WatchlistSource:
    """A FlatFileSource over a feed. What it fetched is kept in memory until the source is dropped."""

    feed: Feed
    tickers: tuple[str, ...]
    now: Callable[[], datetime] = field(default=lambda: datetime.now(UTC), repr=False, compare=False)
    _contents: dict[tuple[Frequency, date], bytes] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.tickers:
            raise NoWatchlist(
                f"source `{self.feed.name}` needs tickers: set FALCON_WATCHLIST, such as AAPL,SPY"
            )

    @property
    def name(self) -> str:
        return self.feed.name

    @property
    def basis(self) -> str:
        return self.feed.basis

    def where(self, frequency: Frequency, session: date) -> str:
        """For messages."""
        return f"{self.name}'s {frequency} bars of {session}"

    def sessions(self, frequency: Frequency) -> Collection[date]:
        """Every session the feed reaches back to that has closed."""
        return self._closed(calendar.sessions(self.feed.first_session, self.now().date()))

    def files(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        """Asks for the whole range at once. Raises SourceError."""
        closed = self._closed(sessions)
        if not closed:
            return {}
        bars = self.feed.bars(self.tickers, frequency, min(closed), max(closed))
        days = (
            pl.col("window_start")
            .cast(pl.Datetime("ns", "UTC"))
            .dt.convert_time_zone("America/New_York")
            .dt.date()
        )
        by_day = bars.with_columns(day=days).sort("ticker", "window_start").partition_by("day", as_dict=True)
        found = {}
        for session in closed:
            rows = by_day.get((session,))
            if rows is None:
                continue
            content = gzip.compress(rows.select(*CSV_SCHEMA).write_csv().encode(), mtime=0)
            self._contents[frequency, session] = content
            etag = hashlib.sha256(content).hexdigest()[:32]
            found[session] = RemoteFile(
                session, frequency, self.where(frequency, session), etag, len(content)
            )
        return found

    def heads(self, frequency: Frequency, sessions: Sequence[date]) -> Mapping[date, RemoteFile]:
        """As `files`: the service is asked anyway."""
        return self.files(frequency, sessions)

    def fetch(self, file: RemoteFile, target: Path) -> RemoteFile:
        """Writes what `files` fetched."""
        target.write_bytes(self._contents[file.frequency, file.session])
        return file

    def _closed(self, sessions: Sequence[date]) -> list[date]:
        now = self.now()
        return [day for day in sessions if calendar.session_open_close(day)[1] + SETTLE <= now]


@dataclass(frozen=True)
class AlpacaFeed:
    """Raw bars of trades on IEX, about 3 % of the market's volume; a free key is enough.

    With `basis` `sip`, of the whole market, for those who subscribe to it.
    """

    key_id: str = field(repr=False)
    secret_key: str = field(repr=False)
    endpoint: str | None = None
    name: str = "alpaca"
    basis: Literal["iex", "sip"] = "iex"
    first_session: date = date(2020, 8, 3)

    def __post_init__(self) -> None:
        if not (self.key_id and self.secret_key):
            raise BadCredentials("no Alpaca keys: set FALCON_ALPACA_KEY_ID and FALCON_ALPACA_SECRET_KEY")

    def bars(self, tickers: Sequence[str], frequency: Frequency, start: date, end: date) -> pl.DataFrame:
        """Raises SourceError."""
        last = calendar.midnight(end + timedelta(days=1)) - timedelta(seconds=1)
        return self.between(tickers, frequency, calendar.midnight(start), last)

    def between(
        self, tickers: Sequence[str], frequency: Frequency, start: datetime, end: datetime
    ) -> pl.DataFrame:
        """Bars that start from `start` to `end`, both included. Raises SourceError."""
        from alpaca.data.enums import Adjustment, DataFeed
        from alpaca.data.historical import StockHistoricalDataClient
        from alpaca.data.requests import StockBarsRequest
        from alpaca.data.timeframe import TimeFrame
        from requests.adapters import HTTPAdapter
        from urllib3.util import Retry

        class Timed(HTTPAdapter):
            def send(self, *arguments: Any, **options: Any) -> Any:
                return super().send(*arguments, **options | {"timeout": _TIMEOUT_SECONDS})

        retry = Retry(
            total=_ATTEMPTS - 1,
            status_forcelist=[429, 500, 502, 503, 504],
            backoff_factor=_BACKOFF_SECONDS,
            raise_on_status=False,
        )
        client = StockHistoricalDataClient(self.key_id, self.secret_key, url_override=self.endpoint)
        # The client has no timeout of its own, waits a fixed time and ignores Retry-After: its session does better.
        client._retry = 0
        for scheme in ("https://", "http://"):
            client._session.mount(scheme, Timed(max_retries=retry))
        request = StockBarsRequest(
            symbol_or_symbols=list(tickers),
            timeframe=TimeFrame.Day if frequency == "day" else TimeFrame.Minute,
            start=start,
            end=end,
            adjustment=Adjustment.RAW,
            feed=DataFeed(self.basis),
        )
        answer = self._ask(lambda: client.get_stock_bars(request))
        rows = [
            (
                ticker,
                float(bar.volume),
                float(bar.open),
                float(bar.close),
                float(bar.high),
                float(bar.low),
                int(bar.timestamp.timestamp()) * 1_000_000_000,
                int(bar.trade_count or 0),
            )
            for ticker, bars in answer.data.items()
            for bar in bars
        ]
        return pl.DataFrame(rows, schema=CSV_SCHEMA, orient="row")

    def _ask(self, request: Callable[[], Any]) -> Any:
        from alpaca.common.exceptions import APIError
        from requests.exceptions import RequestException

        try:
            return request()
        except APIError as error:
            status = error.status_code
            if status == 401:
                raise BadCredentials(
                    "Alpaca does not accept the keys; check FALCON_ALPACA_KEY_ID and FALCON_ALPACA_SECRET_KEY"
                ) from error
            if status == 403:
                raise OutOfPlan(
                    "Alpaca: these bars are not in the subscription, or the keys lack the right"
                ) from error
            if status == 429:
                raise Throttled("Alpaca asked to slow down too often; try again later") from error
            raise SourceError(f"Alpaca refused the request ({status}): {str(error)[:200]}") from error
        except RequestException as error:
            raise NetworkFailed(f"Alpaca: {type(error).__name__}; check the network") from error


def _yahoo(**arguments: Any) -> Any:
    import yfinance

    return yfinance.download(**arguments)


@dataclass(frozen=True)
class YahooFeed:
    """Yahoo's bars, without a key and for personal use only.

    Yahoo restates past prices for later splits; they are set back to what was traded. `download` is
    `yfinance.download` or something that answers like it.
    """

    download: Callable[..., Any] = field(default=_yahoo, repr=False)
    today: Callable[[], date] = field(default=lambda: datetime.now(calendar.NEW_YORK).date(), repr=False)
    name: str = "yfinance"
    basis: str = "yahoo, personal use only"
    first_session: date = date(1998, 1, 2)

    def bars(self, tickers: Sequence[str], frequency: Frequency, start: date, end: date) -> pl.DataFrame:
        """Raises SourceError."""
        parts = [self._one(ticker, frequency, start, end) for ticker in tickers]
        return pl.concat(parts) if parts else pl.DataFrame(schema=CSV_SCHEMA)

    def _one(self, ticker: str, frequency: Frequency, start: date, end: date) -> pl.DataFrame:
        # Up to today, because any split since then is in the prices.
        frame = self._ask(
            ticker,
            tickers=ticker,
            start=start.isoformat(),
            end=(self.today() + timedelta(days=1)).isoformat(),
            interval="1d" if frequency == "day" else "1m",
            auto_adjust=False,
            actions=True,
            prepost=False,
            progress=False,
            threads=False,
            multi_level_index=False,
            timeout=_TIMEOUT_SECONDS,
        )
        if frame is None or frame.empty:
            return pl.DataFrame(schema=CSV_SCHEMA)
        index = frame.index
        stamps = (
            [calendar.midnight(stamp.date()) for stamp in index]
            if frequency == "day"
            else [stamp.to_pydatetime().astimezone(UTC) for stamp in index]
        )
        table = pl.DataFrame(
            {
                "ticker": [ticker] * len(index),
                **{
                    name: frame[name.title()].to_numpy(dtype=float)
                    for name in ("open", "high", "low", "close")
                },
                "volume": frame["Volume"].to_numpy(dtype=float),
                "split": frame["Stock Splits"].to_numpy(dtype=float),
                "window_start": [int(stamp.timestamp()) * 1_000_000_000 for stamp in stamps],
                "transactions": [0] * len(index),
            }
        )
        last = int(calendar.midnight(end + timedelta(days=1)).timestamp()) * 1_000_000_000
        raw = as_traded(table).filter(pl.col("window_start") < last)
        return raw.select(pl.col(name).cast(dtype) for name, dtype in CSV_SCHEMA.items())

    def _ask(self, ticker: str, **arguments: Any) -> Any:
        from requests.exceptions import RequestException
        from yfinance.exceptions import YFException, YFRateLimitError

        try:
            return self.download(**arguments)
        except YFRateLimitError as error:
            raise Throttled("Yahoo asked to slow down; try again in an hour") from error
        except YFException as error:
            raise SourceError(f"Yahoo: {ticker}: {error}") from error
        except (OSError, RequestException) as error:
            raise NetworkFailed(f"Yahoo: {ticker}: {type(error).__name__}; check the network") from error


def as_traded(table: pl.DataFrame) -> pl.DataFrame:
    """Undoes the restating of prices and volume for later splits.

    `table` is one ticker's bars in time order with a column `split`: the ratio on its ex-date, else 0.
    """
    ratio = pl.when(pl.col("split") > 0).then(pl.col("split")).otherwise(1.0)
    later = (ratio.reverse().cum_prod().reverse() / ratio).alias("later")
    prices = ("open", "high", "low", "close")
    return (
        table.with_columns(later)
        .with_columns(
            *((pl.col(name) * pl.col("later")).round(6) for name in prices),
            (pl.col("volume") / pl.col("later")).round(6),
        )
        .drop("later", "split")
    )
