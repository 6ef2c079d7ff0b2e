"""Where to enter a pick, where to stop and where to take profit, from its ATR. Long only."""

from dataclasses import dataclass

from falcon_pipelines.profiles.schema import Levels

DECIMALS = 6
MOST_OF_THE_PRICE = 0.9


@dataclass(frozen=True)
class PriceLevels:
    """US dollars per share; 0 < stop < entry_low < close < entry_high < target."""

    entry_low: float
    entry_high: float
    stop: float
    target: float


def price_levels(close: float, atr: float, rule: Levels) -> PriceLevels | None:
    """The levels around a close; None where prices are too small to tell them apart.

    A stop that would lie at or below zero (a cheap stock that moves by its price) is moved up to a tenth of the
    close, and the lower end of the entry range with it, in proportion.
    """
    down = min(1.0, MOST_OF_THE_PRICE * close / (rule.stop_atr * atr)) if atr > 0 else 0.0
    made = PriceLevels(
        entry_low=round(close - rule.entry_atr * atr * down, DECIMALS),
        entry_high=round(close + rule.entry_atr * atr, DECIMALS),
        stop=round(close - rule.stop_atr * atr * down, DECIMALS),
        target=round(close + rule.target_atr * atr, DECIMALS),
    )
    return made if in_order(made, close) else None


def in_order(levels: PriceLevels, close: float) -> bool:
    """Whether stop, entry range, close and target lie as they must."""
    return 0 < levels.stop < levels.entry_low < close < levels.entry_high < levels.target
