"""A slow, obvious simulator of the fill rules, written from the table in the architecture and not from the kernel.

One account, plain Python numbers, one step after the other. It knows no volume cap (that has tests of its own).
"""

import math
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Rules:
    stop: float | None = None
    stop_distance: list[list[float]] | None = None
    stop_level: dict[int, list[list[float]]] | None = None
    target: float | None = None
    target_r: float | None = None
    trailing: float | None = None
    breakeven: float | None = None
    breakeven_r: float | None = None
    time_stop: int | None = None
    partial: list[tuple[str, float, float]] = field(default_factory=list)
    sizing: str = "percent_of_equity"
    size: float = 50.0
    max_positions: int = 10
    fee_bps: float = 0.0
    slippage_bps: float = 0.0


@dataclass
class Position:
    side: int
    quantity: int
    price: float
    initial_stop: float | None
    partial_left: list[int]
    bars: int = 0
    best: float = 0.0
    breakeven: bool = False
    leaving: str | None = None


def simulate(
    bars: dict[str, Any], signals: dict[str, Any], rules: Rules, cash: float
) -> list[tuple[Any, ...]]:
    """Fills as (bar, column, signed size, price, reason, ambiguous); bars and signals are lists [t][column]."""
    opens, highs, lows, closes = bars["open"], bars["high"], bars["low"], bars["close"]
    length, width = len(closes), len(closes[0])
    positions: dict[int, Position] = {}
    wanted: dict[int, tuple[int, int]] = {}
    last_close: dict[int, float] = {}
    fills: list[tuple[Any, ...]] = []
    last_bar = {
        c: max((t for t in range(length) if not math.isnan(closes[t][c])), default=-1) for c in range(width)
    }

    def fill(t: int, c: int, size: int, price: float, reason: str, ambiguous: bool = False) -> None:
        nonlocal cash
        cash -= size * price + abs(size) * price * rules.fee_bps / 10_000
        fills.append((t, c, size, price, reason, ambiguous))

    def market(price: float, side: int) -> float:
        return price * (1 + side * rules.slippage_bps / 10_000)

    def leave(t: int, c: int, quantity: int, price: float, reason: str, ambiguous: bool = False) -> None:
        position = positions[c]
        fill(t, c, -position.side * quantity, price, reason, ambiguous)
        position.quantity -= quantity
        if position.quantity == 0:
            del positions[c]

    for t in range(length):
        has_bar = [c for c in range(width) if not math.isnan(closes[t][c])]

        # 1. Exits scheduled by completed bars, at the open.
        for c in has_bar:
            if c in positions and positions[c].leaving:
                p = positions[c]
                leave(t, c, p.quantity, market(opens[t][c], -p.side), str(p.leaving))

        # 2. Entries at the open, the highest rank first, as far as cash and slots reach.
        def worth(c: int, t: int = t) -> float:
            return last_close[c] if math.isnan(opens[t][c]) else opens[t][c]

        equity = cash + sum(p.side * p.quantity * worth(c) for c, p in positions.items())
        free = cash - sum(2 * p.quantity * worth(c) for c, p in positions.items() if p.side < 0)
        ready = sorted(
            (c for c in has_bar if c in wanted), key=lambda c: (-signals["rank"][wanted[c][1]][c], c)
        )
        for c in ready:
            side, since = wanted.pop(c)
            price = market(opens[t][c], side)
            stops = []
            if rules.stop is not None:
                stops.append(price * (1 - side * rules.stop / 100))
            if rules.stop_distance is not None:
                stops.append(price - side * rules.stop_distance[since][c])
            if rules.stop_level is not None:
                stops.append(rules.stop_level[side][since][c])
            if any(math.isnan(stop) or side * stop >= side * price for stop in stops):
                continue
            if rules.trailing is not None:
                stops.append(price * (1 - side * rules.trailing / 100))
            stop = (max(stops) if side > 0 else min(stops)) if stops else None
            if len(positions) >= rules.max_positions:
                continue
            with_fee = price * (1 + rules.fee_bps / 10_000)
            if rules.sizing == "fixed_shares":
                shares = int(rules.size)
            elif rules.sizing == "risk_per_trade":
                assert stop is not None
                shares = math.floor(equity * rules.size / 100 / abs(price - stop) + 1e-9)
            elif rules.sizing == "volatility_target":
                share = min(1.0, rules.size / 100 / signals["volatility"][since][c])
                shares = math.floor(equity * share / with_fee + 1e-9)
            else:
                shares = math.floor(equity * rules.size / 100 / with_fee + 1e-9)
            shares = min(shares, max(0, math.floor(free / with_fee)))
            while shares > 0 and shares * price + shares * price * rules.fee_bps / 10_000 > free:
                shares -= 1
            if shares <= 0:
                continue
            fill(t, c, side * shares, price, "entry")
            free -= shares * price + shares * price * rules.fee_bps / 10_000
            parts = [math.floor(shares * fraction + 1e-9) for _, _, fraction in rules.partial]
            positions[c] = Position(side, shares, price, stop, parts, best=price)

        # 3. Inside the bar: stops before targets.
        for c in has_bar:
            if c not in positions:
                continue
            p = positions[c]
            side = p.side
            risk = abs(p.price - p.initial_stop) if p.initial_stop is not None else math.nan
            live = [(p.initial_stop, "stop")] if p.initial_stop is not None else []
            if rules.trailing is not None:
                live.append((p.best * (1 - side * rules.trailing / 100), "trailing"))
            if p.breakeven:
                live.append((p.price, "breakeven"))
            stop, stop_reason = None, ""
            for level, reason in live:
                better = stop is not None and (level > stop if side > 0 else level < stop)
                if stop is None or better or (level == stop and reason == "trailing"):
                    stop, stop_reason = level, reason

            def at(kind: str, amount: float, p: Position = p, risk: float = risk) -> float:
                return (
                    p.price * (1 + p.side * amount / 100)
                    if kind == "percent"
                    else p.price + p.side * amount * risk
                )

            goals = [
                (k, at(kind, amount))
                for k, (kind, amount, _) in enumerate(rules.partial)
                if p.partial_left[k]
            ]
            final = None
            if rules.target is not None:
                final = at("percent", rules.target)
            if rules.target_r is not None:
                final = at("r", rules.target_r)
            o, h, low = opens[t][c], highs[t][c], lows[t][c]

            # An open beyond a target fills it there, before anything inside the bar.
            def gapped_over(level: float, side: int = side, o: float = o) -> bool:
                return o > level if side > 0 else o < level

            for k, level in goals:
                if gapped_over(level) and c in positions:
                    leave(t, c, min(p.partial_left[k], p.quantity), o, "partial")
                    p.partial_left[k] = 0
            if final is not None and gapped_over(final) and c in positions:
                leave(t, c, p.quantity, o, "target")
            if c not in positions:
                continue
            goals = [(k, level) for k, level in goals if not gapped_over(level)]

            def through(level: float, side: int = side, h: float = h, low: float = low) -> bool:
                return h > level if side > 0 else low < level

            any_goal = any(through(level) for _, level in goals) or (final is not None and through(final))
            hit = stop is not None and (low <= stop if side > 0 else h >= stop)
            if hit:
                assert stop is not None
                gapped = o <= stop if side > 0 else o >= stop
                leave(
                    t,
                    c,
                    p.quantity,
                    market(o if gapped else stop, -side),
                    stop_reason,
                    any_goal and not gapped,
                )
                continue
            for k, level in goals:
                if through(level) and c in positions:
                    part = min(p.partial_left[k], p.quantity)
                    leave(t, c, part, max(o, level) if side > 0 else min(o, level), "partial")
                    p.partial_left[k] = 0
            if final is not None and through(final) and c in positions:
                leave(t, c, p.quantity, max(o, final) if side > 0 else min(o, final), "target")

        # 4. The close: bars that end, completed-bar levels, and what is scheduled for the next open.
        for c in has_bar:
            last_close[c] = closes[t][c]
            if last_bar[c] == t and t < length - 1:
                if c in positions:
                    leave(t, c, positions[c].quantity, closes[t][c], "delisted")
                wanted.pop(c, None)
                continue
            if c in positions:
                p = positions[c]
                p.bars += 1
                p.best = max(p.best, highs[t][c]) if p.side > 0 else min(p.best, lows[t][c])
                level = None
                if rules.breakeven is not None:
                    level = p.price * (1 + p.side * rules.breakeven / 100)
                if rules.breakeven_r is not None and p.initial_stop is not None:
                    level = p.price + p.side * rules.breakeven_r * abs(p.price - p.initial_stop)
                if level is not None and (p.best >= level if p.side > 0 else p.best <= level):
                    p.breakeven = True
            entry = {1: signals["entry_long"][t][c], -1: signals["entry_short"][t][c]}
            exits = {1: signals["exit_long"][t][c], -1: signals["exit_short"][t][c]}
            side = 0 if entry[1] == entry[-1] else (1 if entry[1] else -1)
            if c not in positions:
                if side:
                    wanted[c] = (side, t)
                continue
            p = positions[c]
            if rules.time_stop and p.bars >= rules.time_stop and not p.leaving:
                p.leaving = "time_stop"
            if exits[p.side] and not p.leaving:
                p.leaving = "signal"
            if side == -p.side:
                p.leaving = p.leaving or "reversal"
                wanted[c] = (side, t)
        short = sum(p.quantity * last_close[c] for c, p in positions.items() if p.side < 0)
        if (short and cash < 1.3 * short) or cash < 0:
            for c, p in positions.items():
                if p.side < 0 or cash < 0:
                    p.leaving = "margin_call"
                    wanted.pop(c, None)
    return fills
