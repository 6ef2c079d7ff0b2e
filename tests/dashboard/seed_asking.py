"""What people ask for and what it leads to: videos on their way, profiles, records, charts, skipped trades, requests."""

import math
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import yaml
from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import (
    Account,
    PriceChart,
    Request,
    ScreenPick,
    ScreenProfile,
    ScreenProposal,
    ScreenRecord,
    ScreenRun,
    SkippedTrade,
    TranscriptFile,
    Video,
    WatchedFeed,
)

PROFILE = """\
name: momentum_pullback
title: Momentum Pullback
theme: Strong stocks that rest.
filters:
  - {name: price, at_least: 5, unit: usd}
factors:
  - {name: return_126, direction: higher, weight: 0.7}
  - {name: rsi_14, direction: lower, weight: 0.3}
"""
CHANNEL = "https://www.youtube.com/@example"


def seed_asking(session: Session, days: list, hostile: str) -> None:  # type: ignore[type-arg]
    """`days` are sessions, oldest first; `hostile` is appended to every text that people or models can write."""
    _videos(session, hostile)
    _profiles(session, days, hostile)
    _charts(session, days)
    _skipped(session, days, hostile)
    _requests(session, hostile)
    account = session.scalars(select(Account)).first()
    assert account is not None
    account.rules = {
        "costs": {"fee_bps": 1},
        "limits": {
            "max_positions": 10,
            "cash_share": 0.5,
            "drawdown": 0.2,
            "daily_loss": 0.03,
            "sectors": {},
        },
    }
    account.memory = {"day_start_equity": "103500", "peak_equity": "110000", "stop_exits": [], "held_by": {}}


def _videos(session: Session, hostile: str) -> None:
    now = datetime(2026, 11, 21, 15, tzinfo=UTC)
    session.add_all(
        [
            Video(id="demo0000001", origin="submitted", state="fetched", attempts=1),
            Video(
                id="late0000002",
                origin=CHANNEL,
                state="rate_limited",
                detail="YouTube asked to wait" + hostile,
                attempts=2,
                next_attempt_at=now + timedelta(hours=2),
            ),
            Video(
                id="gone0000003", origin="submitted", state="no_captions", detail="it has none", attempts=1
            ),
            TranscriptFile(
                name="talks/golden cross.vtt",
                state="studied",
                size_bytes=48_211,
                modified_at=now,
                transcript_id="demo0000001",
                seen_at=now,
            ),
            TranscriptFile(
                name="notes.docx" + hostile,
                state="unknown_format",
                detail="no caption file: .json3, .vtt, .srt or .txt" + hostile,
                size_bytes=9_100,
                modified_at=now,
                seen_at=now + timedelta(minutes=3),
            ),
            WatchedFeed(url=CHANNEL, cursor=["late0000002"], polled_at=now),
            WatchedFeed(url=CHANNEL + "/broken", cursor=[], problem="answered with 404" + hostile),
        ]
    )


def measure(
    name: str,
    meaning: str,
    value: float | None,
    low: float | None,
    high: float | None,
    n: int,
    **more: object,
) -> dict[str, object]:
    """One number of a record, as the record is stored."""
    found = {
        "name": name,
        "meaning": meaning,
        "unit": "fraction",
        "value": value,
        "low": low,
        "high": high,
        "n": n,
    }
    return found | {"state": "measured"} | more


