"""How many shares: what a sizing rule asks for at a price, and what money can pay for. Pure arithmetic."""

import math
from decimal import Decimal

from falcon_pipelines.trading.orders import Sizing, usd


def fee_of(price: Decimal, quantity: int, fee_bps: float) -> Decimal:
    """The fee of a trade in dollars."""
    return usd(price * quantity * Decimal(str(fee_bps)) / 10_000)


def cost_of(price: Decimal, quantity: int, fee_bps: float) -> Decimal:
    """What buying costs, fee included, in dollars."""
    return usd(price * quantity) + fee_of(price, quantity, fee_bps)


def shares_asked(sizing: Sizing, price: Decimal, equity: Decimal, fee_bps: float, stop: float | None) -> int:
    """Whole shares a sizing rule asks for at the fill price, as in the backtest kernel.

    `risk_per_trade` (fixed fraction) puts `amount` percent of equity between `price` and `stop`; with a stop some
    ATR away that is sizing by ATR. `volatility_target` scales equity by target over annualised volatility, at
    most to all of it. 0 where what the rule needs is not known.
    """
    if sizing.rule == "fixed_shares":
        return int(sizing.amount)
    worth, per_share = float(equity), float(price) * (1.0 + fee_bps / 10_000.0)
    if sizing.rule == "risk_per_trade":
        risk = float(price) - stop if stop is not None else math.nan
        shares = worth * sizing.amount / 100.0 / risk if risk > 0 else 0.0
    elif sizing.rule == "volatility_target":
        volatility = sizing.volatility or math.nan
        part = min(1.0, sizing.amount / 100.0 / volatility) if volatility > 0 else 0.0
        shares = worth * part / per_share
    else:
        shares = worth * sizing.amount / 100.0 / per_share
    return math.floor(shares + 1e-9)


def affordable(price: Decimal, dollars: Decimal, fee_bps: float) -> int:
    """The most whole shares that `dollars` pay for, fee included."""
    shares = max(0, int(dollars / (price * (1 + Decimal(str(fee_bps)) / 10_000))))
    while shares and cost_of(price, shares, fee_bps) > dollars:
        shares -= 1
    return shares
