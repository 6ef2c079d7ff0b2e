"""Massive's REST API through its own client: corporate actions, the tickers' reference, minutes of a few tickers."""

import json
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import polars as pl

from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.dividends import ReconciledDividend, ReportedDividend, reconcile
from falcon_pipelines.bars.flat_files import (
    CSV_SCHEMA,
    BadCredentials,
    NetworkFailed,
    OutOfPlan,
    SourceError,
    Throttled,
)
from falcon_pipelines.bars.reference import Listing, TickerChange, questions, securities_of

MASSIVE = "massive"
_ENDPOINT = "https://api.massive.com"
_CONNECT_TIMEOUT_SECONDS = 5.0
_READ_TIMEOUT_SECONDS = 30.0
_RETRIES = 4
_PAGE = 1000
_AGGREGATES = 50_000

Result = TypeVar("Result")


@dataclass(frozen=True)
class FetchedActions:
    """What the API knows since a date; `uncertain` dividends are taken as reported for want of evidence."""

    actions: tuple[CorporateAction, ...]
    restated: tuple[ReconciledDividend, ...]
    uncertain: tuple[ReconciledDividend, ...]


@dataclass(frozen=True)
class FetchedSecurities:
    """The securities as a table with SECURITY_SCHEMA, and how many were asked for their ticker changes.

    `changes_refused` says why none could be asked for, where the subscription does not include them.
    """

    table: pl.DataFrame
    listed: int
    asked: int
    changes_refused: str | None = None


class _NothingKnown(SourceError):
    """The API knows nothing of what was asked for."""


