"""What nobody said can be laid over by choice, is marked as assumed, and never changes what was said."""

import pytest

from falcon_pipelines.errors import InputError
from falcon_pipelines.strategies.extraction.overlays import lay_over
from falcon_pipelines.strategies.spec import Spec
from tests.strategies.extraction.talks import heard

CROSS = "buy when the 5-day crosses above the 20-day"


def laid(words: str, *choices: str) -> Spec:
    result = heard(words)
    assert result.spec is not None
    return lay_over(result.spec, result.overlays, choices)


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        ("no_such", "no such overlay"),
        ("entry.long.crosses_above=1", "was stated"),
        ("entry.long={gt: [close, 1]}", "was stated"),
        ("indicators.sma_5.params.period=9", "was stated"),
        ("name=evil", "no place"),
        ("provenance=1", "no place"),
        ("exit.__class__.x=1", "exit"),
        ("exit.stop.percent=never", "exit.stop"),
        ("exit.stop.percent=[1,", "is not a value"),
        ("exit.stop.percent=-5", "exit.stop"),
        ("exit.stop.percent=!!python/object/apply:os.system [ls]", "is not a value"),
        ("indicators.nobody.params.period=3", "no place"),
    ],
)
def test_a_choice_that_cannot_be_made_is_refused_in_one_line(choice: str, words: str) -> None:
    with pytest.raises(InputError, match=words) as caught:
        laid(CROSS, choice)
    assert "\n" not in str(caught.value)


def test_what_was_chosen_is_marked_as_assumed_and_the_words_stay() -> None:
    spec = laid(CROSS, "after_20_bars", "exit.stop.percent=5", "indicators.sma_5.fn=ema")
    assert spec.document()["exit"] == {"stop": {"percent": 5}, "time_stop": {"bars": 20}}
    assert {
        spec.provenance[name].state for name in ("exit.time_stop", "exit.stop.percent", "indicators.sma_5.fn")
    } == {"assumed"}
    assert spec.provenance["entry.long"].state == "stated"
    assert "exit.stop.percent = 5" in str(spec.description)


def test_an_assumed_value_can_be_changed_but_keeps_its_label() -> None:
    spec = laid(
        "buy when the rsi is below 30 and sell when the rsi is above 70", "indicators.rsi.params.period=7"
    )
    assert spec.indicators[0].params == {"period": 7}
    assert spec.provenance["indicators.rsi.params.period"].state == "assumed"


def test_a_stop_laid_over_gives_a_target_in_r_its_meaning() -> None:
    words = "i buy when the rsi is below 30 and i take profit at three times my risk"
    result = heard(words)
    assert result.status == "needs_overlay"
    assert [overlay.name for overlay in result.overlays][:2] == ["stop_of_2_atr", "stop_of_5_percent"]
    spec = laid(words, "stop_of_5_percent")
    assert spec.document()["exit"] == {"stop": {"percent": 5}, "target": {"r_multiple": 3}}
    assert spec.provenance["exit.target"].state == "stated"
    assert spec.provenance["exit.stop"].state == "assumed"


def test_two_choices_are_two_strategies() -> None:
    names = {laid(CROSS, f"exit.time_stop.bars={bars}", "exit.stop.percent=5").name for bars in range(2, 12)}
    assert len(names) == 10
    assert all(len(name) <= 80 for name in names)
