"""However a talk was written down, its canonical words are the same."""

import pytest

from falcon_pipelines.strategies.extraction.normalise import Text, tokens


def canonical(words: str) -> str:
    return Text.of(tokens([(word, None) for word in words.split()])).string


@pytest.mark.parametrize(
    ("spoken", "expected"),
    [
        ("r s i under thirty", "rsi below 30"),
        ("R.S.I. < 30", "rsi below 30"),
        ("the fifty day", "the 50 day"),
        ("the 50-day", "the 50 day"),
        ("ninety-five percent", "95 percent"),
        ("95%", "95 percent"),
        ("two hundred and fifty", "250"),
        ("the fifty two hundred", "the 50 200"),
        ("the nine twenty one", "the 9 21"),
        ("a hundred", "100"),
        ("one and a half percent", "1.5 percent"),
        ("half a percent", "0.5 percent"),
        ("two point five", "2.5"),
        ("point five percent", "0.5 percent"),
        ("$1,250.50", "1250.5 dollars"),
        ("m a c d", "macd"),
        ("e m a twenty", "ema 20"),
        ("three to one", "3 to 1"),
        ("3:1", "3 to 1"),
        ("5-8%", "5 to 8 percent"),
        ("um you know i i'm in", "i i am in"),
        ("don't", "do not"),
        ("don\u2019t", "do not"),
        ("[Music] hello [loud applause] there", "hello there"),
        ("stop-loss", "stop loss"),
        ("break even", "breakeven"),
        ("say it's at a hundred, ninety", "say it is at 100 90"),
    ],
)
def test_spoken_words_have_one_canonical_form(spoken: str, expected: str) -> None:
    assert canonical(spoken) == expected


def test_every_canonical_word_leads_back_to_the_words_it_came_from() -> None:
    text = Text.of(
        tokens(
            [
                (word, None)
                for word in ["so", "um", "the", "r", "s", "i", "is", "under", "thirty", "five", "now"]
            ]
        )
    )
    start = text.string.index("rsi")
    end = text.string.index("35") + 2
    assert text.words_of(start, end) == (3, 9)
