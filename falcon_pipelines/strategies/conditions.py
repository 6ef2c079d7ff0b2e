"""The condition tree of a spec as models: what may be written. What it evaluates to is in evaluation.py."""

import re
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    WithJsonSchema,
)
from typing_extensions import TypeAliasType

from falcon_pipelines.bars.panel import FIELDS
from falcon_pipelines.strategies.numbers import Bounds, Count, is_parameter, show
from falcon_pipelines.strategies.strict import Strict, key_of, one_of, refuse

REFERENCE = re.compile(r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$")
LEAF = f'a number, "$parameter", an indicator id or id.output, a bar field ({", ".join(FIELDS)})'


def _leaf(value: Any) -> Any:
    if isinstance(value, str):
        if is_parameter(value) or REFERENCE.match(value):
            return value
        refuse(f"{show(value)} is not an operand; allowed: {LEAF}")
    if Bounds().problem(value):
        refuse(f"{show(value)} is not an operand; allowed: {LEAF}")
    return value


Leaf = Annotated[
    int | float | str,
    PlainValidator(_leaf),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "number"},
                {"type": "string", "pattern": r"^\$?[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)?$"},
            ],
            "description": LEAF,
        }
    ),
]
Reference = Annotated[str, Field(pattern=REFERENCE.pattern)]


class Lag(Strict):
    """The operand's value so many bars ago."""

    lag: tuple["Operand", Count]


class Highest(Strict):
    """The largest of the operand's last so many values, the current one included."""

    highest: tuple["Operand", Count]


class Lowest(Strict):
    """The smallest of the operand's last so many values, the current one included."""

    lowest: tuple["Operand", Count]


class PctChange(Strict):
    """Change against so many bars ago, in percent."""

    pct_change: tuple["Operand", Count]


class Add(Strict):
    """A plus B."""

    add: tuple["Operand", "Operand"]


class Sub(Strict):
    """A minus B."""

    sub: tuple["Operand", "Operand"]


class Mul(Strict):
    """A times B."""

    mul: tuple["Operand", "Operand"]


class Div(Strict):
    """A divided by B; unknown where B is zero."""

    div: tuple["Operand", "Operand"]


ARITHMETIC = (Add, Sub, Mul, Div)
OPERANDS = ("lag", "highest", "lowest", "pct_change", "add", "sub", "mul", "div")

Operand = TypeAliasType(
    "Operand",
    Annotated[
        Annotated[
            Annotated[Leaf, Tag("<leaf>")]
            | Annotated[Lag, Tag("<lag>")]
            | Annotated[Highest, Tag("<highest>")]
            | Annotated[Lowest, Tag("<lowest>")]
            | Annotated[PctChange, Tag("<pct_change>")]
            | Annotated[Add, Tag("<add>")]
            | Annotated[Sub, Tag("<sub>")]
            | Annotated[Mul, Tag("<mul>")]
            | Annotated[Div, Tag("<div>")],
            Discriminator(key_of),
        ],
        BeforeValidator(one_of("an operand", OPERANDS, leaf=LEAF)),
    ],
)


def _some(parts: Any) -> Any:
    return parts or refuse("needs at least one condition")


class All(Strict):
    """Every one of the conditions holds."""

    conditions: Annotated[tuple["Condition", ...], AfterValidator(_some)] = Field(alias="all")


class AnyOf(Strict):
    """At least one of the conditions holds."""

    conditions: Annotated[tuple["Condition", ...], AfterValidator(_some)] = Field(alias="any")


class Not(Strict):
    """The condition is known not to hold."""

    condition: "Condition" = Field(alias="not")


class Gt(Strict):
    """A is above B."""

    gt: tuple["Operand", "Operand"]


class Gte(Strict):
    """A is above or equal to B."""

    gte: tuple["Operand", "Operand"]


class Lt(Strict):
    """A is below B."""

    lt: tuple["Operand", "Operand"]


class Lte(Strict):
    """A is below or equal to B."""

    lte: tuple["Operand", "Operand"]


class Between(Strict):
    """A is from the second to the third operand, both included."""

    between: tuple["Operand", "Operand", "Operand"]


class CrossesAbove(Strict):
    """A is above B now and was not on the bar before."""

    crosses_above: tuple["Operand", "Operand"]


class CrossesBelow(Strict):
    """A is below B now and was not on the bar before."""

    crosses_below: tuple["Operand", "Operand"]


class Window(Strict):
    """A condition looked at over the last so many bars, the current one included."""

    bars: Count
    of: "Condition"


class WithinLast(Strict):
    """The condition held on at least one of the last bars."""

    within_last: Window


class ForNBars(Strict):
    """The condition held on every one of the last bars."""

    for_n_bars: Window


CONDITIONS = (
    *("all", "any", "not", "gt", "gte", "lt", "lte", "between"),
    *("crosses_above", "crosses_below", "within_last", "for_n_bars"),
)

Condition = TypeAliasType(
    "Condition",
    Annotated[
        Annotated[
            Annotated[All, Tag("<all>")]
            | Annotated[AnyOf, Tag("<any>")]
            | Annotated[Not, Tag("<not>")]
            | Annotated[Gt, Tag("<gt>")]
            | Annotated[Gte, Tag("<gte>")]
            | Annotated[Lt, Tag("<lt>")]
            | Annotated[Lte, Tag("<lte>")]
            | Annotated[Between, Tag("<between>")]
            | Annotated[CrossesAbove, Tag("<crosses_above>")]
            | Annotated[CrossesBelow, Tag("<crosses_below>")]
            | Annotated[WithinLast, Tag("<within_last>")]
            | Annotated[ForNBars, Tag("<for_n_bars>")],
            Discriminator(key_of),
        ],
        BeforeValidator(one_of("a condition", CONDITIONS)),
    ],
)

_RECURSIVE: tuple[type[Strict], ...] = (
    *(Lag, Highest, Lowest, PctChange, Add, Sub, Mul, Div),
    *(All, AnyOf, Not, Gt, Gte, Lt, Lte, Between, CrossesAbove, CrossesBelow, Window, WithinLast, ForNBars),
)
for _model in _RECURSIVE:
    _model.model_rebuild()
