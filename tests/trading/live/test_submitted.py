"""Orders that wait for their first bar: commands and corporate actions reach them too, and candidates' expire."""

from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from sqlalchemy import Engine

from falcon_pipelines.bars.actions import CorporateAction
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.trading.orders import OrderRequest
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.store import account_named
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import buy, fills, hand_in, order
from tests.trading.live.conftest import MakeDesk
from tests.trading.live.test_candidates import ROUTING, STOCK, pick, skipped
from tests.trading.live.test_candidates import orders as all_orders
from tests.trading.live.test_desk import TUESDAY, add_actions, flat

Ask = Callable[..., None]


@pytest.fixture
def ask(engine: Engine) -> Ask:
    def tell(command: str, **more: object) -> None:
        with transaction(engine) as session:
            request_command(session, account_named(session, "candidates"), command, "ann", **more)  # type: ignore[arg-type]

    return tell


def answers(engine: Engine) -> list[str | None]:
    with transaction(engine) as session:
        return [
            row.result for row in session.query(models.OperatorCommand).order_by(models.OperatorCommand.id)
        ]


def overnight(*more: OrderRequest) -> tuple[OrderRequest, ...]:
    """Purchases decided at Monday's close."""
    close = minute(390)
    return buy("x", close, "X"), buy("y", close, "Y"), *more


@pytest.mark.parametrize(
    ("command", "target", "left"),
    [("flatten", None, []), ("close", "X", ["y"]), ("cancel", "y", ["x"])],
)
def test_a_command_reaches_a_purchase_that_waits_for_tomorrow(
    engine: Engine, make_desk: MakeDesk, ask: Ask, command: str, target: str | None, left: list[str]
) -> None:
    desk = make_desk(minute(0))
    hand_in(engine, *overnight())
    ask(command, **({} if target is None else {"target": target}))
    desk.turn(minute(400))
    assert answers(engine) == ["done"]
    arrive(engine, minute(0, TUESDAY), {"X": flat(100), "Y": flat(50)})
    make_desk(minute(0, TUESDAY)).turn(minute(1, TUESDAY))
    assert [row[0] for row in fills(engine)] == left
    with transaction(engine) as session:
        assert broken_books(session) == {}


def test_the_stop_of_a_purchase_that_waits_can_be_moved(
    engine: Engine, make_desk: MakeDesk, ask: Ask
) -> None:
    desk = make_desk(minute(0))
    resting = {"type": "stop_limit", "limit": Decimal(120)}
    request = OrderRequest("in", minute(390), "X", "buy", quantity=5, stop=Decimal(110), **resting)  # type: ignore[arg-type]
    hand_in(engine, request)
    ask("edit_stop", target="in", stop=Decimal(105))
    desk.turn(minute(400))
    arrive(engine, minute(0, TUESDAY), {"X": (100, 106, 99, 104)})
    desk.turn(minute(1, TUESDAY))
    assert fills(engine) == [("in", 5, 105.0, ())]


def test_a_split_reaches_a_purchase_decided_on_before_it(
    engine: Engine, make_desk: MakeDesk, store: BarStore
) -> None:
    make_desk(minute(0))
    close = minute(390)
    hand_in(
        engine,
        buy("old", close, "X", 10, type="limit", limit=Decimal(78), stop=72),
        buy("new", minute(0, TUESDAY), "Z", 10, type="limit", limit=Decimal(19)),
    )
    add_actions(engine, store, *(CorporateAction(name, "split", TUESDAY, ratio=4.0) for name in ("X", "Z")))
    desk = make_desk(minute(-60, TUESDAY))
    desk.turn(minute(-60, TUESDAY))
    desk.turn(minute(-40, TUESDAY))
    arrive(engine, minute(0, TUESDAY), {"X": (20, 20.2, 19, 19.8), "Z": (20, 20.2, 18.5, 19)})
    desk.turn(minute(1, TUESDAY))
    assert [row[:3] for row in fills(engine)] == [("new", 10, 19.0), ("old", 40, 19.5)]
    assert float(order(engine, "old.stop").stop or 0) == 18


def test_a_candidate_accepted_at_the_close_is_not_bought_at_tomorrows_open(
    engine: Engine, make_desk: MakeDesk, tmp_path: Path
) -> None:
    routing = tmp_path / "routing.yaml"
    routing.write_text(ROUTING)
    pick(engine, "ABC", 100)
    pick(engine, "DEF", 100)
    desk = make_desk(minute(-330), {"ABC": STOCK, "DEF": STOCK}, routing=routing)
    arrive(engine, minute(388), {"DEF": flat(100)})
    desk.turn(minute(389))
    arrive(engine, minute(389), {"ABC": flat(100)})
    desk.turn(minute(390))
    assert {name.split(":")[2] for name in all_orders(engine)} == {"ABC", "DEF"}
    arrive(engine, minute(0, TUESDAY), {"ABC": flat(140), "DEF": flat(101)})
    make_desk(minute(0, TUESDAY), {"ABC": STOCK, "DEF": STOCK}, routing=routing).turn(minute(1, TUESDAY))
    assert fills(engine) == []
    assert skipped(engine) == dict.fromkeys(("ABC", "DEF"), ("cancelled", "no bar came in its session"))


def test_a_candidate_whose_purchase_an_operator_takes_back_is_a_skipped_trade(
    engine: Engine, make_desk: MakeDesk, tmp_path: Path, ask: Ask
) -> None:
    routing = tmp_path / "routing.yaml"
    routing.write_text(ROUTING)
    pick(engine, "ABC", 100)
    desk = make_desk(minute(-330), {"ABC": STOCK}, routing=routing)
    arrive(engine, minute(0), {"ABC": flat(100)})
    desk.turn(minute(1))
    ask("flatten")
    desk.turn(minute(1) + timedelta(seconds=5))
    arrive(engine, minute(1), {"ABC": flat(100)})
    desk.turn(minute(2))
    assert fills(engine) == []
    assert skipped(engine) == {"ABC": ("cancelled", "cancelled by flatten")}
