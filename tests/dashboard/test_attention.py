"""Which things on the overview need a person, by time of day and state."""

from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from falcon_pipelines.dashboard.attention import missed_weekdays, notices, stale_prices
from falcon_pipelines.dashboard.formatting import NEW_YORK
from falcon_pipelines.dashboard.overview import Overview
from falcon_pipelines.dashboard.queries.accounts import Standing
from falcon_pipelines.dashboard.queries.control import HaltRow
from falcon_pipelines.dashboard.queries.market_data import DataHealth, Frequency
from falcon_pipelines.dashboard.queries.operations import RunRow, ServiceRow
from falcon_pipelines.dashboard.queries.positions import Position
from falcon_pipelines.dashboard.queries.signals import FeedState, HaltElsewhere, Signals
from falcon_pipelines.dashboard.queries.strategies import WaitingStrategy

QUIET = Signals(
    rejected=0,
    failing_errors=0,
    failing_warnings=0,
    unsent=0,
    unanswered=0,
    llm_spent=Decimal(0),
    feeds=[],
    services=[],
    halted_elsewhere=[],
)


def overview_of(newest: date, *, synthetic: bool = False, quarantined: int = 0) -> Overview:
    day = Frequency(
        frequency="day",
        first_session=date(2024, 1, 2),
        newest_session=newest,
        sessions=700,
        rows=6_000_000,
        quarantined=quarantined,
        newest_rows=9_000,
        newest_quarantined=quarantined,
    )
    data = DataHealth(
        version="v1-a", stored_at=None, sources=["s3"], basis=["sip"], synthetic=synthetic, frequencies=[day]
    )
    return Overview(
        accounts=[],
        account=None,
        standing=None,
        positions=[],
        halts=[],
        screens=[],
        strategies=[],
        waiting=[],
        data=data,
        failed_runs=[],
        notifications=[],
        signals=QUIET,
    )


def at(day: int, hour: int) -> datetime:
    """A New York time in November 2026."""
    return datetime(2026, 11, day, hour, tzinfo=NEW_YORK)


@pytest.mark.parametrize(
    ("newest", "now", "missed"),
    [
        (date(2026, 11, 20), at(21, 12), 0),  # Friday's bars on Saturday
        (date(2026, 11, 20), at(23, 12), 0),  # still all there is on Monday
        (date(2026, 11, 20), at(24, 10), 0),  # Monday's file is not due before 11:00 on Tuesday
        (date(2026, 11, 20), at(24, 11), 1),
        (date(2026, 11, 20), at(25, 12), 2),
        (date(2026, 11, 24), at(20, 12), 0),
    ],
)
def test_only_weekdays_whose_file_is_due_are_missed(newest: date, now: datetime, missed: int) -> None:
    assert missed_weekdays(newest, now) == missed


def test_one_missing_weekday_may_be_a_holiday_two_are_stale_data() -> None:
    view = overview_of(date(2026, 11, 20))
    assert notices(view, at(24, 12)) == []
    assert [notice.kind for notice in notices(view, at(25, 12))] == ["act"]


def test_synthetic_data_is_never_stale_and_always_said() -> None:
    found = notices(overview_of(date(2024, 1, 5), synthetic=True), at(25, 12))
    assert [notice.kind for notice in found] == ["note"]
    assert "SYNTHETIC" in found[0].message


@pytest.mark.parametrize(("quarantined", "needs_a_person"), [(90, False), (95, True)])
def test_more_than_a_hundredth_in_quarantine_needs_a_person(quarantined: int, needs_a_person: bool) -> None:
    found = notices(overview_of(date(2026, 11, 20), quarantined=quarantined), at(21, 12))
    assert bool(found) is needs_a_person


def test_a_halt_that_lasts_needs_a_person_one_that_is_over_does_not() -> None:
    since = at(20, 10)
    over = HaltRow(kind="daily_loss", since=since, until=at(21, 10), reason="lost 3 % in a day")
    lasting = HaltRow(kind="drawdown", since=since, until=None, reason="20 % below the peak")
    view = overview_of(date(2026, 11, 20)).model_copy(update={"halts": [lasting, over]})
    assert [notice.message for notice in notices(view, at(21, 12))] == [
        "No new entries: drawdown since 2026-11-20 10:00, 20 % below the peak. Exits still run."
    ]


def test_a_halt_of_another_account_needs_a_person_too() -> None:
    elsewhere = HaltElsewhere(
        account_id=7, account="golden_cross_paper", kind="daily_loss", reason="lost 3 %"
    )
    view = overview_of(date(2026, 11, 20)).model_copy(
        update={"signals": QUIET.model_copy(update={"halted_elsewhere": [elsewhere]})}
    )
    (notice,) = notices(view, at(21, 12))
    assert notice.message == "No new entries in golden cross paper: daily loss, lost 3 %."
    assert (notice.kind, notice.link) == ("act", "/trading?account=7#halts")


def service(name: str, beat_at: datetime, state: str = "ok", detail: str | None = None) -> ServiceRow:
    return ServiceRow(
        service=name,
        node="compute",
        version="0.1.0",
        state=state,
        detail=detail,
        started_at=at(1, 0),
        beat_at=beat_at,
    )


