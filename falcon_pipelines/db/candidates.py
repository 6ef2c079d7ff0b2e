"""The day's candidates over all profiles: several profiles that pick one stock make one candidate naming them all.

Read by the dashboard and by whoever trades on screens; `merged` itself needs no database.
"""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import ScreenPick, ScreenRun


@dataclass(frozen=True)
class Choice:
    """One profile's pick of a ticker; prices in US dollars a share."""

    profile: str
    run_id: int | None
    session: date
    slot: str
    rank: int
    ticker: str
    score: float
    close: Decimal
    entry_low: Decimal
    entry_high: Decimal
    stop: Decimal
    target: Decimal
    confidence: float | None
    judged_by: str
    low_agreement: bool
    data_version: str


@dataclass(frozen=True)
class Candidate:
    """A ticker with every profile that picked it, best first; entry, stop and target are those of the best."""

    ticker: str
    choices: tuple[Choice, ...]

    @property
    def profiles(self) -> tuple[str, ...]:
        """The names of all profiles that picked it."""
        return tuple(choice.profile for choice in self.choices)

    @property
    def best(self) -> Choice:
        """The choice with the best rank."""
        return self.choices[0]


def merged(choices: Iterable[Choice]) -> tuple[Candidate, ...]:
    """One candidate per ticker: those of most profiles first, then by best rank, then by score.

    What is equal in all of these is ordered by a hash of the ticker and the session, not by the alphabet.
    """
    by_ticker: dict[str, list[Choice]] = {}
    for choice in choices:
        by_ticker.setdefault(choice.ticker, []).append(choice)
    candidates = [
        Candidate(ticker, tuple(sorted(own, key=lambda c: (c.rank, -c.score, c.profile))))
        for ticker, own in by_ticker.items()
    ]
    return tuple(
        sorted(candidates, key=lambda c: (-len(set(c.profiles)), c.best.rank, -c.best.score, _lot(c.best)))
    )


def candidates(session: Session, day: date | None = None) -> tuple[Candidate, ...]:
    """The merged candidates of a session (None: the newest with picks), from each profile's newest run of it.

    Picks that a model rejected are left out.
    """
    newest = day or session.scalar(
        select(func.max(ScreenRun.session)).where(ScreenRun.state == "done", ScreenRun.picks.any())
    )
    if newest is None:
        return ()
    latest = (
        select(func.max(ScreenRun.id))
        .where(ScreenRun.session == newest, ScreenRun.state == "done")
        .group_by(ScreenRun.profile)
    )
    rows = session.execute(
        select(ScreenRun, ScreenPick)
        .join(ScreenPick)
        .where(ScreenRun.id.in_(latest), ~ScreenPick.rejected)
        .order_by(ScreenRun.id, ScreenPick.rank)
    ).all()
    return merged(choice_of(run, pick) for run, pick in rows)


def choice_of(run: ScreenRun, pick: ScreenPick) -> Choice:
    """A stored pick as a choice."""
    return Choice(
        profile=run.profile,
        run_id=run.id,
        session=run.session,
        slot=run.slot,
        rank=pick.rank,
        ticker=pick.ticker,
        score=pick.score,
        close=pick.close,
        entry_low=pick.entry_low,
        entry_high=pick.entry_high,
        stop=pick.stop,
        target=pick.target,
        confidence=None if pick.confidence is None else float(pick.confidence),
        judged_by=run.judged_by,
        low_agreement=pick.low_agreement,
        data_version=run.data_version,
    )


def profiles_of(session: Session, ticker: str, day: date) -> Sequence[str]:
    """The profiles whose newest run of that session picked the ticker."""
    return next((c.profiles for c in candidates(session, day) if c.ticker == ticker), ())


def _lot(choice: Choice) -> bytes:
    return hashlib.blake2b(f"{choice.session}|{choice.ticker}".encode(), digest_size=8).digest()
