"""What must hold between the parts of a spec: names refer to something, parameter values fit where they
stand.

The shape of each part is its model's business; this module works on parts that are already well shaped.
"""

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from falcon_pipelines.bars.panel import FIELDS
from falcon_pipelines.strategies.indicators import INDICATORS, Indicator
from falcon_pipelines.strategies.numbers import is_parameter, show
from falcon_pipelines.strategies.strict import nearest

if TYPE_CHECKING:
    from falcon_pipelines.strategies.spec import IndicatorUse, Spec

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "day", "week", "month")
RULES = ("indicators", "entry", "exit", "sizing", "execution", "universe")
_OPERAND_LISTS = {
    **dict.fromkeys(
        ("gt", "gte", "lt", "lte", "crosses_above", "crosses_below", "add", "sub", "mul", "div"), (0, 1)
    ),
    **dict.fromkeys(("lag", "highest", "lowest", "pct_change"), (0,)),
    "between": (0, 1, 2),
}

Path = tuple[str | int, ...]
Problems = list[tuple[Path, str]]


def line(loc: Path, message: str, document: Any = None) -> str:
    """One problem as a person reads it: the path in the document, then what is wrong.

    Indicators are named by id where they have one, as in `indicators.fast.params.period`.
    """
    parts: list[str] = []
    here = document
    for part in loc:
        if isinstance(part, str) and (part.startswith("<") or part == "[key]"):
            continue
        here = _step(here, part)
        named = parts == ["indicators"] and isinstance(here, Mapping) and isinstance(here.get("id"), str)
        parts.append(str(here["id"]) if named else str(part))
    return f"{'.'.join(parts)}: {message}" if parts else message


def _step(value: Any, part: str | int) -> Any:
    if isinstance(value, Mapping):
        return value.get(part)
    if isinstance(value, list | tuple) and isinstance(part, int) and part < len(value):
        return value[part]
    return None


def depth(value: Any) -> int:
    """How many objects and lists lie within one another."""
    levels, layer = 0, [value]
    while layer:
        layer = [item for each in layer for item in _items(each)]
        levels += 1
    return levels - 1


