"""What a paper account is compared with: the same start held in one ticker, by the closes that compute reported."""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, case, cast, func, not_, select, true
from sqlalchemy.dialects.postgresql import JSONPATH
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.queries.documents import number
from falcon_pipelines.db.models import PriceChart

OWN_TICKERS = "its tickers, bought and held"
"""What an account is compared with where its own marks say so: one that was traded over given bars."""
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Benchmark:
    """Closes of one ticker, oldest first, adjusted for splits and dividends, so that growth is total return."""

    ticker: str
    sessions: tuple[date, ...]
    closes: tuple[float, ...]

    def growth(self, first: date, last: date) -> float | None:
        """What a dollar became from the close before `first` to that of `last`; None where the closes do not reach.

        Where the closes begin on `first`, its own close is the start.
        """
        start = bisect_left(self.sessions, first)
        if start == 0 and self.sessions[0] != first:
            return None
        return self._ratio(max(start - 1, 0), last)

    def between_closes(self, first: date, last: date) -> float | None:
        """What a dollar became from the close of `first` to that of `last`; None where the closes do not reach."""
        start = bisect_right(self.sessions, first) - 1
        return None if start < 0 else self._ratio(start, last)

    def worth(self, start: Decimal, first: date, last: date) -> Decimal | None:
        """Dollars at the close of `last` of `start` dollars put in before `first`."""
        grown = self.growth(first, last)
        return None if grown is None else (start * Decimal(grown)).quantize(_CENT)

    def _ratio(self, start: int, last: date) -> float | None:
        end = bisect_right(self.sessions, last) - 1
        return None if end < start else self.closes[end] / self.closes[start]


def benchmark(session: Session, ticker: str, *, synthetic: bool) -> Benchmark | None:
    """None while compute has reported no closes of it, or only made-up ones for an account on real bars.

    The closes themselves are sent only when their row has another stamp than those that were read last.
    """
    known = _read.get(ticker)
    news: ColumnElement[bool] = true()
    if known is not None:
        news = not_(and_(*(column == value for column, value in zip(_STAMP, known[0], strict=True))))
    row = session.execute(
        select(*_STAMP, *(case((news, part), else_=None).label(name) for name, part in _PARTS)).where(
            PriceChart.ticker == ticker, PriceChart.synthetic == synthetic
        )
    ).one_or_none()
    if row is None:
        return None
    stamp = tuple(row[: len(_STAMP)])
    if known is None or known[0] != stamp:
        known = _read[ticker] = (stamp, _benchmark(ticker, row.sessions, row.closes))
    return known[1]


_STAMP = (PriceChart.data_version, PriceChart.as_of, PriceChart.updated_at, PriceChart.synthetic)
_PARTS = tuple(
    (name, func.jsonb_path_query_array(PriceChart.bars, cast(path, JSONPATH)))
    for name, path in (("sessions", "$[*][0]"), ("closes", "$[*][4]"))
)
_read: dict[str, tuple[tuple[object, ...], Benchmark | None]] = {}
"""The closes of a ticker as of the stamp of their row: years of them are read once, not for every page."""


def _benchmark(ticker: str, sessions: Sequence[str], closes: Sequence[object]) -> Benchmark | None:
    found = [
        (date.fromisoformat(day), close)
        for day, written in zip(sessions, closes, strict=False)
        if (close := number(written)) is not None and close > 0
    ]
    if not found:
        return None
    days, values = zip(*found, strict=True)
    return Benchmark(ticker, days, values)
