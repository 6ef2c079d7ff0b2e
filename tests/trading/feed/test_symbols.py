"""Which tickers the feed watches: whatever somebody holds, ordered, was picked, is traded by a strategy or listed."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from uuid import uuid4

from sqlalchemy import update
from sqlalchemy.orm import Session

from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db import models
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.trading.feed.symbols import MostTraded, counts, wanted_symbols, watched

NOW = datetime(2026, 11, 23, 15, tzinfo=UTC)


def account(session: Session, name: str, *, closed: bool = False) -> int:
    made = models.Account(name=name, synthetic=False, opened_at=NOW, closed_at=NOW if closed else None)
    session.add(made)
    session.flush()
    return made.id


def shares(session: Session, account_id: int, number: int, ticker: str, quantity: int) -> None:
    session.add(
        models.Posting(
            entry_id=uuid4(), leg=0, account_id=account_id, number=number, kind="buy", ledger="securities",
            ticker=ticker, amount=Decimal(100 * quantity), quantity=Decimal(quantity), booked_at=NOW,
        )
    )  # fmt: skip


def order(session: Session, account_id: int, ticker: str, status: str) -> None:
    session.add(
        models.Order(
            id=f"{account_id}:{ticker}:{status}", account_id=account_id, ticker=ticker, side="buy", type="limit",
            quantity=Decimal(1), status=status, submitted_at=NOW,
        )
    )  # fmt: skip


def picks(session: Session, day: date, *tickers: str) -> None:
    run = models.ScreenRun(
        profile="momentum", session=day, data_version="v1", universe=9, judged_by="factors"
    )
    for rank, ticker in enumerate(tickers, 1):
        run.picks.append(
            models.ScreenPick(
                rank=rank, ticker=ticker, score=1.0, factors={}, close=Decimal(1), entry_low=Decimal(1),
                entry_high=Decimal(2), stop=Decimal(1), target=Decimal(3),
            )
        )  # fmt: skip
    session.add(run)


def test_every_reason_counts_and_the_past_does_not(database_url: str) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        open_, closed = account(session, "open"), account(session, "closed", closed=True)
        shares(session, open_, 0, "HELD", 10)
        shares(session, open_, 1, "SOLD", 10)
        shares(session, open_, 2, "SOLD", -10)
        shares(session, closed, 0, "GONE", 10)
        order(session, open_, "HELD", "open")
        order(session, open_, "RESTING", "submitted")
        order(session, open_, "FILLED", "filled")
        order(session, closed, "OLD", "open")
        picks(session, date(2026, 11, 19), "YESTERDAY")
        picks(session, date(2026, 11, 20), "PICKED")
        wanted = wanted_symbols(session, ("LISTED", "HELD"), lambda _count: ())
    assert wanted == {
        "HELD": ("held", "order", "watchlist"),
        "LISTED": ("watchlist",),
        "PICKED": ("candidate",),
        "RESTING": ("order",),
    }
    assert counts(wanted) == "1 candidate, 1 held, 2 order, 2 watchlist"


def test_strategies_on_paper_name_theirs_or_get_the_most_traded(database_url: str, tmp_path: Path) -> None:
    engine = database_engine(database_url)
    document = {
        "spec_version": 1,
        "indicators": [{"id": "fast", "fn": "sma", "source": "close", "params": {"period": 5}}],
        "entry": {"long": {"gt": ["close", "fast"]}},
        "exit": {"signal": {"lt": ["close", "fast"]}},
        "timeframe": "day",
        "sizing": {"percent_of_equity": 95},
    }
    with transaction(engine) as session:
        for name, universe in (("named", {"tickers": ["AAA", "BBB"]}), ("liquid", {"liquid": 2})):
            spec = models.StrategySpec(
                name=name, spec_hash=name, document={**document, "name": name, "universe": universe}
            )
            session.add(spec)
            session.flush()
            session.add(models.Promotion(spec_id=spec.id, promoted=True, reason=""))
        asked: list[int] = []

        def liquid(count: int) -> tuple[str, ...]:
            asked.append(count)
            return ("MKT",)

        assert set(wanted_symbols(session, (), liquid)) == {"AAA", "BBB", "MKT"}
        assert asked == [2]
        session.execute(update(models.Promotion).values(promoted=False))
        session.expire_all()
        assert wanted_symbols(session, (), liquid) == {}


def test_an_empty_store_has_no_most_traded(tmp_path: Path) -> None:
    assert MostTraded(BarStore(tmp_path))(5) == ()


def test_the_watchlist_is_read_as_written() -> None:
    assert watched(" AAPL, SPY,,AAPL ,TRUE") == ("AAPL", "SPY", "TRUE")
    assert watched("") == ()
