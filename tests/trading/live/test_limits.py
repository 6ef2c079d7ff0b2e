"""What no live account may exceed: each limit refuses or halts entries, survives a restart, and lets exits run."""

from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, select

from falcon_pipelines.dashboard.queries.limits import limits as shown_limits
from falcon_pipelines.db import models
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.live.facts import Reference
from falcon_pipelines.trading.live.routing import InvalidRouting, load_routing
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.store import account_named, create_account
from tests.trading.live.bars import MONDAY, arrive, minute
from tests.trading.live.books import buy, fills, hand_in, order, told
from tests.trading.live.conftest import MakeDesk

TUESDAY, WEDNESDAY = date(2026, 11, 3), date(2026, 11, 4)


class Market:
    """A desk that is started anew before every minute, so that nothing it knows outlives one."""

    def __init__(self, engine: Engine, make_desk: MakeDesk, **desk: Any) -> None:
        self.engine, self.make_desk, self.desk = engine, make_desk, desk
        self.make_desk(minute(0), **desk)

    def minute(self, number: int, prices: dict[str, Any], session: date = MONDAY) -> None:
        rows = {ticker: p if isinstance(p, tuple) else (p,) * 4 for ticker, p in prices.items()}
        arrive(self.engine, minute(number, session), rows)
        self.make_desk(minute(number, session), **self.desk).turn(minute(number + 1, session))

    def tell(self, command: str, now: datetime, **more: Any) -> None:
        with transaction(self.engine) as session:
            request_command(session, account_named(session, "candidates"), command, "ann", **more)
        self.make_desk(now, **self.desk).turn(now)

    def halts(self) -> list[str]:
        with transaction(self.engine) as session:
            query = select(models.AccountHalt.kind).where(models.AccountHalt.until.is_(None))
            return sorted(session.scalars(query))


@pytest.fixture
def market(engine: Engine, make_desk: MakeDesk) -> Any:
    yield lambda **desk: Market(engine, make_desk, **desk)
    with transaction(engine) as session:
        assert broken_books(session) == {}


def refused(engine: Engine) -> dict[str, str]:
    """The limit that refused each order."""
    with transaction(engine) as session:
        rows = session.scalars(select(models.Order).where(models.Order.status == "rejected"))
        return {row.id: (row.reason or "").split(":")[0] for row in rows}


def sectors(**names: str) -> dict[str, Reference]:
    return {ticker: Reference(sector=name) for ticker, name in names.items()}


def test_an_eleventh_position_is_not_opened(engine: Engine, market: Any) -> None:
    names = [f"T{n:02d}" for n in range(12)]
    trade = market()
    hand_in(engine, *(buy(name, minute(0), name, 1) for name in names[:11]), buy("more", minute(0), "T00", 1))
    trade.minute(0, dict.fromkeys(names, 10))
    assert refused(engine) == {"T10": "max_positions"}
    hand_in(engine, buy("again", minute(1), "T11", 1))
    trade.minute(1, dict.fromkeys(names, 10))
    assert refused(engine).keys() == {"T10", "again"}
    trade.tell("close", minute(2), target="T03")
    hand_in(engine, buy("free", minute(3), "T11", 1))
    for number in (2, 3):
        trade.minute(number, dict.fromkeys(names, 10))
    assert order(engine, "free").status == "filled"


def test_five_percent_of_equity_stay_in_cash(engine: Engine, market: Any) -> None:
    trade = market(reference=sectors(A="a", B="b", C="c", D="d"))
    hand_in(
        engine,
        *(buy(name, minute(0), name, 24, strategy="one" if name in "AB" else "two") for name in "ABCD"),
    )
    trade.minute(0, dict.fromkeys("ABCD", 100))
    assert refused(engine) == {"D": "cash_share"}
    hand_in(engine, buy("less", minute(1), "D", 22, strategy="two"))
    trade.minute(1, dict.fromkeys("ABCD", 100))
    assert order(engine, "less").status == "filled"


def test_one_strategy_invests_half_at_most(engine: Engine, market: Any) -> None:
    trade = market(reference=sectors(A="a", B="b", C="c"))
    hand_in(
        engine,
        buy("A", minute(0), "A", 26, strategy="one"),
        buy("B", minute(0), "B", 26, strategy="one"),
        buy("C", minute(0), "C", 26, strategy="two"),
    )
    trade.minute(0, dict.fromkeys("ABC", 100))
    assert refused(engine) == {"B": "strategy_share"}


