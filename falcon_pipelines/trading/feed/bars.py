"""One live minute bar as a value, and whether it can be believed and matched; no I/O."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, date, datetime
from typing import NamedTuple

from falcon_pipelines.bars.calendar import OutsideCalendar, is_session, session_open_close

MINUTE = 60
_DAY = 86_400
_MOST_DOLLARS = 1e9
_MOST_SHARES = 1e12
_LONGEST_TICKER = 32
_FORBIDDEN = frozenset(' "\\')


class MinuteBar(NamedTuple):
    """One minute of one ticker. `time` is its start in seconds since the epoch; prices in dollars.

    `late` says that it did not come as it happened but by back-fill.
    """

    ticker: str
    time: int
    open: float
    high: float
    low: float
    close: float
    volume: float
    late: bool = False

    @property
    def starts_at(self) -> datetime:
        """Its start, in UTC."""
        return datetime.fromtimestamp(self.time, UTC)


def fault(bar: MinuteBar) -> str | None:
    """What is wrong with a bar's content, in two words; None when nothing is."""
    ticker, time, open_, high, low, close, volume, _ = bar
    if not (0 < len(ticker) <= _LONGEST_TICKER and ticker.isascii() and ticker.isprintable()) or (
        not _FORBIDDEN.isdisjoint(ticker)
    ):
        return "bad ticker"
    if time % MINUTE:
        return "bad time"
    # Written so that NaN, which compares false with everything, is refused too.
    if not (0.0 < low <= open_ <= high and low <= close <= high and high < _MOST_DOLLARS):
        return "bad price"
    if not 0.0 <= volume < _MOST_SHARES:
        return "bad volume"
    return None


class Hours:
    """Regular hours of XNYS, early closes included, asked for again and again."""

    def __init__(self) -> None:
        self._known: dict[int, tuple[int, int] | None] = {}

    def of(self, time: int) -> tuple[int, int] | None:
        """Open and close, in seconds since the epoch, of the session on the UTC day of `time`; None without one.

        A regular session lies within one UTC day, whose date is its own.
        """
        day = time // _DAY
        if day not in self._known:
            self._known[day] = _hours(datetime.fromtimestamp(day * _DAY, UTC).date())
        return self._known[day]

    def contain(self, time: int) -> bool:
        """Whether a bar that starts then lies in a regular session."""
        hours = self.of(time)
        return hours is not None and hours[0] <= time < hours[1]


def _hours(day: date) -> tuple[int, int] | None:
    try:
        if not is_session(day):
            return None
    except OutsideCalendar:
        return None
    opens, closes = session_open_close(day)
    return int(opens.timestamp()), int(closes.timestamp())


class Gate:
    """Lets bars pass that can be matched; counts the others in `refused` by the reason."""

    def __init__(self, hours: Hours) -> None:
        self.refused: Counter[str] = Counter()
        self._hours = hours

    def admit(self, bars: Iterable[MinuteBar], now: int, *, live: bool) -> list[MinuteBar]:
        """The good ones, in their order. With `live`, a bar that is not late must be of the day of `now`.

        `now` is in seconds since the epoch. Nothing that has not happened yet passes: bars are sent when they are
        complete, and a clock may be a minute off.
        """
        good = []
        today = now // _DAY
        for bar in bars:
            reason = fault(bar)
            if reason is None:
                if bar.time > now + MINUTE:
                    reason = "in the future"
                elif live and not bar.late and bar.time // _DAY != today:
                    reason = "wrong day"
                elif not self._hours.contain(bar.time):
                    reason = "outside the session"
            if reason is None:
                good.append(bar)
            else:
                self.refused[reason] += 1
        return good
