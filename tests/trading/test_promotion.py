"""A strategy is on paper only with evidence and a person's word, and every change leaves a row."""

import pytest
from sqlalchemy import select

from falcon_pipelines.db import models
from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.trading.promotion import decide, promoted_specs, standing, update_promotions


@pytest.mark.parametrize(
    ("verdict", "choice", "promoted", "why"),
    [
        ("works", "approve", True, "a person approved it"),
        ("promising", "approve", True, "promising"),
        ("works", None, False, "waits for a person"),
        ("works", "retire", False, "retired"),
        ("no better than buy-and-hold", "approve", False, "no better than buy-and-hold"),
        ("insufficient evidence", "approve", False, "insufficient evidence"),
        (None, "approve", False, "no verdict yet"),
    ],
)
def test_the_rule(verdict: str | None, choice: str | None, promoted: bool, why: str) -> None:
    found = standing(verdict, choice)
    assert found.promoted is promoted
    assert why in found.reason


def judged_spec(session, name: str, verdict: str) -> models.StrategySpec:
    spec = models.StrategySpec(name=name, spec_hash=name, document={})
    session.add(spec)
    session.flush()
    backtest = models.Backtest(
        spec_id=spec.id,
        spec_hash=name,
        data_version="v1",
        code_version="1",
        seed=0,
        settings={},
        first_session="2024-01-02",
        last_session="2024-06-28",
        initial_cash=100_000,
        final_equity=110_000,
        closed_trades=40,
        open_trades=0,
        stats={},
        benchmark={"final_equity": 100_000},
        trades=[],
        equity=[],
        warnings=[],
    )
    session.add(backtest)
    session.flush()
    session.add(models.Verdict(backtest_id=backtest.id, verdict=verdict, reason="", inputs=[], trials=1))
    session.flush()
    return spec


def test_approval_puts_on_paper_and_retirement_takes_off(database_url: str) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        good = judged_spec(session, "good", "works")
        judged_spec(session, "poor", "does not work")
        assert not any(item.promoted for item in update_promotions(session).values())
        assert promoted_specs(session) == ()
        assert decide(session, good, "approve", "anna").promoted
        assert [spec.name for spec in promoted_specs(session)] == ["good"]
        assert not decide(session, good, "retire", "anna").promoted
        assert promoted_specs(session) == ()
        history = session.scalars(
            select(models.Promotion.promoted)
            .where(models.Promotion.spec_id == good.id)
            .order_by(models.Promotion.id)
        ).all()
    assert history == [False, True, False]


def test_nothing_changed_writes_nothing(database_url: str) -> None:
    engine = database_engine(database_url)
    with transaction(engine) as session:
        judged_spec(session, "good", "works")
        update_promotions(session)
        update_promotions(session)
        assert len(session.scalars(select(models.Promotion)).all()) == 1
