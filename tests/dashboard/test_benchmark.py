"""What an account is compared with: the same start held in one ticker, and nothing where its closes do not reach."""

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.benchmark import Benchmark, benchmark
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import PriceChart
from tests.dashboard.clients import open_client
from tests.dashboard.seed import seed
from tests.dashboard.test_pages import words_of

MONDAY, TUESDAY, WEDNESDAY, FRIDAY = (date(2026, 11, day) for day in (16, 17, 18, 20))
HELD = Benchmark("SPY", (MONDAY, TUESDAY, FRIDAY), (100.0, 110.0, 121.0))


@pytest.mark.parametrize(
    ("first", "last", "growth"),
    [
        (TUESDAY, FRIDAY, 1.21),
        (TUESDAY, TUESDAY, 1.1),
        (WEDNESDAY, FRIDAY, 1.1),
        (MONDAY, FRIDAY, 1.21),
        (MONDAY, MONDAY, 1.0),
        (date(2026, 11, 13), FRIDAY, None),
        (FRIDAY, WEDNESDAY, 1.0),
        (date(2026, 12, 1), date(2026, 12, 2), 1.0),
    ],
)
def test_growth_counts_from_the_close_before_the_first_session(
    first: date, last: date, growth: float | None
) -> None:
    found = HELD.growth(first, last)
    assert found == (None if growth is None else pytest.approx(growth))


@pytest.mark.parametrize(
    ("first", "last", "growth"),
    [
        (MONDAY, FRIDAY, 1.21),
        (WEDNESDAY, FRIDAY, 1.1),
        (date(2026, 11, 13), FRIDAY, None),
        (FRIDAY, MONDAY, None),
    ],
)
def test_between_closes_counts_from_the_close_of_the_first_session(
    first: date, last: date, growth: float | None
) -> None:
    found = HELD.between_closes(first, last)
    assert found == (None if growth is None else pytest.approx(growth))


def test_worth_is_dollars_to_the_cent() -> None:
    assert HELD.worth(Decimal(1000), TUESDAY, FRIDAY) == Decimal("1210.00")
    assert HELD.worth(Decimal("333.33"), TUESDAY, TUESDAY) == Decimal("366.66")


def spy(bars: list[object], *, synthetic: bool = False, version: str = "v1") -> PriceChart:
    """The closes that compute reports."""
    return PriceChart(
        ticker="SPY",
        synthetic=synthetic,
        data_version=version,
        as_of=FRIDAY,
        bars=bars,
        updated_at=datetime(2026, 11, 20, 22, tzinfo=UTC),
    )


def bar(day: date, close: object) -> list[object]:
    return [day.isoformat(), 1, 1, 1, close, 9]


def test_made_up_closes_say_nothing_of_a_real_account(session: Session) -> None:
    session.add(spy([bar(MONDAY, 100)], synthetic=True))
    session.flush()
    assert benchmark(session, "SPY", synthetic=False) is None
    assert benchmark(session, "QQQ", synthetic=True) is None
    found = benchmark(session, "SPY", synthetic=True)
    assert found is not None
    assert found.closes == (100.0,)


def test_new_closes_are_read_as_soon_as_compute_reports_them(session: Session) -> None:
    chart = spy([bar(MONDAY, 100), bar(TUESDAY, 0), bar(WEDNESDAY, "x"), bar(FRIDAY, 110)])
    session.add(chart)
    session.flush()
    found = benchmark(session, "SPY", synthetic=False)
    assert found is not None
    assert (found.sessions, found.closes) == ((MONDAY, FRIDAY), (100.0, 110.0)), (
        "what is no price is left out"
    )
    chart.bars, chart.data_version = [bar(MONDAY, 50)], "v2"
    session.flush()
    renewed = benchmark(session, "SPY", synthetic=False)
    assert renewed is not None
    assert renewed.closes == (50.0,)


def test_a_chart_without_closes_is_no_benchmark(session: Session) -> None:
    session.add(spy([], version="empty"))
    session.flush()
    assert benchmark(session, "SPY", synthetic=False) is None


def test_the_account_stands_beside_spy_on_every_page_and_over_the_api(database_url: str) -> None:
    seed(database_url)
    engine = database_engine(database_url)
    with engine.begin() as connection:
        connection.execute(text("DELETE FROM price_charts WHERE ticker = 'SPY'"))
    with transaction(engine) as session:
        # From the close before the account's first session, 2026-08-31, to its newest, 2026-11-20.
        session.add(
            spy([bar(date(2026, 8, 28), 600), bar(date(2026, 8, 31), 612), bar(FRIDAY, 660)], synthetic=True)
        )
    engine.dispose()
    with open_client(database_url) as client:
        for path in ("/", "/trading"):
            assert "SPY, same start +10.0" in words_of(client.get(path).text), path
        standing = client.get("/api/v1/accounts/1/standing").json()
        curve = client.get("/api/v1/accounts/1/equity").json()
    assert standing["benchmark_name"] == "SPY"
    assert standing["benchmark_return"] == pytest.approx(0.1)
    assert standing["benchmark"] == 110_000
    assert curve["benchmark"] == "SPY"
    assert curve["points"][0] == {"session": "2026-08-31", "equity": 100_000.0, "benchmark": 102_000.0}
    assert curve["points"][-1]["benchmark"] == 110_000
