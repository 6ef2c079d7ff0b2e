"""The bars that pages draw: those of picked and held tickers, as the store has them now, and no others."""

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

from sqlalchemy import Engine
from sqlalchemy.orm import Session

from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_range
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Account, AccountMark, PriceChart, ScreenPick, ScreenRun
from falcon_pipelines.screening.charts import SESSIONS, renew_benchmark, renew_charts, tickers_to_draw


def pick(session: Session, day: date, *tickers: str) -> None:
    """A run that picked these."""
    price = Decimal(10)
    session.add(
        ScreenRun(
            profile=f"p{day}",
            session=day,
            data_version="v",
            universe=9,
            judged_by="factors",
            picks=[
                ScreenPick(
                    rank=rank,
                    ticker=ticker,
                    score=0.5,
                    factors={},
                    close=price,
                    entry_low=price,
                    entry_high=price,
                    stop=price,
                    target=price,
                )
                for rank, ticker in enumerate(tickers, start=1)
            ],
        )
    )
    session.flush()


def test_charts_of_recent_picks_are_kept_and_renewed_when_bars_are_added(
    tmp_path: Path, database_url: str
) -> None:
    engine: Engine = database_engine(database_url)
    store = BarStore(tmp_path / "store", engine)
    market = write_synthetic_flat_files(tmp_path / "in", tickers=20, sessions=80)
    days = market.sessions
    source = DirectorySource(tmp_path / "in")
    list(ingest_range(source, store, "day", days[0], days[-2]))
    first, second, old = store.panel(None, days[-2], days[-2], adjust="none").tickers[:3]
    with transaction(engine) as session:
        pick(session, days[0], old)
        pick(session, days[-2], first, "NEVER-LISTED")
        wanted = tickers_to_draw(session, store.current_version())
        assert wanted == {first, "NEVER-LISTED"}, "a pick of four months ago is no longer renewed"
        assert renew_charts(session, store, wanted) == 1
        session.flush()
        row = session.get_one(PriceChart, first)
        assert (row.synthetic, row.as_of, row.bars[-1][0]) == (True, days[-2], days[-2].isoformat())
        shown = store.panel([first], days[-2], days[-2], adjust="none")
        assert row.bars[-1][4] == round(float(shown["close"][0, 0]), 6)
        assert [bar[0] for bar in row.bars] == sorted(bar[0] for bar in row.bars)
        assert tickers_to_draw(session, store.current_version()) == {"NEVER-LISTED"}
    list(ingest_range(source, store, "day", days[-1], days[-1]))
    with transaction(engine) as session:
        pick(session, days[-1], second)
        wanted = tickers_to_draw(session, store.current_version())
        assert {first, second} <= wanted
        renew_charts(session, store, wanted)
        assert session.get_one(PriceChart, first, populate_existing=True).as_of == days[-1]
    engine.dispose()


def test_the_benchmark_reaches_back_to_before_the_first_close_of_any_account(
    tmp_path: Path, database_url: str
) -> None:
    engine: Engine = database_engine(database_url)
    store = BarStore(tmp_path / "store", engine)
    days = write_synthetic_flat_files(tmp_path / "in", tickers=8, sessions=SESSIONS + 30).sessions
    source = DirectorySource(tmp_path / "in")
    with transaction(engine) as session:
        assert renew_benchmark(session, store, "SPY") == 0, "there are no bars yet"
    list(ingest_range(source, store, "day", days[0], days[-2]))
    ticker = store.panel(None, days[0], days[-2], adjust="none").tickers[0]

    def kept() -> list[str]:
        with transaction(engine) as session:
            return [row[0] for row in session.get_one(PriceChart, ticker).bars]

    with transaction(engine) as session:
        assert renew_benchmark(session, store, "NEVER-LISTED") == 0
        assert renew_benchmark(session, store, ticker) == 1
        assert renew_benchmark(session, store, ticker) == 0, "it is of this data version already"
    assert (kept()[0], kept()[-1], len(kept())) == (
        days[-2 - SESSIONS + 1].isoformat(),
        days[-2].isoformat(),
        SESSIONS,
    )
    with transaction(engine) as session:
        account = Account(name="paper", synthetic=True, opened_at=datetime(2026, 1, 2, tzinfo=UTC))
        session.add(account)
        session.flush()
        for day in (days[10], days[-3]):
            session.add(
                AccountMark(
                    account_id=account.id, session=day, cash=1, market_value=0, receivable=0, equity=1
                )
            )
    list(ingest_range(source, store, "day", days[-1], days[-1]))
    with transaction(engine) as session:
        assert renew_benchmark(session, store, ticker) == 1
    assert (kept()[0], kept()[-1]) == (days[9].isoformat(), days[-1].isoformat())
    engine.dispose()
