"""Golden replays on real minutes: Apple through its 7-for-1 split, Google on an early close."""

import csv
import io
import zipfile
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

from falcon_pipelines.bars.calendar import NEW_YORK, midnight
from falcon_pipelines.bars.panel import Panel
from tests.trading.panels import panel
from tests.trading.test_replay import fills, run


def minutes_of(lean: Path, ticker: str) -> Panel:
    """All stored minutes of a ticker, pre- and post-market included."""
    rows, times = [], []
    for path in sorted((lean / "minute" / ticker.lower()).glob("*_trade.zip")):
        day = date.fromisoformat(f"{path.name[:4]}-{path.name[4:6]}-{path.name[6:8]}")
        with zipfile.ZipFile(path) as archive:
            text = archive.read(archive.namelist()[0]).decode()
        for line in csv.reader(io.StringIO(text)):
            milliseconds, *prices, volume = map(float, line)
            times.append(midnight(day) + timedelta(milliseconds=milliseconds))
            rows.append((*(price / 10_000 for price in prices), volume))
    return panel({ticker: rows}, times, "minute")


def order(at: str, side: str = "buy", quantity: int = 10, **more: Any) -> dict[str, Any]:
    return {"id": f"{side} {at}", "at": at, "ticker": "AAPL", "side": side, "quantity": quantity, **more}


def price_at(bars: Panel, when: str, field: str = "open") -> Decimal:
    time = datetime.fromisoformat(when).replace(tzinfo=NEW_YORK).astimezone(UTC).replace(tzinfo=None)
    row = bars.timestamps.tolist().index(int(time.replace(tzinfo=UTC).timestamp() * 1e9))
    return Decimal(f"{bars[field][row, 0]:.6f}")


def test_apple_through_its_split_keeps_value_cost_and_protection(lean: Path) -> None:
    bars = minutes_of(lean, "AAPL")
    split = [{"at": "2014-06-09", "ticker": "AAPL", "split": 7}]
    entry = order("2014-06-05T10:00", protect={"stop_pct": 10, "target_pct": 10})
    result = run(bars, entry, actions=split)
    (position,) = result["positions"]
    paid = price_at(bars, "2014-06-05T10:00")
    assert result["fills"][0]["price"] == paid == Decimal("647.05")
    assert (position["quantity"], position["cost"]) == (70, paid * 10)
    levels = {row["id"].split(".")[-1]: row["stop"] or row["limit"] for row in position["orders"]}
    assert levels == {"stop": Decimal("83.192143"), "target": Decimal("101.679286")}
    assert len(result["fills"]) == 1
    assert 90 < position["price"] < 96
    assert result["equity"] == 10_000 - paid * 10 + 70 * position["price"]


def test_without_the_split_the_stop_would_have_sold_at_a_seventh(lean: Path) -> None:
    result = run(minutes_of(lean, "AAPL"), order("2014-06-05T10:00", protect={"stop_pct": 10}))
    assert float(result["fills"][1]["price"]) < 100


def test_an_order_after_the_close_fills_at_the_next_open(lean: Path) -> None:
    bars = minutes_of(lean, "AAPL")
    for at in ("2014-06-05T16:30", "2014-06-06T08:00"):
        result = run(bars, order(at))
        assert result["fills"][0]["time"] == datetime(2014, 6, 6, 13, 30, tzinfo=UTC)
        assert result["fills"][0]["price"] == price_at(bars, "2014-06-06T09:30")


def test_nothing_fills_after_an_early_close(lean: Path) -> None:
    bars = minutes_of(lean, "GOOG")
    christmas_eve = order("2015-12-24T13:00") | {"ticker": "GOOG"}
    result = run(bars, christmas_eve)
    assert result["fills"][0]["time"] == datetime(2015, 12, 28, 14, 30, tzinfo=UTC)
    before = run(bars, order("2015-12-24T12:58") | {"ticker": "GOOG"})
    assert before["fills"][0]["time"] == datetime(2015, 12, 24, 17, 58, tzinfo=UTC)


def test_a_real_trailing_stop_sells_where_completed_minutes_put_it(lean: Path) -> None:
    bars = minutes_of(lean, "AAPL")
    result = run(bars, order("2014-06-05T09:30", protect={"trail_pct": 0.5}))
    (bought, sold) = result["fills"]
    stamps = [stamp.astype("datetime64[us]").item().replace(tzinfo=UTC) for stamp in bars.timestamps]
    rows = range(stamps.index(bought["time"]), stamps.index(sold["time"]))
    best = max([float(bought["price"]), *(float(bars["high"][row, 0]) for row in rows)])
    level = round(best * 0.995, 6)
    last = stamps.index(sold["time"])
    assert float(sold["price"]) == min(level, float(bars["open"][last, 0]))
    assert float(bars["low"][last, 0]) <= level
    assert fills(result)[1][0].endswith(".trail")
