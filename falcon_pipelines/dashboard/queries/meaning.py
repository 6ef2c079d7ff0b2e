"""A strategy in plain English, as compute wrote it down, each sentence with the words it rests on."""

from typing import Any

from falcon_pipelines.dashboard.queries.documents import mappings, text, texts
from falcon_pipelines.dashboard.queries.evidence import Rule
from falcon_pipelines.dashboard.values import Value


class Sentence(Value):
    """One rule in plain English and the parts of the spec it tells of, with their evidence."""

    words: str
    evidence: list[Rule]


class SpecField(Value):
    """A value of the spec and why it is so: given, stated, inferred or default."""

    field: str
    value: str | None
    state: str


class Meaning(Value):
    """What a strategy does, in words; empty for one that was stored before its words were."""

    sentences: list[Sentence]
    conventions: list[str]
    warnings: list[str]
    warm_up: int | None
    combinations: int | None
    assumed: list[SpecField]


_TELLS: tuple[tuple[tuple[str, ...], tuple[str, ...]], ...] = (
    (("Buys at", "Sells short"), ("entry.",)),
    (("Closes at", "Sells at", "Buys back"), ("exit.signal",)),
    (("Initial stop",), ("exit.stop",)),
    (("Target",), ("exit.target",)),
    (("Trailing stop",), ("exit.trailing",)),
    (("The stop moves",), ("exit.breakeven",)),
    (("Closes after",), ("exit.time_stop",)),
    (("Closes ",), ("exit.partial",)),
    (("Each position",), ("sizing",)),
    (("On ",), ("timeframe", "universe", "session")),
    (("Costs",), ("execution.fee_bps", "execution.slippage_bps")),
    (("When cash",), ("execution.rank_by", "execution.rank_order")),
)
"""How sentences begin, and the fields of the spec that each is about; the first that matches counts."""


def meaning(stored: Any, rules: list[Rule]) -> Meaning:
    """The stored words with the evidence of each sentence."""
    document = stored if isinstance(stored, dict) else {}
    conventions = document.get("conventions")
    warm_up, combinations = document.get("warm_up"), document.get("combinations")
    return Meaning(
        sentences=[
            Sentence(words=words, evidence=_evidence(words, rules)) for words in texts(document.get("rules"))
        ],
        conventions=[f"{name} — {words}" for name, words in conventions.items()]
        if isinstance(conventions, dict)
        else [],
        warnings=texts(document.get("warnings")),
        warm_up=warm_up if isinstance(warm_up, int) else None,
        combinations=combinations if isinstance(combinations, int) else None,
        assumed=[
            SpecField(
                field=text(item.get("field")) or "?",
                value=text(item.get("value")),
                state=text(item.get("state")) or "?",
            )
            for item in mappings(document.get("fields"))
            if item.get("state") in ("inferred", "default")
        ],
    )


def _evidence(words: str, rules: list[Rule]) -> list[Rule]:
    """The quotes a sentence rests on, each once."""
    indicator, is_indicator, _ = words.partition(" is the ")
    if is_indicator and " " not in indicator:
        prefixes: tuple[str, ...] = (f"indicators.{indicator}.",)
    else:
        prefixes = next((fields for starts, fields in _TELLS if words.startswith(starts)), ())
    found: dict[tuple[str, float | None], Rule] = {}
    for rule in rules:
        if rule.quote and rule.field.startswith(prefixes) and rule.state in (None, "stated"):
            found.setdefault((rule.quote, rule.start_seconds), rule)
    return list(found.values())
