"""Videos: their transcripts, what was taken from them, and which words each rule rests on."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import func, or_, select, tuple_
from sqlalchemy.orm import Session

from falcon_pipelines.dashboard.cursors import Cursor
from falcon_pipelines.dashboard.queries.documents import number, second_of_video, text
from falcon_pipelines.dashboard.queries.evidence import Rule, rules
from falcon_pipelines.dashboard.values import Page, Value
from falcon_pipelines.db.models import Extraction, StrategySpec, Transcript


class VideoStrategy(Value):
    """A strategy taken from a video."""

    id: int
    name: str
    status: str | None


class Outcome(Value):
    """What a transcript was judged to be, and why."""

    status: str
    reason: str


class VideoRow(Value):
    """A video in a list."""

    id: str
    title: str
    channel: str | None
    origin: str
    link: str | None
    words: int
    strategies: list[VideoStrategy]
    outcome: Outcome | None
    read_at: datetime


class VideoLine(Value):
    """A video in one line of plain values, for a spreadsheet."""

    id: str
    title: str
    channel: str | None
    origin: str
    link: str | None
    words: int
    strategy: str | None
    state: str | None
    reason: str | None
    read_at: datetime

    @classmethod
    def of(cls, row: VideoRow) -> "VideoLine":
        """The line of a row of the list, with its newest strategy."""
        newest = row.strategies[0] if row.strategies else None
        return cls(
            **row.model_dump(exclude={"strategies", "outcome"}),
            strategy=newest and newest.name,
            state=row.outcome.status if row.outcome else newest and newest.status,
            reason=row.outcome and row.outcome.reason,
        )


class Passage(Value):
    """Words in spoken order; `rule` is the field they are the evidence for."""

    text: str
    start_seconds: float | None
    link: str | None
    rule: str | None


class VideoDetail(Value):
    """A transcript with the words of its rules marked."""

    id: str
    title: str
    channel: str | None
    origin: str
    link: str | None
    read_at: datetime
    strategies: list[VideoStrategy]
    outcome: Outcome | None
    passages: list[Passage]
    unplaced: list[Rule]


PARAGRAPH_WORDS = 60
"""Unmarked words are broken into passages of about this length, so that each has its time."""


def videos(
    session: Session, *, words: str | None = None, after: Cursor | None = None, limit: int = 50
) -> Page[VideoRow]:
    """Videos with a transcript, newest first; `words` must be in the title or the channel."""
    query = (
        select(
            Transcript.id,
            Transcript.title,
            Transcript.channel,
            Transcript.origin,
            Transcript.url,
            func.jsonb_array_length(Transcript.words).label("words"),
            Transcript.created_at,
        )
        .order_by(Transcript.created_at.desc(), Transcript.id.desc())
        .limit(limit + 1)
    )
    if words is not None:
        query = query.where(
            or_(
                Transcript.title.icontains(words, autoescape=True),
                Transcript.channel.icontains(words, autoescape=True),
            )
        )
    if after is not None:
        query = query.where(tuple_(Transcript.created_at, Transcript.id) < (after.at, after.id))
    rows = session.execute(query).all()
    shown = rows[:limit]
    ids = [row.id for row in shown]
    found, judged = _strategies(session, ids), _outcomes(session, ids)
    items = [
        VideoRow(
            id=row.id,
            title=row.title,
            channel=row.channel,
            origin=row.origin,
            link=second_of_video(row.url, None),
            words=row.words,
            strategies=found.get(row.id, []),
            outcome=judged.get(row.id),
            read_at=row.created_at,
        )
        for row in shown
    ]
    last = items[-1] if len(rows) > limit else None
    return Page(items=items, next=None if last is None else str(Cursor(at=last.read_at, id=last.id)))


def video(session: Session, transcript_id: str) -> VideoDetail | None:
    """One video; None when there is none with this id."""
    row = session.get(Transcript, transcript_id)
    if row is None:
        return None
    specs = session.scalars(
        select(StrategySpec)
        .where(StrategySpec.transcript_id == transcript_id)
        .order_by(StrategySpec.id.desc())
    ).all()
    evidence = [
        rule
        for spec in specs[:1]
        for rule in rules(
            spec.document if isinstance(spec.document, dict) else {},
            spec.extraction if isinstance(spec.extraction, dict) else {},
            row.url,
        )
    ]
    passages, unplaced = _passages(_words(row.words), evidence, row.url)
    return VideoDetail(
        id=row.id,
        title=row.title,
        channel=row.channel,
        origin=row.origin,
        link=second_of_video(row.url, None),
        read_at=row.created_at,
        strategies=_strategies(session, [transcript_id]).get(transcript_id, []),
        outcome=_outcomes(session, [transcript_id]).get(transcript_id),
        passages=passages,
        unplaced=unplaced,
    )


def _strategies(session: Session, transcript_ids: Sequence[str]) -> dict[str, list[VideoStrategy]]:
    """Those of each transcript, the newest first."""
    found: dict[str, list[VideoStrategy]] = {}
    for row in session.execute(
        select(
            StrategySpec.id,
            StrategySpec.name,
            StrategySpec.transcript_id,
            StrategySpec.extraction["status"].as_string().label("status"),
        )
        .where(StrategySpec.transcript_id.in_(transcript_ids))
        .order_by(StrategySpec.id.desc())
    ):
        found.setdefault(row.transcript_id, []).append(
            VideoStrategy(id=row.id, name=row.name, status=row.status)
        )
    return found


def _outcomes(session: Session, transcript_ids: Sequence[str]) -> dict[str, Outcome]:
    """By transcript, from the reading that is in force."""
    rows = session.execute(
        select(Extraction.transcript_id, Extraction.status, Extraction.reason)
        .where(Extraction.transcript_id.in_(transcript_ids), Extraction.in_force)
        .order_by(Extraction.id)
    )
    return {row.transcript_id: Outcome(status=row.status, reason=row.reason) for row in rows}


Word = tuple[str, float | None]


def _words(stored: object) -> list[Word]:
    if not isinstance(stored, list):
        return []
    return [
        (written, number(item[1]) if len(item) > 1 else None)
        for item in stored
        if isinstance(item, list) and item and (written := text(item[0]))
    ]


def _passages(
    words: Sequence[Word], evidence: Sequence[Rule], url: str | None
) -> tuple[list[Passage], list[Rule]]:
    """The words in passages, each rule's quote one of its own; and the rules whose quote is not in the words."""
    marks: list[str | None] = [None] * len(words)
    plain = [_bare(word) for word, _ in words]
    unplaced = []
    for rule in evidence:
        if rule.quote is None:
            continue
        span = _find(plain, [_bare(word) for word in rule.quote.split()], words, rule.start_seconds)
        if span is None:
            unplaced.append(rule)
            continue
        for index in range(*span):
            marks[index] = marks[index] or rule.field
    passages: list[Passage] = []
    start = 0
    for index in range(1, len(words) + 1):
        long = marks[start] is None and index - start >= PARAGRAPH_WORDS
        if index == len(words) or marks[index] != marks[start] or long:
            at = words[start][1]
            passages.append(
                Passage(
                    text=" ".join(word for word, _ in words[start:index]),
                    start_seconds=at,
                    link=second_of_video(url, at),
                    rule=marks[start],
                )
            )
            start = index
    return passages, unplaced


def _bare(word: str) -> str:
    return "".join(character for character in word.casefold() if character.isalnum())


def _find(
    plain: Sequence[str], quote: Sequence[str], words: Sequence[Word], at: float | None
) -> tuple[int, int] | None:
    """Where the quote's words stand, nearest to its second; None when they stand nowhere."""
    wanted = [word for word in quote if word]
    if not wanted:
        return None
    places = [
        index
        for index in range(len(plain) - len(wanted) + 1)
        if plain[index] == wanted[0] and list(plain[index : index + len(wanted)]) == wanted
    ]
    if not places:
        return None
    best = min(places, key=lambda index: abs((words[index][1] or 0.0) - (at or 0.0)))
    return best, best + len(wanted)
