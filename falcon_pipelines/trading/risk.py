"""What may not be bought now and why, and when entries halt. Exits are never judged here."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from decimal import Decimal


@dataclass(frozen=True)
class Limits:
    """Shares are fractions of 1, None is no limit.

    `volume_share` is the part of a bar's volume that may be traded. `cash_share` is the most of equity that
    may be invested, `strategy_share` and `sector_share` by one strategy or sector; what no strategy asked for counts as
    one more strategy. `daily_loss` is the loss
    since the session before that halts entries until the next session, `drawdown` the loss from the peak that
    halts them until acknowledged. A ticker without a known sector is refused where there is a `sector_share`;
    with `pool_unknown_sectors` all of them together are one more sector. `cooldown` is how many sessions after
    a losing exit its ticker is not bought again. After `guard_stops` stop exits within `guard_sessions`
    sessions, entries halt for as many sessions.
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
    pool_unknown_sectors: bool = False


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
    known = limits.sectors.get(ticker) is not None
    if limits.sector_share is not None and not known and not limits.pool_unknown_sectors:
        return f"sector_share: the sector of {ticker} is not known"
    for name, share, already in _shares(limits, exposure, ticker, strategy):
        if already + cost > share * exposure.equity:
            part = float((already + cost) / exposure.equity) if exposure.equity else float("inf")
            unknown = "" if known or name != "sector_share" else " in tickers without a known sector"
            return f"{name}: {part:.2%} of equity would be invested{unknown}, {float(share):.2%} is allowed"
    return None


def room(limits: Limits, exposure: Exposure, ticker: str, strategy: str | None) -> Decimal:
    """The most dollars that may still be put into `ticker`; infinity without limits."""
    left = [
        share * exposure.equity - already for _, share, already in _shares(limits, exposure, ticker, strategy)
    ]
    return max(Decimal(0), min(left, default=Decimal("Infinity")))


def _shares(
    limits: Limits, exposure: Exposure, ticker: str, strategy: str | None
) -> Iterator[tuple[str, Decimal, Decimal]]:
    """Each limit on what is invested: its name, the part of equity it allows, the dollars that count already."""
    values = exposure.invested
    if limits.cash_share is not None:
        yield "cash_share", Decimal(str(limits.cash_share)), sum((v for v, _ in values.values()), Decimal(0))
    if limits.strategy_share is not None:
        of_strategy = sum((v for v, name in values.values() if name == strategy), Decimal(0))
        yield "strategy_share", Decimal(str(limits.strategy_share)), of_strategy
    if limits.sector_share is not None:
        sector = limits.sectors.get(ticker)
        same = sum((v for name, (v, _) in values.items() if limits.sectors.get(name) == sector), Decimal(0))
        yield "sector_share", Decimal(str(limits.sector_share)), same
