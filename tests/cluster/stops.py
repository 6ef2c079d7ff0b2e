"""A stop on a paper position, moved to where the market is about to go: the made-up minutes are known beforehand."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import ROUND_UP, Decimal

import polars as pl

from falcon_pipelines.bars.flat_files import file_key
from tests.cluster.road import Road
from tests.cluster.trading import SPEED
from tests.cluster.waiting import wait_until

SOONEST, LATEST = timedelta(minutes=7), timedelta(minutes=16)
"""Market time until the stop is reached: it has to be moved before, and the fault to last until after."""
SESSION_SECONDS = 390 * 60 / SPEED
CENT = Decimal("0.01")
_BPS = Decimal(10_000)
Bar = tuple[timedelta, datetime, float, float, float]
"""How far away, start, open, high and low."""


@dataclass(frozen=True)
class ReachedStop:
    """A stop order, and the bar that is to fill it."""

    order: str
    account: int
    price: Decimal
    bar: datetime
    fill: Decimal
    """What the fill rules say: the stop, or the open where that is below it."""

    def to_come(self, road: Road) -> bool:
        """Whether the order has this stop now, and the trader is not yet at the bar before that which reaches it."""
        asked = f"SELECT count(*) FROM orders WHERE id = '{self.order}' AND stop_price = {self.price} AND status = 'open'"
        return road.bed.db.psql(asked) == "1" and _cursor(road, self.account) < self.bar - timedelta(
            minutes=1
        )

    def require_fill(self, road: Road) -> None:
        """It was filled on its bar at the price of the fill rules, slippage against the account."""
        filled = road.bed.db.psql(
            "SELECT extract(epoch FROM f.filled_at), f.price, a.rules->'costs'->>'slippage_bps' FROM fills f "
            "JOIN orders o ON o.id = f.order_id JOIN accounts a ON a.id = o.account_id "
            f"WHERE o.id = '{self.order}' ORDER BY f.filled_at LIMIT 1"
        )
        assert filled, f"{self} was not filled"
        at, price, slippage = filled.split("|")
        assert datetime.fromtimestamp(float(at), UTC) == self.bar, self
        assert abs(Decimal(price) - self.fill * (1 - Decimal(slippage) / _BPS)) <= Decimal("0.000001"), self


def stop_on_its_way(road: Road) -> ReachedStop:
    """Have somebody move a stop to where the market will be in some seconds; it is there and not yet reached."""
    moved: list[ReachedStop] = []

    def move() -> bool:
        found = stop_about_to_be_reached(road)
        if found is None:
            return False
        asked = {"command": "edit_stop", "target": found.order, "stop": str(found.price)}
        answer = road.site.olga.post(f"/api/v1/accounts/{found.account}/commands", asked)
        assert answer.status == 201, f"{answer.status} {answer.body[:300]}"
        wait_until(lambda: found.to_come(road), 10, f"{found.order} has its stop at {found.price}", every=0.2)
        moved.append(found)
        return True

    # Towards a session's end the market goes nowhere any more: the next one then.
    wait_until(move, SESSION_SECONDS / 2, "some position's stop is about to be reached", every=1)
    return moved[0]


def _cursor(road: Road, account: int) -> datetime:
    found = road.bed.db.psql(f"SELECT extract(epoch FROM cursor) FROM accounts WHERE id = {account}")
    return datetime.fromtimestamp(float(found), UTC)


def stop_about_to_be_reached(road: Road) -> ReachedStop | None:
    """One that a bar between SOONEST and LATEST from now reaches, and none before; None while there is no such."""
    held = road.bed.db.psql(
        "SELECT o.id, a.id, o.ticker, extract(epoch FROM a.cursor), min(l.limit_price) FROM orders o "
        "JOIN accounts a ON a.id = o.account_id LEFT JOIN orders l ON l.account_id = a.id AND l.ticker = o.ticker "
        "AND l.status = 'open' AND l.side = 'sell' AND l.limit_price IS NOT NULL "
        "WHERE o.status = 'open' AND o.type = 'stop' AND o.side = 'sell' GROUP BY 1, 2, 3, 4"
    )
    for line in held.splitlines():
        order, account, ticker, now, target = line.split("|")
        bars = _bars_after(road, ticker, datetime.fromtimestamp(float(now), UTC))
        found = _first_reached(bars, float(target or "inf"))
        if found is not None:
            return ReachedStop(order, int(account), *found)
    return None


def _bars_after(road: Road, ticker: str, now: datetime) -> list[Bar]:
    """The bars of now's session from now on."""
    file = road.market.root / file_key("minute", now.date())
    rows = pl.read_csv(file, schema_overrides={"ticker": pl.String}).filter(pl.col("ticker") == ticker)
    found = []
    for row in rows.sort("window_start").iter_rows(named=True):
        start = datetime.fromtimestamp(row["window_start"] / 1e9, UTC)
        if start > now:
            found.append((start - now, start, row["open"], row["high"], row["low"]))
    return found


def _first_reached(bars: list[Bar], target: float) -> tuple[Decimal, datetime, Decimal] | None:
    """Price, bar and fill of a stop that no bar before that one touches, and whose target none reaches either."""
    for number, (away, start, opened, _, low) in enumerate(bars):
        before = bars[:number]
        if away < SOONEST or not before:
            continue
        price = Decimal(str(low)).quantize(CENT, ROUND_UP)
        if away > LATEST or max(high for *_, high, _ in bars[: number + 1]) >= target:
            return None
        if price < Decimal(str(min(low for *_, low in before))):
            return price, start, min(price, Decimal(str(opened)))
    return None
