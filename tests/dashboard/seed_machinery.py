"""Believable reports of compute: services, runs, checks, disks, notifications, what models cost."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from sqlalchemy.orm import Session

from falcon_pipelines.db.models import (
    CheckResult,
    CorporateActionRow,
    DiskUsage,
    Feed,
    Heartbeat,
    LiveBar,
    LlmCall,
    Notification,
    PipelineRun,
    QuarantineCount,
    Request,
)

THEN = datetime(2026, 11, 20, 22, 5, tzinfo=UTC)
LAST_SESSION = date(2026, 11, 20)


def machinery(session: Session, hostile: str) -> None:
    """Fill the tables that the pages Data and System show."""
    _services(session, hostile)
    _runs(session, hostile)
    _checks(session, hostile)
    _store(session, hostile)
    for number in range(3):
        session.add(
            Notification(
                dedupe_key=f"fill:{number}",
                kind="fill" + hostile,
                title=f"Bought {number + 1} AAPL" + hostile,
                body="at 232.10" + hostile,
                created_at=THEN + timedelta(minutes=number),
                sent_at=THEN + timedelta(minutes=number + 1) if number < 2 else None,
                problem=None,
            )
        )
    for number, cost in enumerate((Decimal("0.0123"), None)):
        session.add(
            LlmCall(
                run_id="run-1",
                purpose="extraction" + hostile,
                provider="openai",
                rung="json_schema",
                model_asked="some-model",
                prompt_hash=str(number),
                parameters={},
                status="ok" if cost else "timeout",
                detail=hostile or None,
                cost_usd=cost,
                reserved_usd=Decimal("0.05"),
                latency_ms=900,
                started_at=datetime.now(UTC),
            )
        )
    session.add(
        Request(
            kind="run_screen" + hostile,
            payload={"profile": "gap_and_go"},
            requested_by="sam" + hostile,
            requested_at=datetime.now(UTC) + timedelta(days=1),
        )
    )


def _services(session: Session, hostile: str) -> None:
    # A day ahead, so that they count as fresh however long the tests take.
    fresh = datetime.now(UTC) + timedelta(days=1)
    for service, node, detail in (
        ("dashboard", "web", None),
        ("dagster-daemon", "web", None),
        ("falcon-trader", "compute", "waiting for the open" + hostile),
    ):
        session.add(
            Heartbeat(
                service=service + hostile,
                node=node,
                version="0.1.0",
                state="ok",
                detail=detail,
                started_at=THEN - timedelta(days=2),
                beat_at=fresh,
            )
        )
    session.add(
        Heartbeat(
            service="falcon-feed",
            node="old-compute",
            version="0.0.9",
            state="ok",
            started_at=datetime(2026, 1, 2, tzinfo=UTC),
            beat_at=datetime(2026, 1, 3, tzinfo=UTC),
        )
    )
    session.add(
        Feed(
            name="replay",
            basis="synthetic",
            state="quiet",
            detail="the exchange is closed" + hostile,
            last_bar_at=THEN,
            counts={},
            updated_at=fresh,
        )
    )
    session.add(
        LiveBar(
            ticker="TSLA",
            starts_at=datetime(2026, 11, 20, 20, 0, tzinfo=UTC),
            open=Decimal(262),
            high=Decimal(263),
            low=Decimal(261),
            close=Decimal("262.0"),
            volume=Decimal(900),
            source="replay",
            basis="synthetic",
        )
    )


def _runs(session: Session, hostile: str) -> None:
    for number, (job, status, problem) in enumerate(
        (
            ("ingest_day_bars", "failed", "the source answers 403: check FALCON_S3_ACCESS_KEY" + hostile),
            ("ingest_day_bars", "succeeded", None),
            ("judge_strategies", "failed", "numba ran out of memory" + hostile),
            ("screen_market", "canceled", None),
        )
    ):
        at = datetime(2026, 11, 16, 12, tzinfo=UTC) + timedelta(hours=number)
        session.add(
            PipelineRun(
                id=f"0b5e7e7{number}-0000-4000-8000-000000000000",
                job=job,
                partition=None if job == "judge_strategies" else "2026-11-13",
                status=status,
                problem=problem,
                created_at=at,
                started_at=at,
                ended_at=at + timedelta(minutes=1),
                updated_at=at + timedelta(minutes=1),
            )
        )
    session.add(
        PipelineRun(
            id="0b5e7e79-0000-4000-8000-000000000000",
            job="study_videos" + hostile,
            partition="demo0000001" + hostile,
            status="running",
            created_at=THEN,
            started_at=THEN,
            updated_at=THEN,
        )
    )


def _checks(session: Session, hostile: str) -> None:
    for number, (name, partition, passed) in enumerate(
        (
            ("row_count", "", True),
            ("large_moves", "2026-11-17", False),
            ("large_moves", "", False),
            ("quarantined_share", "", True),
        ),
        start=1,
    ):
        session.add(
            CheckResult(
                asset="day_bars",
                name=name,
                partition=partition,
                evaluated_partition=partition or None,
                passed=passed,
                severity="WARN" if name == "large_moves" else "ERROR",
                description="1 close moved by more than 40 % without a split" + hostile,
                run_id="0b5e7e71-0000-4000-8000-000000000000",
                evaluated_at=THEN,
                storage_id=number,
            )
        )


def _store(session: Session, hostile: str) -> None:
    for area, files, size in (
        ("sessions", 751, 6_378_142),
        ("history", 7, 6_061_012),
        ("free", 0, 9 * 10**11),
    ):
        session.add(DiskUsage(node="compute", area=area, files=files, bytes=size, measured_at=THEN))
    session.add(
        QuarantineCount(
            frequency="day",
            session=LAST_SESSION,
            revision=2,
            rule="high below open, low or close" + hostile,
            lines=2,
            example_line=8,
            example="SYN005,321395,29.35,29.4" + hostile,
        )
    )
    for ticker, kind, ratio, amount in (
        ("AAPL", "split", 4.0, None),
        ("MSFT", "dividend", None, 0.75),
        ("GONE", "delisting", None, None),
    ):
        session.add(
            CorporateActionRow(
                ticker=ticker,
                kind=kind,
                ex_date=date(2026, 10, 1),
                ratio=ratio,
                amount=amount,
                pay_date=date(2026, 10, 15) if amount else None,
                revision=1,
            )
        )


def evidence(hostile: str) -> dict[str, object]:
    """What `falcon verdict --json` prints, in small."""
    variant = {
        "name": "10 bp" + hostile,
        "fee_bps": 10.0,
        "slippage_bps": 5.0,
        "total_return": 0.25,
        "sharpe": 0.5,
        "excess": 0.021,
        "equal_risk": -0.018,
    }
    fold = {
        "params": {"fast": 50, "slow": 200},
        "trained_sharpe": 0.9,
        "tested_sharpe": -0.2,
        "tested_return": -0.03,
        "benchmark_return": 0.04,
        "closed_trades": 12,
    }
    return {
        "claims": [
            {
                "text": "wins 90 percent of the time" + hostile,
                "quote": "wins ninety percent",
                "start_seconds": 61.0,
                "statistic": "win_rate",
                "claimed": 0.9,
                "measured": 0.43,
            }
        ],
        "sweep": {
            "combinations": 4,
            "sum_total_return": 1.0,
            "best": [
                {
                    "params": {"fast": 20, "slow": 100},
                    "final_equity": 140_000,
                    "total_return": 0.4,
                    "sharpe": 0.91,
                    "max_drawdown": -0.12,
                    "closed_trades": 40,
                }
            ],
            "heatmap": {
                "across": "fast" + hostile,
                "columns": [20, 50],
                "down": "slow",
                "rows": [100, 200],
                "sharpe": [[0.91, 0.5], [-0.2, None]],
                "best_over": [],
            },
        },
        "walk_forward": [
            {
                "scheme": "anchored",
                "sharpe": 0.31,
                "total_return": 0.08,
                "efficiency": 0.4,
                "folds": [fold, fold],
            }
        ],
        "cross_validation": {"splits": 15, "mean_sharpe": 0.35, "positive": 0.6},
        "random_entries": {"runs": 500, "sharpe": 0.61, "p_value": 0.2},
        "monte_carlo": {"max_drawdown": [-0.31, -0.19, -0.11], "multiple": [0.9, 1.2, 1.7], "runs": 2000},
        "costs": [variant],
        "fills": [{**variant, "name": "pessimistic"}],
        "regimes": [
            {
                "name": "rising" + hostile,
                "bars": 274,
                "strategy_return": 0.17,
                "benchmark_return": 0.15,
                "strategy_sharpe": 1.5,
                "benchmark_sharpe": 1.4,
            }
        ],
        "run": {"seed": 7, "code_version": "0.1.0", "data_version": "v751-0f5a"},
    }


def meaning(hostile: str) -> dict[str, object]:
    """What `falcon spec check` says of the golden cross, in small."""
    return {
        "rules": [
            "On day bars of regular sessions, for whatever tickers it is run on." + hostile,
            "Buys at the next bar's open when fast crosses above slow.",
            "Closes at the next bar's open when fast crosses below slow.",
        ],
        "conventions": {"fast" + hostile: "sma: mean of the last closes"},
        "warm_up": 200,
        "combinations": 4,
        "fields": [{"field": "exit.stop", "value": "8 percent" + hostile, "state": "default"}],
        "warnings": ["nothing was said of costs" + hostile],
    }
