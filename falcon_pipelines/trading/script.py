"""Order scripts: a YAML or JSON file of orders, commands and corporate actions, read into typed requests.

A time without a zone is New York's; a date is its midnight. Everything wrong with a file is one InvalidScript
line that names the file and the place in it.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from falcon_pipelines.bars.calendar import NEW_YORK
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.errors import InvalidScript
from falcon_pipelines.trading.moments import new_york_time
from falcon_pipelines.trading.orders import (
    Action,
    CancelRequest,
    Command,
    Costs,
    Dividend,
    EditStop,
    OrderRequest,
    Protection,
    Request,
    Split,
    usd,
)
from falcon_pipelines.trading.risk import Limits


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


def _usd(value: float) -> float:
    if not 0 < value < 1e12 or usd(value) == 0:
        raise ValueError("a price must be more than 0")
    return value


def _whole(value: float) -> int:
    if value != math.floor(value):
        raise ValueError("must be a whole number of shares")
    return int(value)


Time = Annotated[datetime, BeforeValidator(_time)]
Name = Annotated[str, BeforeValidator(_name), Field(min_length=1, max_length=200)]
Ticker = Annotated[str, Field(min_length=1, max_length=20)]
Price = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_usd)]
Percent = Annotated[float, Field(gt=0, lt=100)]
Share = Annotated[float, Field(gt=0, le=1)]
Count = Annotated[int, Field(gt=0)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=False)


Part = TypeVar("Part", bound=_Part)


class ProtectPart(_Part):
    stop: Price | None = None
    stop_pct: Percent | None = None
    target: Price | None = None
    target_pct: Annotated[float, Field(gt=0)] | None = None
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


class OrderPart(_Part):
    id: Name
    at: Time
    ticker: Ticker
    side: Literal["buy", "sell"]
    type: Literal["market", "limit", "stop", "stop_limit", "trailing"] = "market"
    quantity: Annotated[float, Field(gt=0, le=1e9), AfterValidator(_whole)]
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


class CancelPart(_Part):
    id: Name | None = None
    at: Time
    cancel: Name


class EditPart(_Part):
    id: Name | None = None
    at: Time
    edit_stop: Name
    stop: Price


class CommandPart(_Part):
    at: Time
    id: Name | None = None
    command: Literal["pause", "resume", "flatten", "acknowledge", "close"]
    ticker: Ticker | None = None

    @model_validator(mode="after")
    def _close_names_ticker(self) -> "CommandPart":
        if (self.command == "close") != (self.ticker is not None):
            raise ValueError("`ticker` is given with `close`, and only there")
        return self


class ActionPart(_Part):
    at: Time
    ticker: Ticker
    split: Annotated[float, Field(gt=0, le=10_000)] | None = None
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


class CostsPart(_Part):
    fee_bps: Annotated[float, Field(ge=0, lt=10_000)] = 0.0
    slippage_bps: Annotated[float, Field(ge=0, lt=10_000)] = 0.0


class LimitsPart(_Part):
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


class ScriptPart(_Part):
    cash: Annotated[float, Field(ge=0, le=1e12)]
    costs: CostsPart = CostsPart()
    limits: LimitsPart = LimitsPart()
    orders: list[dict[str, Any]] = Field(default_factory=list)
    actions: list[ActionPart] = Field(default_factory=list)


@dataclass(frozen=True)
class Script:
    """What a script asks for: starting cash in dollars, rules, requests and actions in order of time."""

    cash: Decimal
    rules: Rules
    requests: tuple[Request, ...]
    actions: tuple[Action, ...]

    @property
    def tickers(self) -> tuple[str, ...]:
        """All tickers that are ordered, sorted."""
        return tuple(sorted({item.ticker for item in self.requests if isinstance(item, OrderRequest)}))


class _Loader(yaml.SafeLoader):
    """YAML in which ON, NO, NULL and TRUE are tickers, not truth values."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:null")
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:null", __import__("re").compile(r"^(?:~|null|)$"), ["~", "n", ""]
)


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file. Raises InvalidScript."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidScript(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidScript(f"{path}: is no text file (UTF-8)") from None
    try:
        document = json.loads(text) if path.suffix == ".json" else yaml.load(text, Loader=_Loader)  # noqa: S506
    except json.JSONDecodeError as error:
        raise InvalidScript(f"{path}: line {error.lineno}: is no JSON: {error.msg}") from None
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        problem = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise InvalidScript(f"{path}: {where}is no YAML: {problem}") from None
    if not isinstance(document, dict):
        raise InvalidScript(f"{path}: holds no mapping; an order script has `cash` and `orders`")
    return document


