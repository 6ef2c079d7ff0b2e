"""Alpaca, Massive's REST API and Yahoo: the first two against servers on loopback, with their own clients."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pandas as pd
import pytest
from yfinance.exceptions import YFRateLimitError

from falcon_pipelines.bars import watchlist
from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.flat_files import (
    BadCredentials,
    DirectorySource,
    NetworkFailed,
    OutOfPlan,
    SessionMissing,
    SourceError,
    Throttled,
)
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.manifest import MixedBases
from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.watchlist import AlpacaFeed, NoWatchlist, WatchlistSource, YahooFeed
from tests.bars.market import MONDAY, TUESDAY, line, write_lines

Answer = Callable[[str, dict[str, list[str]]], tuple[int, Any]]
LATER = datetime(2014, 7, 1, tzinfo=UTC)


@contextmanager
def api(answer: Answer, **headers: str) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            status, body = answer(url.path, parse_qs(url.query))
            content = json.dumps(body).encode()
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name.replace("_", "-"), value)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watchlist, "_BACKOFF_SECONDS", 0)


def alpaca_bar(time: str, close: float) -> dict[str, Any]:
    return {"t": time, "o": 10, "h": 12, "l": 9, "c": close, "v": 100, "n": 7, "vw": 10.5}


def alpaca_answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
    assert path == "/v2/stocks/bars"
    assert query["feed"] == ["iex"]
    assert query["adjustment"] == ["raw"]
    if "page_token" in query:
        return 200, {"bars": {"NA": [alpaca_bar("2014-06-10T04:00:00Z", 11)]}, "next_page_token": None}
    bars = [alpaca_bar("2014-06-09T04:00:00Z", 10), alpaca_bar("2014-06-10T04:00:00Z", 10.5)]
    return 200, {"bars": {"AAPL": bars}, "next_page_token": "next"}


def watch(feed: Any) -> WatchlistSource:
    return WatchlistSource(feed, ("AAPL", "NA"), now=lambda: LATER)


def test_alpacas_bars_are_checked_and_stored_like_any_other(store: BarStore) -> None:
    with api(alpaca_answer) as endpoint:
        source = watch(AlpacaFeed("key", "secret", endpoint))
        done = list(ingest_range(source, store, "day", MONDAY, TUESDAY))
        again = list(ingest_range(watch(source.feed), store, "day", MONDAY, TUESDAY))
    assert [result.rows for result in done] == [1, 2]
    assert [result.status for result in again] == ["unchanged"] * 2
    assert store.cross_section(TUESDAY).select("ticker", "close", "transactions").rows() == [
        ("AAPL", 10.5, 7),
        ("NA", 11.0, 7),
    ]
    entry = store.log().entries[0]
    assert (entry.source, entry.basis) == ("alpaca", "iex")


def test_bars_of_one_exchange_never_join_those_of_all(store: BarStore, tmp_path: Path) -> None:
    write_lines(tmp_path, MONDAY, [line("A")])
    list(ingest_range(DirectorySource(tmp_path), store, "day", MONDAY, MONDAY))
    with api(alpaca_answer) as endpoint, pytest.raises(MixedBases, match="iex"):
        list(ingest_range(watch(AlpacaFeed("key", "secret", endpoint)), store, "day", MONDAY, MONDAY))


def test_a_session_without_an_answer_is_missing(store: BarStore) -> None:
    with api(lambda path, query: (200, {"bars": {}, "next_page_token": None})) as endpoint:
        source = watch(AlpacaFeed("key", "secret", endpoint))
        with pytest.raises(SessionMissing, match="alpaca's day bars of 2014-06-09"):
            list(ingest_range(source, store, "day", MONDAY, MONDAY))


def test_a_session_that_has_not_closed_is_not_asked_for() -> None:
    source = WatchlistSource(YahooFeed(), ("A",), now=lambda: datetime(2014, 6, 10, 20, 10, tzinfo=UTC))
    assert max(source.sessions("day")) == MONDAY


@pytest.mark.parametrize(
    ("status", "error"), [(401, BadCredentials), (403, OutOfPlan), (429, Throttled), (422, SourceError)]
)
def test_each_refusal_of_alpaca_has_its_type(status: int, error: type[SourceError]) -> None:
    with api(lambda path, query: (status, {"message": "no"}), Retry_After="0") as endpoint:
        source = watch(AlpacaFeed("key", "secret", endpoint))
        with pytest.raises(error):
            source.files("day", [MONDAY])


def test_alpaca_out_of_reach_and_without_keys() -> None:
    with api(alpaca_answer) as endpoint:
        pass
    with pytest.raises(NetworkFailed):
        watch(AlpacaFeed("key", "secret", endpoint)).files("day", [MONDAY])
    with pytest.raises(BadCredentials, match="FALCON_ALPACA_KEY_ID"):
        AlpacaFeed("", "")
    with pytest.raises(NoWatchlist, match="FALCON_WATCHLIST"):
        WatchlistSource(YahooFeed(), ())


def yahoo(**arguments: Any) -> pd.DataFrame:
    """As Yahoo answered after a later 7-for-1 split: all prices before it divided by 7."""
    if arguments["tickers"] != "AAPL":
        return pd.DataFrame()
    assert arguments["auto_adjust"] is False
    index = pd.DatetimeIndex(["2014-06-05", "2014-06-06", "2014-06-09"], tz="America/New_York")
    close = [647.35 / 7, 645.57 / 7, 93.7]
    prices = dict.fromkeys(("Open", "High", "Low", "Close", "Adj Close"), close)
    return pd.DataFrame(
        prices | {"Volume": [700.0, 1400.0, 300.0], "Stock Splits": [0.0, 0.0, 7.0]}, index=index
    )


def test_yahoos_restated_prices_are_set_back_to_what_was_traded(store: BarStore) -> None:
    source = watch(YahooFeed(download=yahoo, today=lambda: date(2014, 6, 9)))
    list(ingest_range(source, store, "day", date(2014, 6, 5), date(2014, 6, 9)))
    history = store.history("AAPL", date(2014, 6, 5), date(2014, 6, 9))
    assert history["close"].to_list() == [647.35, 645.57, 93.7]
    assert history["volume"].to_list() == [100, 200, 300]
    assert store.log().basis == "yahoo, personal use only"


def test_a_split_after_the_range_is_undone_too() -> None:
    source = watch(YahooFeed(download=yahoo, today=lambda: date(2014, 6, 9)))
    files = source.files("day", [date(2014, 6, 5)])
    assert list(files) == [date(2014, 6, 5)]


def test_yahoo_throttling_has_its_type() -> None:
    def download(**arguments: Any) -> pd.DataFrame:
        raise YFRateLimitError

    with pytest.raises(Throttled):
        watch(YahooFeed(download=download)).files("day", [MONDAY])


def massive_answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
    if path == "/stocks/v1/splits":
        rows = [{"ticker": "AAPL", "execution_date": "2020-08-31", "split_from": 1, "split_to": 4}]
    elif path == "/stocks/v1/dividends":
        rows = [
            {
                "ticker": "AAPL",
                "ex_dividend_date": "2020-08-07",
                "cash_amount": 0.205,
                "pay_date": "2020-08-13",
            },
            {
                "ticker": "AAPL",
                "ex_dividend_date": "2020-11-06",
                "cash_amount": 0.205,
                "pay_date": "2020-11-12",
            },
            {"ticker": "X", "ex_dividend_date": "2020-11-06", "cash_amount": 0.1},
            {"ticker": "X", "ex_dividend_date": "2020-11-06", "cash_amount": 1.5},
        ]
    else:
        assert query["active"] == ["false"]
        rows = [
            {"ticker": "GONE", "delisted_utc": "2020-09-01T00:00:00Z"},
            {"ticker": "LONGGONE", "delisted_utc": "1999-09-01T00:00:00Z"},
        ]
    return 200, {"status": "OK", "results": rows}


def test_massives_actions_are_fetched_and_dividends_set_right() -> None:
    with api(massive_answer) as endpoint:
        fetched = MassiveRest("key", endpoint).corporate_actions(date(2020, 1, 1))
    assert set(fetched.actions) == {
        CorporateAction("AAPL", "split", date(2020, 8, 31), ratio=4.0),
        CorporateAction("AAPL", "dividend", date(2020, 8, 7), amount=0.82, pay_date=date(2020, 8, 13)),
        CorporateAction("AAPL", "dividend", date(2020, 11, 6), amount=0.205, pay_date=date(2020, 11, 12)),
        CorporateAction("X", "dividend", date(2020, 11, 6), amount=1.6),
        CorporateAction("GONE", "delisting", date(2020, 9, 2)),
    }
    assert [item.reported for item in fetched.restated] == [0.205]


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (403, {"status": "NOT_AUTHORIZED", "message": "upgrade your plan"}, OutOfPlan),
        (401, {"status": "ERROR", "error": "Unknown API Key"}, BadCredentials),
        (400, {"status": "ERROR", "error": "bad date"}, SourceError),
        (429, {"status": "ERROR"}, Throttled),
    ],
)
def test_each_refusal_of_massive_has_its_type(status: int, body: Any, error: type[SourceError]) -> None:
    with api(lambda path, query: (status, body), Retry_After="0") as endpoint, pytest.raises(error):
        MassiveRest("key", endpoint).corporate_actions(date(2020, 1, 1))


def test_massive_without_a_key() -> None:
    with pytest.raises(BadCredentials, match="FALCON_MASSIVE_API_KEY"):
        MassiveRest("")