@pytest.mark.parametrize("known", [True, False], ids=["one sector", "no sector known"])
def test_one_sector_gets_thirty_percent_at_most(engine: Engine, market: Any, known: bool) -> None:
    trade = market(reference=sectors(A="a", B="a", C="c") if known else sectors(C="c"))
    hand_in(engine, *(buy(name, minute(0), name, 20, strategy=name) for name in "ABC"))
    trade.minute(0, dict.fromkeys("ABC", 100))
    assert refused(engine) == {"B": "sector_share"}
    with transaction(engine) as session:
        memory = session.scalars(select(models.Account.memory)).one()
    assert memory["sectors"] == ({"A": "a", "C": "c"} if known else {"C": "c"})


def test_three_percent_lost_on_a_day_halt_entries_until_the_next_session(engine: Engine, market: Any) -> None:
    trade = market()
    hand_in(
        engine,
        buy("in", minute(0), "X", 28, stop=85),
        buy("rest", minute(0), "Y", 1, type="limit", limit=Decimal(9)),
    )
    trade.minute(0, {"X": 100, "Y": 10})
    trade.minute(1, {"X": 91, "Y": 10})
    assert trade.halts() == []  # 2.6 %
    trade.minute(2, {"X": 89, "Y": 10})
    assert trade.halts() == ["daily_loss"]
    hand_in(engine, buy("no", minute(3), "Y", 1))
    trade.minute(3, {"X": 86, "Y": 8})
    assert refused(engine) == {"no": "entries are halted"}
    assert order(engine, "rest").status == "open"
    trade.minute(4, {"X": 80, "Y": 10})
    assert [row[0] for row in fills(engine)] == ["in", "in.stop"]
    assert told(engine, "halt") == ["candidates: entries are halted"]
    hand_in(engine, buy("yes", minute(0, TUESDAY), "Y", 1))
    trade.minute(0, {"X": 80, "Y": 10}, TUESDAY)
    assert order(engine, "yes").status == "filled"
    assert trade.halts() == []


def test_fifteen_percent_below_the_peak_halt_entries_until_acknowledged(engine: Engine, market: Any) -> None:
    trade = market()
    hand_in(engine, buy("in", minute(0), "X", 28, stop=20))
    trade.minute(0, {"X": 100, "Y": 10})
    trade.minute(1, {"X": 45, "Y": 10})
    assert trade.halts() == ["daily_loss", "drawdown"]
    for session in (TUESDAY, WEDNESDAY):
        hand_in(engine, buy(f"no {session}", minute(0, session), "Y", 1))
        trade.minute(0, {"X": 45, "Y": 10}, session)
        assert order(engine, f"no {session}").status == "rejected"
        assert trade.halts() == ["drawdown"]
    trade.tell("acknowledge", minute(1, WEDNESDAY))
    trade.tell("acknowledge", minute(1, WEDNESDAY))
    hand_in(engine, buy("yes", minute(1, WEDNESDAY), "Y", 1))
    trade.minute(1, {"X": 45, "Y": 10}, WEDNESDAY)
    assert order(engine, "yes").status == "filled"
    assert trade.halts() == []
    trade.minute(2, {"X": 19, "Y": 10}, WEDNESDAY)
    assert fills(engine)[-1][0] == "in.stop"


def test_a_ticker_that_lost_is_left_alone_for_a_session(engine: Engine, market: Any) -> None:
    trade = market()
    hand_in(engine, buy("in", minute(0), "X", 5, stop=95), buy("won", minute(0), "Y", 5, target=11))
    trade.minute(0, {"X": 100, "Y": 10})
    trade.minute(1, {"X": 94, "Y": 12})
    for name, session in (("same day", MONDAY), ("next", TUESDAY), ("later", WEDNESDAY)):
        at = minute(2, session)
        hand_in(engine, buy(name, at, "X", 1), buy(f"{name} Y", at, "Y", 1))
        trade.minute(2, {"X": 94, "Y": 12}, session)
    assert refused(engine) == {
        "same day": "X is in cooldown until 2026-11-04 after a loss",
        "next": "X is in cooldown until 2026-11-04 after a loss",
    }


