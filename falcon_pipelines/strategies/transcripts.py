"""The words of a talk with the second each is spoken, read from caption and text files."""

import hashlib
import html
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from falcon_pipelines.errors import InputError

SUFFIXES = (".json3", ".vtt", ".srt", ".txt")
MAX_BYTES = 20_000_000
MAX_WORDS = 150_000

Origin = Literal["bundled", "file", "youtube"]
Word = tuple[str, float | None]

_CONTROL = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ud800-\udfff\ufeff]"
)
_CLOCK = r"(?:(\d{1,3}):)?(\d{1,3}):(\d{2})(?:[.,](\d{1,3}))?"
_ARROW = re.compile(rf"^\s*{_CLOCK}\s*-->\s*{_CLOCK}")
_INLINE_TIME = re.compile(rf"<{_CLOCK}>")
_TAG = re.compile(r"<[/a-zA-Z][^<>]*>")
_LINE_MARK = re.compile(rf"^\s*[\[(]?{_CLOCK}[\])]?(?=\s|$)\s*")


class InvalidTranscript(InputError):
    """A transcript file cannot be read as what its name says it is."""


class UnknownTranscriptFormat(InputError):
    """A file's name ends with none of the formats that can be read."""


@dataclass(frozen=True)
class Transcript:
    """What one talk says.

    `words` are in spoken order, each with the second at which it (or its caption) begins, None where the file
    has no times. `original` is the caption file, byte for byte.
    """

    id: str
    title: str
    url: str | None
    channel: str | None
    origin: Origin
    words: tuple[Word, ...]
    original: bytes = field(repr=False)


@dataclass(frozen=True)
class _Cue:
    start: float
    end: float
    lines: tuple[tuple[Word, ...], ...]


