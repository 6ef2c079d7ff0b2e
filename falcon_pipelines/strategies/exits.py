"""How a position ends and how large it is, as models: stops, targets, partial exits, sizing."""

from typing import Annotated, Any

from pydantic import BeforeValidator, Discriminator, Field, Tag

from falcon_pipelines.strategies.conditions import Condition, Reference
from falcon_pipelines.strategies.numbers import Count, Fraction, Percent, PercentUp, Positive
from falcon_pipelines.strategies.strict import Strict, key_of, one_of


class Sided(Strict):
    """A condition for long trades and one for short trades; each optional, at least one."""

    long: Condition | None = None
    short: Condition | None = None


def _sided_or_condition(value: Any) -> str:
    if isinstance(value, dict):
        return "<sided>" if value and set(value) <= {"long", "short"} else "<condition>"
    return "<sided>" if isinstance(value, Sided) else "<condition>"


ExitSignal = Annotated[
    Annotated[Sided, Tag("<sided>")] | Annotated[Condition, Tag("<condition>")],
    Discriminator(_sided_or_condition),
]


class PercentDistance(Strict):
    """So many percent from the fill price."""

    percent: PercentUp


class RMultiple(Strict):
    """So many times the distance between the fill price and the initial stop."""

    r_multiple: Positive


Distance = Annotated[
    Annotated[
        Annotated[PercentDistance, Tag("<percent>")] | Annotated[RMultiple, Tag("<r_multiple>")],
        Discriminator(key_of),
    ],
    BeforeValidator(one_of("a distance", ("percent", "r_multiple"))),
]


class PercentStop(Strict):
    """A stop so many percent against the trade from the fill price."""

    percent: Percent


class AtrDistance(Strict):
    """A number of average true ranges (Wilder)."""

    period: Count = 14
    multiple: Positive


class AtrStop(Strict):
    """A stop so many ATR of the signal bar from the fill price."""

    atr: AtrDistance


class Bars(Strict):
    """A number of bars."""

    bars: Count


class SwingStop(Strict):
    """A stop at the lowest low (longs) or highest high (shorts) of the last bars, the signal bar included."""

    swing: Bars


class IndicatorStop(Strict):
    """A stop at an indicator's value on the signal bar."""

    indicator: Reference


Stop = Annotated[
    Annotated[
        Annotated[PercentStop, Tag("<percent>")]
        | Annotated[AtrStop, Tag("<atr>")]
        | Annotated[SwingStop, Tag("<swing>")]
        | Annotated[IndicatorStop, Tag("<indicator>")],
        Discriminator(key_of),
    ],
    BeforeValidator(one_of("a stop", ("percent", "atr", "swing", "indicator"))),
]


class TrailingStop(Strict):
    """A stop so many percent from the best price of completed bars."""

    percent: Percent


class PartialExit(Strict):
    """Close a fraction of the entered quantity where a target is reached."""

    at: Distance
    fraction: Fraction


class Exit(Strict):
    """Everything that ends a position; whichever comes first."""

    signal: ExitSignal | None = None
    stop: Stop | None = None
    target: Distance | None = None
    trailing: TrailingStop | None = None
    breakeven: Distance | None = None
    time_stop: Bars | None = None
    partial: tuple[PartialExit, ...] = ()

    def signal_for(self, side: str) -> Condition | None:
        """The exit condition of "long" or "short" positions."""
        if isinstance(self.signal, Sided):
            return self.signal.long if side == "long" else self.signal.short
        return self.signal


class PercentOfEquity(Strict):
    """Each position starts with so many percent of equity."""

    percent_of_equity: PercentUp = Field(description="percent of equity per position")


class RiskPerTrade(Strict):
    """Each position loses so many percent of equity when its initial stop is hit at the stop price."""

    risk_per_trade: Percent


class VolatilityTarget(Strict):
    """Each position is scaled so that its annualised volatility is so many percent of equity."""

    volatility_target: PercentUp


class FixedShares(Strict):
    """Each position has so many shares."""

    fixed_shares: Count


Sizing = Annotated[
    Annotated[
        Annotated[PercentOfEquity, Tag("<percent_of_equity>")]
        | Annotated[RiskPerTrade, Tag("<risk_per_trade>")]
        | Annotated[VolatilityTarget, Tag("<volatility_target>")]
        | Annotated[FixedShares, Tag("<fixed_shares>")],
        Discriminator(key_of),
    ],
    BeforeValidator(
        one_of("a sizing", ("percent_of_equity", "risk_per_trade", "volatility_target", "fixed_shares"))
    ),
]
