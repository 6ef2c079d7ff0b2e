"""The stored account beside the pure engine, through any mixture of orders, commands, bars, crashes and repeats."""

import itertools
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine

from falcon_pipelines.bars.calendar import midnight, session_open_close, sessions_from
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.engine import open_account, step
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import (
    Bar,
    CancelRequest,
    Command,
    Costs,
    Fill,
    Input,
    OrderRequest,
    Protection,
    Split,
    usd,
)
from falcon_pipelines.trading.reconciliation import reconcile
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.script import exact_ratio
from falcon_pipelines.trading.store import create_account, load_account, submit
from falcon_pipelines.trading.writer import Trader
from tests.trading.panels import MONDAY

RULES = Rules(Costs(1.5, 2.5), Limits(max_positions=2, daily_loss=0.05))
SESSIONS = sessions_from(MONDAY, 60)
names = itertools.count()
prices = st.integers(85, 115)


class Crash(Exception):
    """The process dies before its transaction commits."""


class StoredAccountMachine(RuleBasedStateMachine):
    engine: Engine

    @initialize()
    def open(self) -> None:
        self.name = f"machine{next(names)}"
        start = session_open_close(SESSIONS[0])[0]
        with transaction(self.engine) as session:
            self.account = create_account(session, self.name, Decimal(20_000), start, RULES)
        self.trader = Trader(self.engine, self.account)
        self.shadow: AccountState = open_account(self.name, Decimal(20_000), start).state
        self.fills: list[Fill] = []
        self.day = 0
        self.orders: list[OrderRequest] = []
        self.commands: list[Input] = []
        self.number = 0

    @rule(
        ticker=st.sampled_from("XYZ"),
        side=st.sampled_from(["buy", "buy", "sell"]),
        kind=st.sampled_from(["market", "limit", "stop", "trailing"]),
        price=prices,
        quantity=st.sampled_from([5, 40, 90]),
        stop=st.none() | prices,
        trail=st.none() | st.just(3.0),
        repeats=st.integers(1, 3),
    )
    def order(
        self,
        ticker: str,
        side: Any,
        kind: Any,
        price: int,
        quantity: int,
        stop: Any,
        trail: Any,
        repeats: int,
    ) -> None:
        self.number += 1
        request = OrderRequest(
            f"{self.name}-{self.number:03d}",
            midnight(SESSIONS[self.day]) + timedelta(seconds=self.number),
            ticker,
            side,
            kind,
            quantity,
            limit=usd(price) if kind == "limit" else None,
            stop=usd(price) if kind == "stop" else None,
            trail_pct=4.0 if kind == "trailing" else None,
            protect=Protection(stop=None if stop is None else usd(stop), trail_pct=trail, max_days=3)
            if side == "buy"
            else None,
        )
        for _ in range(repeats):
            with transaction(self.engine) as session:
                submit(session, self.account, [request])
        self.orders.append(request)

    @rule(command=st.sampled_from(["pause", "resume", "flatten", "acknowledge"]))
    def command(self, command: Any) -> None:
        with transaction(self.engine) as session:
            request_command(session, self.account, command, "test")
        self.commands.append(Command(midnight(SESSIONS[self.day]), command))

    @rule(number=st.integers(1, 20))
    def cancel(self, number: int) -> None:
        target = f"{self.name}-{number:03d}"
        with transaction(self.engine) as session:
            request_command(session, self.account, "cancel", "test", target=target)
        self.commands.append(CancelRequest("cancel", midnight(SESSIONS[self.day]), target))

    @rule()
    def restart(self) -> None:
        self.trader = Trader(self.engine, self.account)

    @rule(
        corners=st.lists(st.tuples(prices, prices, prices, prices), min_size=3, max_size=3),
        volume=st.sampled_from([100, 100_000]),
        split=st.none() | st.sampled_from("XYZ"),
        crashes=st.integers(0, 1),
        repeated=st.booleans(),
    )
    def bar(self, corners: list[Any], volume: int, split: str | None, crashes: int, repeated: bool) -> None:
        if self.day + 1 >= len(SESSIONS):
            return
        day = SESSIONS[self.day]
        moment = Moment(midnight(day), session_open_close(day)[0], day)
        bars = {
            ticker: Bar(float(a), float(max(a, b, c, d)), float(min(a, b, c, d)), float(d), float(volume))
            for ticker, (a, b, c, d) in zip("XYZ", corners, strict=True)
        }
        actions: list[Input] = [] if split is None else [Split(moment.time, split, exact_ratio(1.5))]
        for _ in range(crashes):
            with pytest.raises(Crash):
                self.trader.work(moment, bars, actions, decide=self._crash)
        outcome = self.trader.work(moment, bars, actions)
        assert outcome is not None
        if repeated:
            assert self.trader.work(moment, bars, actions) is None
        commands = self._dated(outcome)
        first = [order for order in self.orders if self._is_ended_by_one_of(order, commands)]
        later = [order for order in self.orders if order not in first]
        expected = step(self.shadow, moment, [*actions, *first, *commands, *later], bars, RULES)
        assert outcome.fills == expected.fills
        self.shadow = expected.state
        self.orders, self.commands = [], []
        self.day += 1

    @staticmethod
    def _is_ended_by_one_of(order: OrderRequest, commands: list[Input]) -> bool:
        """An order that waits for its first bar can be taken back, and with flatten nothing more is bought."""
        taken_back = {item.order for item in commands if isinstance(item, CancelRequest)}
        flattened = "flatten" in {item.command for item in commands if isinstance(item, Command)}
        return order.id in taken_back or (flattened and order.side == "buy")

    def _dated(self, outcome: Any) -> list[Input]:
        """The commands with the time at which the database took them, which names the sales of a flatten."""
        sold = [order for order in outcome.orders if ":flatten:" in order.id]
        at = sold[0].submitted_at if sold else None
        return [
            Command(at, item.command)
            if isinstance(item, Command) and item.command == "flatten" and at
            else item
            for item in self.commands
        ]

    @staticmethod
    def _crash(state: AccountState) -> list[OrderRequest]:
        raise Crash

    @invariant()
    def the_books_are_proven_and_are_the_engines(self) -> None:
        if not hasattr(self, "account"):
            return
        with transaction(self.engine) as session:
            assert reconcile(session, self.account) == ()
            stored = load_account(session, self.account).state
        assert stored.books == self.shadow.books
        assert stored.orders.keys() == self.shadow.orders.keys()
        assert stored.prices == self.shadow.prices


def test_the_stored_account_is_the_pure_engine_with_a_memory(database_url: str) -> None:
    class Machine(StoredAccountMachine):
        engine = database_engine(database_url)

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=15,
            stateful_step_count=20,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
        ),
    )
    Machine.engine.dispose()
