"""Screens in the database: written whole or not at all, once per profile, session and data version."""

from decimal import Decimal

from sqlalchemy import delete
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import ScreenPick, ScreenRun
from falcon_pipelines.screening.ranking import FACTOR_SCORE, Screen


def save_screen(session: Session, screen: Screen) -> int:
    """Store the screen in the caller's transaction, replacing one of the same data; returns its id."""
    session.execute(
        delete(ScreenRun).where(
            ScreenRun.profile == screen.profile,
            ScreenRun.session == screen.session,
            ScreenRun.data_version == screen.version,
        )
    )
    run = ScreenRun(
        profile=screen.profile,
        session=screen.session,
        data_version=screen.version,
        universe=screen.universe,
        judged_by=FACTOR_SCORE,
        picks=[
            ScreenPick(
                rank=pick.rank,
                ticker=pick.ticker,
                score=pick.score,
                factors=dict(pick.factors),
                close=_price(pick.close),
                entry_low=_price(pick.entry_low),
                entry_high=_price(pick.entry_high),
                stop=_price(pick.stop),
                target=_price(pick.target),
                confidence=None if pick.confidence is None else _price(pick.confidence),
            )
            for pick in screen.picks
        ],
    )
    session.add(run)
    session.flush()
    return run.id


def _price(value: float) -> Decimal:
    return Decimal(str(round(value, 6)))
