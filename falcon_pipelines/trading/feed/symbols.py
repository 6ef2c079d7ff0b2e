"""Which tickers the feed watches, and why: what is held, ordered, picked, traded by a strategy, or listed."""

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.store import BarStore, NoBars
from falcon_pipelines.db.candidates import candidates
from falcon_pipelines.db.models import Account, Order, Posting, StrategySpec
from falcon_pipelines.strategies.spec import MostLiquid
from falcon_pipelines.strategies.store import spec_of
from falcon_pipelines.strategies.universe import DEFAULT_UNIVERSE, SELECTION_SESSIONS, most_traded
from falcon_pipelines.trading.promotion import promoted_specs

CHANGED_BY = ("orders", "postings", "screen_runs", "promotions", "accounts")
"""The tables whose changes change the answer."""
RESTING = ("submitted", "open")
Liquid = Callable[[int], Collection[str]]


def wanted_symbols(session: Session, watchlist: Iterable[str], liquid: Liquid) -> dict[str, tuple[str, ...]]:
    """Each ticker with its reasons, of `held`, `order`, `candidate`, `strategy`, `watchlist`.

    `liquid` answers which the most traded tickers are, for strategies that name none.
    """
    reasons: defaultdict[str, set[str]] = defaultdict(set)
    for reason, tickers in (
        ("held", _held(session)),
        ("order", _ordered(session)),
        ("candidate", [candidate.ticker for candidate in candidates(session)]),
        ("strategy", _of_strategies(session, liquid)),
        ("watchlist", watchlist),
    ):
        for ticker in tickers:
            reasons[ticker].add(reason)
    return {ticker: tuple(sorted(why)) for ticker, why in sorted(reasons.items())}


class MostTraded:
    """The most traded tickers of the store, chosen as backtests choose them; remembered for a version."""

    def __init__(self, store: BarStore) -> None:
        self._store = store
        self._known: dict[tuple[str, int], tuple[str, ...]] = {}

    def __call__(self, count: int) -> tuple[str, ...]:
        """The `count` most traded tickers of the first sessions; none from an empty store."""
        key = self._store.current_version(), count
        if key not in self._known:
            sessions = self._store.sessions("day")[:SELECTION_SESSIONS]
            try:
                panel = self._store.panel(
                    None, sessions[0], sessions[-1], ("close", "volume"), version=key[0]
                )
            except (NoBars, IndexError):
                return ()
            self._known = {key: most_traded(panel, count)}
        return self._known[key]


def watched(text: str) -> tuple[str, ...]:
    """The tickers of a setting such as `AAPL, SPY`."""
    return tuple(dict.fromkeys(ticker.strip() for ticker in text.split(",") if ticker.strip()))


def counts(reasons: Mapping[str, Collection[str]]) -> str:
    """How many of each reason, as a line."""
    found: defaultdict[str, int] = defaultdict(int)
    for why in reasons.values():
        for reason in why:
            found[reason] += 1
    return ", ".join(f"{count} {reason}" for reason, count in sorted(found.items())) or "nothing"


def _held(session: Session) -> Iterable[str]:
    return session.scalars(
        select(Posting.ticker)
        .join(Account)
        .where(Account.closed_at.is_(None), Posting.ledger == "securities", Posting.ticker.is_not(None))
        .group_by(Account.id, Posting.ticker)
        .having(func.sum(Posting.quantity) != 0)
    ).all()  # type: ignore[return-value]


def _ordered(session: Session) -> Iterable[str]:
    return session.scalars(
        select(Order.ticker)
        .join(Account)
        .where(Account.closed_at.is_(None), Order.status.in_(RESTING))
        .distinct()
    ).all()


def _of_strategies(session: Session, liquid: Liquid) -> Iterable[str]:
    """Of those that are promoted, and of those that still have an account."""
    traded = session.scalars(
        select(StrategySpec)
        .join(Account, Account.spec_id == StrategySpec.id)
        .where(Account.closed_at.is_(None))
    )
    for row in {row.id: row for row in (*promoted_specs(session), *traded)}.values():
        universe = spec_of(row).universe or DEFAULT_UNIVERSE
        if isinstance(universe, MostLiquid):
            yield from liquid(int(universe.liquid))
        else:
            yield from universe.tickers
