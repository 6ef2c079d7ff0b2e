"""What may not be bought now and why, and when entries halt. Exits are never judged here."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Limits:
    """Shares are fractions of 1, None is no limit.

    `volume_share` is the part of a bar's volume that may be traded. `cash_share` is the most of equity that
    may be invested, `strategy_share` and `sector_share` by one strategy or sector. `daily_loss` is the loss
    since the session before that halts entries until the next session, `drawdown` the loss from the peak that
    halts them until acknowledged. `cooldown` is how many sessions after a losing exit its ticker is not
    bought again. After `guard_stops` stop exits within `guard_sessions` sessions, entries halt for as many
    sessions.
    """

    volume_share: float | None = 0.10
    max_positions: int | None = None
    cash_share: float | None = None
    strategy_share: float | None = None
    sector_share: float | None = None
    daily_loss: float | None = None
    drawdown: float | None = None
    cooldown: int | None = None
    guard_stops: int | None = None
    guard_sessions: int = 1
    sectors: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Exposure:
    """What an entry would add to: the account at the prices known now, in dollars.

    `invested` maps each held ticker to its value and its strategy.
    """

    equity: Decimal
    invested: Mapping[str, tuple[Decimal, str | None]]
    opening: bool
    positions: int


def refusal(
    limits: Limits, exposure: Exposure, ticker: str, strategy: str | None, cost: Decimal, cooling: date | None
) -> str | None:
    """Why buying `ticker` for `cost` dollars breaks a limit; None when it does not.

    `cooling` is the session from which the ticker may be bought again, where that is still to come.
    """
    if cooling is not None:
        return f"{ticker} is in cooldown until {cooling} after a loss"
    if exposure.opening and limits.max_positions is not None and exposure.positions >= limits.max_positions:
        return f"max_positions: {exposure.positions} positions are held, {limits.max_positions} are allowed"
    values = exposure.invested
    parts = [
        ("cash_share", limits.cash_share, sum((value for value, _ in values.values()), Decimal(0))),
        (
            "strategy_share",
            limits.strategy_share if strategy else None,
            sum((value for value, name in values.values() if name == strategy), Decimal(0)),
        ),
    ]
    sector = limits.sectors.get(ticker)
    if limits.sector_share is not None and sector is None:
        return f"sector_share: the sector of {ticker} is not known"
    same = [value for name, (value, _) in values.items() if limits.sectors.get(name) == sector]
    parts.append(("sector_share", limits.sector_share, sum(same, Decimal(0))))
    for name, share, already in parts:
        if share is not None and already + cost > Decimal(str(share)) * exposure.equity:
            part = float((already + cost) / exposure.equity) if exposure.equity else float("inf")
            return f"{name}: {part:.1%} of equity would be invested, {share:.1%} is allowed"
    return None
