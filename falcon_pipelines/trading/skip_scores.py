"""What became of the trades that were not made: each skipped candidate as if it had been bought at the next open."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np
from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import next_session, sessions_from
from falcon_pipelines.bars.panel import Panel, session_of
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.models import SkippedTrade
from falcon_pipelines.errors import FalconError
from falcon_pipelines.trading.orders import usd

HORIZON = 20
"""Sessions after which a trade that met neither stop nor target is closed."""


@dataclass(frozen=True)
class Outcome:
    """How the trade would have ended: prices in dollars of the screening day, `gain` as a fraction."""

    outcome: str
    through: date | None = None
    entry: float | None = None
    exit: float | None = None
    gain: float | None = None


def score_skipped(session: Session, store: BarStore) -> int:
    """Score the skipped trades whose horizon is over or that met stop or target; returns how many."""
    known = store.sessions("day")
    if not known:
        return 0
    waiting = session.scalars(
        select(SkippedTrade)
        .where(SkippedTrade.scored_at.is_(None), SkippedTrade.session < known[-1])
        .order_by(SkippedTrade.session, SkippedTrade.ticker)
    ).all()
    done = 0
    for row in waiting:
        last = sessions_from(next_session(row.session), HORIZON)[-1]
        result = outcome_of(
            _bars(store, row.ticker, row.session, min(last, known[-1])), row, over=last <= known[-1]
        )
        if result is None:
            continue
        row.scored_at, row.scored_through, row.outcome = datetime.now(UTC), result.through, result.outcome
        row.entry_price = None if result.entry is None else usd(result.entry)
        row.exit_price = None if result.exit is None else usd(result.exit)
        row.outcome_return = result.gain
        done += 1
    return done


def _bars(store: BarStore, ticker: str, first: date, last: date) -> Panel | None:
    try:
        return store.panel([ticker], first, last, adjust="splits", as_of=last)
    except FalconError:
        return None


def outcome_of(panel: Panel | None, trade: SkippedTrade, *, over: bool) -> Outcome | None:
    """The outcome over bars from the screening session on, the stop before the target in one bar.

    None while the trade is still open and its horizon is not `over`. Bars are adjusted for splits as of the last;
    levels are brought to the same shares by the screening day's close.
    """
    rows = [] if panel is None else np.flatnonzero(~np.isnan(panel["close"][:, 0])).tolist()
    if panel is None or not rows or session_of(panel.timestamps[rows[0]]) != trade.session:
        return Outcome("no_bars") if over else None
    scale = float(panel["close"][rows[0], 0]) / float(trade.close)
    stop, target = float(trade.stop) * scale, float(trade.target) * scale
    after = rows[1:]
    if not after:
        return Outcome("no_bars") if over else None
    entry = float(panel["open"][after[0], 0])
    if not stop < entry < target:
        return Outcome("no_entry", session_of(panel.timestamps[after[0]]), entry / scale)
    for row in after:
        found = _exit(panel, row, stop, target, first=row == after[0])
        if found is not None:
            return _result(found[0], panel, row, entry, found[1], scale)
    if not over:
        return None
    return _result("open", panel, after[-1], entry, float(panel["close"][after[-1], 0]), scale)


def _exit(panel: Panel, row: int, stop: float, target: float, *, first: bool) -> tuple[str, float] | None:
    open_, high, low = (float(panel[name][row, 0]) for name in ("open", "high", "low"))
    if not first and open_ <= stop:
        return "stop", open_
    if low <= stop:
        return "stop", stop
    if not first and open_ >= target:
        return "target", open_
    return ("target", target) if high > target else None


def _result(outcome: str, panel: Panel, row: int, entry: float, left: float, scale: float) -> Outcome:
    gain = left / entry - 1
    assert not math.isnan(gain)
    return Outcome(outcome, session_of(panel.timestamps[row]), entry / scale, left / scale, gain)


def summary(rows: Sequence[SkippedTrade]) -> dict[str, tuple[int, float | None]]:
    """By the rule that refused: how many were scored, and what they would have made on average."""
    by_rule: dict[str, list[float]] = {}
    for row in rows:
        if row.outcome_return is not None:
            by_rule.setdefault(row.rule, []).append(row.outcome_return)
    return {rule: (len(gains), float(np.mean(gains))) for rule, gains in sorted(by_rule.items())}
