"""Fills every table with believable content, so that pages are tested on what they will show."""

import hashlib
import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session

from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import (
    Account,
    AccountHalt,
    AccountMark,
    Backtest,
    Decision,
    Extraction,
    Fill,
    ManifestEntry,
    OperatorCommand,
    Order,
    PositionMark,
    Posting,
    Promotion,
    ScreenPick,
    ScreenRun,
    StrategySpec,
    StrategyVariant,
    Transcript,
    Trial,
    Verdict,
)
from tests.dashboard.seed_asking import seed_asking
from tests.dashboard.seed_machinery import evidence, machinery, meaning

NEW_YORK = ZoneInfo("America/New_York")
LAST_SESSION = date(2026, 11, 20)
VIDEO = "https://www.youtube.com/watch?v=demo0000001"


def sessions(count: int, last: date = LAST_SESSION) -> list[date]:
    """The last `count` weekdays up to `last`, oldest first."""
    days: list[date] = []
    day = last
    while len(days) < count:
        if day.weekday() < 5:
            days.append(day)
        day -= timedelta(days=1)
    return days[::-1]


def bar_start(session: date) -> datetime:
    """Timestamp of a session's day bar."""
    return datetime(session.year, session.month, session.day, tzinfo=NEW_YORK).astimezone(UTC)


def dollars(value: float) -> Decimal:
    return Decimal(str(round(value, 6)))


def seed(url: str, *, synthetic: bool = True, hostile: str = "", readings: bool = False) -> None:
    """Fill every table; `hostile` is appended to every text that videos, users or models can write.

    With `readings`, the golden cross can be read in other ways, which are strategies of their own.
    """
    engine = database_engine(url)
    with transaction(engine) as session:
        _manifest(session, synthetic)
        _screens(session, hostile)
        _research(session, hostile)
        session.flush()
        _trading(session, synthetic, hostile)
        session.flush()
        seed_asking(session, sessions(252), hostile)
        if readings or hostile:
            other_readings(session, hostile)
        machinery(session, hostile)
    engine.dispose()


def seeded_database(postgres: EmbeddedPostgres, name: str, *, readings: bool = False) -> str:
    """URL of a new database with all of it."""
    admin = create_engine(postgres.url("postgres"), isolation_level="AUTOCOMMIT")
    with admin.connect() as connection:
        connection.execute(text(f"CREATE DATABASE {name} TEMPLATE falcon"))
    admin.dispose()
    seed(postgres.url(name), readings=readings)
    return postgres.url(name)


def _manifest(session: Session, synthetic: bool) -> None:
    days = sessions(750)
    for seq, day in enumerate([*days, days[-1]], start=1):
        session.add(
            ManifestEntry(
                seq=seq,
                digest=hashlib.sha256(str(seq).encode()).hexdigest(),
                kind="bars",
                frequency="day",
                session=day,
                revision=2 if seq == len(days) + 1 else 1,
                source="directory" if synthetic else "s3",
                basis="synthetic" if synthetic else "sip",
                etag=f"etag-{seq}",
                sha256=hashlib.sha256(f"file {seq}".encode()).hexdigest(),
                path=f"day/{day}.r1.parquet",
                rows=9_198 if synthetic is False else 199,
                quarantined=2 if seq == len(days) + 1 else int(seq == 300),
                created_at=bar_start(day) + timedelta(days=1, hours=11),
            )
        )


