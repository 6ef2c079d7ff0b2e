"""Bars in the table: each once, however they come; corrections as revisions; visible in order of their sequence."""

import random
import threading
from datetime import timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine, select, text
from sqlalchemy.engine import make_url

from falcon_pipelines.db.engine import DatabaseUnavailable, database_engine, transaction
from falcon_pipelines.db.models import LiveBar
from falcon_pipelines.trading.feed import table
from falcon_pipelines.trading.feed.bars import MinuteBar
from falcon_pipelines.trading.feed.table import MixedLiveBars, Written, write_bars
from tests.services.outage import outage
from tests.trading.feed.running import OPEN, bar, moment, rows


def write(engine: Engine, *bars: MinuteBar, basis: str = "sip") -> Written:
    with transaction(engine) as session:
        return write_bars(session, bars, "massive", basis)


def test_identical_redelivery_changes_nothing(database_url: str) -> None:
    engine = database_engine(database_url)
    bars = [bar("A", 0), bar("B", 0), bar("A", 1)]
    assert write(engine, *bars) == Written(3, 0, 0)
    before = rows(engine)
    assert write(engine, *bars, *bars) == Written(0, 0, 6)
    assert write(engine, bars[0]._replace(late=True)) == Written(0, 0, 1)
    assert rows(engine) == before


def test_a_correction_is_a_new_revision_and_an_older_one_changes_nothing(database_url: str) -> None:
    engine = database_engine(database_url)
    first, second = bar("A", 0), bar("A", 0, 101.0)
    write(engine, first)
    assert write(engine, second) == Written(1, 1, 0)
    assert write(engine, first) == Written(0, 0, 1)
    assert write(engine, first, second, bar("A", 0, 102.0)) == Written(1, 1, 2)
    assert [(row[2], float(row[3])) for row in rows(engine)] == [(0, 100.0), (1, 101.0), (2, 102.0)]


def test_prices_are_equal_when_they_are_in_millionths(database_url: str) -> None:
    engine = database_engine(database_url)
    write(engine, bar("A", 0)._replace(close=100.1 + 0.2, high=101.0))
    assert write(engine, bar("A", 0)._replace(close=100.3, high=101.0)).inserted == 0


def test_another_basis_changes_nothing(database_url: str) -> None:
    engine = database_engine(database_url)
    write(engine, bar("A", 0))
    assert write(engine, bar("A", 0, 99.0), basis="iex").inserted == 0
    with transaction(engine) as session:
        table.require_one_basis(session, "sip", moment(OPEN))
        table.require_one_basis(session, "iex", moment(OPEN) + timedelta(days=1))
        with pytest.raises(MixedLiveBars, match="sip"):
            table.require_one_basis(session, "iex", moment(OPEN))


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_shuffled_doubled_and_split_deliveries_leave_the_same_bars(
    database_url: str, data: st.DataObject
) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        session.execute(text("TRUNCATE live_bars"))
    whole = [bar(ticker, minute, 50.0 + minute) for minute in range(6) for ticker in ("A", "B", "TRUE")]
    doubled = whole + data.draw(st.lists(st.sampled_from(whole), max_size=20))
    order = data.draw(st.permutations(doubled))
    while order:
        size = data.draw(st.integers(1, 9))
        write(engine, *order[:size])
        order = order[size:]
    found = sorted((row[0], row[1], float(row[3])) for row in rows(engine))
    assert found == sorted((item.ticker, (item.time - OPEN) // 60, item.open) for item in whole)
    engine.dispose()


def test_who_has_seen_a_sequence_has_seen_all_below_it(database_url: str) -> None:
    """Two feeds at once: a reader that goes on from the highest sequence it saw misses no bar."""
    engine = database_engine(database_url)
    done = threading.Event()
    seen: list[int] = []

    def read() -> None:
        cursor = 0
        last_round = False
        while not last_round:
            last_round = done.is_set()
            with transaction(engine) as session:
                found = session.scalars(
                    select(LiveBar.sequence).where(LiveBar.sequence > cursor).order_by(LiveBar.sequence)
                ).all()
            seen.extend(found)
            cursor = max(found, default=cursor)

    def feed(name: str) -> None:
        own = database_engine(database_url)
        chance = random.Random(name)
        for minute in range(40):
            write(own, *(bar(f"{name}{n}", minute) for n in range(chance.randint(1, 20))))
        own.dispose()

    reader = threading.Thread(target=read)
    reader.start()
    feeds = [threading.Thread(target=feed, args=(name,)) for name in "AB"]
    for thread in feeds:
        thread.start()
    for thread in feeds:
        thread.join()
    done.set()
    reader.join()
    with transaction(engine) as session:
        assert seen == session.scalars(select(LiveBar.sequence).order_by(LiveBar.sequence)).all()


def test_a_lost_connection_is_an_outage_and_nothing_is_half_written(database_url: str) -> None:
    engine = database_engine(database_url)

    def cut_short() -> None:
        with transaction(engine) as session:
            write_bars(session, [bar("A", 0)], "massive", "sip")
            with outage(database_url):
                write_bars(session, [bar("B", 0)], "massive", "sip")

    with pytest.raises(DatabaseUnavailable):
        cut_short()
    assert rows(engine) == []
    write(engine, bar("A", 0))
    assert len(rows(engine)) == 1


def test_cursors_and_reasons_are_kept_apart(database_url: str) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        table.save_cursors(session, "massive", {"A": OPEN, "B": None})
        table.save_symbols(session, "massive", {"A": ("held", "order"), "C": ("watchlist",)})
    with transaction(engine) as session:
        table.save_symbols(session, "massive", {"C": ("watchlist",)})
        table.save_cursors(session, "massive", {"B": OPEN + 60})
    with transaction(engine) as session:
        assert table.read_cursors(session, "massive") == {"A": OPEN, "B": OPEN + 60}
        assert table.read_cursors(session, "alpaca") == {}


def test_the_application_role_may_do_all_of_it(database_url: str) -> None:
    engine = database_engine(make_url(database_url).set(username="falcon_app").render_as_string())
    awkward = [bar(ticker, 0) for ticker in ("NULL", "NA", "A,B", "{}", "A'B", "TRUE", "BRK.B")]
    assert write(engine, *awkward).inserted == len(awkward)
    assert write(engine, *awkward).inserted == 0
    assert [row[0] for row in rows(engine)] == [item.ticker for item in awkward]
    with transaction(engine) as session:
        table.save_symbols(session, "massive", {"A": ("held",)})
        table.save_cursors(session, "massive", {"A": OPEN})
        table.save_feed(session, "massive", basis="sip", state="live", detail=None, counts={})
        assert table.delete_bars(session, "massive", moment(OPEN + 60), 3, most=10) == 3
