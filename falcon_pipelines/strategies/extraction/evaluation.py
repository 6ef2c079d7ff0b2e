"""How well an extractor does on talks labelled by hand: precision and recall of stated rules per phrase family."""

import json
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import resources
from typing import Any, Literal

import yaml

from falcon_pipelines.strategies.extraction.atoms import Atom, Finding, tidy
from falcon_pipelines.strategies.transcripts import Transcript

Half = Literal["tuning", "evaluation"]
FAMILIES = (
    "cross",
    "comparison",
    "filter",
    "stop",
    "target",
    "trailing",
    "breakeven",
    "partial",
    "time",
    "sizing",
    "timeframe",
)
_BY_FIELD = {
    "exit.stop": "stop",
    "exit.target": "target",
    "exit.trailing": "trailing",
    "exit.breakeven": "breakeven",
    "exit.partial": "partial",
    "exit.time_stop": "time",
    "sizing": "sizing",
    "timeframe": "timeframe",
}
_SECONDS_PER_WORD = 0.4

Label = tuple[str, str]


@dataclass(frozen=True)
class LabelledTalk:
    """A transcript and the rules that a person found stated in it."""

    transcript: Transcript
    labels: tuple[Label, ...]


@dataclass(frozen=True)
class Score:
    """Counts of one phrase family: rules found and labelled, found but not labelled, labelled but not found."""

    family: str
    correct: int
    wrong: int
    missed: int

    @property
    def precision(self) -> float | None:
        """Share of the rules found that are labelled; None where none was found."""
        found = self.correct + self.wrong
        return self.correct / found if found else None

    @property
    def recall(self) -> float | None:
        """Share of the labelled rules that were found; None where none is labelled."""
        labelled = self.correct + self.missed
        return self.correct / labelled if labelled else None


@dataclass(frozen=True)
class Evaluation:
    """Scores per family and over all, and each difference as (talk, what, field, value)."""

    scores: tuple[Score, ...]
    total: Score
    differences: tuple[tuple[str, str, str, str], ...]
    talks: int


def labelled_talks(half: Half) -> tuple[LabelledTalk, ...]:
    """The talks of one half with their labels."""
    folder = resources.files("falcon_pipelines.strategies") / "evaluation_set"
    entries = yaml.safe_load((folder / f"{half}.yaml").read_text(encoding="utf-8"))
    return tuple(_talk(entry) for entry in entries)


def _talk(entry: dict[str, Any]) -> LabelledTalk:
    words = tuple((word, round(i * _SECONDS_PER_WORD, 3)) for i, word in enumerate(entry["words"].split()))
    transcript = Transcript(entry["id"], entry["id"], None, None, "file", words, entry["words"].encode())
    return LabelledTalk(transcript, tuple(_label(atom["field"], atom["value"]) for atom in entry["atoms"]))


def evaluate(find: Callable[[Transcript], Finding], talks: Iterable[LabelledTalk]) -> Evaluation:
    """Compare the stated rules that `find` finds with the labels; a rule found twice counts once."""
    counts: dict[str, Counter[str]] = {family: Counter() for family in FAMILIES}
    differences: list[tuple[str, str, str, str]] = []
    number = 0
    for talk in talks:
        number += 1
        found = {_label(atom.field, atom.value) for atom in find(talk.transcript).atoms if _counts(atom)}
        wanted = set(talk.labels)
        for what, labels in (
            ("correct", found & wanted),
            ("wrong", found - wanted),
            ("missed", wanted - found),
        ):
            for field, value in sorted(labels):
                counts[_family(field, value)][what] += 1
                if what != "correct":
                    differences.append((talk.transcript.id, what, field, value))
    scores = tuple(_score(family, counts[family]) for family in FAMILIES)
    return Evaluation(scores, _score("all", sum(counts.values(), Counter())), tuple(differences), number)


def _score(family: str, count: Counter[str]) -> Score:
    return Score(family, count["correct"], count["wrong"], count["missed"])


def _counts(atom: Atom) -> bool:
    return atom.state == "stated" and not atom.field.endswith(".level")


def _label(field: str, value: Any) -> Label:
    return field, json.dumps(tidy(value), sort_keys=True)


def _family(field: str, value: str) -> str:
    if field.startswith("filter."):
        return "filter"
    return _BY_FIELD.get(field) or ("cross" if '"crosses_' in value else "comparison")
