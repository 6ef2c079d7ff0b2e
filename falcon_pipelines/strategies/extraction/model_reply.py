"""The closed, flat shape in which a language model may name a rule: it chooses from lists and repeats numbers.

The model never writes a condition, a price, a ticker or a spec.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Place = Literal[
    "entry_long",
    "entry_short",
    "exit_signal",
    "exit_signal_short",
    "filter_long",
    "filter_short",
    "stop",
    "target",
    "trailing",
    "breakeven",
    "partial_exit",
    "time_stop",
    "sizing",
    "timeframe",
    "claim",
]
Thing = Literal[
    "close", "open", "high", "low", "volume", "average_volume",
    "sma", "ema", "wma", "hma", "average_of_unknown_type", "vwap",
    "rsi", "stochastic", "adx", "cci", "mfi", "williams_r",
    "macd_line", "macd_signal", "macd_histogram", "bollinger_upper", "bollinger_middle", "bollinger_lower",
    "highest_high", "lowest_low", "highest_close", "lowest_close", "previous_high", "previous_low", "previous_close",
    "percent_change", "level",
]  # fmt: skip
Comparison = Literal[
    "above", "below", "at_or_above", "at_or_below", "crosses_above", "crosses_below", "between"
]
Measure = Literal[
    "percent",
    "r_multiple",
    "atr_multiple",
    "swing_bars",
    "at_the_indicator",
    "bars",
    "percent_of_equity",
    "risk_percent",
    "volatility_percent",
    "fixed_shares",
]
Timeframe = Literal["day", "1m", "5m", "15m", "30m", "1h"]


class ModelAtom(BaseModel):
    """One rule as a model reports it. Conditions use left, comparison, right; the others measure and amount."""

    model_config = ConfigDict(extra="forbid")

    place: Place
    state: Literal["stated", "ambiguous", "negated", "example_only"]
    joined_to_previous: Literal["and", "or"] | None = Field(
        description="how this condition is tied to the one reported before it; null when it stands alone"
    )
    left: Thing | None
    left_period: float | None = Field(
        description="bars of the left side's indicator; of percent_change, of its span"
    )
    left_unit: Literal["week", "month"] | None = Field(
        description="only when the left average is of weeks or months"
    )
    comparison: Comparison | None
    right: Thing | None
    right_number: float | None = Field(description="period of the right side's indicator, or the level")
    right_unit: Literal["week", "month"] | None
    right_upper: float | None = Field(description="the upper level of between")
    right_multiple: float | None = Field(
        description="times the right side, such as 2 times the average volume"
    )
    margin_percent: float | None = Field(description="percent that left must lie above or below right")
    bars_in_a_row: float | None = Field(
        description="bars for which the condition must hold one after the other"
    )
    measure: Measure | None
    amount: float | None
    atr_period: float | None
    part_percent: float | None = Field(
        description="share of the position that a partial exit sells: half is 50"
    )
    timeframe: Timeframe | None
    quote: str = Field(description="the exact words of the transcript, copied")
    first_segment: int
    last_segment: int


class ModelReply(BaseModel):
    """All rules of one chunk."""

    model_config = ConfigDict(extra="forbid")

    atoms: list[ModelAtom]