def _screens(session: Session, hostile: str) -> None:
    for profile, tickers in {
        "momentum_pullback": ["NVDA", "AMD", "AVGO", "ANET", "MU"],
        "gap_and_go": ["SOFI", "PLTR"],
    }.items():
        session.add(
            ScreenRun(
                profile=profile + hostile,
                session=LAST_SESSION,
                data_version="v751-0f5a",
                universe=184,
                judged_by="factors" + hostile,
                picks=[
                    ScreenPick(
                        rank=rank,
                        ticker=ticker,
                        score=round(0.93 - rank * 0.07, 4),
                        factors={
                            "return_60" + hostile: 0.31 - rank / 50,
                            "relative_volume": 1.9,
                            "atr_pct": 0.034,
                        },
                        close=dollars(100 + rank * 17.31),
                        entry_low=dollars(99 + rank * 17.31),
                        entry_high=dollars(101 + rank * 17.31),
                        stop=dollars(94 + rank * 17.31),
                        target=dollars(112 + rank * 17.31),
                        confidence=None if rank % 2 else Decimal("0.62"),
                    )
                    for rank, ticker in enumerate(tickers, start=1)
                ],
            )
        )


def golden_cross(hostile: str = "") -> dict[str, Any]:
    """A strategy spec in the shape that all of Falcon uses."""
    return {
        "spec_version": 1,
        "name": "golden_cross",
        "description": "Buys when the 50-day average crosses above the 200-day average." + hostile,
        "timeframe": "day",
        "session": "regular",
        "params": {"fast": {"value": 50}, "slow": {"value": 200}},
        "indicators": [
            {"id": "fast", "fn": "sma", "source": "close", "params": {"period": "$fast"}},
            {"id": "slow", "fn": "sma", "source": "close", "params": {"period": "$slow"}},
        ],
        "entry": {"long": {"crosses_above": ["fast", "slow"]}},
        "exit": {"signal": {"crosses_below": ["fast", "slow"]}, "stop": {"percent": 8}},
        "sizing": {"percent_of_equity": 95},
        "provenance": {},
        "unsupported": [],
    }


