"""What a strategy is known from: rules, claims and refusals, with the words and the second of the video."""

from typing import Any

from falcon_pipelines.dashboard.queries.documents import (
    at_path,
    mappings,
    number,
    second_of_video,
    text,
    written,
)
from falcon_pipelines.dashboard.values import Value


class Rule(Value):
    """One rule of a strategy and where in the video it was said; `link` leads to that second."""

    field: str
    state: str | None
    value: str | None
    why: str | None
    quote: str | None
    start_seconds: float | None
    link: str | None


class Refusal(Value):
    """Something the video said that is not part of the rules, and why."""

    what: str
    why: str | None
    quote: str | None
    start_seconds: float | None
    link: str | None


class Flag(Value):
    """Something about the video that a reader should know."""

    kind: str
    quote: str | None
    start_seconds: float | None
    link: str | None


class Assumption(Value):
    """A value nobody stated and the rules need."""

    field: str
    value: str | None
    why: str | None


class SpecVariant(Value):
    """Another reading of what was said, kept beside the one that was tested."""

    kind: str
    field: str
    value: str | None


class Claim(Value):
    """A result that the video claims."""

    text: str
    quote: str | None
    start_seconds: float | None
    link: str | None


def rules(document: dict[str, Any], extraction: dict[str, Any], url: str | None) -> list[Rule]:
    """The rules of a strategy with their evidence; a spec without extraction has its own."""
    rules = list(mappings(extraction.get("rules")))
    if not rules and isinstance(document.get("provenance"), dict):
        rules = [
            {"field": field, **evidence}
            for field, evidence in document["provenance"].items()
            if isinstance(evidence, dict)
        ]
    return [
        Rule(
            field=text(rule.get("field")) or "?",
            state=text(rule.get("state")),
            value=written(
                rule["value"] if "value" in rule else at_path(document, text(rule.get("field")) or "")
            ),
            why=text(rule.get("why")),
            quote=text(rule.get("quote")),
            start_seconds=number(rule.get("start_seconds")),
            link=second_of_video(url, number(rule.get("start_seconds"))),
        )
        for rule in rules
    ]


def refusals(document: dict[str, Any], extraction: dict[str, Any], url: str | None) -> list[Refusal]:
    """What was said but is not part of the rules."""
    refused = list(mappings(extraction.get("refused"))) or list(mappings(document.get("unsupported")))
    return [
        Refusal(
            what=text(item.get("what")) or "?",
            why=text(item.get("why")),
            quote=text(item.get("quote")),
            start_seconds=number(item.get("start_seconds")),
            link=second_of_video(url, number(item.get("start_seconds"))),
        )
        for item in refused
    ]


def claims(source: dict[str, Any], extraction: dict[str, Any], url: str | None) -> list[Claim]:
    """What the video claims to have earned."""
    claims = list(mappings(extraction.get("claims"))) or list(mappings(source.get("claims")))
    return [
        Claim(
            text=text(item.get("text")) or text(item.get("quote")) or "?",
            quote=text(item.get("quote")),
            start_seconds=number(item.get("start_seconds")),
            link=second_of_video(url, number(item.get("start_seconds"))),
        )
        for item in claims
    ]


def flags(extraction: dict[str, Any], url: str | None) -> list[Flag]:
    """The flags of an extraction."""
    return [
        Flag(
            kind=text(item.get("kind")) or "?",
            quote=text(item.get("quote")),
            start_seconds=number(item.get("start_seconds")),
            link=second_of_video(url, number(item.get("start_seconds"))),
        )
        for item in mappings(extraction.get("flags"))
    ]


def assumptions(extraction: dict[str, Any]) -> list[Assumption]:
    """The assumptions of an extraction."""
    return [
        Assumption(
            field=text(item.get("field")) or "?", value=written(item.get("value")), why=text(item.get("why"))
        )
        for item in mappings(extraction.get("assumptions"))
    ]


def spec_variants(extraction: dict[str, Any]) -> list[SpecVariant]:
    """Other readings of the words, and exits that could be added, which the extraction kept."""
    return [
        SpecVariant(
            kind=kind,
            field=text(item.get("field")) or "?",
            value=written(item.get("value")) or text(item.get("name")),
        )
        for kind, key in (("reading", "variants"), ("exit to add", "overlays"))
        for item in mappings(extraction.get(key))
    ]
