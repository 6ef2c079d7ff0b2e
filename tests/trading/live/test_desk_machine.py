"""The trading desk through any mixture of orders, bars in any order, commands, crashes and restarts."""

import itertools
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test
from sqlalchemy import Engine, delete, event, select, text

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.commands import request_command
from falcon_pipelines.db.engine import transaction
from falcon_pipelines.db.models import Base
from falcon_pipelines.trading.reconciliation import broken_books
from falcon_pipelines.trading.store import account_named, load_account
from tests.trading.live.bars import arrive, minute
from tests.trading.live.books import buy, hand_in
from tests.trading.live.conftest import trading_desk

TICKERS = ("X", "Y", "Z")
names = itertools.count()
prices = st.integers(80, 120)


class Crash(Exception):
    """The process dies before its transaction commits."""


class DeskMachine(RuleBasedStateMachine):
    engine: Engine
    store: BarStore

    @initialize()
    def begin(self) -> None:
        with transaction(self.engine) as session:
            tables = ", ".join(t.name for t in Base.metadata.sorted_tables if t.name != "alembic_version")
            session.execute(text(f"TRUNCATE {tables} CASCADE"))
        self.minute = 0
        self.arrived: set[tuple[str, datetime]] = set()
        self.restart()

    @rule()
    def restart(self) -> None:
        self.desk = trading_desk(self.engine, self.store)
        self.desk.refresh(minute(self.minute))

    @rule(ticker=st.sampled_from(TICKERS), shares=st.integers(1, 40), stop=st.none() | st.integers(70, 99))
    def order(self, ticker: str, shares: int, stop: int | None) -> None:
        more = {} if stop is None else {"stop": stop, "target": 125}
        hand_in(self.engine, buy(f"o{next(names)}", minute(self.minute), ticker, shares, **more))

    @rule(ticker=st.sampled_from(TICKERS), limit=prices)
    def resting(self, ticker: str, limit: int) -> None:
        hand_in(
            self.engine,
            buy(f"o{next(names)}", minute(self.minute), ticker, 5, type="limit", limit=Decimal(limit)),
        )

    @rule(data=st.data(), back=st.integers(0, 3), late=st.booleans())
    def bars(self, data: st.DataObject, back: int, late: bool) -> None:
        """Bars of now or of some minutes ago, of some tickers that have none of then."""
        at = minute(max(0, self.minute - back))
        found = {}
        for ticker in data.draw(st.sets(st.sampled_from(TICKERS), min_size=1)):
            if (ticker, at) not in self.arrived:
                low, high = sorted((data.draw(prices), data.draw(prices)))
                found[ticker] = (
                    data.draw(st.integers(low, high)),
                    high,
                    low,
                    data.draw(st.integers(low, high)),
                    300,
                )
                self.arrived.add((ticker, at))
        if found:
            arrive(self.engine, at, found, late=late)

    @rule(ticker=st.sampled_from(TICKERS), price=prices)
    def correction(self, ticker: str, price: int) -> None:
        at = minute(max(0, self.minute - 1))
        if (ticker, at) in self.arrived:
            with transaction(self.engine) as session:
                session.execute(delete(models.LiveBar).where(models.LiveBar.revision == 1))
            arrive(self.engine, at, {ticker: (price,) * 4}, revision=1)

    @rule()
    def time_passes(self) -> None:
        self.minute += 1

    @rule()
    def turn(self) -> None:
        self.desk.turn(minute(self.minute))

    @rule(statement=st.integers(1, 60))
    def crash(self, statement: int) -> None:
        """The turn dies at one of its statements; the process starts again."""
        counter = itertools.count(1)

        def die(*_arguments: object) -> None:
            if next(counter) >= statement:
                raise Crash

        event.listen(self.engine, "before_cursor_execute", die)
        try:
            self.desk.turn(minute(self.minute))
        except Crash:
            pass
        finally:
            event.remove(self.engine, "before_cursor_execute", die)
        self.restart()

    @rule(command=st.sampled_from(["pause", "resume", "flatten", "acknowledge"]))
    def tell(self, command: str) -> None:
        with transaction(self.engine) as session:
            request_command(session, account_named(session, "candidates"), command, "ann")

    @invariant()
    def the_books_balance_and_every_fill_is_told_once(self) -> None:
        with transaction(self.engine) as session:
            assert broken_books(session) == {}
            books = load_account(session, account_named(session, "candidates")).state.books
            assert books.cash >= 0
            held: Counter[str] = Counter()
            last: dict[str, datetime] = {}
            fills = session.execute(
                select(models.Fill, models.Order.side, models.Order.ticker)
                .join(models.Order)
                .join(models.Posting, models.Posting.fill_id == models.Fill.id)
                .where(models.Posting.leg == 0)
                .order_by(models.Posting.number)
            ).all()
            for fill, side, ticker in fills:
                held[ticker] += int(fill.quantity) * (1 if side == "buy" else -1)
                assert held[ticker] >= 0
                assert fill.filled_at >= last.get(ticker, fill.filled_at)
                last[ticker] = fill.filled_at
            assert {t: n for t, n in held.items() if n} == {t: books.quantity(t) for t in books.lots}
            told = session.scalars(
                select(models.Notification.dedupe_key).where(models.Notification.kind.in_(("fill", "stop")))
            ).all()
            assert sorted(told) == sorted(f"fill:{fill.id}" for fill, _, _ in fills)
            assert all(timedelta(0) <= minute(self.minute) - at for at in last.values())


def drive(engine: Engine, tmp_path: Path, examples: int, steps: int) -> None:
    class OnThisDatabase(DeskMachine):
        pass

    OnThisDatabase.engine = engine
    OnThisDatabase.store = BarStore(tmp_path / "store")
    checks = list(HealthCheck)
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        OnThisDatabase,
        settings=settings(
            max_examples=examples, stateful_step_count=steps, deadline=None, suppress_health_check=checks
        ),
    )


def test_no_mixture_breaks_the_books(engine: Engine, tmp_path: Path) -> None:
    drive(engine, tmp_path, examples=8, steps=25)


@pytest.mark.slow
def test_no_long_mixture_breaks_the_books(engine: Engine, tmp_path: Path) -> None:
    drive(engine, tmp_path, examples=150, steps=50)