def _research(session: Session, hostile: str) -> None:
    session.add(
        Transcript(
            id="demo0000001",
            title="The golden cross, explained" + hostile,
            url=VIDEO,
            channel="Falcon demo" + hostile,
            origin="bundled",
            words=[
                [word, round(index * 0.4, 2)]
                for index, word in enumerate(
                    (
                        "today the golden cross buy when the fifty day crosses above the two hundred day "
                        f"sell when it crosses back below {hostile}"
                    ).split()
                )
            ],
            original=b"WEBVTT",
        )
    )
    session.flush()
    cross = StrategySpec(
        name="golden_cross",
        spec_hash=hashlib.sha256(b"golden_cross").hexdigest(),
        document=golden_cross(hostile),
        transcript_id="demo0000001",
        meaning=meaning(hostile),
        extraction={
            "status": "runnable",
            "rules": [
                {
                    "field": "entry.long",
                    "state": "stated",
                    "value": {"crosses_above": ["fast", "slow"]},
                    "quote": "buy when the fifty day crosses above the two hundred day" + hostile,
                    "start_seconds": 2.8,
                },
                {
                    "field": "exit.signal",
                    "state": "stated",
                    "value": "fast crosses below slow" + hostile,
                    "quote": "sell when it crosses back below",
                    "start_seconds": 7.6,
                },
                {
                    "field": "exit.stop",
                    "state": "default",
                    "value": {"percent": 8},
                    "quote": None,
                    "start_seconds": None,
                },
            ],
            "claims": [
                {
                    "text": "It doubled my account" + hostile,
                    "quote": "doubled my account",
                    "start_seconds": 61.0,
                }
            ],
            "variants": [{"field": "exit.stop" + hostile, "value": {"percent": 5}, "spec": {}}],
            "refused": [
                {"what": "wait for a strong candle" + hostile, "why": "no measurable meaning was given"}
            ],
            "assumptions": [
                {"field": "sizing", "value": {"percent_of_equity": 95}, "why": "no size was said" + hostile}
            ],
            "flags": [
                {"kind": "sponsored" + hostile, "quote": "thanks to our sponsor", "start_seconds": 70.0}
            ],
        },
    )
    rsi = StrategySpec(
        name="rsi_pullback",
        spec_hash=hashlib.sha256(b"rsi_pullback").hexdigest(),
        document={
            **golden_cross(hostile),
            "name": "rsi_pullback",
            "description": "Buys a dip in an uptrend.",
        },
    )
    untested = StrategySpec(
        name="opening_range",
        spec_hash=hashlib.sha256(b"opening_range").hexdigest(),
        document={**golden_cross(), "name": "opening_range", "description": None},
    )
    session.add_all([cross, rsi, untested])
    session.flush()
    for spec, trades, growth, verdict, reason in (
        (
            cross,
            7,
            0.42,
            "insufficient evidence",
            "7 closed trades; at least 30 are needed before anything can be said.",
        ),
        (
            rsi,
            58,
            0.11,
            "no better than buy-and-hold",
            "Its excess over buy-and-hold of 1.2% a year lies between -3.4% and 5.9%.",
        ),
    ):
        days = sessions(750)
        equity = [
            [
                bar_start(day).isoformat(),
                round(100_000 * math.exp(growth * index / 750) * (1 + 0.03 * math.sin(index / 23)), 2),
                round(100_000 * math.exp(0.31 * index / 750) * (1 + 0.02 * math.sin(index / 31)), 2),
            ]
            for index, day in enumerate(days)
        ]
        backtest = Backtest(
            spec_id=spec.id,
            spec_hash=spec.spec_hash,
            data_version="v751-0f5a",
            code_version="0.1.0",
            seed=1,
            settings={"tickers": ["AAPL", "MSFT", "SPY"], "cash": 100_000, "fee_bps": 1, "slippage_bps": 2},
            first_session=days[0],
            last_session=days[-1],
            initial_cash=Decimal(100_000),
            final_equity=dollars(equity[-1][1]),
            closed_trades=trades,
            open_trades=1,
            stats={
                "total_return": growth,
                "sharpe": 0.61,
                "max_drawdown": -0.183,
                "win_rate": 0.43,
                "profit_factor": None,
                "fees": 1234.5,
            },
            benchmark={"final_equity": equity[-1][2], "total_return": 0.36, "sharpe": 0.82},
            trades=[
                {
                    "ticker": ("AAPL", "MSFT", "SPY")[index % 3],
                    "side": "long",
                    "quantity": 120 + index,
                    "entry_time": bar_start(days[20 + index * 12]).isoformat(),
                    "entry_price": 101.25 + index,
                    "exit_time": bar_start(days[28 + index * 12]).isoformat(),
                    "exit_price": 103.5 + (index % 5) * 2 - 4,
                    "exit_reason": "stop" if index % 4 == 0 else "signal" + hostile,
                    "pnl": round((2.25 + (index % 5) * 2 - 4 - index) * (120 + index), 2),
                    "ambiguous": index == 3,
                }
                for index in range(trades)
            ],
            equity=equity,
            warnings=["3 entries were cut to the cash that was left" + hostile],
        )
        session.add(backtest)
        session.flush()
        session.add(
            Verdict(
                backtest_id=backtest.id,
                verdict=verdict,
                reason=reason + hostile,
                inputs=[
                    {
                        "name": "closed_trades",
                        "value": trades,
                        "low": None,
                        "high": None,
                        "threshold": 30,
                        "passed": trades >= 30,
                        "source": "backtest" + hostile,
                    },
                    {
                        "name": "sharpe",
                        "value": 0.61,
                        "low": -0.35,
                        "high": 0.77,
                        "threshold": 0,
                        "passed": False,
                        "source": "stationary bootstrap, 2,000 samples",
                    },
                ],
                trials=12,
                evidence=evidence(hostile) if spec is cross else {"claims": ["of another shape" + hostile]},
            )
        )
        session.flush()
        decision = Decision(spec_id=spec.id, choice="approve", decided_by="operator" + hostile)
        session.add(decision)
        session.flush()
        session.add(
            Promotion(
                spec_id=spec.id,
                promoted=True,
                reason="approved by a person" + hostile,
                decision_id=decision.id,
            )
        )
        session.add(
            Trial(
                spec_family=spec.spec_hash,
                params_hash="default",
                data_version="v751-0f5a",
                sharpe=0.61,
                evaluated_at=datetime(2026, 11, 21, 12, tzinfo=UTC),
            )
        )


