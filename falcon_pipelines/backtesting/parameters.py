"""What a spec says about exits, size and costs, as the plain numbers the fill kernel reads."""

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.errors import InputError

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import Spec

PERCENT_OF_EQUITY = 0
RISK_PER_TRADE = 1
VOLATILITY_TARGET = 2
FIXED_SHARES = 3

SIZINGS = {
    "percent_of_equity": PERCENT_OF_EQUITY,
    "risk_per_trade": RISK_PER_TRADE,
    "volatility_target": VOLATILITY_TARGET,
    "fixed_shares": FIXED_SHARES,
}

NOTHING = float("nan")


class CannotRun(InputError):
    """A spec asks for something that its other fields leave undefined."""


MAX_PARTIALS = 8

PARAMETERS = np.dtype(
    [
        ("stop_percent", np.float64),
        ("stop_by_distance", np.bool_),
        ("stop_by_level", np.bool_),
        ("target_percent", np.float64),
        ("target_r", np.float64),
        ("trailing_percent", np.float64),
        ("breakeven_percent", np.float64),
        ("breakeven_r", np.float64),
        ("time_stop_bars", np.int64),
        ("partials", np.int64),
        ("partial_percent", np.float64, (MAX_PARTIALS,)),
        ("partial_r", np.float64, (MAX_PARTIALS,)),
        ("partial_fraction", np.float64, (MAX_PARTIALS,)),
        ("sizing", np.int64),
        ("size", np.float64),
        ("max_positions", np.int64),
        ("volume_share", np.float64),
        ("fee_bps", np.float64),
        ("slippage_bps", np.float64),
        ("target_first", np.bool_),
    ]
)
"""FillParameters as one record of an array, the shape in which compiled code reads them."""


@dataclass(frozen=True)
class FillParameters:
    """Exits, sizing, costs and limits of one run; NaN (or 0 bars) where the spec has none.

    Percentages are in percent (5 is 5 %), R multiples in units of the initial risk, the distance between fill
    and protective stop. Of each partial exit, `partial_percent` or `partial_r` is a number and the other NaN.
    """

    stop_percent: float = NOTHING
    stop_by_distance: bool = False
    stop_by_level: bool = False
    target_percent: float = NOTHING
    target_r: float = NOTHING
    trailing_percent: float = NOTHING
    breakeven_percent: float = NOTHING
    breakeven_r: float = NOTHING
    time_stop_bars: int = 0
    partial_percent: tuple[float, ...] = ()
    partial_r: tuple[float, ...] = ()
    partial_fraction: tuple[float, ...] = ()
    sizing: int = PERCENT_OF_EQUITY
    size: float = 100.0
    max_positions: int = 10
    volume_share: float = NOTHING
    fee_bps: float = 0.0
    slippage_bps: float = 0.0
    target_first: bool = False

    def packed(self) -> NDArray[np.void]:
        """The same as an array of one record (dtype PARAMETERS)."""
        array = np.zeros(1, PARAMETERS)
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, tuple):
                array[field.name][0, : len(value)] = value
            else:
                array[field.name] = value
        array["partials"] = len(self.partial_fraction)
        return array


def fill_parameters(
    spec: "Spec", *, fee_bps: float | None = None, slippage_bps: float | None = None
) -> FillParameters:
    """The numbers of a spec without open parameters; given costs replace the spec's.

    Raises CannotRun where an R multiple or a risk size has no stop to be measured from, and for more than
    MAX_PARTIALS partial exits.
    """
    leave, execution = spec.exit, spec.execution
    measured = {
        "exit.target": leave.target,
        "exit.breakeven": leave.breakeven,
        **{f"exit.partial.{i}.at": part.at for i, part in enumerate(leave.partial)},
    }
    from_stop = [path for path, rule in measured.items() if not np.isnan(_number(rule, "r_multiple"))]
    sizing, size = next(
        (kind, float(getattr(spec.sizing, name)))
        for name, kind in SIZINGS.items()
        if hasattr(spec.sizing, name)
    )
    if sizing == RISK_PER_TRADE:
        from_stop.append("sizing.risk_per_trade")
    if from_stop and leave.stop is None and leave.trailing is None:
        raise CannotRun(f"{spec.name}: {from_stop[0]} is measured from a stop; add exit.stop")
    if len(leave.partial) > MAX_PARTIALS:
        raise CannotRun(f"{spec.name}: exit.partial has {len(leave.partial)} parts; allowed: {MAX_PARTIALS}")
    return FillParameters(
        stop_percent=_number(leave.stop, "percent"),
        stop_by_distance=hasattr(leave.stop, "atr"),
        stop_by_level=hasattr(leave.stop, "swing") or hasattr(leave.stop, "indicator"),
        target_percent=_number(leave.target, "percent"),
        target_r=_number(leave.target, "r_multiple"),
        trailing_percent=_number(leave.trailing, "percent"),
        breakeven_percent=_number(leave.breakeven, "percent"),
        breakeven_r=_number(leave.breakeven, "r_multiple"),
        time_stop_bars=int(_number(leave.time_stop, "bars")) if leave.time_stop else 0,
        partial_percent=tuple(_number(part.at, "percent") for part in leave.partial),
        partial_r=tuple(_number(part.at, "r_multiple") for part in leave.partial),
        partial_fraction=tuple(_number(part, "fraction") for part in leave.partial),
        sizing=sizing,
        size=size,
        max_positions=int(execution.max_positions),
        volume_share=_number(execution, "volume_share"),
        fee_bps=float(execution.fee_bps if fee_bps is None else fee_bps),
        slippage_bps=float(execution.slippage_bps if slippage_bps is None else slippage_bps),
        target_first=execution.conflict == "target_first",
    )


def _number(rule: object, name: str) -> float:
    """A rule's number, NaN where the spec has no such rule."""
    value = getattr(rule, name, None)
    return NOTHING if value is None else float(value)