def _profiles(session: Session, days: list, hostile: str) -> None:  # type: ignore[type-arg]
    for version, note in ((1, "comes with Falcon"), (2, "a better weight" + hostile)):
        session.add(
            ScreenProfile(
                name="momentum_pullback",
                version=version,
                title="Momentum Pullback" + hostile,
                document=PROFILE + f"# {hostile}\n" if hostile and "\n" not in hostile else PROFILE,
                content=yaml.safe_load(PROFILE)
                | {"theme": "Strong stocks that rest." + hostile, "schedule": ["evening"]},
                content_hash=str(version),
                origin="bundled" if version == 1 else "person",
                note=note,
                saved_by="ann" + hostile,
            )
        )
    session.add(
        ScreenRecord(
            profile="momentum_pullback",
            runs=24,
            picks=118,
            verdict="no better than the pool" + hostile,
            through=days[-21],
            document={
                "waiting": 3,
                "next_close": "2026-11-25",
                "factors": {
                    "runs": 24,
                    "picks": 118,
                    "verdict": "no better than random picks" + hostile,
                    "placebo_p": 0.31,
                    "measures": [
                        measure("hit_rate", "picks that rose", 0.53, 0.44, 0.62, 118, compared_with=0.51),
                        measure("rank_ic", "rank correlation", 0.021, -0.03, 0.07, 24, unit="correlation"),
                        measure(
                            "brier", "error" + hostile, None, None, None, 0, state="insufficient (0 of 100)"
                        ),
                    ],
                },
                "model": {
                    "runs": 2,
                    "picks": 40,
                    "verdict": "insufficient (40 of 100)",
                    "measures": [],
                    "reliability": [
                        {"low": 0.6, "high": 0.8, "n": 40, "stated": 0.68, "observed": 0.55}
                        | {"observed_low": 0.4, "observed_high": 0.69}
                    ],
                },
            },
        )
    )
    session.add(
        ScreenProposal(
            profile="momentum_pullback",
            base_version=2,
            current={"return_126": 0.7, "rsi_14" + hostile: 0.3},
            proposed={"return_126": 0.6, "rsi_14" + hostile: 0.4},
            evidence={"picks": 118, "separate_horizons": 9},
        )
    )
    run = session.scalars(select(ScreenRun).where(ScreenRun.profile.startswith("momentum"))).first()
    assert run is not None
    for pick in run.picks:
        pick.contributions = {
            name: {"percentile": 0.9, "weight": 0.5, "points": 0.45} for name in pick.factors
        }
        pick.atr = Decimal("2.5")
        pick.sector = "Technology" + hostile
        if pick.rank == 1:
            pick.model_note = "strong, but extended" + hostile
            pick.model_rank, pick.agreement, pick.low_agreement = 2.0, 0.4, True
    other = session.scalars(select(ScreenRun).where(ScreenRun.profile.startswith("gap"))).first()
    assert other is not None
    nvda = run.picks[0]
    other.picks.append(
        ScreenPick(
            rank=3,
            ticker=nvda.ticker,
            score=0.4,
            factors={},
            close=nvda.close,
            entry_low=nvda.entry_low,
            entry_high=nvda.entry_high,
            stop=nvda.stop,
            target=nvda.target,
        )
    )


def _charts(session: Session, days: list) -> None:  # type: ignore[type-arg]
    for ticker, newest in (("NVDA", 117.31), ("AAPL", 246.80)):
        bars = []
        for index, day in enumerate(days):
            close = newest * (1 + 0.001 * (index - len(days) + 1)) + 4 * (
                math.sin(index / 9) - math.sin((len(days) - 1) / 9)
            )
            opened = close + (0.9 if index % 3 else -0.8)
            bars.append([day.isoformat(), opened, close + 1.6, close - 1.9, close, 1_000_000])
        session.add(
            PriceChart(
                ticker=ticker,
                synthetic=True,
                data_version="v751-0f5a",
                as_of=days[-1],
                bars=bars,
                updated_at=datetime(2026, 11, 20, 22, tzinfo=UTC),
            )
        )


def _skipped(session: Session, days: list, hostile: str) -> None:  # type: ignore[type-arg]
    for number, (ticker, rule, outcome) in enumerate(
        [("SOFI", "stop_distance", "target"), ("PLTR", "confidence", None), ("MU", "risk", "stop")]
    ):
        session.add(
            SkippedTrade(
                session=days[-3],
                ticker=ticker,
                profiles=["gap_and_go" + hostile],
                strategy="rsi_pullback" if number else None,
                rule=rule,
                reason="its stop is 14 % away, 10 % is allowed" + hostile,
                skipped_at=datetime(2026, 11, 19, 13, tzinfo=UTC),
                close=Decimal("10.5"),
                entry_low=Decimal("10.2"),
                entry_high=Decimal("10.8"),
                stop=Decimal("9"),
                target=Decimal("14"),
                confidence=None,
                outcome=outcome,
                outcome_return=None if outcome is None else (0.31 if outcome == "target" else -0.14),
                scored_at=None if outcome is None else datetime(2026, 11, 20, 22, tzinfo=UTC),
            )
        )


def _requests(session: Session, hostile: str) -> None:
    asked = datetime(2026, 11, 20, 14, tzinfo=UTC)
    session.add_all(
        [
            Request(
                kind="study_video",
                payload={"url": "https://youtu.be/demo0000001" + hostile},
                requested_by="ann" + hostile,
                requested_at=asked,
                handled_at=asked,
                outcome="done",
                answer="1,480 words; golden cross" + hostile,
            ),
            Request(
                kind="save_profile",
                payload={"document": PROFILE},
                requested_by="ann",
                requested_at=asked,
                handled_at=asked,
                outcome="refused",
                answer="line 7: unknown factor" + hostile,
            ),
            Request(
                kind="run_screen",
                payload={"profile": "momentum_pullback", "session": None},
                requested_by="ann",
                requested_at=datetime.now(UTC),
            ),
        ]
    )
