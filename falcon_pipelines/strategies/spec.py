"""The strategy spec: the one shape in which every strategy of Falcon is written; reading, writing, varying
it.

What may stand in it is here, in conditions.py and exits.py; what must hold between its parts is in
validation.py; what it does on bars is in signals.py.
"""

import hashlib
import json
import math
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Discriminator,
    Field,
    Tag,
    ValidationError,
    model_validator,
)

from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies import validation
from falcon_pipelines.strategies.conditions import Condition, Operand
from falcon_pipelines.strategies.documents import InvalidDocument, read_document, write_yaml
from falcon_pipelines.strategies.exits import Exit, PercentOfEquity, Sizing
from falcon_pipelines.strategies.grid import ParamGrid
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.numbers import (
    BasisPoints,
    Count,
    Fraction,
    Number,
    PlainNumber,
    is_parameter,
)
from falcon_pipelines.strategies.strict import SLUG, Strict, key_of, nearest, one_of, refuse

SPEC_VERSION = 1
Timeframe = Literal["day", "1m", "5m", "15m", "30m", "1h"]
IndicatorTimeframe = Literal["1m", "5m", "15m", "30m", "1h", "day", "week", "month"]
Slug = Annotated[str, Field(pattern=SLUG, max_length=80)]
Text = Annotated[str, Field(max_length=20_000)]
Seconds = Annotated[float, Field(ge=0, allow_inf_nan=False)]
MAX_COMBINATIONS = 1_000_000
MAX_DEPTH = 60


class InvalidSpec(InputError):
    """A spec cannot be used. `problems`: the path in the document, what is wrong, what is allowed; each."""

    def __init__(self, problems: list[str], origin: str = "") -> None:
        self.problems = tuple(problems)
        prefix = f"{origin}: " if origin else ""
        super().__init__("\n".join(prefix + problem for problem in problems))


class Claim(Strict):
    """A result that the source says the strategy had."""

    text: Text
    quote: Text | None = None
    start_seconds: Seconds | None = None


class Source(Strict):
    """Where the strategy comes from."""

    video: Text | None = None
    url: Text | None = None
    channel: Text | None = None
    claims: tuple[Claim, ...] = ()


Ticker = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9.\-/]{0,15}$")]


def _distinct(tickers: tuple[str, ...]) -> tuple[str, ...]:
    twice = [ticker for ticker in tickers if tickers.count(ticker) > 1]
    return refuse(f"{twice[0]} is listed twice") if twice else tickers


class TickerList(Strict):
    """These tickers."""

    tickers: Annotated[tuple[Ticker, ...], AfterValidator(_distinct)] = Field(min_length=1)


class MostLiquid(Strict):
    """The tickers most traded before the start."""

    liquid: Count


Universe = Annotated[
    Annotated[
        Annotated[TickerList, Tag("<tickers>")] | Annotated[MostLiquid, Tag("<liquid>")],
        Discriminator(key_of),
    ],
    BeforeValidator(one_of("a universe", ("tickers", "liquid"))),
]


class Parameter(Strict):
    """A number that may be varied, called "$name"; a sweep takes `values`, or `low` to `high` by `step`."""

    value: PlainNumber
    values: tuple[PlainNumber, ...] = ()
    low: PlainNumber | None = None
    high: PlainNumber | None = None
    step: PlainNumber | None = None

    @model_validator(mode="after")
    def _one_range(self) -> Self:
        ends = (self.low, self.high, self.step)
        if self.values and any(end is not None for end in ends):
            refuse("give either values, or low, high and step")
        if any(end is not None for end in ends) and any(end is None for end in ends):
            refuse("a range needs low, high and step")
        if self.low is not None and self.high is not None and self.step is not None:
            if self.step <= 0:
                refuse(f"step {self.step:g} must be above zero")
            if self.low > self.high:
                refuse(f"low {self.low:g} is above high {self.high:g}")
            if (self.high - self.low) / self.step >= MAX_COMBINATIONS:
                refuse(f"the range has more than {MAX_COMBINATIONS:,} values")
        return self

    def choices(self) -> tuple[float, ...]:
        """The values that a sweep tries, in order; the default alone where there is no range."""
        if self.low is not None and self.high is not None and self.step is not None:
            count = math.floor((self.high - self.low) / self.step + 1e-9) + 1
            return tuple(_tidy(self.low + index * self.step) for index in range(count))
        return tuple(dict.fromkeys(self.values)) or (self.value,)


class IndicatorUse(Strict):
    """An indicator of the registry, with its own id, the values it is computed on and its parameters."""

    id: Slug
    fn: Annotated[str, Field(json_schema_extra={"enum": sorted(INDICATORS)})]
    source: Operand | None = None
    params: dict[Slug, Number] = {}  # noqa: RUF012 - pydantic copies defaults
    timeframe: IndicatorTimeframe | None = None


class Entry(Strict):
    """When a position is opened, at the next bar's open."""

    long: Condition | None = None
    short: Condition | None = None


class Execution(Strict):
    """Costs per side, and what happens when things coincide or run short."""

    fee_bps: BasisPoints = 0
    slippage_bps: BasisPoints = 0
    conflict: Literal["stop_first", "target_first"] = "stop_first"
    max_positions: Count = 10
    rank_by: Operand | None = None
    rank_order: Literal["descending", "ascending"] = "descending"
    volume_share: Fraction | None = None


class Provenance(Strict):
    """Why a field has its value: the source states it, it was inferred, it is a default, or a person chose it."""

    state: Literal["stated", "inferred", "default", "assumed"]
    quote: Text | None = None
    start_seconds: Seconds | None = None

    @model_validator(mode="after")
    def _stated_is_quoted(self) -> Self:
        if self.state == "stated" and not self.quote:
            refuse("what is stated needs its quote")
        return self