def test_a_silent_or_ailing_service_needs_a_person_one_taken_out_of_use_does_not() -> None:
    now = at(21, 12)
    view = overview_of(date(2026, 11, 20)).model_copy(
        update={
            "signals": QUIET.model_copy(
                update={
                    "services": [
                        service("dashboard", now - timedelta(seconds=20)),
                        service("falcon-trader", now - timedelta(minutes=6)),
                        service("falcon-feed", now - timedelta(seconds=5), "degraded", "no connection"),
                        service("old", now - timedelta(days=8)),
                        service("stopped", now - timedelta(hours=5), "stopping"),
                    ]
                }
            )
        }
    )
    assert [notice.message for notice in notices(view, now)] == [
        "falcon-trader on compute has been silent for 6\N{NO-BREAK SPACE}min. See falcon status.",
        "falcon-feed on compute is not well: no connection.",
    ]


def failed_run(*, mended: bool) -> RunRow:
    return RunRow(
        id="r1",
        job="ingest_day_bars",
        partition="2026-11-19",
        status="failed",
        problem="403",
        created_at=at(20, 12),
        started_at=None,
        ended_at=None,
        mended=mended,
    )


def test_a_failed_run_needs_a_person_until_it_has_succeeded() -> None:
    view = overview_of(date(2026, 11, 20))
    failed = view.model_copy(update={"failed_runs": [failed_run(mended=False)]})
    assert [notice.message for notice in notices(failed, at(21, 12))] == [
        "ingest day bars of 2026-11-19 failed: 403"
    ]
    mended = view.model_copy(update={"failed_runs": [failed_run(mended=True)]})
    assert notices(mended, at(21, 12)) == []


def test_a_strategy_that_passed_waits_for_a_persons_decision() -> None:
    waiting = [WaitingStrategy(id=7, name="golden_cross", verdict="promising")]
    view = overview_of(date(2026, 11, 20)).model_copy(update={"waiting": waiting})
    found = notices(view, at(21, 12))
    assert [notice.message for notice in found] == [
        "golden cross is judged promising: approve it for paper, or retire it."
    ]
    assert found[0].link == "/strategies/7#decision"


@pytest.mark.parametrize(
    ("signals", "sentence"),
    [
        ({"failing_errors": 2}, "2 data checks failed that must not."),
        ({"unsent": 1}, "1 notification could not be sent."),
        (
            {"unanswered": 1},
            "1 request from the pages found no answer for an hour. Do the sensors run?",
        ),
        (
            {"feeds": [FeedState(name="massive", state="stale", detail="no bar for 3 min")]},
            "Live bars of massive are stale: no bar for 3 min. Stops are watched on the newest price there is.",
        ),
    ],
)
def test_what_the_machinery_cannot_mend_itself_is_said(signals: dict[str, object], sentence: str) -> None:
    view = overview_of(date(2026, 11, 20)).model_copy(update={"signals": QUIET.model_copy(update=signals)})
    assert [(notice.kind, notice.message) for notice in notices(view, at(21, 12))] == [("act", sentence)]


def position(priced_by: str, priced_at: datetime) -> Position:
    return Position(
        ticker="AAPL",
        quantity=Decimal(1),
        cost=Decimal(100),
        average_cost=Decimal(100),
        price=Decimal(101),
        priced_at=priced_at,
        priced_by=priced_by,  # type: ignore[arg-type]
        market_value=Decimal(101),
        unrealised=Decimal(1),
        unrealised_return=0.01,
        stop=None,
        target=None,
        first_stop=None,
        r_multiple=None,
        opened_at=None,
    )


def test_a_price_is_stale_once_newer_ones_should_be_there() -> None:
    view = overview_of(date(2026, 11, 20))
    live = QUIET.model_copy(update={"feeds": [FeedState(name="massive", state="live", detail=None)]})

    def stale(held: Position, signals: Signals, now: datetime) -> bool:
        return bool(stale_prices(view.model_copy(update={"positions": [held], "signals": signals}), now))

    assert not stale(position("mark", at(20, 16)), QUIET, at(23, 9))
    assert stale(position("mark", at(19, 16)), QUIET, at(23, 9))
    assert not stale(position("live", at(23, 10)), live, at(23, 10) + timedelta(minutes=14))
    assert stale(position("live", at(23, 10)), live, at(23, 10) + timedelta(minutes=16))
    assert not stale(position("live", at(20, 16)), QUIET, at(23, 9))


def test_a_replay_of_past_sessions_is_not_called_old_while_it_runs() -> None:
    replayed = FeedState(name="replay", state="replaying", detail=None)
    worth = dict.fromkeys(("equity", "cash", "paid_in"), Decimal(100))
    nothing = dict.fromkeys(("market_value", "receivable"), Decimal(0))
    unknown = dict.fromkeys(("benchmark", "benchmark_name", "day_profit"))
    day = date(2026, 11, 18)
    standing = Standing.model_validate({"session": day, "first_session": day, **worth, **nothing, **unknown})
    view = overview_of(date(2026, 11, 20)).model_copy(
        update={"positions": [position("mark", at(18, 10))], "standing": standing}
    )
    assert [notice.message for notice in notices(view, at(21, 12))] == [
        "Old prices: AAPL, no price since 2026-11-18, bars reach 2026-11-20.",
        "The paper account was last valued on 2026-11-18, bars reach 2026-11-20.",
    ]
    running = view.model_copy(update={"signals": QUIET.model_copy(update={"feeds": [replayed]})})
    assert notices(running, at(21, 12)) == []
