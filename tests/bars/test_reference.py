"""Renames, delistings and reuse as Massive's API tells them, down to the bars a reader gets."""

from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_session, refresh_securities
from falcon_pipelines.bars.massive_rest import MassiveRest
from falcon_pipelines.bars.reference import BEGINNING, Listing, TickerChange, questions, securities_of
from falcon_pipelines.bars.securities import SECURITY_SCHEMA, merged, no_securities
from falcon_pipelines.bars.store import BarStore
from tests.bars.market import line, write_lines
from tests.bars.test_feeds import api

FIRST, LATER = date(2022, 6, 8), date(2022, 6, 9)
META = "BBG000MM2P62"


def rows(table: pl.DataFrame) -> set[tuple[str, str, date, date | None]]:
    return set(table.select("security_id", "ticker", "first", "last").rows())


def listed(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
    if path == "/v3/reference/tickers":
        found = [
            {"ticker": "META", "name": "Meta", "composite_figi": META, "market": "stocks", "active": True}
        ]
        if query["active"] == ["false"]:
            found = [
                {"ticker": "META", "name": "An old fund", "delisted_utc": "2021-03-01T05:00:00Z"},
                {"ticker": "GONE", "composite_figi": "BBG000GONE00", "delisted_utc": "2022-06-08T00:00:00Z"},
            ]
        return 200, {"status": "OK", "results": found}
    if path == f"/vX/reference/tickers/{META}/events":
        events = [("2012-05-18", "FB"), ("2022-06-09", "META")]
        return 200, {
            "status": "OK",
            "results": {
                "name": "Meta",
                "composite_figi": META,
                "events": [
                    {"type": "ticker_change", "date": day, "ticker_change": {"ticker": ticker}}
                    for day, ticker in events
                ],
            },
        }
    return 404, {"status": "NOT_FOUND", "message": "no events"}


def test_a_renamed_company_is_read_under_its_new_name_and_a_delisted_one_stays_readable(
    tmp_path: Path, store: BarStore
) -> None:
    source = DirectorySource(tmp_path)
    write_lines(tmp_path, FIRST, [line("FB", FIRST), line("GONE", FIRST, close=9.5)])
    write_lines(tmp_path, LATER, [line("META", LATER, close=10.5)])
    for session in (FIRST, LATER):
        ingest_session(source, store, "day", session)
    with api(listed) as endpoint:
        fetched, entry = refresh_securities(store, MassiveRest("key", endpoint))
        assert fetched.asked == 1
        assert entry is not None
        assert entry.source == "massive"
        again, nothing = refresh_securities(store, MassiveRest("key", endpoint))
    assert nothing is None
    assert again.asked == 0
    assert rows(store.securities()) == {
        (f"massive:{META}", "FB", date(2012, 5, 18), date(2022, 6, 8)),
        (f"massive:{META}", "META", date(2022, 6, 9), None),
        ("massive:META", "META", BEGINNING, date(2021, 3, 1)),
        ("massive:BBG000GONE00", "GONE", BEGINNING, date(2022, 6, 8)),
    }
    assert store.history("META", FIRST, LATER)["close"].to_list() == [11, 10.5]
    assert store.history("GONE", FIRST, LATER)["close"].to_list() == [9.5]


def test_a_subscription_without_ticker_changes_still_gives_the_listings(store: BarStore) -> None:
    def answer(path: str, query: dict[str, list[str]]) -> tuple[int, Any]:
        if path.startswith("/vX/"):
            return 403, {"status": "NOT_AUTHORIZED", "message": "upgrade your plan"}
        row = {"ticker": "NEW" if query["active"] == ["true"] else "OLD", "composite_figi": "F"}
        gone = {} if query["active"] == ["true"] else {"delisted_utc": "2020-01-31T00:00:00Z"}
        return 200, {"status": "OK", "results": [row | gone]}

    with api(answer) as endpoint:
        fetched, _ = refresh_securities(store, MassiveRest("key", endpoint))
    assert "upgrade your plan" in (fetched.changes_refused or "")
    assert rows(store.securities()) == {
        ("massive:F", "OLD", BEGINNING, date(2020, 1, 31)),
        ("massive:F", "NEW", date(2020, 2, 1), None),
    }


def test_what_a_person_wrote_is_stronger_than_what_the_service_says() -> None:
    mine = pl.DataFrame(
        [("fairbanks", "FB", date(1998, 1, 2), date(2003, 3, 28), None)], schema=SECURITY_SCHEMA, orient="row"
    )
    told = securities_of([Listing("FB", "Facebook", "F")], {}, no_securities(), LATER)
    table = merged(mine, told)
    assert rows(table) == {
        ("fairbanks", "FB", date(1998, 1, 2), date(2003, 3, 28)),
        ("massive:F", "FB", date(2003, 3, 29), None),
    }
    assert merged(told, mine).equals(table)
    assert merged(table, told).equals(table)


def test_changes_are_asked_for_where_they_tell_most() -> None:
    listings = [
        Listing("B", figi="renamed"),
        Listing("C", figi="both"),
        Listing("D", figi="both", delisted=FIRST),
        Listing("E", figi="new"),
        Listing("F", figi="old"),
    ]
    known = pl.DataFrame(
        [("massive:renamed", "A", BEGINNING, None, None)], schema=SECURITY_SCHEMA, orient="row"
    )
    assert questions(listings, known, {"E"}) == ("renamed", "both", "new")
    assert questions(listings, known, {"E"}, most=1) == ("renamed",)


def test_a_new_name_of_unknown_age_is_taken_from_the_day_it_was_seen() -> None:
    known = securities_of([Listing("OLD", figi="F")], {}, no_securities(), FIRST)
    assert rows(securities_of([Listing("NEW", figi="F")], {}, known, LATER)) == {
        ("massive:F", "OLD", BEGINNING, FIRST),
        ("massive:F", "NEW", LATER, None),
    }


DAYS = st.dates(date(2000, 1, 1), date(2000, 3, 1))
LISTINGS = st.builds(
    Listing,
    ticker=st.sampled_from("ABC"),
    name=st.none(),
    figi=st.sampled_from([None, "X", "Y", "Z"]),
    delisted=st.none() | DAYS,
)
CHANGES = st.dictionaries(
    st.sampled_from("XYZ"), st.lists(st.builds(TickerChange, DAYS, st.sampled_from("ABC")), max_size=4)
)


@settings(max_examples=200, deadline=None)
@given(st.lists(LISTINGS, max_size=8), CHANGES, st.lists(LISTINGS, max_size=8))
def test_whatever_is_listed_no_ticker_has_two_holders_on_a_day(
    listings: list[Listing], changes: dict[str, list[TickerChange]], before: list[Listing]
) -> None:
    known = merged(no_securities(), securities_of(before, {}, no_securities(), LATER))
    merged(known, securities_of(listings, changes, known, LATER))


@pytest.mark.parametrize("active", [True, False])
def test_one_figi_under_two_tickers_at_once_is_two_securities(active: bool) -> None:
    delisted = None if active else FIRST
    table = securities_of(
        [Listing("VLGEA", figi="V", delisted=delisted), Listing("VLGE.A", figi="V", delisted=delisted)],
        {},
        no_securities(),
        LATER,
    )
    assert table["security_id"].n_unique() == 2