class Unsupported(Strict):
    """Something the source asks for that cannot be mechanised, refused rather than guessed."""

    what: Text
    why: Text
    quote: Text | None = None
    start_seconds: Seconds | None = None


class Spec(Strict):
    """A whole strategy. Signals are computed on completed bars; orders act from the next bar on."""

    spec_version: Literal[1]
    name: Slug
    description: Text | None = None
    source: Source | None = None
    universe: Universe | None = None
    timeframe: Timeframe = "day"
    session: Literal["regular"] = "regular"
    params: dict[Slug, Parameter] = {}  # noqa: RUF012 - pydantic copies defaults
    indicators: tuple[IndicatorUse, ...] = ()
    entry: Entry
    exit: Exit = Exit()
    sizing: Sizing = PercentOfEquity(percent_of_equity=95)
    execution: Execution = Execution()
    provenance: dict[str, Provenance] = {}  # noqa: RUF012 - pydantic copies defaults
    unsupported: tuple[Unsupported, ...] = ()

    @model_validator(mode="after")
    def _parts_agree(self) -> Self:
        validation.check_references(self)
        if self.params:
            validation.check_parameter_values(self)
        return self

    def document(self) -> dict[str, Any]:
        """The spec as plain data without what is default; `validate_spec` returns an equal spec."""
        plain: dict[str, Any] = self.model_dump(mode="json", exclude_defaults=True)
        return plain

    def with_params(self, values: Mapping[str, float] | None = None) -> "Spec":
        """The spec with every "$name" replaced by its number; defaults where not given.

        Raises InvalidSpec for an unknown name or a value that is not allowed where it stands.
        """
        chosen = chosen_params(self, values)
        if not chosen:
            return self
        return validate_spec(validation.substituted(self.document(), chosen))


def chosen_params(spec: Spec, values: Mapping[str, float] | None = None) -> dict[str, float]:
    """The value of every parameter: as given, else its default. Raises InvalidSpec for an unknown name."""
    unknown = [name for name in values or {} if name not in spec.params]
    if unknown:
        known = ", ".join(spec.params) or "none"
        raise InvalidSpec(
            [
                f"params.{name}: unknown parameter{nearest(name, spec.params)}; allowed: {known}"
                for name in unknown
            ]
        )
    return {name: (values or {}).get(name, parameter.value) for name, parameter in spec.params.items()}


def validate_spec(document: Mapping[str, Any], origin: str = "") -> Spec:
    """The spec that plain data describes. Raises InvalidSpec with every problem found."""
    if validation.depth(document) > MAX_DEPTH:
        raise InvalidSpec([f"nested more than {MAX_DEPTH} levels deep"], origin)
    try:
        return Spec.model_validate(document)
    except ValidationError as error:
        problems = [validation.line(detail["loc"], detail["msg"], document) for detail in error.errors()]
        raise InvalidSpec(list(dict.fromkeys(problems)), origin) from None


def parse_spec(text: str, origin: str = "") -> Spec:
    """The spec written in a YAML or JSON text. Raises InvalidSpec; `origin` is named in its message."""
    try:
        document = read_document(text)
    except InvalidDocument as error:
        raise InvalidSpec([str(error)], origin) from None
    return validate_spec(document, origin)


def load_spec(path: Path) -> Spec:
    """The spec in a YAML or JSON file. Raises InvalidSpec naming file, path in it, and what is allowed."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise InvalidSpec(
            ["no such file; `falcon spec list` shows the built-in strategies"], str(path)
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidSpec([f"cannot be read as text: {' '.join(str(error).split())}"], str(path)) from None
    return parse_spec(text, str(path))


def dump_yaml(spec: Spec) -> str:
    """The spec as YAML; `parse_spec` returns an equal one."""
    return write_yaml(spec.document())


def dump_json(spec: Spec) -> str:
    """The spec as JSON; `parse_spec` returns an equal one."""
    return json.dumps(spec.document(), indent=2, ensure_ascii=False) + "\n"


def spec_hash(spec: Spec) -> str:
    """SHA-256 of the spec's canonical JSON: defaults left out, keys sorted, 50.0 the same as 50."""
    text = json.dumps(
        _canonical(spec.document()),
        sort_keys=True,
        separators=(",", ":"),
        ensure_ascii=False,
        allow_nan=False,
    )
    return hashlib.sha256(text.encode()).hexdigest()


def param_grid(spec: Spec, names: Collection[str] | None = None) -> ParamGrid:
    """Every combination of the parameters' values (of those in `names` only, where given).

    Raises InvalidSpec for more than MAX_COMBINATIONS combinations.
    """
    grid = ParamGrid(
        {
            name: parameter.choices()
            for name, parameter in spec.params.items()
            if names is None or name in names
        }
    )
    if len(grid) > MAX_COMBINATIONS:
        raise InvalidSpec([f"params: {len(grid):,} combinations; allowed: at most {MAX_COMBINATIONS:,}"])
    return grid


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a spec document."""
    schema = Spec.model_json_schema(by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"urn:falcon:strategy-spec:{SPEC_VERSION}",
        **schema,
        "title": "Falcon strategy spec",
    }


def open_params(spec: Spec) -> list[str]:
    """Names of the parameters that the spec refers to with "$name"."""
    found = {value[1:] for _, value in validation.leaves(spec.document()) if is_parameter(value)}
    return [name for name in spec.params if name in found]


def _tidy(value: float) -> float:
    rounded = round(value, 10)
    return int(rounded) if rounded == int(rounded) else rounded


def _canonical(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _canonical(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_canonical(item) for item in value]
    return int(value) if isinstance(value, float) and value == int(value) else value