def other_readings(session: Session, hostile: str = "") -> None:
    """The golden cross with a tighter stop, which was tested, and with an overlay that has no exit."""
    cross = session.query(StrategySpec).filter_by(name="golden_cross").one()
    cross.extraction = {
        **cross.extraction,
        "overlays": [
            {"name": "twenty_days" + hostile, "field": "exit.time_stop", "value": {"bars": 20}},
            {"name": "stop_5" + hostile, "field": "exit.stop", "value": {"percent": 5}},
        ],
    }
    tight, open_ended = (
        StrategySpec(
            name=name,
            spec_hash=hashlib.sha256(name.encode()).hexdigest(),
            transcript_id="demo0000001",
            document={**golden_cross(hostile), "name": name},
        )
        for name in ("golden_cross_stop_5", "golden_cross_held")
    )
    session.add_all([tight, open_ended])
    session.flush()
    extraction = Extraction(
        transcript_id="demo0000001",
        extractor="grammar",
        code_version="0.1.0",
        status="runnable",
        reason="entry and exit are stated" + hostile,
        document={},
        document_hash="0",
        in_force=True,
        spec_id=cross.id,
    )
    session.add(extraction)
    session.flush()
    for spec, kind, field, value, why, runnable in (
        (tight, "reading", "exit.stop", {"percent": 5}, "nobody said how far", True),
        (open_ended, "overlay", "exit", None, "ann wants to hold it", False),
    ):
        session.add(
            StrategyVariant(
                extraction_id=extraction.id,
                spec_id=spec.id,
                base_spec_id=cross.id,
                kind=kind,
                field=field + hostile,
                value=value,
                why=why + hostile,
                runnable=runnable,
            )
        )
    tested = session.query(Backtest).filter_by(spec_id=cross.id).one()
    again = Backtest(
        spec_id=tight.id,
        spec_hash=tight.spec_hash,
        final_equity=Decimal("131000"),
        closed_trades=11,
        **{
            name: getattr(tested, name)
            for name in (
                "data_version", "code_version", "seed", "settings", "first_session", "last_session",
                "initial_cash", "open_trades", "stats", "benchmark", "trades", "equity", "warnings",
            )
        },
    )  # fmt: skip
    session.add(again)
    session.flush()
    session.add(
        Verdict(
            backtest_id=again.id,
            verdict="does not work",
            reason="It loses." + hostile,
            inputs=[],
            trials=12,
            evidence={},
        )
    )


