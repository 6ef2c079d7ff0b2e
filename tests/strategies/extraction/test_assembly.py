"""Rules become a strategy without anything being added; what is open becomes variants a person can choose."""

import pytest

from tests.strategies.extraction.talks import heard, stated, states

ENTRY = "i buy when the r s i drops below thirty"
EXIT = "i sell when the r s i goes above seventy"


def variants(words: str, field: str) -> list[object]:
    return [variant.value for variant in heard(words).variants if variant.field == field]


def test_a_cross_without_its_direction_leaves_both_readings_to_choose_from() -> None:
    words = f"buy when the fifty day crosses the two hundred day and {EXIT}"
    result = heard(words)
    assert (result.status, result.spec) == ("needs_overlay", None)
    assert states(result, "entry.long") == ["ambiguous"]
    assert variants(words, "entry.long") == [
        {"crosses_above": ["sma_50", "sma_200"]},
        {"crosses_below": ["sma_50", "sma_200"]},
    ]
    assert all(variant.spec.exit.signal is not None for variant in result.variants)


def test_an_approximate_stop_is_left_out_and_becomes_a_variant() -> None:
    words = f"{ENTRY} and {EXIT} my stop is around five percent"
    result = heard(words)
    assert result.status == "runnable"
    assert result.spec is not None
    assert result.spec.exit.stop is None
    assert variants(words, "exit.stop") == [{"percent": 5}]


def test_a_stop_stated_in_two_ways_is_left_out_and_flagged() -> None:
    words = f"{ENTRY} and {EXIT} my stop is five percent . and my stop is eight percent"
    result = heard(words)
    assert states(result, "exit.stop") == ["ambiguous", "ambiguous"]
    assert result.spec is not None
    assert result.spec.exit.stop is None
    assert variants(words, "exit.stop") == [{"percent": 5}, {"percent": 8}]
    assert "exit.stop_stated_in_two_ways" in {flag.kind for flag in result.flags}


def test_two_levels_for_one_entry_are_for_a_person_to_choose() -> None:
    words = f"{ENTRY} . {EXIT} . i buy when the r s i drops below twenty"
    result = heard(words)
    assert (result.status, result.spec) == ("needs_overlay", None)
    assert variants(words, "entry.long") == [{"lt": ["rsi", 30]}, {"lt": ["rsi", 20]}]


def test_conditions_said_together_must_all_hold_or_any_as_was_said() -> None:
    both = heard(
        f"i buy when the r s i is below thirty and the price is above the two hundred day and {EXIT}"
    )
    assert both.spec is not None
    assert both.spec.document()["entry"]["long"] == {
        "all": [{"lt": ["rsi", 30]}, {"gt": ["close", "sma_200"]}]
    }
    either = heard(
        f"i buy when the r s i is below thirty or the price closes below the lower band and {EXIT}"
    )
    assert either.spec is not None
    assert either.spec.document()["entry"]["long"] == {
        "any": [{"lt": ["rsi", 30]}, {"lt": ["close", "bollinger.lower"]}]
    }


def test_a_filter_narrows_the_entry() -> None:
    result = heard(f"i never buy below the two hundred day . {ENTRY} . {EXIT}")
    assert result.spec is not None
    assert result.spec.document()["entry"]["long"] == {
        "all": [{"lt": ["rsi", 30]}, {"gte": ["close", "sma_200"]}]
    }
    assert result.spec.provenance["entry.long.all.1"].quote == "i never buy below the two hundred day"


def test_ways_out_said_apart_are_alternatives() -> None:
    result = heard(f"{ENTRY} . {EXIT} . i also sell when it closes above the fifty day moving average")
    assert result.spec is not None
    assert result.spec.document()["exit"]["signal"] == {
        "any": [{"gt": ["rsi", 70]}, {"gt": ["close", "sma_50"]}]
    }


def test_long_and_short_keep_their_own_exits() -> None:
    result = heard(
        f"{ENTRY} . {EXIT} . i go short when the r s i goes above eighty . i cover when the r s i drops below fifty"
    )
    assert result.spec is not None
    document = result.spec.document()
    assert document["entry"] == {"long": {"lt": ["rsi", 30]}, "short": {"gt": ["rsi", 80]}}
    assert document["exit"]["signal"] == {"long": {"gt": ["rsi", 70]}, "short": {"lt": ["rsi", 50]}}


def test_a_strategy_without_an_exit_offers_named_exits_and_takes_none() -> None:
    result = heard("buy when the fifty day crosses above the two hundred day")
    assert result.status == "needs_overlay"
    assert result.spec is not None
    assert "exit" not in result.spec.document()
    assert [(overlay.name, overlay.value) for overlay in result.overlays] == [
        ("when_the_entry_no_longer_holds", {"crosses_below": ["sma_50", "sma_200"]}),
        ("after_20_bars", {"bars": 20}),
    ]
    assert {overlay.spec.provenance[overlay.field].state for overlay in result.overlays} == {"assumed"}
    assert heard(f"{ENTRY} . {EXIT}").overlays == ()


def test_risk_per_trade_without_a_stop_is_unresolvable() -> None:
    result = heard(f"{ENTRY} . {EXIT} . i risk one percent of my account per trade")
    assert stated(result, "sizing") == [{"risk_per_trade": 1}]
    assert result.spec is not None
    assert result.spec.provenance["sizing"].state == "default"
    assert any("unresolvable" in refusal.why for refusal in result.refused)


def test_what_a_spec_cannot_say_is_listed_in_it() -> None:
    result = heard(f"{ENTRY} . {EXIT} . i trail my stop with the twenty day moving average")
    assert result.spec is not None
    assert [entry.what for entry in result.spec.unsupported] == ["exit.trailing"]


@pytest.mark.parametrize(
    "words",
    [
        f"most people say {ENTRY[2:]}",
        "should i buy when the r s i drops below thirty ?",
        "what if we buy when the r s i drops below thirty",
        "last year i bought when the r s i dropped below thirty",
        "i'm not saying buy when the r s i drops below thirty",
        "i don't buy just because the r s i drops below thirty",
        "maybe you could buy when the r s i drops below thirty",
        "for example you buy when the r s i drops below thirty",
        "the r s i is below thirty right now",
    ],
)
def test_what_is_not_the_speakers_own_rule_is_never_stated(words: str) -> None:
    result = heard(words)
    assert stated(result, "entry.long") == []
    assert result.spec is None
