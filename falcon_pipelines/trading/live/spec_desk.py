"""A promoted strategy on live bars: after each complete bar of its timeframe, its decision becomes orders."""

import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import midnight, previous_session, session_open_close
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.strategies.signals import compute_signals
from falcon_pipelines.strategies.spec import Spec
from falcon_pipelines.strategies.timeframes import MINUTES
from falcon_pipelines.trading.account import AccountState, Rules
from falcon_pipelines.trading.live.candidates import Candidate
from falcon_pipelines.trading.live.history import DecisionBars
from falcon_pipelines.trading.moments import Moment, regular_moments
from falcon_pipelines.trading.orders import OrderRequest, Protection, Sizing
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.strategy_trader import SIZING_RULES, Strategy, decide, rules_of

log = logging.getLogger(__name__)

_MINUTE = timedelta(minutes=1)


def live_rules(spec: Spec, limits: Limits) -> Rules:
    """A spec's own costs, and its own limits within those of every live account."""
    own = rules_of(spec)
    most = [number for number in (own.limits.max_positions, limits.max_positions) if number is not None]
    return Rules(
        own.costs,
        replace(limits, volume_share=own.limits.volume_share, max_positions=min(most, default=None)),
    )


def newest_complete(worked: Moment, timeframe: str) -> datetime | None:
    """The timestamp of the newest bar of a timeframe that is complete once the minute `worked` is; None before any."""
    opens, closes = session_open_close(worked.session)
    if timeframe == "day":
        over = worked.starts + _MINUTE >= closes
        return midnight(worked.session if over else previous_session(worked.session))
    length = timedelta(minutes=MINUTES[timeframe])
    number = (worked.starts - opens) // length
    end = min(opens + (number + 1) * length, closes)
    if worked.starts + _MINUTE < end:
        number -= 1
    if number >= 0:
        return opens + number * length
    before_opens, before_closes = session_open_close(previous_session(worked.session))
    return before_opens + ((before_closes - before_opens - _MINUTE) // length) * length


def bar_end(moment: Moment, timeframe: str) -> datetime:
    """When the bar at `moment` is over: orders that follow from it act on minutes that begin then or later."""
    closes = session_open_close(moment.session)[1]
    if timeframe == "day":
        return closes
    return min(moment.starts + timedelta(minutes=MINUTES[timeframe]), closes)


class SpecDesk:
    """Decides for one spec; remembers which bar it has decided on, and decides again after a restart.

    Bars that were over before `since`, when its account was opened, decide nothing.
    """

    def __init__(self, spec: Spec, store: BarStore, since: datetime) -> None:
        self.spec = spec
        self.since = since
        self.strategy = Strategy.of(spec)
        self.bars = DecisionBars(spec, store)
        self._decided: datetime | None = None

    def tickers(self, today: date) -> tuple[str, ...]:
        """What it watches."""
        return self.bars.tickers(today)

    def is_due(self, worked: Moment) -> bool:
        """Whether the minute just worked through completed a bar that is not decided on, or may add to one."""
        newest = newest_complete(worked, self.spec.timeframe)
        if newest is None:
            return False
        if self.spec.timeframe == "day":
            just_ended = worked.starts + _MINUTE >= session_open_close(worked.session)[1]
        else:
            just_ended = newest + timedelta(minutes=MINUTES[self.spec.timeframe]) <= worked.starts + _MINUTE
        return self._decided != newest or (just_ended and newest == self._decided)

    def decide(
        self, session: Session, worked: Moment, cursor: int, state: AccountState, *, entries: bool = True
    ) -> Sequence[OrderRequest]:
        """The orders that follow from the newest complete bar; exits only without `entries`.

        The same bar gives the same orders with the same ids, so deciding twice does no harm. Raises
        SessionsMissing and the errors of the bar store.
        """
        newest = newest_complete(worked, self.spec.timeframe)
        panel = self.bars.panel(session, worked.session, cursor)
        self._decided = newest
        moments = regular_moments(panel.rows(max(0, len(panel) - 2), len(panel)))
        if not moments or moments[-1][1].time != newest:
            log.info("%s: no bar of %s to decide on", self.spec.name, newest)
            return ()
        moment = moments[-1][1]
        over = bar_end(moment, self.spec.timeframe)
        if over < self.since:
            return ()
        signals = compute_signals(self.spec, panel)
        orders = decide(self.strategy, signals, panel, len(panel) - 1, moment, state)
        return [
            replace(order, at=over, protect=_in_minutes(order.protect, self.spec.timeframe))
            for order in orders
            if entries or order.side == "sell"
        ]

    def order_for(self, candidate: Candidate, volatility: float | None, at: datetime) -> OrderRequest:
        """The purchase of a candidate that is routed to this strategy: its size and exits, the candidate's levels."""
        p = self.strategy.parameters
        protect = Protection(
            stop=candidate.stop,
            target=candidate.target,
            trail_pct=None if math.isnan(p.trailing_percent) else float(p.trailing_percent),
            max_bars=p.time_stop_bars or None,
            void_if_passed=True,
        )
        return OrderRequest(
            id=candidate.order_id,
            at=at,
            ticker=candidate.ticker,
            side="buy",
            type="market",
            sizing=Sizing(SIZING_RULES[p.sizing], p.size, volatility),
            protect=_in_minutes(protect, self.spec.timeframe),
            strategy=self.spec.name,
            profile="+".join(candidate.profiles),
        )


def _in_minutes(protect: Protection | None, timeframe: str) -> Protection | None:
    """A time exit in bars of a timeframe, for an account that meets minute bars."""
    if protect is None or protect.max_bars is None:
        return protect
    if timeframe == "day":
        return replace(protect, max_days=protect.max_bars, max_bars=None)
    return replace(protect, max_bars=protect.max_bars * MINUTES[timeframe])