def _trading(session: Session, synthetic: bool, hostile: str) -> None:
    spec = session.query(StrategySpec).filter_by(name="rsi_pullback").one()
    days = sessions(60)
    account = Account(
        name="rsi_pullback paper" + hostile,
        spec_id=spec.id,
        synthetic=synthetic,
        opened_at=bar_start(days[0]),
    )
    session.add(account)
    session.flush()
    entry = 0

    def post(
        day: date, kind: str, legs: list[tuple[str, str | None, float, float | None]], fill: str | None = None
    ) -> None:
        nonlocal entry
        entry += 1
        for leg, (ledger, ticker, amount, quantity) in enumerate(legs):
            session.add(
                Posting(
                    entry_id=UUID(int=entry),
                    leg=leg,
                    account_id=account.id,
                    number=entry,
                    kind=kind,
                    ledger=ledger,
                    ticker=ticker,
                    amount=dollars(amount),
                    quantity=None if quantity is None else dollars(quantity),
                    fill_id=fill,
                    booked_at=bar_start(day),
                    settles_on=day,
                )
            )

    def trade(number: int, day: date, ticker: str, side: str, shares: int, price: float, cost: float) -> None:
        order = f"order-{number:03}"
        session.add(
            Order(
                detail={"protect": {"stop_pct": 5.0, "stop": None}} if ticker == "AAPL" else {},
                id=order,
                account_id=account.id,
                ticker=ticker,
                side=side,
                type="market",
                quantity=Decimal(shares),
                status="filled",
                submitted_at=bar_start(day),
            )
        )
        session.flush()
        session.add(
            Fill(
                id=f"fill-{number:03}",
                order_id=order,
                quantity=Decimal(shares),
                price=dollars(price),
                fee=Decimal("1.00"),
                filled_at=bar_start(day),
                flags=["partial" + hostile] if number == 2 else [],
            )
        )
        session.flush()
        sign = 1 if side == "buy" else -1
        value = shares * price
        legs: list[tuple[str, str | None, float, float | None]] = [
            ("cash", None, -sign * value - 1, None),
            ("securities", ticker, sign * cost, sign * shares),
            ("fees", None, 1, None),
        ]
        if cost != value:
            legs.append(("realised", ticker, cost - value, None))
        post(day, side, legs, f"fill-{number:03}")

    post(days[0], "deposit", [("cash", None, 100_000, None), ("capital", None, -100_000, None)])
    trade(1, days[1], "AAPL", "buy", 120, 232.10, 120 * 232.10)
    trade(2, days[3], "MSFT", "buy", 50, 415.00, 50 * 415.00)
    trade(3, days[20], "AAPL", "sell", 40, 241.00, 40 * 232.10)
    trade(4, days[30], "TSLA", "sell", 30, 251.00, 30 * 251.00)
    trade(5, days[40], "MSFT", "sell", 50, 409.50, 50 * 415.00)
    trade(6, days[50], "KTOS", "buy", 900, 0.8425, 900 * 0.8425)
    for identifier, type_, limit, stop in (
        ("stop-aapl", "stop", None, Decimal("221.5")),
        ("target-aapl", "limit", Decimal("262.0"), None),
    ):
        session.add(
            Order(
                id=identifier,
                account_id=account.id,
                ticker="AAPL",
                side="sell",
                type=type_,
                role="stop" if type_ == "stop" else "target",
                quantity=Decimal(80),
                limit=limit,
                stop=stop,
                parent_id="order-001",
                status="open",
                submitted_at=bar_start(days[20]),
            )
        )
    session.add(
        Order(
            id="order-rejected",
            account_id=account.id,
            ticker="GME",
            side="buy",
            type="market",
            quantity=Decimal(10_000),
            status="rejected",
            reason="more than the cash there is" + hostile,
            submitted_at=bar_start(days[-1]) + timedelta(hours=9, minutes=30),
        )
    )
    for ticker, price in (("AAPL", "246.8"), ("TSLA", "262.4"), ("KTOS", "0.8712")):
        session.add(
            PositionMark(
                account_id=account.id,
                ticker=ticker,
                price=Decimal(price),
                priced_at=bar_start(days[-1]) + timedelta(hours=16),
            )
        )
    session.add(
        AccountHalt(
            account_id=account.id,
            kind="daily_loss",
            since=bar_start(days[10]),
            until=bar_start(days[11]),
            reason="lost 3.1 % in a day" + hostile,
        )
    )
    session.add(
        OperatorCommand(
            account_id=account.id,
            command="pause",
            requested_by="operator" + hostile,
            requested_at=bar_start(days[12]),
            applied_at=bar_start(days[13]),
            result="done" + hostile,
        )
    )
    for index, day in enumerate(days):
        equity = 100_000 + index * 61 + 1_400 * math.sin(index / 6)
        session.add(
            AccountMark(
                account_id=account.id,
                session=day,
                cash=dollars(equity - 12_650),
                market_value=Decimal("12650"),
                receivable=Decimal(0),
                equity=dollars(equity),
                benchmark=dollars(100_000 + index * 85 + 900 * math.sin(index / 9)),
            )
        )
