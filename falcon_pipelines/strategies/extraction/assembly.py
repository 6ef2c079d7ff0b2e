"""Rule atoms put together to a strategy: deterministic, and adding nothing that was not said."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from falcon_pipelines.strategies.extraction.atoms import (
    REQUIREMENTS,
    Atom,
    Finding,
    Flag,
    Refusal,
    tidy,
)
from falcon_pipelines.strategies.extraction.overlays import STOPS, exits_to_lay_over, has_exit, renamed
from falcon_pipelines.strategies.extraction.result import (
    Assumption,
    ExtractionResult,
    Overlay,
    Rule,
    Status,
    Variant,
)
from falcon_pipelines.strategies.extraction.spec_document import Part, key_of, uses, written_spec
from falcon_pipelines.strategies.indicators import INDICATORS
from falcon_pipelines.strategies.spec import InvalidSpec, Spec
from falcon_pipelines.strategies.transcripts import Transcript

_SINGLE = (
    "exit.stop",
    "exit.target",
    "exit.trailing",
    "exit.breakeven",
    "exit.time_stop",
    "sizing",
    "timeframe",
)
_MAX_VARIANTS = 12
_WHY_ASSUMED = {
    "default": "not said; Falcon's default",
    "inferred": "not said; the usual meaning",
    "assumed": "not said; laid over by choice",
}
_NO_STOP = "R is the distance to the stop, and no stop is stated"


@dataclass
class _Plan:
    """What is to be written; lives only while one result is assembled."""

    parts: dict[str, Part] = field(default_factory=dict)
    open: list[Part] = field(default_factory=list)
    unresolved: dict[str, Part] = field(default_factory=dict)
    refused: list[Refusal] = field(default_factory=list)
    flags: list[Flag] = field(default_factory=list)
    must_choose: bool = False


def assemble(transcript: Transcript, finding: Finding, extractor: str) -> ExtractionResult:
    """The strategy that the atoms of a transcript state.

    An unspecified stop stays unspecified; a field stated in two ways, or ambiguous, is left out of the spec,
    and each reading becomes a variant. `extractor` is named in the result.
    """
    atoms = _distinct(finding.atoms)
    plan = _Plan()
    for side in ("long", "short"):
        _plan_entry(plan, atoms, side)
    _plan_exits(plan, atoms)
    for name in _SINGLE:
        _plan_single(plan, atoms, name)
    _plan_partial(plan, atoms)
    _drop_unresolvable(plan)
    _drop_unknown_indicators(plan)
    has_entry = any(name.startswith("entry.") for name in plan.parts)
    refused = [*finding.refused, *plan.refused]
    spec = None
    if has_entry:
        try:
            spec = written_spec(transcript, finding, plan.parts)
        except InvalidSpec as error:
            refused.append(Refusal("the strategy as a whole", str(error).splitlines()[0]))
    variants = _variants(transcript, finding, plan)
    status, reason = _status(plan, spec, variants)
    return ExtractionResult(
        status=status,
        spec=spec,
        rules=tuple(_rules(atoms, plan)),
        variants=variants,
        overlays=_overlays(transcript, finding, plan, spec),
        assumptions=tuple(assumptions(spec)),
        claims=finding.claims,
        refused=tuple(refused),
        flags=(*finding.flags, *plan.flags),
        extractor=extractor,
        reason=reason,
        must_choose=plan.must_choose or spec is None,
    )


def _distinct(atoms: Iterable[Atom]) -> tuple[Atom, ...]:
    """The first of atoms that say the same; one said again later is no second rule."""
    kept: dict[tuple[str, str, str], Atom] = {}
    for atom in sorted(atoms, key=lambda atom: atom.evidence.first_word):
        kept.setdefault((atom.field, atom.state, key_of([atom.value, atom.readings])), atom)
    return tuple(kept.values())


def _stated(atoms: Sequence[Atom], name: str) -> list[Atom]:
    return [atom for atom in atoms if atom.field == name and atom.state == "stated"]


def _groups(atoms: Sequence[Atom]) -> list[list[Atom]]:
    groups: dict[int, list[Atom]] = {}
    for atom in atoms:
        groups.setdefault(atom.group, []).append(atom)
    ordered = list(groups.values())
    keys = [{key_of(atom.value) for atom in group} for group in ordered]
    return [
        group
        for i, group in enumerate(ordered)
        if not any(keys[i] < other or (keys[i] == other and j < i) for j, other in enumerate(keys) if j != i)
    ]


def _joined(atoms: Sequence[Atom]) -> Any:
    """One condition from atoms said together; None where "and" and "or" are mixed."""
    if len(atoms) == 1:
        return atoms[0].value
    joins = {atom.join for atom in atoms[1:]}
    if len(joins) > 1:
        return None
    return {joins.pop(): [atom.value for atom in atoms]}


def _shape(value: Any) -> str:
    """The condition with its numbers left out, to tell a second number for the same thing."""
    return re.sub(r"(?<=[\s,\[])-?\d+(?:\.\d+)?(?=[\],])", "#", key_of(value))


def _plan_entry(plan: _Plan, atoms: Sequence[Atom], side: str) -> None:
    name = f"entry.{side}"
    stated = _stated(atoms, name)
    filters = [
        f
        for f in _stated(atoms, f"filter.{side}")
        if key_of(f.value) not in {key_of(a.value) for a in stated}
    ]
    open_atoms = [
        atom for atom in atoms if atom.field == name and atom.state == "ambiguous" and atom.readings
    ]
    required = [atom for atom in stated if atom.group == REQUIREMENTS]
    if len(required) < len(stated):
        stated = [atom for atom in stated if atom.group != REQUIREMENTS]
        filters = [*required, *filters]
    groups = _groups(stated)
    conditions = [(_joined(group), tuple(group)) for group in groups]
    for condition, group in conditions:
        if condition is None:
            plan.must_choose = True
            values = [atom.value for atom in group]
            for reading in ({"any": [{"all": values[:-1]}, values[-1]]}, {"all": values}):
                plan.open.append(Part(name, _with_filters(reading, filters), group))
    usable = [(condition, group) for condition, group in conditions if condition is not None]
    if len(usable) != len(conditions):
        return
    if len(usable) > 1:
        plan.must_choose = True
        everyone = tuple(atom for _, group in usable for atom in group)
        plan.flags.append(Flag("several_entries", usable[1][1][0].evidence))
        if len({_shape(condition) for condition, _ in usable}) < len(usable):
            readings = [condition for condition, _ in usable]
        else:
            readings = [{"all": [c for c, _ in usable]}, {"any": [c for c, _ in usable]}]
        plan.open.extend(
            Part(name, _with_filters(reading, filters), (*everyone, *filters)) for reading in readings
        )
        return
    for condition, group in usable:
        plan.parts[name] = Part(name, _with_filters(condition, filters), (*group, *filters))
        return_open = [atom for atom in open_atoms if atom.evidence.first_word > group[0].evidence.first_word]
        open_atoms = return_open if len(return_open) < len(open_atoms) else open_atoms
    for atom in open_atoms:
        if name not in plan.parts:
            plan.must_choose = True
        stated_with_it = [a for a in stated if a.group == atom.group]
        for reading in atom.readings:
            together = {"all": [*(a.value for a in stated_with_it), reading]} if stated_with_it else reading
            plan.open.append(Part(name, _with_filters(together, filters), (atom, *stated_with_it, *filters)))
        if stated_with_it:
            plan.must_choose = True


def _with_filters(condition: Any, filters: Sequence[Atom]) -> Any:
    if not filters:
        return condition
    inner = condition["all"] if isinstance(condition, dict) and set(condition) == {"all"} else [condition]
    return {"all": [*inner, *(atom.value for atom in filters)]}


def _plan_exits(plan: _Plan, atoms: Sequence[Atom]) -> None:
    by_side: dict[str, tuple[Any, tuple[Atom, ...]]] = {}
    for side, name in (("long", "exit.signal"), ("short", "exit.signal.short")):
        groups = _groups(_stated(atoms, name))
        conditions = [condition for group in groups if (condition := _joined(group)) is not None]
        if conditions:
            condition = conditions[0] if len(conditions) == 1 else {"any": conditions}
            by_side[side] = condition, tuple(atom for group in groups for atom in group)
    both = {"entry.long", "entry.short"} <= set(plan.parts)
    if by_side:
        used = tuple(atom for _, group in by_side.values() for atom in group)
        if both or len(by_side) > 1:
            value: Any = {side: condition for side, (condition, _) in by_side.items()}
        else:
            value = next(iter(by_side.values()))[0]
        plan.parts["exit.signal"] = Part("exit.signal", value, used)
    for atom in atoms:
        if atom.field.startswith("exit.signal") and atom.state == "ambiguous":
            plan.open.extend(Part("exit.signal", reading, (atom,)) for reading in atom.readings)


def _plan_single(plan: _Plan, atoms: Sequence[Atom], name: str) -> None:
    stated = _stated(atoms, name)
    if len(stated) == 1:
        plan.parts[name] = Part(name, stated[0].value, (stated[0],))
    elif stated:
        plan.flags.append(Flag(f"{name}_stated_in_two_ways", stated[1].evidence))
        plan.open.extend(Part(name, atom.value, (atom,)) for atom in stated)
    for atom in atoms:
        if atom.field == name and atom.state == "ambiguous" and name not in plan.parts:
            plan.open.extend(Part(name, reading, (atom,)) for reading in atom.readings)


def _plan_partial(plan: _Plan, atoms: Sequence[Atom]) -> None:
    stated = _stated(atoms, "exit.partial")
    parts = [part for atom in stated for part in atom.value]
    if parts and sum(part["fraction"] for part in parts) <= 1:
        plan.parts["exit.partial"] = Part("exit.partial", parts, tuple(stated))
    elif parts:
        plan.refused.append(
            Refusal("exit.partial", "the parts add up to more than the whole", stated[0].evidence)
        )


def _needs_stop(value: Any) -> bool:
    text = key_of(value)
    return '"r_multiple"' in text or '"risk_per_trade"' in text


def _drop_unresolvable(plan: _Plan) -> None:
    if "exit.stop" in plan.parts:
        return
    for name in ("exit.target", "exit.breakeven", "exit.partial", "sizing"):
        part = plan.parts.get(name)
        if part is not None and _needs_stop(part.value):
            plan.unresolved[name] = plan.parts.pop(name)
            plan.refused.append(
                Refusal(f"{name} {key_of(part.value)}", f"unresolvable: {_NO_STOP}", part.atoms[0].evidence)
            )
            plan.flags.append(Flag("unresolvable", part.atoms[0].evidence))


def _drop_unknown_indicators(plan: _Plan) -> None:
    for name, part in list(plan.parts.items()):
        for use in uses(part.atoms):
            if use.fn not in INDICATORS and name in plan.parts:
                del plan.parts[name]
                why = f"{use.fn} is not among the indicators"
                plan.refused.append(Refusal(name, why, part.atoms[0].evidence, unsupported=True))


def _variants(transcript: Transcript, finding: Finding, plan: _Plan) -> tuple[Variant, ...]:
    found: list[Variant] = []
    for part in plan.open:
        parts = {**plan.parts, part.field: part}
        if not any(name.startswith("entry.") for name in parts) or any(
            use.fn not in INDICATORS for use in uses(part.atoms)
        ):
            continue
        try:
            spec = written_spec(transcript, finding, parts)
        except InvalidSpec:
            continue
        found.append(Variant(part.field, part.value, spec))
    distinct = {key_of([variant.field, variant.value]): variant for variant in found}
    return tuple(
        replace(variant, spec=renamed(variant.spec, f"reading_{number}"))
        for number, variant in enumerate(list(distinct.values())[:_MAX_VARIANTS], start=1)
    )


def _overlays(
    transcript: Transcript, finding: Finding, plan: _Plan, spec: Spec | None
) -> tuple[Overlay, ...]:
    """Stops that resolve what was said in R, and exits for a strategy that has none."""
    if spec is None:
        return ()
    found: list[Overlay] = []
    if plan.unresolved:
        for name, value in STOPS:
            parts = {**plan.parts, **plan.unresolved, "exit.stop": Part("exit.stop", value, ())}
            found.append(Overlay(name, "exit.stop", value, written_spec(transcript, finding, parts)))
    return (*found, *exits_to_lay_over(spec))


def _status(plan: _Plan, spec: Spec | None, variants: Sequence[Variant]) -> tuple[Status, str]:
    if spec is None:
        if any(variant.field.startswith("entry.") for variant in variants):
            return "needs_overlay", "the entry can be read in more than one way; choose a variant"
        return "not_mechanisable", "no entry is stated that can be computed"
    if plan.must_choose:
        return "needs_overlay", "the entry can be read in more than one way; choose a variant"
    if not has_exit(spec):
        return "needs_overlay", "no exit is stated; add one"
    return "runnable", "an entry and an exit are stated"


def assumptions(spec: Spec | None) -> Iterable[Assumption]:
    """What a spec holds that its source does not say: defaults, usual meanings, and what a person chose."""
    if spec is None:
        return
    full = spec.model_dump(mode="json")
    for name, provenance in spec.provenance.items():
        if provenance.state == "stated":
            continue
        value: Any = full
        for step in name.split("."):
            value = next(i for i in value if i["id"] == step) if isinstance(value, list) else value[step]
        yield Assumption(name, value, _WHY_ASSUMED[provenance.state])


def _rules(atoms: Sequence[Atom], plan: _Plan) -> Iterable[Rule]:
    """Every rule in spoken order, then the fields of its indicators, then what nobody specified."""
    in_two_ways = {part.field for part in plan.open} - set(plan.parts)
    for atom in atoms:
        state, why = atom.state, atom.why
        if state == "stated" and atom.field in in_two_ways and atom.field in _SINGLE:
            state, why = "ambiguous", "stated in two ways"
        yield Rule(atom.field, state, atom.value, atom.evidence, why, atom.readings)
    seen: set[str] = set()
    for atom in atoms:
        if atom.state not in ("stated", "ambiguous"):
            continue
        for use in atom.indicators:
            for key, state in use.states:
                name = f"indicators.{use.id}.{key}"
                if name not in seen:
                    seen.add(name)
                    value = use.fn if key == "fn" else tidy(dict(use.params).get(key.removeprefix("params.")))
                    yield Rule(name, state, value, atom.evidence if state == "stated" else None)
    said = {atom.field for atom in atoms if atom.state in ("stated", "ambiguous", "negated")}
    tells = any(name.startswith("entry.") for name in said)
    if "exit.stop" not in said and (tells or any(_needs_stop(atom.value) for atom in atoms)):
        yield Rule("exit.stop", "unspecified", None, None)
    if tells and not any(name.startswith("exit.") and name != "exit.level" for name in said):
        yield Rule("exit.signal", "unspecified", None, None)