def _items(value: Any) -> list[Any]:
    if isinstance(value, Mapping):
        return list(value.values())
    return list(value) if isinstance(value, list | tuple) else []


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every plain value of a document with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from leaves(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from leaves(item, (*path, index))
    else:
        yield path, value


def operands(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every leaf operand of the conditions and operands in a document, with its path."""
    if isinstance(value, Mapping):
        for key, item in value.items():
            places = _OPERAND_LISTS.get(key)
            if places and isinstance(item, list):
                for index in places:
                    if isinstance(item[index], Mapping):
                        yield from operands(item[index], (*path, key, index))
                    else:
                        yield (*path, key, index), item[index]
            else:
                yield from operands(item, (*path, key))
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from operands(item, (*path, index))


def substituted(document: Mapping[str, Any], chosen: Mapping[str, float]) -> dict[str, Any]:
    """The document with "$name" replaced by its number in every rule, and the choice as the only value."""

    def replace(value: Any) -> Any:
        if isinstance(value, Mapping):
            return {key: replace(item) for key, item in value.items()}
        if isinstance(value, list):
            return [replace(item) for item in value]
        if is_parameter(value) and value[1:] in chosen:
            return chosen[value[1:]]
        return value

    result = {key: replace(value) if key in RULES else value for key, value in document.items()}
    result["params"] = {name: {"value": value} for name, value in chosen.items()}
    ranges = tuple(f"params.{name}.{key}" for name in chosen for key in ("values", "low", "high", "step"))
    if "provenance" in result:
        result["provenance"] = {k: v for k, v in result["provenance"].items() if not k.startswith(ranges)}
    return result


def check_references(spec: "Spec") -> None:
    """Raises a pydantic ValidationError with every reference, output, parameter name or need that fails."""
    document = spec.document()
    problems: Problems = []
    _check_indicators(spec, problems)
    known = _values_of(spec.indicators)
    for part in ("entry", "exit", "execution"):
        for path, leaf in operands(document.get(part), (part,)):
            _check_operand(path, leaf, known, problems)
    rank_by = document.get("execution", {}).get("rank_by")
    if rank_by is not None and not isinstance(rank_by, dict):
        _check_operand(("execution", "rank_by"), rank_by, known, problems)
    _check_needs(spec, known, problems)
    for path, leaf in leaves({key: document[key] for key in RULES if key in document}):
        if is_parameter(leaf) and leaf[1:] not in spec.params:
            allowed = ", ".join(f"${name}" for name in spec.params) or "none is declared under params"
            problems.append(
                (path, f"unknown parameter '{leaf}'{nearest(leaf[1:], spec.params)}; allowed: {allowed}")
            )
    problems += _provenance_problems(spec, document)
    _raise(problems)


def check_parameter_values(spec: "Spec") -> None:
    """Raises a pydantic ValidationError where a default or an end of a range may not stand at its "$name"."""
    defaults = {name: parameter.value for name, parameter in spec.params.items()}
    document = spec.document()
    problems: Problems = []
    for name, parameter in spec.params.items():
        choices = (parameter.value, *parameter.choices())
        fractions = [choice for choice in choices if choice != int(choice)][:1]
        for value in dict.fromkeys((parameter.value, min(choices), max(choices), *fractions)):
            trial = substituted(document, {**defaults, name: value}) | {"params": {}, "provenance": {}}
            try:
                type(spec).model_validate(trial)
            except ValidationError as error:
                problems += [
                    (detail["loc"], f"with ${name} = {value:g}: {detail['msg']}") for detail in error.errors()
                ]
    seen = {message.split(": ", 1)[1]: (path, message) for path, message in reversed(problems)}
    _raise(list(reversed(seen.values())))


def _raise(problems: Problems) -> None:
    if problems:
        raise ValidationError.from_exception_data(
            "Spec",
            [
                InitErrorDetails(
                    type=PydanticCustomError("spec", "{problem}", {"problem": message}), loc=path, input=None
                )
                for path, message in problems
            ],
        )


def _values_of(uses: "tuple[IndicatorUse, ...]") -> dict[str, tuple[str, ...]]:
    """What an operand may refer to: bar fields and indicators, with their outputs."""
    known: dict[str, tuple[str, ...]] = dict.fromkeys(FIELDS, ())
    for use in uses:
        indicator = INDICATORS.get(use.fn)
        if indicator:
            known[use.id] = indicator.outputs if len(indicator.outputs) > 1 else ()
    return known


def _check_operand(path: Path, leaf: Any, known: dict[str, tuple[str, ...]], problems: Problems) -> None:
    if not isinstance(leaf, str) or is_parameter(leaf):
        return
    name, _, output = leaf.partition(".")
    if name not in known:
        problems.append(
            (path, f"unknown operand '{leaf}'{nearest(name, known)}; allowed: {', '.join(known)}")
        )
    elif output and output not in known[name]:
        allowed = ", ".join(f"{name}.{each}" for each in known[name]) or name
        problems.append(
            (path, f"'{name}' has no output '{output}'{nearest(output, known[name])}; allowed: {allowed}")
        )
    elif not output and known[name]:
        allowed = ", ".join(f"{name}.{each}" for each in known[name])
        problems.append((path, f"'{name}' has several outputs; say which: {allowed}"))


def _check_indicators(spec: "Spec", problems: Problems) -> None:
    seen: list[str] = []
    for index, use in enumerate(spec.indicators):
        here: Path = ("indicators", index)
        if use.id in seen or use.id in FIELDS:
            what = "is a bar field" if use.id in FIELDS else "is used twice"
            problems.append(((*here, "id"), f"'{use.id}' {what}; every indicator needs an id of its own"))
        seen.append(use.id)
        indicator = INDICATORS.get(use.fn)
        if indicator is None:
            few = f"{nearest(use.fn, INDICATORS)}; `falcon spec indicators` lists all {len(INDICATORS)}"
            problems.append(((*here, "fn"), f"unknown indicator {show(use.fn)}{few}"))
            continue
        problems += [((*here, *path), message) for path, message in _use_problems(spec, use, indicator)]
        if use.source is not None:
            earlier = _values_of(spec.indicators[:index])
            source = use.model_dump(mode="json")["source"]
            if isinstance(source, dict):
                for path, leaf in operands(source, (*here, "source")):
                    _check_operand(path, leaf, earlier, problems)
            else:
                _check_operand((*here, "source"), source, earlier, problems)
            _check_source_timeframe(spec, use, (*here, "source"), source, problems)


def _check_source_timeframe(
    spec: "Spec", use: "IndicatorUse", path: Path, source: Any, problems: Problems
) -> None:
    timeframes = {other.id: other.timeframe or spec.timeframe for other in spec.indicators}
    own = use.timeframe or spec.timeframe
    for where, leaf in operands(source, path) if isinstance(source, dict) else [(path, source)]:
        name = leaf.partition(".")[0] if isinstance(leaf, str) else ""
        if name in timeframes and timeframes[name] != own:
            problems.append(
                (where, f"'{name}' is on {timeframes[name]} bars and {use.id} on {own}: must be the same")
            )


def _use_problems(spec: "Spec", use: "IndicatorUse", indicator: Indicator) -> Iterator[tuple[Path, str]]:
    if use.source is not None and not indicator.takes_source:
        yield ("source",), f"{use.fn} is computed from {', '.join(indicator.inputs)}; it takes no source"
    allowed = {parameter.name: parameter for parameter in indicator.parameters}
    for name, value in use.params.items():
        if name not in allowed:
            names = "; ".join(str(parameter) for parameter in indicator.parameters) or "none"
            yield (
                ("params", name),
                f"{use.fn} has no such parameter{nearest(name, allowed)}; allowed: {names}",
            )
        elif not is_parameter(value):
            problem = allowed[name].bounds.problem(value)
            if problem:
                yield ("params", name), problem
    for parameter in indicator.parameters:
        if parameter.default is None and parameter.name not in use.params:
            yield ("params", parameter.name), f"missing; {use.fn} needs {parameter.bounds}"
    timeframe = use.timeframe or spec.timeframe
    if TIMEFRAMES.index(timeframe) < TIMEFRAMES.index(spec.timeframe):
        higher = ", ".join(TIMEFRAMES[TIMEFRAMES.index(spec.timeframe) :])
        yield (
            ("timeframe",),
            f"'{timeframe}' is finer than the strategy's {spec.timeframe}; allowed: {higher}",
        )
    fit = TIMEFRAMES[: TIMEFRAMES.index(indicator.coarsest) + 1]
    if timeframe not in fit:
        yield ("fn",), f"{use.fn} means nothing on {timeframe} bars; allowed: {', '.join(fit)}"


def _check_needs(spec: "Spec", known: dict[str, tuple[str, ...]], problems: Problems) -> None:
    if spec.entry.long is None and spec.entry.short is None:
        problems.append((("entry",), "needs long, short or both"))
    rules = spec.exit
    if rules.stop is None and rules.trailing is None:
        for name, rule in (("target", rules.target), ("breakeven", rules.breakeven)):
            if rule is not None and hasattr(rule, "r_multiple"):
                problems.append(
                    (
                        ("exit", name, "r_multiple"),
                        "R is the distance to the stop: needs exit.stop or exit.trailing",
                    )
                )
        for index, part in enumerate(rules.partial):
            if hasattr(part.at, "r_multiple"):
                path = ("exit", "partial", index, "at", "r_multiple")
                problems.append((path, "R is the distance to the stop: needs exit.stop or exit.trailing"))
        if hasattr(spec.sizing, "risk_per_trade"):
            problems.append(
                (
                    ("sizing", "risk_per_trade"),
                    "risk is the distance to the stop: needs exit.stop or exit.trailing",
                )
            )
    reference = getattr(rules.stop, "indicator", None)
    if reference is not None:
        _check_operand(("exit", "stop", "indicator"), reference, known, problems)
    fractions = [part.fraction for part in rules.partial if not isinstance(part.fraction, str)]
    if sum(fractions) > 1 + 1e-9:
        problems.append(
            (("exit", "partial"), f"the fractions add up to {sum(fractions):g}; allowed: at most 1")
        )


def _provenance_problems(spec: "Spec", document: dict[str, Any]) -> Problems:
    if not spec.provenance:
        return []
    full = spec.model_dump(mode="json", exclude={"provenance"})
    problems: Problems = []
    for key in spec.provenance:
        if not _exists(full, key.split(".")) and not _is_default_parameter(spec, key):
            paths = [line(path, "", document)[:-2] for path, _ in leaves(document)]
            problems.append((("provenance", key), f"the spec has no such field{nearest(key, paths)}"))
    return problems


def _exists(value: Any, parts: list[str]) -> bool:
    if not parts:
        return True
    first, rest = parts[0], parts[1:]
    if isinstance(value, Mapping):
        return first in value and _exists(value[first], rest)
    if isinstance(value, list):
        for item in value:
            if isinstance(item, Mapping) and item.get("id") == first:
                return _exists(item, rest)
        return first.isdigit() and int(first) < len(value) and _exists(value[int(first)], rest)
    return False


def _is_default_parameter(spec: "Spec", key: str) -> bool:
    """Whether the path names an indicator's parameter (or source) that the spec leaves at its default."""
    parts = key.split(".")
    if parts[0] != "indicators" or len(parts) < 3:
        return False
    use = next((use for use in spec.indicators if use.id == parts[1]), None)
    indicator = INDICATORS.get(use.fn) if use else None
    if indicator is None:
        return False
    if parts[2:] == ["source"]:
        return indicator.takes_source
    return len(parts) == 4 and parts[2] == "params" and parts[3] in {p.name for p in indicator.parameters}
