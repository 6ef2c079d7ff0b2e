"""The shape of an order script: which keys it has and what may stand in them. What they mean is in script.py."""

import math
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from falcon_pipelines.trading.moments import new_york_time
from falcon_pipelines.trading.orders import usd


def _time(value: Any) -> datetime:
    if isinstance(value, str):
        try:
            value = (
                datetime.fromisoformat(value.strip())
                if len(value.strip()) > 10
                else date.fromisoformat(value)
            )
        except ValueError:
            raise ValueError(f"{value!r} is no ISO 8601 date or time") from None
    if not isinstance(value, date):
        raise ValueError(f"{value!r} is no ISO 8601 date or time")
    return new_york_time(value)


def _name(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number")
    return value


def _usd(value: float) -> float:
    if not 0 < value < 1e12 or usd(value) == 0:
        raise ValueError("a price must be more than 0")
    return value


def _whole(value: float) -> int:
    if value != math.floor(value):
        raise ValueError("must be a whole number of shares")
    return int(value)


Number = Annotated[float, BeforeValidator(_number), Field(allow_inf_nan=False)]
Time = Annotated[datetime, BeforeValidator(_time)]
Name = Annotated[str, BeforeValidator(_name), Field(min_length=1, max_length=200)]
Ticker = Annotated[str, Field(min_length=1, max_length=20)]
Price = Annotated[Number, AfterValidator(_usd)]
Percent = Annotated[Number, Field(gt=0, lt=100)]
Share = Annotated[Number, Field(gt=0, le=1)]
Count = Annotated[int, BeforeValidator(_number), Field(gt=0, le=100_000)]


class ScriptModel(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


class ProtectPart(ScriptModel):
    stop: Price | None = None
    stop_pct: Percent | None = None
    target: Price | None = None
    target_pct: Annotated[Number, Field(gt=0, le=1e6)] | None = None
    trail_pct: Percent | None = None
    max_days: Count | None = None

    @model_validator(mode="after")
    def _one_of_each(self) -> "ProtectPart":
        for kind in ("stop", "target"):
            if getattr(self, kind) is not None and getattr(self, f"{kind}_pct") is not None:
                raise ValueError(f"give {kind} or {kind}_pct, not both")
        return self


NEEDS: Mapping[str, tuple[str, ...]] = {
    "market": (),
    "limit": ("limit",),
    "stop": ("stop",),
    "stop_limit": ("stop", "limit"),
    "trailing": ("trail_pct",),
}


class OrderPart(ScriptModel):
    id: Name
    at: Time
    ticker: Ticker
    side: Literal["buy", "sell"]
    type: Literal["market", "limit", "stop", "stop_limit", "trailing"] = "market"
    quantity: Annotated[Number, Field(gt=0, le=1e9), AfterValidator(_whole)]
    limit: Price | None = None
    stop: Price | None = None
    trail_pct: Percent | None = None
    protect: ProtectPart | None = None
    strategy: str | None = None

    @model_validator(mode="after")
    def _prices_fit_type(self) -> "OrderPart":
        for name in ("limit", "stop", "trail_pct"):
            needed = name in NEEDS[self.type]
            if needed and getattr(self, name) is None:
                raise ValueError(f"a {self.type} order needs `{name}`")
            if not needed and getattr(self, name) is not None:
                raise ValueError(f"a {self.type} order has no `{name}`; protective exits go under `protect`")
        if self.protect is not None and self.side == "sell":
            raise ValueError("`protect` is for purchases: it exits what they bought")
        return self


class CancelPart(ScriptModel):
    id: Name | None = None
    at: Time
    cancel: Name


class EditPart(ScriptModel):
    id: Name | None = None
    at: Time
    edit_stop: Name
    stop: Price


class CommandPart(ScriptModel):
    at: Time
    id: Name | None = None
    command: Literal["pause", "resume", "flatten", "acknowledge", "close"]
    ticker: Ticker | None = None

    @model_validator(mode="after")
    def _close_names_ticker(self) -> "CommandPart":
        if (self.command == "close") != (self.ticker is not None):
            raise ValueError("`ticker` is given with `close`, and only there")
        return self


class ActionPart(ScriptModel):
    at: Time
    ticker: Ticker
    split: Annotated[Number, Field(gt=0, le=10_000)] | None = None
    dividend: Price | None = None
    pay: Time | None = None

    @model_validator(mode="after")
    def _split_or_dividend(self) -> "ActionPart":
        if (self.split is None) == (self.dividend is None):
            raise ValueError("give exactly one of `split` and `dividend`")
        if self.pay is not None and self.dividend is None:
            raise ValueError("`pay` belongs to a dividend")
        if self.pay is not None and self.pay < self.at:
            raise ValueError("`pay` is before the ex-date")
        return self


class CostsPart(ScriptModel):
    fee_bps: Annotated[Number, Field(ge=0, lt=10_000)] = 0.0
    slippage_bps: Annotated[Number, Field(ge=0, lt=10_000)] = 0.0


class LimitsPart(ScriptModel):
    volume_share: Share | None = 0.10
    max_positions: Count | None = None
    cash_share: Share | None = None
    strategy_share: Share | None = None
    sector_share: Share | None = None
    daily_loss: Share | None = None
    drawdown: Share | None = None
    cooldown: Count | None = None
    guard_stops: Count | None = None
    guard_sessions: Count = 1
    sectors: dict[str, str] = Field(default_factory=dict)
    pool_unknown_sectors: bool = False


class ScriptPart(ScriptModel):
    cash: Annotated[Number, Field(ge=0, le=1e12)]
    costs: CostsPart = CostsPart()
    limits: LimitsPart = LimitsPart()
    orders: list[dict[str, Any]] = Field(default_factory=list)
    actions: list[ActionPart] = Field(default_factory=list)
