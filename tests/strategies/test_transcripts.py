"""Caption and text files as words with seconds."""

import json
from pathlib import Path

import pytest

from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.extraction import extract_by_grammar
from falcon_pipelines.strategies.transcripts import Transcript, Word, bundled_transcripts, read_transcript


def read(tmp_path: Path, name: str, content: str | bytes) -> Transcript:
    file = tmp_path / name
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    return read_transcript(file)


def spoken(words: tuple[Word, ...]) -> str:
    return " ".join(word for word, _ in words)


def test_json3_words_have_their_own_seconds_and_line_breaks_are_none(tmp_path: Path) -> None:
    events = [
        {"tStartMs": 0, "dDurationMs": 9000, "id": 1, "wpWinPosId": 1},
        {
            "tStartMs": 1200,
            "dDurationMs": 3000,
            "segs": [
                {"utf8": "buy"},
                {"utf8": " when", "tOffsetMs": 400},
                {"utf8": " the", "tOffsetMs": 900},
            ],
        },
        {"tStartMs": 2900, "aAppend": 1, "segs": [{"utf8": "\n"}]},
        {"tStartMs": 3000, "dDurationMs": 2000, "segs": [{"utf8": "r"}, {"utf8": " s i", "tOffsetMs": 300}]},
    ]
    content = json.dumps({"wireMagic": "pb3", "events": events})
    transcript = read(tmp_path, "a.json3", content)
    assert transcript.words == (("buy", 1.2), ("when", 1.6), ("the", 2.1), ("r", 3.0), ("s", 3.3), ("i", 3.3))
    assert transcript.original == content.encode()


ROLLING = """WEBVTT
Kind: captions
Language: en

00:00:01.000 --> 00:00:03.000 align:start position:0%
 
so<00:00:01.400><c> i</c><00:00:01.800><c> buy</c>

00:00:03.000 --> 00:00:03.010 align:start position:0%
so i buy
 

00:00:03.010 --> 00:00:05.000 align:start position:0%
so i buy
when<00:00:03.500><c> the</c><00:00:04.000><c> RSI</c>

00:00:05.000 --> 00:00:05.010 align:start position:0%
when the RSI
 

00:00:05.010 --> 00:00:07.000 align:start position:0%
when the RSI
is<00:00:05.400><c> under</c><00:00:05.900><c> 30</c>
"""  # noqa: W293 - the spaces are how the captions come


def test_rolling_vtt_lines_are_read_once_with_the_second_of_each_word(tmp_path: Path) -> None:
    words = read(tmp_path, "a.vtt", ROLLING).words
    assert spoken(words) == "so i buy when the RSI is under 30"
    assert dict(words)["buy"] == 1.8
    assert dict(words)["when"] == 3.01
    assert dict(words)["30"] == 5.9


def test_a_word_spoken_twice_in_a_row_stays_twice(tmp_path: Path) -> None:
    content = (
        "WEBVTT\n\n00:01.000 --> 00:02.000\nit is very\n\n"
        "00:02.000 --> 00:03.000\nvery good &amp; <i>cheap</i>\n"
    )
    assert spoken(read(tmp_path, "a.vtt", content).words) == "it is very very good & cheap"


def test_growing_captions_are_read_once(tmp_path: Path) -> None:
    content = "1\n00:00:01,000 --> 00:00:02,000\ni buy when\n\n2\n00:00:02,000 --> 00:00:03,000\ni buy when the fifty\n"
    assert spoken(read(tmp_path, "a.srt", content).words) == "i buy when the fifty"


def test_srt_words_have_the_second_of_their_caption(tmp_path: Path) -> None:
    content = "1\r\n00:00:01,500 --> 00:00:04,000\r\nHello there\r\n\r\n2\r\n01:30:00,000 --> 01:30:02,000\r\nbuy now\r\n"
    assert read(tmp_path, "a.srt", content).words == (
        ("Hello", 1.5),
        ("there", 1.5),
        ("buy", 5400.0),
        ("now", 5400.0),
    )