@dataclass(frozen=True)
class MassiveRest:
    """Massive's reference data. Requests time out, and are tried 5 times as far apart as the server asks."""

    api_key: str = field(repr=False)
    endpoint: str = _ENDPOINT

    def __post_init__(self) -> None:
        if not self.api_key:
            raise BadCredentials("no Massive API key: set FALCON_MASSIVE_API_KEY")

    def corporate_actions(self, since: date) -> FetchedActions:
        """All splits, dividends as paid, and delistings of US stocks with an ex-date from `since` on.

        Splits are asked for up to today, so that restated dividends can be set right. Raises SourceError.
        """
        splits = self._splits(since)
        reconciled = reconcile(self._dividends(since), splits)
        dividends = [item.action for item in reconciled]
        return FetchedActions(
            actions=(*splits, *dividends, *self._delistings(since)),
            restated=tuple(item for item in reconciled if item.evidence == "split undone"),
            uncertain=tuple(item for item in reconciled if item.evidence == "uncertain"),
        )

    def securities(self, known: pl.DataFrame, appeared: Collection[str], today: date) -> FetchedSecurities:
        """Who every US stock ticker is and was: active, delisted, renamed.

        `known` is the table so far and `appeared` the tickers that turned up in the bars some time: ticker changes
        are asked for where they are worth a request. Raises SourceError.
        """
        listings = [*self._listings(active=True), *self._listings(active=False)]
        changes: dict[str, list[TickerChange]] = {}
        refused = None
        asked = 0
        for figi in questions(listings, known, appeared):
            try:
                changes[figi] = self._changes(figi)
            except OutOfPlan as error:
                refused = str(error)
                break
            asked += 1
        return FetchedSecurities(
            securities_of(listings, changes, known, today), len(listings), asked, refused
        )

    def _listings(self, *, active: bool) -> list[Listing]:
        rows = self._all(
            "active tickers" if active else "delisted tickers",
            lambda client: client.list_tickers(market="stocks", active=active, limit=_PAGE),
        )
        return [
            Listing(
                row.ticker,
                row.name,
                row.composite_figi,
                None if active or not row.delisted_utc else _day(row.delisted_utc),
            )
            for row in rows
            if row.ticker and (active or row.delisted_utc)
        ]

    def _changes(self, figi: str) -> list[TickerChange]:
        try:
            (found,) = self._all("ticker changes", lambda client: [client.get_ticker_events(figi)])
        except _NothingKnown:
            return []
        return [
            TickerChange(_day(event["date"]), event["ticker_change"]["ticker"])
            for event in getattr(found, "events", None) or ()
            if event.get("type") == "ticker_change"
        ]

    def minutes(self, ticker: str, start: datetime, end: datetime) -> pl.DataFrame:
        """Raw minute bars that start from `start` to `end`, both included, with CSV_SCHEMA. Raises SourceError."""
        first, last = (int(moment.timestamp() * 1_000) for moment in (start, end))
        rows = self._all(
            f"minutes of {ticker}",
            lambda client: client.list_aggs(
                ticker, 1, "minute", first, last, adjusted=False, sort="asc", limit=_AGGREGATES
            ),
        )
        known = [row for row in rows if row.timestamp is not None and row.open is not None]
        return pl.DataFrame(
            [
                (
                    ticker,
                    float(row.volume or 0),
                    float(row.open),
                    float(row.close),
                    float(row.high),
                    float(row.low),
                    int(row.timestamp) * 1_000_000,
                    int(row.transactions or 0),
                )
                for row in known
            ],
            schema=CSV_SCHEMA,
            orient="row",
        )

    def _splits(self, since: date) -> list[CorporateAction]:
        rows = self._all(
            "splits",
            lambda client: client.list_stocks_splits(execution_date_gte=since.isoformat(), limit=_PAGE),
        )
        return [
            CorporateAction(
                row.ticker, "split", _day(row.execution_date), ratio=row.split_to / row.split_from
            )
            for row in rows
            if row.ticker and row.execution_date and row.split_from and row.split_to
        ]

    def _dividends(self, since: date) -> list[ReportedDividend]:
        rows = self._all(
            "dividends",
            lambda client: client.list_stocks_dividends(ex_dividend_date_gte=since.isoformat(), limit=_PAGE),
        )
        together: dict[tuple[str, date], ReportedDividend] = {}
        for row in rows:
            if not (row.ticker and row.ex_dividend_date and row.cash_amount and row.cash_amount > 0):
                continue
            key = row.ticker, _day(row.ex_dividend_date)
            pay = _day(row.pay_date) if row.pay_date else None
            paid = ReportedDividend(*key, row.cash_amount, pay, row.split_adjusted_cash_amount)
            # A regular and a special dividend on one day are one cash amount to the holder.
            together[key] = _added(together[key], paid) if key in together else paid
        return list(together.values())

    def _delistings(self, since: date) -> list[CorporateAction]:
        # The API gives the last day of trading, an action the first day without.
        found = [
            CorporateAction(item.ticker, "delisting", item.delisted + timedelta(days=1))
            for item in self._listings(active=False)
            if item.delisted
        ]
        return [action for action in dict.fromkeys(found) if action.ex_date >= since]

    def _all(self, what: str, request: Callable[[Any], Iterable[Result]]) -> list[Result]:
        from massive import RESTClient
        from massive.exceptions import AuthError, BadResponse
        from urllib3.exceptions import HTTPError, MaxRetryError, ResponseError

        client = RESTClient(
            api_key=self.api_key,
            base=self.endpoint,
            connect_timeout=_CONNECT_TIMEOUT_SECONDS,
            read_timeout=_READ_TIMEOUT_SECONDS,
            retries=_RETRIES,
        )
        try:
            return list(request(client))
        except AuthError as error:
            raise BadCredentials(
                "Massive does not accept the API key; check FALCON_MASSIVE_API_KEY"
            ) from error
        except BadResponse as error:
            raise _refusal(what, str(error)) from error
        except MaxRetryError as error:
            if isinstance(error.reason, ResponseError) and "429" in str(error.reason):
                raise Throttled(
                    f"{self.endpoint}: {what}: asked to slow down too often; try again later"
                ) from error
            raise NetworkFailed(f"{self.endpoint}: {what}: {error.reason}; check the network") from error
        except HTTPError as error:
            raise NetworkFailed(f"{self.endpoint}: {what}: {error}; check the network") from error


def _refusal(what: str, body: str) -> SourceError:
    try:
        answer = json.loads(body)
    except ValueError:
        return SourceError(f"Massive refused {what}: {body[:200]}")
    status = str(answer.get("status", ""))
    message = str(answer.get("message") or answer.get("error") or status)[:200]
    if status == "NOT_FOUND":
        return _NothingKnown(f"Massive: {what}: {message}")
    if status == "NOT_AUTHORIZED":
        return OutOfPlan(f"Massive: {what} are not in the subscription: {message}")
    if "api key" in message.lower() or status == "UNAUTHORIZED":
        return BadCredentials("Massive does not accept the API key; check FALCON_MASSIVE_API_KEY")
    return SourceError(f"Massive refused {what}: {message}")


def _added(one: ReportedDividend, other: ReportedDividend) -> ReportedDividend:
    both = one.split_adjusted is not None and other.split_adjusted is not None
    return ReportedDividend(
        one.ticker,
        one.ex_date,
        one.amount + other.amount,
        one.pay_date or other.pay_date,
        (one.split_adjusted or 0) + (other.split_adjusted or 0) if both else None,
    )


def _day(text: str) -> date:
    return date.fromisoformat(text[:10])