def test_four_stop_exits_on_a_day_halt_entries_for_the_rest_of_it(engine: Engine, market: Any) -> None:
    trade = market()
    names = "ABCD"
    hand_in(engine, *(buy(name, minute(0), name, 1, stop=95) for name in names))
    trade.minute(0, dict.fromkeys("ABCDX", 100))
    trade.minute(1, {**dict.fromkeys("ABC", 94), "D": 100, "X": 100})
    assert trade.halts() == []
    trade.minute(2, {"D": 94, "X": 100})
    assert trade.halts() == ["stop_guard"]
    hand_in(engine, buy("no", minute(3), "X", 1))
    trade.minute(3, {"X": 100})
    assert refused(engine) == {"no": "entries are halted"}
    trade.minute(0, {"X": 100}, TUESDAY)
    hand_in(engine, buy("yes", minute(1, TUESDAY), "X", 1))
    trade.minute(1, {"X": 100}, TUESDAY)
    assert order(engine, "yes").status == "filled"


def test_pause_and_flatten_outlive_restarts_and_nights(engine: Engine, market: Any) -> None:
    trade = market()
    hand_in(engine, buy("x", minute(0), "X", 5, stop=50), buy("y", minute(0), "Y", 5, stop=5))
    trade.minute(0, {"X": 100, "Y": 10})
    trade.tell("pause", minute(400))
    trade.tell("flatten", minute(401))
    hand_in(engine, buy("no", minute(0, TUESDAY), "X", 1))
    trade.minute(0, {"X": 99}, TUESDAY)
    trade.minute(7, {"X": 98, "Y": 9}, TUESDAY)
    sales = [(row[0].split(":")[2], row[1]) for row in fills(engine)[2:]]
    assert sales == [("X", 5), ("Y", 5)]
    assert (refused(engine), trade.halts()) == ({"no": "entries are halted"}, ["paused"])
    trade.tell("resume", minute(8, TUESDAY))
    hand_in(engine, buy("yes", minute(8, TUESDAY), "Z", 1))
    trade.minute(8, {"Z": 99}, TUESDAY)
    assert order(engine, "yes").status == "filled"


LIMITS = """
limits: {max_positions: 2, cash_percent: 40, sector_percent: null, daily_loss_percent: 1}
rules: [{name: rest, strategy: tenth}]
strategies: {tenth: {sizing: {percent_of_equity: 10}}}
"""


def test_other_limits_can_be_set(engine: Engine, market: Any, tmp_path: Path) -> None:
    (tmp_path / "routing.yaml").write_text(LIMITS)
    trade = market(routing=tmp_path / "routing.yaml")
    hand_in(
        engine,
        *(
            buy(name, minute(0), name, n, strategy=name)
            for name, n in (("A", 35), ("B", 10), ("C", 1), ("D", 1))
        ),
    )
    trade.minute(0, dict.fromkeys("ABCD", 100))
    assert refused(engine) == {"B": "cash_share", "D": "max_positions"}
    trade.minute(1, dict.fromkeys("ABCD", 97))
    assert trade.halts() == ["daily_loss"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{strategy_percent: 0}", "limits.strategy_percent"),
        ("{cash_percent: 120}", "limits.cash_percent"),
        ("{max_position: 3}", "limits.max_position"),
        ("{guard_sessions: null}", "limits.guard_sessions"),
    ],
)
def test_limits_that_make_no_sense_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "routing.yaml"
    path.write_text(f"limits: {text}\nrules: [{{name: rest, strategy: s}}]\n")
    with pytest.raises(InvalidRouting, match=words):
        load_routing(path)


def test_an_account_that_was_opened_under_other_limits_obeys_those_of_today(
    engine: Engine, market: Any
) -> None:
    old = Rules(limits=Limits(volume_share=0.1, cash_share=0.95, strategy_share=0.95, max_positions=50))
    with transaction(engine) as session:
        account = create_account(session, "candidates", Decimal(10_000), minute(0), old, live_sequence=0)
    trade = market(reference=sectors(A="a", B="b"))
    hand_in(engine, *(buy(name, minute(0), name, 26, strategy="one") for name in "AB"))
    trade.minute(0, dict.fromkeys("AB", 100))
    assert refused(engine) == {"B": "strategy_share"}
    with transaction(engine) as session:
        shown = {row.name: row.limit for row in shown_limits(session, account, ())}
        assert session.get_one(models.Account, account).rules["costs"] == {"fee_bps": 0, "slippage_bps": 0}
    assert shown == {
        "max_positions": 10, "cash_share": 0.95, "strategy_share": 0.5, "sector_share": 0.3,
        "daily_loss": 0.03, "drawdown": 0.15, "guard_stops": 4,
    }  # fmt: skip
