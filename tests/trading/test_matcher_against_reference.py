"""The paper account against a second, plain implementation of the fill rules, on random bars and levels."""

from typing import Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.trading import reference_matcher
from tests.trading.panels import days
from tests.trading.test_replay import D1, buy, run


@st.composite
def bars(draw: st.DrawFn) -> tuple[float, float, float, float]:
    """A bar on a grid of half dollars, so that levels are touched exactly, too."""
    low = draw(st.integers(160, 230))
    high = draw(st.integers(low, 240))
    open_, close = draw(st.integers(low, high)), draw(st.integers(low, high))
    return open_ / 2, high / 2, low / 2, close / 2


def ours(
    market: list[Any], limit: float | None, stop: float | None, target: float | None, trail: float | None
) -> Any:
    protect = {"stop": stop, "target": target, "trail_pct": trail}
    wanted = {name: value for name, value in protect.items() if value is not None}
    order: dict[str, Any] = buy(10, at=D1, **({"type": "limit", "limit": limit} if limit else {}))
    if wanted:
        order["protect"] = wanted
    result = run(days(market), order, cash=1_000_000, limits={"volume_share": None})
    times = [row["time"].date() for row in result["fills"]]
    calendar = sorted({stamp.date() for stamp in days(market).timestamps.astype("datetime64[us]").tolist()})
    rows = [
        (calendar.index(day), float(fill["price"])) for day, fill in zip(times, result["fills"], strict=True)
    ]
    by = result["fills"][1]["order"].split(".")[-1] if len(rows) > 1 else None
    ambiguous = len(rows) > 1 and "ambiguous" in result["fills"][1]["flags"]
    return rows, {"trail": "stop"}.get(by or "", by), ambiguous


@settings(max_examples=120, deadline=None)
@given(
    market=st.lists(bars(), min_size=1, max_size=6),
    limit=st.none() | st.integers(170, 225).map(lambda n: n / 2),
    stop=st.none() | st.integers(150, 180).map(lambda n: n / 2),
    target=st.none() | st.integers(215, 245).map(lambda n: n / 2),
    trail=st.none() | st.sampled_from([5.0, 10.0, 12.5]),
)
@example(market=[(100, 100, 100, 100), (100, 106, 94, 100)], limit=None, stop=95, target=105, trail=None)
@example(market=[(100, 101, 97.99, 99)], limit=98, stop=None, target=None, trail=None)
def test_both_make_the_same_trade(
    market: list[Any], limit: float | None, stop: float | None, target: float | None, trail: float | None
) -> None:
    expected = reference_matcher.trade(market, limit, stop, target, trail)
    rows, by, ambiguous = ours(market, limit, stop, target, trail)
    wanted = [row for row in (expected.entry, expected.exit) if row is not None]
    assert [(day, round(price, 6)) for day, price in rows] == [
        (day, round(price, 6)) for day, price in wanted
    ]
    assert (by, ambiguous) == (expected.by, expected.ambiguous)
