"""Reference data: CSV by line, services over loopback, and nothing known later than the session."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from falcon_pipelines.bars.flat_files import BadCredentials, NetworkFailed, SourceError, Throttled
from falcon_pipelines.screening.reference import BadReferenceData, SnapshotMissing
from falcon_pipelines.screening.reference_csv import CsvReference
from falcon_pipelines.screening.reference_finviz import FinvizElite
from falcon_pipelines.screening.reference_live import SnapshotReference
from falcon_pipelines.screening.reference_massive import MassiveReference, sector_of

DAY = date(2024, 3, 1)
Answer = Callable[[str, dict[str, list[str]]], tuple[int, str]]


def rows(reference: Any) -> dict[str, dict[str, Any]]:
    return {row.pop("ticker"): row for row in reference.table.to_dicts()}


def csv(tmp_path: Path, text: str) -> CsvReference:
    path = tmp_path / "reference.csv"
    path.write_text(text)
    return CsvReference(path)


@contextmanager
def server(answer: Answer) -> Iterator[tuple[str, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *args: object) -> None:
            pass

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            asked.append(self.path)
            status, body = answer(url.path, parse_qs(url.query))
            content = body.encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    running = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield f"http://127.0.0.1:{running.server_port}", asked
    finally:
        running.shutdown()
        running.server_close()


def test_a_csv_gives_what_it_has_of_each_ticker(tmp_path: Path) -> None:
    source = csv(
        tmp_path,
        "Symbol,Sector,Market Cap,P/E,Short Float,Earnings Date,Colour\n"
        "AAPL,Technology,2.9T,28.5,0.7%,2024-05-02,red\n"
        'NA,Energy,"1,200,000",-,,2024-02-20,blue\n'
        "NA,,,,,3/20/2024,\n",
    )
    known = source.known(DAY, DAY, [])
    assert rows(known) == {
        "AAPL": {
            "sector": "Technology",
            "market_cap": 2.9e12,
            "pe": 28.5,
            "short_float": 0.7,
            "next_earnings": date(2024, 5, 2),
            "last_earnings": None,
        },
        "NA": {
            "sector": "Energy",
            "market_cap": 1.2e6,
            "pe": None,
            "short_float": None,
            "next_earnings": date(2024, 3, 20),
            "last_earnings": date(2024, 2, 20),
        },
    }
    assert "as_of" in known.notes[0]
    assert known.version == source.known(DAY, DAY, []).version


def test_lines_that_became_known_later_do_not_count(tmp_path: Path) -> None:
    source = csv(
        tmp_path,
        "ticker,sector,pe,as_of\nA,Old,10,2024-01-01\nA,New,20,2024-03-02\nB,Later,5,2024-06-01\n",
    )
    assert rows(source.known(DAY, DAY, [])) == {"A": {"sector": "Old", "pe": 10.0}}
    assert rows(source.known(date(2024, 3, 2), DAY, []))["A"] == {"sector": "New", "pe": 20.0}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name,sector\nA,B\n", "line 1: there is no column `ticker`"),
        ("ticker,pe\nA,10\nB,high\n", "line 3: pe: 'high' is no number"),
        ("ticker,earnings_date\nA,soon\n", "line 2: earnings_date: 'soon' is no date"),
        ("ticker,pe\n,5\n", "line 2: there is no ticker"),
        ("ticker,etf\nA,true\nB,perhaps\n", "line 3: etf: 'perhaps' is neither true nor false"),
    ],
)
def test_a_bad_csv_is_named_with_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(BadReferenceData) as caught:
        csv(tmp_path, text).known(DAY, DAY, [])
    assert message in str(caught.value)


def test_a_csv_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(BadReferenceData, match="FALCON_REFERENCE_CSV"):
        CsvReference(tmp_path / "none.csv").known(DAY, DAY, [])


FINVIZ = (
    '"Ticker","Company","Sector","Industry","Market Cap","P/E","Dividend Yield","EPS Growth This Year",'
    '"Shares Float","Short Float","Earnings Date"\n'
    '"AAPL","Apple Inc.","Technology","Consumer Electronics",2900000.00,28.5,0.52%,8.1%,15000.1,0.7%,'
    '"5/2/2024 4:30:00 PM"\n'
    '"A","Agilent","Healthcare","Diagnostics","",,"","","","",""\n'
)


def finviz(url: str, tmp_path: Path, today: date = DAY) -> SnapshotReference:
    return SnapshotReference(FinvizElite("secret-key", f"{url}/export"), tmp_path / "finviz", lambda: today)


def test_the_finviz_export_is_read_once_a_day_and_kept(tmp_path: Path) -> None:
    with server(lambda path, query: (200, FINVIZ)) as (url, asked):
        known = finviz(url, tmp_path).known(DAY, DAY, [])
        again = finviz(url, tmp_path).known(DAY, DAY, [])
    assert len(asked) == 1
    assert "auth=secret-key" in asked[0]
    assert rows(again)["AAPL"] == {
        "sector": "Technology",
        "industry": "Consumer Electronics",
        "market_cap": 2.9e12,
        "float_shares": 15000.1e6,
        "short_float": 0.7,
        "pe": 28.5,
        "eps_growth": 8.1,
        "dividend_yield": 0.52,
        "next_earnings": date(2024, 5, 2),
        "last_earnings": None,
    }
    assert known.version == again.version
    assert "2024-03-01" in known.notes[0]


def test_what_is_known_now_was_not_known_then(tmp_path: Path) -> None:
    with server(lambda path, query: (200, FINVIZ)) as (url, asked):
        source = finviz(url, tmp_path)
        with pytest.raises(SnapshotMissing, match="knows only the present"):
            source.known(date(2024, 2, 29), DAY, [])
        assert asked == []
        source.known(DAY, DAY, [])
        later = finviz(url, tmp_path, date(2024, 3, 20))
        assert rows(later.known(date(2024, 3, 5), DAY, []))["A"]["sector"] == "Healthcare"
        with pytest.raises(SnapshotMissing):
            later.known(date(2024, 3, 15), DAY, [])
    assert len(asked) == 1


@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (401, "no", BadCredentials),
        (429, "slow", Throttled),
        (500, "oops", SourceError),
        (200, "<html>log in</html>", BadCredentials),
        (200, "Symbols\nA\n", SourceError),
    ],
)
def test_finviz_failures_are_named_and_never_show_the_key(
    tmp_path: Path, status: int, body: str, error: type[Exception]
) -> None:
    with server(lambda path, query: (status, body)) as (url, _), pytest.raises(error) as caught:
        finviz(url, tmp_path).known(DAY, DAY, [])
    assert "secret-key" not in str(caught.value)
    assert not list((tmp_path / "finviz").glob("*"))


def test_an_unreachable_service_is_named(tmp_path: Path) -> None:
    with pytest.raises(NetworkFailed, match="check the network"):
        finviz("http://127.0.0.1:9", tmp_path).known(DAY, DAY, [])


def massive(path: str, query: dict[str, list[str]]) -> tuple[int, str]:
    answers: dict[str, Any] = {
        "ratios": [
            {"ticker": "AAPL", "market_cap": 2.9e12, "price_to_earnings": 28.5, "dividend_yield": 0.005}
        ],
        "float": [{"ticker": "AAPL", "free_float": 15_000_000_000}],
        "earnings": [{"ticker": "AAPL", "date": "2024-05-02"}, {"ticker": "AAPL", "date": "2024-02-01"}],
    }
    if "/reference/tickers/" in path:
        ticker = path.rsplit("/", 1)[-1]
        if ticker == "GONE":
            return 404, json.dumps({"status": "NOT_FOUND", "message": "Ticker not found"})
        return 200, json.dumps(
            {
                "status": "OK",
                "results": {"ticker": ticker, "sic_code": "3571", "sic_description": "COMPUTERS"},
            }
        )
    found = next((value for word, value in answers.items() if word in path), None)
    return (200, json.dumps({"status": "OK", "results": found})) if found is not None else (404, "{}")


def test_massive_gives_ratios_floats_earnings_and_sectors(tmp_path: Path) -> None:
    with server(massive) as (url, asked):
        fetcher = MassiveReference("key-0123", url, today=lambda: DAY)
        source = SnapshotReference(fetcher, tmp_path / "massive", lambda: DAY)
        known = rows(source.known(DAY, DAY, ["AAPL", "GONE", "IBM"]))
    assert known["AAPL"]["sector"] == "Technology"
    assert known["AAPL"]["market_cap"] == 2.9e12
    assert known["AAPL"]["dividend_yield"] == pytest.approx(0.5)
    assert known["AAPL"]["float_shares"] == 15e9
    assert (known["AAPL"]["next_earnings"], known["AAPL"]["last_earnings"]) == (
        date(2024, 5, 2),
        date(2024, 2, 1),
    )
    assert known["IBM"]["sector"] == "Technology"
    assert "GONE" not in known
    assert any("/reference/tickers/IBM" in path for path in asked)


def test_sectors_that_are_known_are_not_asked_for_again(tmp_path: Path) -> None:
    with server(massive) as (url, asked):
        for day in (date(2024, 3, 1), date(2024, 3, 4)):
            fetcher = MassiveReference("key-0123", url, today=lambda day=day: day)
            SnapshotReference(fetcher, tmp_path / "m", lambda day=day: day).known(day, day, ["AAPL", "IBM"])
    assert sum("/reference/tickers/" in path for path in asked) == 2


def test_what_is_not_in_the_subscription_is_left_out_and_said(tmp_path: Path) -> None:
    def partly(path: str, query: dict[str, list[str]]) -> tuple[int, str]:
        if "earnings" in path:
            return 403, json.dumps({"status": "NOT_AUTHORIZED", "message": "upgrade your plan"})
        return massive(path, query)

    with server(partly) as (url, _):
        fetcher = MassiveReference("key-0123", url, today=lambda: DAY)
        known = SnapshotReference(fetcher, tmp_path / "m", lambda: DAY).known(DAY, DAY, ["AAPL"])
    assert any("not in the subscription" in note for note in known.notes)
    assert rows(known)["AAPL"]["sector"] == "Technology"
    assert known.table["next_earnings"].null_count() == known.table.height


def test_industry_codes_have_sectors() -> None:
    sectors = {
        "3571": "Technology",
        "2834": "Healthcare",
        "6021": "Financial",
        "1311": "Energy",
        "4911": "Utilities",
    }
    assert {code: sector_of(code) for code in sectors} == sectors
    assert (sector_of(None), sector_of("9999"), sector_of("x")) == (None, None, None)
