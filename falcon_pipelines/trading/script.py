"""Order scripts: a YAML or JSON file of orders, commands and corporate actions, read into typed requests.

A time without a zone is New York's; a date is its midnight. Everything wrong with a file is one InvalidScript
line that names the file and the place in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import date, datetime
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from falcon_pipelines.bars.calendar import NEW_YORK
from falcon_pipelines.strategies import documents
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
from falcon_pipelines.trading.script_schema import (
    ActionPart,
    CancelPart,
    CommandPart,
    EditPart,
    OrderPart,
    ProtectPart,
    ScriptModel,
    ScriptPart,
)

Part = TypeVar("Part", bound=ScriptModel)


@dataclass(frozen=True)
class Script:
    """What a script asks for: starting cash in dollars, rules, requests and actions in order of time."""

    cash: Decimal
    rules: Rules
    requests: tuple[Request, ...]
    actions: tuple[Action, ...]

    @property
    def tickers(self) -> tuple[str, ...]:
        """All tickers that are named: ordered, closed, or of a corporate action; sorted."""
        named = [item.ticker for item in self.requests if isinstance(item, OrderRequest | Command)]
        named += [action.ticker for action in self.actions]
        return tuple(sorted({ticker for ticker in named if ticker is not None}))


def read_document(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file. Raises InvalidScript."""
    try:
        return documents.read_document(
            path.read_text(encoding="utf-8"), "an order script (cash, orders, ...)"
        )
    except OSError as error:
        raise InvalidScript(f"{path}: cannot be read: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InvalidScript(f"{path}: is no text file (UTF-8)") from None
    except documents.InvalidDocument as error:
        raise InvalidScript(f"{path}: {error}") from None


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
