"""What nobody said and a person may lay over a strategy: exits, stops, other values of what was assumed."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.extraction.condition import negate
from falcon_pipelines.strategies.extraction.result import Overlay
from falcon_pipelines.strategies.spec import InvalidSpec, Spec, validate_spec

STOPS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("stop_of_2_atr", {"atr": {"period": 14, "multiple": 2}}),
    ("stop_of_5_percent", {"percent": 5}),
)
"""Stops to choose from where targets or sizes were said in R and no stop was."""
_EXITS = ("signal", "stop", "target", "trailing", "time_stop")
_OPEN_TO_CHANGE = ("entry", "exit", "sizing", "timeframe", "universe", "execution", "indicators", "params")
_LONGEST_NAME = 80


class UnknownOverlay(InputError):
    """An overlay was asked for that the strategy does not offer."""


class StatedByTheSpeaker(InputError):
    """An overlay was to change what the speaker said; it may only fill what was not said."""


def has_exit(spec: Spec) -> bool:
    """Whether anything ends a position but the end of the bars."""
    return any(getattr(spec.exit, name) is not None for name in _EXITS)


def renamed(spec: Spec, ending: str) -> Spec:
    """The spec under its name with an ending, at most 80 characters; a long ending is cut and made unique."""
    if len(ending) > 30:
        ending = f"{ending[:23]}_{hashlib.sha256(ending.encode()).hexdigest()[:6]}"
    return spec.model_copy(update={"name": f"{spec.name[: _LONGEST_NAME - len(ending) - 1]}_{ending}"})


def exits_to_lay_over(spec: Spec) -> tuple[Overlay, ...]:
    """Exits to choose from for a spec that has none: the end of the entry's reason, or time."""
    if has_exit(spec):
        return ()
    document = spec.document()
    choices: list[tuple[str, str, Any]] = []
    conditions = document["entry"]
    if len(conditions) == 1:
        (rule,) = conditions.values()
        choices.append(("when_the_entry_no_longer_holds", "exit.signal", _ended(rule)))
    choices.append(("after_20_bars", "exit.time_stop", {"bars": 20}))
    return tuple(
        Overlay(name, place, value, _with_value(document, place, value)) for name, place, value in choices
    )


def _ended(condition: dict[str, Any]) -> dict[str, Any]:
    """When a condition has ended: a cross by the cross back, a state by its opposite."""
    (name, content), *_ = condition.items()
    if name == "crosses_above":
        return {"crosses_below": content}
    if name == "crosses_below":
        return {"crosses_above": content}
    if name in ("all", "any"):
        return {"any" if name == "all" else "all": [_ended(part) for part in content]}
    return negate(condition)


def lay_over(spec: Spec, offered: Iterable[Overlay], choices: Sequence[str]) -> Spec:
    """The spec with what a person chose, each choice marked as assumed and named in the description.

    A choice is the name of an overlay that is offered, or `place=value` such as `exit.stop.percent=5` or
    `indicators.rsi.params.period=7`. Raises UnknownOverlay, StatedByTheSpeaker, InvalidSpec.
    """
    named = {overlay.name: overlay for overlay in offered}
    document = spec.document()
    laid: list[str] = []
    for choice in choices:
        place, equals, value = choice.partition("=")
        if equals:
            document = _with_value(document, place.strip(), _read(value)).document()
            laid.append(f"{place.strip()} = {value.strip()}")
        elif choice in named:
            document = _merged(document, named[choice].spec.document())
            laid.append(f"{named[choice].field} = {named[choice].value} ({choice})")
        else:
            offer = ", ".join(named) or "none by name"
            raise UnknownOverlay(
                f"{choice[:60]}: no such overlay; offered are {offer}, or write PLACE=VALUE such as exit.stop.percent=5"
            )
    if not laid:
        raise UnknownOverlay("no overlay was named")
    document["description"] = f"Assumed by choice, not said in the source: {'; '.join(laid)}."[:500]
    ending = re.sub(r"[^a-z0-9]+", "_", "_".join(choices).lower()).strip("_")
    return renamed(validate_spec(document), f"with_{ending}")


def _read(value: str) -> Any:
    try:
        return yaml.safe_load(value)
    except yaml.YAMLError:
        raise UnknownOverlay(f"{value[:60]}: is not a value") from None


def _merged(document: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    """The document with the exits, the sizing and the provenance of another added."""
    merged = {**document, "exit": {**document.get("exit", {}), **over.get("exit", {})}}
    if "sizing" in over:
        merged["sizing"] = over["sizing"]
    merged["provenance"] = {**document.get("provenance", {}), **over.get("provenance", {})}
    return merged


def _with_value(document: dict[str, Any], place: str, value: Any) -> Spec:
    """The document with a value at a dotted place that was not stated."""
    steps = place.split(".")
    if steps[0] not in _OPEN_TO_CHANGE or not all(re.fullmatch(r"\w{1,60}", step) for step in steps):
        raise UnknownOverlay(f"{place[:60]}: is no place in a strategy that can be laid over")
    provenance = document.get("provenance", {})
    for field, reason in provenance.items():
        together = f"{field}.".startswith(f"{place}.") or f"{place}.".startswith(f"{field}.")
        if together and reason["state"] == "stated":
            raise StatedByTheSpeaker(f"{place}: was stated ({reason['quote'][:80]!r}); it is not laid over")
    copy: dict[str, Any] = yaml.safe_load(yaml.safe_dump(document))
    holder: Any = copy
    for step in steps[:-1]:
        if isinstance(holder, list):
            holder = next((item for item in holder if item.get("id") == step), None)
        elif isinstance(holder, dict):
            holder = holder.setdefault(step, {})
        if not isinstance(holder, dict | list):
            raise UnknownOverlay(f"{place[:60]}: is no place in this strategy")
    if not isinstance(holder, dict):
        raise UnknownOverlay(f"{place[:60]}: is no place in this strategy")
    holder[steps[-1]] = value
    copy.setdefault("provenance", {})[place] = {"state": "assumed"}
    try:
        return validate_spec(copy)
    except InvalidSpec as error:
        raise UnknownOverlay(f"{place[:60]}={value!s:.60}: {str(error).splitlines()[0]}") from None