def test_plain_text_has_no_times_unless_its_lines_are_marked(tmp_path: Path) -> None:
    assert read(tmp_path, "a.txt", "Hello there\nbuy at 10:30").words[-1] == ("10:30", None)
    marked = read(tmp_path, "b.txt", "[00:05] Hello\nthere\n[1:02:03] buy\n0:07 later")
    assert marked.words == (("Hello", 5.0), ("there", 5.0), ("buy", 3723.0), ("later", 7.0))


def test_control_characters_never_reach_the_words(tmp_path: Path) -> None:
    words = read(tmp_path, "a.txt", "buy\x1b[31m \u202eevil\u202c now").words
    assert all(character.isprintable() for word, _ in words for character in word)


def test_a_rule_split_over_two_caption_events_is_one_rule_at_its_second(tmp_path: Path) -> None:
    content = (
        "WEBVTT\n\n00:00:10.000 --> 00:00:12.000\nso i buy when the fifty day crosses\n\n"
        "00:00:12.000 --> 00:00:14.000\nabove the two hundred\n\n00:00:14.000 --> 00:00:16.000\nday moving average\n"
    )
    result = extract_by_grammar(read(tmp_path, "a.vtt", content))
    [rule] = [rule for rule in result.rules if rule.field == "entry.long"]
    assert rule.value == {"crosses_above": ["sma_50", "sma_200"]}
    assert rule.evidence is not None
    assert rule.evidence.start_seconds == 10.0
    assert rule.evidence.quote == "i buy when the fifty day crosses above the two hundred day moving average"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.json3", "{"),
        ("a.json3", "[" * 100_000),
        ("a.json3", "[]"),
        ("a.json3", '{"events": {}}'),
        ("a.json3", '{"events": [{"segs": [{"utf8": "hello"}]}]}'),
        ("a.json3", '{"events": [{"tStartMs": "x", "segs": [{"utf8": "hello"}]}]}'),
        ("a.json3", '{"events": [{"tStartMs": NaN, "segs": [{"utf8": "hello"}]}]}'),
        ("a.json3", '{"events": ["hello"]}'),
        ("a.json3", '{"events": [{"tStartMs": 1, "segs": [{"utf8": 5}]}]}'),
        ("a.json3", '{"events": []}'),
        ("a.vtt", "hello"),
        ("a.vtt", "WEBVTT\n\n00:xx --> 00:02.000\nhello\n"),
        ("a.vtt", "WEBVTT\n"),
        ("a.srt", "just words"),
        ("a.txt", ""),
        ("a.txt", "  \n "),
        ("a.txt", b"\xff\xfe\xfa\x00\xd8\xd8"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00\x00"),
        ("a.txt", b"abc\x00def"),
        ("a.txt", "buy low " * 80_000),
        ("a.json3", '{"events": [{"tStartMs": 1' + "0" * 6000 + ', "segs": [{"utf8": "hello"}]}]}'),
        ("a.srt", "caf\u00e9".encode("latin-1")),
        ("a.pdf", "hello"),
        ("noext", "hello"),
    ],
)
def test_a_broken_file_is_one_line_that_names_it(tmp_path: Path, name: str, content: str | bytes) -> None:
    with pytest.raises(InputError) as caught:
        read(tmp_path, name, content)
    assert name in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.vtt"):
        read_transcript(tmp_path / "nowhere.vtt")


def test_the_bundled_transcripts_are_two_talks_that_become_runnable_strategies() -> None:
    talks = bundled_transcripts()
    results = [extract_by_grammar(talk) for talk in talks]
    assert [result.status for result in results] == ["runnable", "runnable"]
    specs = [result.spec for result in results]
    assert specs[0] is not None
    assert specs[1] is not None
    assert specs[0].document()["entry"] == {"long": {"crosses_above": ["sma_20", "sma_50"]}}
    assert specs[0].document()["exit"] == {
        "signal": {"crosses_below": ["sma_20", "sma_50"]},
        "trailing": {"percent": 10},
    }
    assert specs[1].document()["entry"] == {"long": {"lt": ["rsi_14", 35]}}
    assert specs[1].document()["exit"] == {
        "stop": {"percent": 4},
        "target": {"percent": 5},
        "time_stop": {"bars": 10},
    }
    assert all(len(result.claims) >= 2 for result in results)
    assert all(180 < (talk.words[-1][1] or 0) < 360 for talk in talks)
