"""How near an account is to each of its risk limits."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.limits import LimitUse, limits
from falcon_pipelines.dashboard.queries.positions import Position
from falcon_pipelines.db.models import Account, AccountMark, Posting

NOON = datetime(2026, 11, 20, 17, tzinfo=UTC)
LIMITS = {
    "max_positions": 4,
    "cash_share": 0.8,
    "strategy_share": 0.5,
    "sector_share": 0.3,
    "daily_loss": 0.03,
    "drawdown": 0.2,
    "guard_stops": 4,
    "guard_sessions": 1,
}

Uses = dict[str, LimitUse]
Ask = Callable[..., Uses]


def held(ticker: str, value: int | None, shares: int = 10) -> Position:
    """A position worth `value` dollars; short where `shares` is negative."""
    worth = None if value is None else Decimal(value)
    return Position(
        ticker=ticker,
        quantity=Decimal(shares),
        cost=Decimal(1_000),
        average_cost=Decimal(100),
        price=None if worth is None else worth / shares,
        priced_at=None if worth is None else NOON,
        priced_by=None if worth is None else "live",
        market_value=worth,
        unrealised=None,
        unrealised_return=None,
        stop=None,
        target=None,
        first_stop=None,
        r_multiple=None,
        opened_at=None,
    )


@pytest.fixture
def ask(session: Session) -> Ask:
    """The limits of an account with $6,000 in cash at its last close, by name."""

    def uses(
        *positions: Position,
        memory: dict[str, Any] | None = None,
        rules: dict[str, Any] | None = None,
        cash: int | None = 6_000,
    ) -> Uses:
        account = Account(
            name=str(uuid4()),
            synthetic=False,
            opened_at=NOON,
            rules={"limits": LIMITS if rules is None else rules},
            memory=memory or {},
        )
        session.add(account)
        session.flush()
        if cash is None:
            _pay_in(session, account.id, 6_000)
        else:
            session.add(
                AccountMark(
                    account_id=account.id,
                    session=date(2026, 11, 20),
                    cash=cash,
                    market_value=0,
                    receivable=0,
                    equity=cash,
                )
            )
        session.flush()
        return {use.name: use for use in limits(session, account.id, positions)}

    return uses


def _pay_in(session: Session, account: int, dollars: int) -> None:
    entry = uuid4()
    for leg, (ledger, amount) in enumerate([("cash", dollars), ("capital", -dollars)]):
        session.add(
            Posting(
                entry_id=entry,
                leg=leg,
                account_id=account,
                number=0,
                kind="deposit",
                ledger=ledger,
                amount=amount,
                booked_at=NOON,
            )
        )


def test_the_largest_sector_counts_and_shorts_count_by_their_size(ask: Ask) -> None:
    memory = {"sectors": {"AAPL": "Technology", "MSFT": "Technology", "XOM": "Energy"}}
    uses = ask(held("AAPL", 1_500), held("MSFT", -500, -5), held("XOM", 1_900), memory=memory)
    sector = uses["sector_share"]
    equity = 6_000 + 1_500 - 500 + 1_900
    assert sector.now == pytest.approx(2_000 / equity)
    assert sector.used == pytest.approx(2_000 / equity / 0.3)
    assert uses["cash_share"].now == pytest.approx(3_900 / equity)
    assert uses["max_positions"].used == 0.75


def test_tickers_without_a_known_sector_are_one_more(ask: Ask) -> None:
    uses = ask(
        held("NEW", 1_200), held("NEWER", 1_000), held("XOM", 1_800), memory={"sectors": {"XOM": "Energy"}}
    )
    assert uses["sector_share"].now == pytest.approx(2_200 / 10_000)


def test_sectors_of_the_rules_are_used_until_the_account_remembers_its_own(ask: Ask) -> None:
    rules = {"sector_share": 0.3, "sectors": {"A": "one", "B": "two"}}
    apart = ask(held("A", 2_000), held("B", 2_000), rules=rules)
    assert apart["sector_share"].now == pytest.approx(0.2)
    together = ask(
        held("A", 2_000),
        held("B", 2_000),
        rules=rules,
        memory={"sectors": {"A": "three", "B": "three"}},
    )
    assert together["sector_share"].now == pytest.approx(0.4)
    assert together["sector_share"].used == pytest.approx(0.4 / 0.3)


def test_the_largest_strategy_counts_and_what_none_asked_for_is_one_of_them(ask: Ask) -> None:
    uses = ask(
        held("A", 1_000), held("B", 1_000), held("C", 2_000), memory={"held_by": {"A": "rsi", "B": "rsi"}}
    )
    assert uses["strategy_share"].now == pytest.approx(0.2)
    memory = {"held_by": {"A": "rsi", "B": "rsi", "C": "rsi"}}
    assert ask(held("A", 1_000), held("B", 1_000), held("C", 2_000), memory=memory)[
        "strategy_share"
    ].now == pytest.approx(0.4)


@pytest.mark.parametrize(("before", "loss"), [("10000", 0.0), ("9000", 0.0), ("12500", 0.2), ("40000", 0.75)])
def test_losses_are_counted_from_where_the_day_and_the_peak_were(ask: Ask, before: str, loss: float) -> None:
    memory = {"day_start_equity": before, "peak_equity": before, "stop_exits": ["2026-11-20"] * 2}
    uses = ask(held("A", 4_000), memory=memory)
    assert uses["daily_loss"].now == pytest.approx(loss)
    assert uses["drawdown"].used == pytest.approx(loss / 0.2)
    assert uses["guard_stops"].used == 0.5


def test_without_a_price_nothing_is_claimed(ask: Ask) -> None:
    uses = ask(held("A", None), held("B", 100), memory={"day_start_equity": "10000"})
    for name in ("cash_share", "strategy_share", "sector_share", "daily_loss", "drawdown"):
        assert (uses[name].now, uses[name].used) == (None, None)
        assert uses[name].why == "no price is known for a position, so equity is not known"
    assert uses["max_positions"].now == 2


def test_a_limit_of_zero_is_reached_by_anything_and_one_not_set_by_nothing(ask: Ask) -> None:
    uses = ask(held("A", 10), rules={"cash_share": 0})
    assert uses["cash_share"].used == 1.0
    assert ask(rules={"cash_share": 0})["cash_share"].used == 0.0
    assert uses["sector_share"].limit is None
    assert uses["sector_share"].used is None


def test_before_the_first_close_cash_comes_from_the_postings(ask: Ask, session: Session) -> None:
    uses = ask(held("A", 2_000), cash=None)
    assert uses["cash_share"].now == pytest.approx(2_000 / 8_000)
    assert uses["daily_loss"].why == "the account has worked through no bar yet"
    assert limits(session, 999_999, ()) == []


@pytest.mark.parametrize("nonsense", [None, [], "x", {"sectors": [], "held_by": 3, "peak_equity": "x"}])
def test_a_memory_of_another_shape_breaks_nothing(ask: Ask, nonsense: Any) -> None:
    memory = nonsense if isinstance(nonsense, dict) else {"sectors": nonsense, "held_by": nonsense}
    uses = ask(held("A", 4_000), memory=memory)
    assert uses["sector_share"].now == pytest.approx(0.4)
    assert uses["drawdown"].now is None