def read_transcript(path: Path) -> Transcript:
    """The transcript in a `.json3`, `.vtt`, `.srt` or `.txt` file; its id is a hash of the file.

    Raises InvalidTranscript or UnknownTranscriptFormat, naming the file.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise UnknownTranscriptFormat(f"{path}: a transcript file ends with {', '.join(SUFFIXES)}")
    try:
        original = path.read_bytes()
    except OSError as error:
        raise InvalidTranscript(f"{path}: cannot be read: {error.strerror or error}") from None
    return Transcript(
        id=hashlib.sha256(original).hexdigest()[:16],
        title=printable(path.stem) or "a file",
        url=None,
        channel=None,
        origin="file",
        words=parse_words(original, path.suffix.lower(), str(path)),
        original=original,
    )


def printable(value: object, length: int = 300) -> str:
    """The printable characters of a text that others wrote, one line of at most `length`; "" for no text."""
    if not isinstance(value, str):
        return ""
    return "".join(character for character in value if character.isprintable())[:length].strip()


def parse_words(original: bytes, suffix: str, name: str) -> tuple[Word, ...]:
    """The words of a caption file of the format `suffix` (with its dot); `name` is used in messages.

    Raises InvalidTranscript.
    """
    if len(original) > MAX_BYTES:
        raise InvalidTranscript(f"{name}: larger than {MAX_BYTES // 1_000_000} MB; is it a transcript?")
    try:
        encoding = "utf-16" if original[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig"
        text = original.decode(encoding)
    except UnicodeDecodeError:
        raise InvalidTranscript(f"{name}: is not UTF-8 text") from None
    readers = {".json3": _json3, ".vtt": _vtt, ".srt": _srt, ".txt": _txt}
    words = tuple(readers[suffix](text, name))
    if not words:
        raise InvalidTranscript(f"{name}: holds no words")
    if len(words) > MAX_WORDS:
        raise InvalidTranscript(f"{name}: holds {len(words):,} words, more than 15 hours of speech")
    return words


@cache
def bundled_transcripts() -> tuple[Transcript, ...]:
    """The transcripts that come with Falcon, written for it; read like any other caption file."""
    folder = resources.files("falcon_pipelines.strategies") / "transcript_library"
    catalogue = json.loads((folder / "catalogue.json").read_text(encoding="utf-8"))
    return tuple(
        Transcript(
            id=entry["id"],
            title=entry["title"],
            url=None,
            channel=entry["channel"],
            origin="bundled",
            words=parse_words((original := (folder / entry["file"]).read_bytes()), ".json3", entry["file"]),
            original=original,
        )
        for entry in catalogue
    )


def _split(text: str, start: float | None) -> list[Word]:
    return [(word, start) for word in _CONTROL.sub(" ", text).split()]


def _json3(text: str, name: str) -> Iterator[Word]:
    try:
        document = json.loads(text)
    except (ValueError, RecursionError):
        raise InvalidTranscript(f"{name}: is not valid JSON; download the json3 captions again") from None
    events = document.get("events") if isinstance(document, dict) else None
    if not isinstance(events, list):
        raise InvalidTranscript(f"{name}: has no list of caption events; is it a json3 caption file?")
    timed: list[tuple[float, list[Word]]] = []
    for number, event in enumerate(events, start=1):
        try:
            timed.append(_json3_event(event))
        except (TypeError, ValueError, KeyError, AttributeError):
            raise InvalidTranscript(f"{name}: caption event {number} is broken") from None
    for _, words in sorted(timed, key=lambda item: item[0]):
        yield from words


def _json3_event(event: dict[str, Any]) -> tuple[float, list[Word]]:
    segments = event.get("segs", [])
    start = _milliseconds(event["tStartMs"]) if segments else 0.0
    words: list[Word] = []
    carry = ""
    for segment in segments:
        text = segment.get("utf8", "")
        if not isinstance(text, str):
            raise TypeError
        second = round(start + _milliseconds(segment.get("tOffsetMs", 0)), 3)
        found = _split(text, second)
        if found and words and carry and not text[:1].isspace():
            words[-1] = (words[-1][0] + found[0][0], words[-1][1])
            found = found[1:]
        words.extend(found)
        carry = "" if text[-1:].isspace() or not text else text
    return start, words


def _milliseconds(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 1e9:
        raise ValueError
    return value / 1000


def _seconds(hours: str | None, minutes: str, seconds: str, fraction: str | None) -> float:
    whole = int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds)
    return whole + int((fraction or "0").ljust(3, "0")) / 1000


def _vtt(text: str, name: str) -> Iterator[Word]:
    if not text.startswith("WEBVTT"):
        raise InvalidTranscript(f"{name}: does not start with WEBVTT; is it a VTT caption file?")
    return _without_rolling_repeats(_cues(text, name, r"\n\n"))


def _srt(text: str, name: str) -> Iterator[Word]:
    return _without_rolling_repeats(_cues(text, name, r"\n[ \t]*\n"))


def _cues(text: str, name: str, blank_line: str) -> list[_Cue]:
    """The cues of a VTT or SRT file in time order; blocks without a time line are comments and styles.

    A line of spaces ends an SRT cue, but stands inside the cues of automatic VTT captions.
    """
    cues = []
    seen_arrow = False
    for block in re.split(blank_line, text.replace("\r\n", "\n").replace("\r", "\n")):
        lines = block.strip("\n").split("\n")
        where = next((i for i, line in enumerate(lines) if "-->" in line), None)
        if where is None or lines[0].startswith(("NOTE", "STYLE", "REGION")):
            continue
        seen_arrow = True
        times = _ARROW.match(lines[where])
        if times is None:
            raise InvalidTranscript(
                f"{name}: cannot read the time line `{_CONTROL.sub(' ', lines[where])[:60]}`"
            )
        parts = times.groups()
        start = _seconds(parts[0], parts[1], parts[2], parts[3])
        spoken = tuple(words for line in lines[where + 1 :] if (words := tuple(_cue_line(line, start))))
        cues.append(_Cue(start, _seconds(parts[4], parts[5], parts[6], parts[7]), spoken))
    if not seen_arrow:
        raise InvalidTranscript(f"{name}: holds no captions (no `start --> end` line)")
    return sorted(cues, key=lambda cue: cue.start)


def _cue_line(line: str, start: float) -> Iterator[Word]:
    """Words of one line, timed by the `<00:00:01.200>` marks before them where there are any."""
    second = start
    position = 0
    for mark in [*_INLINE_TIME.finditer(line), None]:
        piece = line[position : mark.start() if mark else len(line)]
        yield from _split(html.unescape(_TAG.sub("", piece)), second)
        if mark:
            second = _seconds(*mark.groups())
            position = mark.end()


def _without_rolling_repeats(cues: Iterable[_Cue]) -> Iterator[Word]:
    """Each spoken line once: automatic captions repeat the line above while the next is typed below it."""
    shown: tuple[tuple[str, ...], ...] = ()
    shown_until = -1.0
    for cue in cues:
        lines = [tuple(word for word, _ in line) for line in cue.lines]
        repeated = 0
        if cue.start <= shown_until + 0.1:
            repeated = next(
                (n for n in range(min(len(lines), len(shown)), 0, -1) if tuple(lines[:n]) == shown[-n:]), 0
            )
        for position, line in enumerate(cue.lines[repeated:]):
            typed = (
                shown[-1]
                if position == 0 and repeated == 0 and shown and cue.start <= shown_until + 0.1
                else ()
            )
            already = len(typed) if len(typed) > 1 and lines[repeated][: len(typed)] == typed else 0
            yield from line[already:]
        if lines:
            shown, shown_until = tuple(lines), cue.end


def _txt(text: str, name: str) -> Iterator[Word]:
    """Words of a plain text; a line that begins with `[mm:ss]` or `mm:ss` sets the time from there on."""
    if "\x00" in text:
        raise InvalidTranscript(f"{name}: is a binary file, not text")
    second: float | None = None
    for line in text.splitlines():
        mark = _LINE_MARK.match(line)
        if mark:
            second = _seconds(*mark.groups())
        yield from _split(line[mark.end() if mark else 0 :], second)