def read_script(path: Path) -> Script:
    """The order script in a file. Raises InvalidScript."""
    return parse_script(read_document(path), str(path))


def parse_script(document: Mapping[str, Any], name: str = "script") -> Script:
    """Check and type an order script. Raises InvalidScript naming the path of the first mistake."""
    part = _validate(ScriptPart, document, name, "")
    requests: list[Request] = []
    seen: dict[str, OrderRequest] = {}
    for number, row in enumerate(part.orders):
        where = f"orders.{number}"
        request = _request(row, name, where)
        if isinstance(request, OrderRequest):
            before = seen.get(request.id)
            if before is not None:
                if replace(request, at=before.at) != before:
                    raise InvalidScript(f"{name}: {where}.id: {request.id!r} is another order's id already")
                continue
            seen[request.id] = request
        requests.append(request)
    limits = Limits(**{field.name: getattr(part.limits, field.name) for field in fields(Limits)})
    return Script(
        cash=usd(part.cash),
        rules=Rules(Costs(part.costs.fee_bps, part.costs.slippage_bps), limits),
        requests=tuple(sorted(requests, key=lambda request: request.at)),
        actions=tuple(sorted((_action(action) for action in part.actions), key=lambda action: action.at)),
    )


def _validate(kind: type[Part], value: Any, name: str, where: str) -> Part:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        path = ".".join(part for part in (where, *map(str, first["loc"])) if part)
        problem = first["msg"].removeprefix("Value error, ")
        if first["type"] == "extra_forbidden":
            problem = "is not a key that is known here"
        raise InvalidScript(f"{name}: {path + ': ' if path else ''}{problem}") from None


def _request(row: Mapping[str, Any], name: str, where: str) -> Request:
    if "cancel" in row:
        cancel = _validate(CancelPart, row, name, where)
        return CancelRequest(cancel.id or where, cancel.at, cancel.cancel)
    if "edit_stop" in row:
        edit = _validate(EditPart, row, name, where)
        return EditStop(edit.id or where, edit.at, edit.edit_stop, usd(edit.stop))
    if "command" in row:
        command = _validate(CommandPart, row, name, where)
        return Command(command.at, command.command, command.ticker)
    part = _validate(OrderPart, row, name, where)
    return OrderRequest(
        id=part.id,
        at=part.at,
        ticker=part.ticker,
        side=part.side,
        type=part.type,
        quantity=int(part.quantity),
        limit=_price(part.limit),
        stop=_price(part.stop),
        trail_pct=part.trail_pct,
        protect=_protection(part.protect),
        strategy=part.strategy,
    )


def _price(value: float | None) -> Decimal | None:
    return None if value is None else usd(value)


def _protection(part: ProtectPart | None) -> Protection | None:
    if part is None or part == ProtectPart():
        return None
    return Protection(
        stop=_price(part.stop),
        stop_pct=part.stop_pct,
        target=_price(part.target),
        target_pct=part.target_pct,
        trail_pct=part.trail_pct,
        max_days=part.max_days,
    )


def _action(part: ActionPart) -> Action:
    """Actions take effect before the first bar of their New York date."""
    day = new_york_time(_date(part.at))
    if part.split is not None:
        return Split(day, part.ticker, exact_ratio(part.split))
    return Dividend(day, part.ticker, usd(part.dividend or 0), _date(part.pay or part.at))


def _date(time: datetime) -> date:
    return time.astimezone(NEW_YORK).date()


def exact_ratio(ratio: float) -> Fraction:
    """The simple fraction meant by a decimal: 0.3333 is 1/3, 0.0667 stays as it is."""
    written = Fraction(str(ratio))
    simple = written.limit_denominator(100)
    close = abs(simple / written - 1) <= Fraction(1, 5_000)
    return simple if simple and close else written


def inputs_in_order(requests: Sequence[Request], actions: Sequence[Action]) -> list[Request | Action]:
    """Requests and actions by time; at the same time actions come first, requests as they were listed."""
    return sorted([*actions, *requests], key=lambda item: item.at)
