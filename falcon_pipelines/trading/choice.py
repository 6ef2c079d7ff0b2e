"""Which strategy is traded on paper when nobody has chosen: the one with the best verdict."""

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.errors import InputError

BEST_FIRST = (
    "works",
    "promising",
    "no better than buy-and-hold",
    "insufficient evidence",
    "does not work",
)


class NothingToTrade(InputError):
    """No strategy has a verdict yet."""


def best_backtest(session: Session) -> models.Backtest:
    """The newest judged backtest of each spec, best verdict first, then most equity over buy-and-hold.

    Raises NothingToTrade.
    """
    newest: dict[int, tuple[models.Backtest, str]] = {}
    for backtest, verdict in session.execute(
        select(models.Backtest, models.Verdict.verdict).join(models.Verdict).order_by(models.Backtest.id)
    ):
        newest[backtest.spec_id] = (backtest, verdict)
    if not newest:
        raise NothingToTrade("no strategy has a verdict yet; materialise verdicts first")

    def merit(item: tuple[models.Backtest, str]) -> tuple[int, float, int]:
        backtest, verdict = item
        excess = float(backtest.final_equity) - float(backtest.benchmark["final_equity"])
        return -BEST_FIRST.index(verdict), excess, -backtest.spec_id

    return max(newest.values(), key=merit)[0]
