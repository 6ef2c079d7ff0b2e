"""A spec in words: what it does, and where each value comes from."""

import pytest

from falcon_pipelines.strategies.describe import describe
from falcon_pipelines.strategies.library import library_names, library_spec
from falcon_pipelines.strategies.spec import parse_spec
from tests.strategies.test_spec import FULL, SIMPLE


def test_rules_read_as_sentences() -> None:
    rules = describe(library_spec("golden_cross")).rules
    assert "On day bars of regular sessions, for SPY." in rules
    assert "fast is the simple moving average (period $fast (50)) of the close." in rules
    assert "Buys at the next bar's open when fast crosses above slow." in rules
    assert "Closes at the next bar's open when fast crosses below slow." in rules
    assert "No entry before a ticker has 201 day bars." in rules


def test_every_kind_of_rule_has_words() -> None:
    text = "\n".join(describe(parse_spec(FULL)).rules)
    for phrase in (
        "m is the moving average convergence divergence (fast 12, slow 26, signal 9) of the high minus the low.",
        "fast crosses above slow and (m.histogram is above 0 or it is not so that the change of the close over 5 bars "
        "in percent is at or below -3)",
        "the close divided by the highest of the high in 20 bars is from 0.5 to 1.5",
        "on at least one of the last 5 bars the close is below the lowest of the low in 10 bars 1 bar ago",
        "Sells short at the next bar's open when on each of the last $fast (20) bars the close is below slow",
        "Initial stop: $stop (5) % from the fill price",
        "Target: 3 times the initial risk",
        "Trailing stop: 10 % from the best price of completed bars.",
        "The stop moves to the fill price once 1 times the initial risk has been reached.",
        "Closes after 12 bars.",
        "Closes 0.5 of the entered quantity at 5 % from the fill price.",
        "Each position risks 1 % of equity down to its stop; at most 3 positions at a time.",
        "the lowest the change of the close over 20 bars in percent goes first",
        "fee 10 and slippage 5 basis points",
    ):
        assert phrase in text


def test_every_value_says_where_it_comes_from() -> None:
    fields = {field.field: field for field in describe(parse_spec(FULL)).fields}
    stated = fields["entry.long"]
    assert (stated.state, stated.start_seconds) == ("stated", 12.5)
    assert stated.quote == "when the fast crosses the slow"
    assert fields["indicators.fast.params.period"].state == "inferred"
    assert fields["indicators.m.params.slow"].state == "default"
    assert fields["indicators.m.params.slow"].value == "26"
    assert fields["indicators.m.params.fast"].state == "default"
    assert fields["indicators.slow.params.period"].state == "inferred"
    assert fields["exit.stop.percent"].state == "default"
    assert fields["execution.conflict"].state == "default"
    assert fields["execution.fee_bps"].state == "inferred"


def test_assumptions_are_what_was_not_stated() -> None:
    assumptions = {field.field for field in describe(parse_spec(FULL)).assumptions}
    assert {"session", "execution.conflict", "indicators.fast.params.period"} <= assumptions
    assert "entry.long" not in assumptions


def test_what_a_person_writes_without_a_source_is_stated_by_the_file() -> None:
    fields = {field.field: field.state for field in describe(parse_spec(SIMPLE)).fields}
    assert fields["entry.long"] == "stated"
    assert fields["execution.conflict"] == "default"
    assert set(fields.values()) <= {"stated", "inferred", "default"}


@pytest.mark.parametrize(
    ("more", "warning"),
    [
        ("", "exit: nothing ends a position"),
        ("exit: {signal: {short: {gt: [close, 5]}}}", "exit.signal.short: never used"),
        ("params: {n: {value: 3}}", "params.n: nothing refers to $n"),
        ("indicators: [{id: r, fn: rsi}]", "indicators.r: nothing refers to it"),
        (
            "sizing: {percent_of_equity: 50}",
            "sizing: at 50 % of equity each, cash is enough for 2 of the 10 positions",
        ),
        (
            "unsupported: [{what: trend lines, why: no definition}]",
            "not part of this spec: trend lines (no definition)",
        ),
    ],
)
def test_what_looks_like_a_mistake_is_pointed_out(more: str, warning: str) -> None:
    spec = parse_spec(f"spec_version: 1\nname: x\nentry: {{long: {{gt: [close, 5]}}}}\n{more}")
    assert any(each.startswith(warning) for each in describe(spec).warnings)


def test_indicators_of_a_coarser_timeframe_are_mentioned_in_the_warm_up() -> None:
    rules = describe(library_spec("dual_momentum")).rules
    assert any("indicators on month bars need as many of those" in rule for rule in rules)


@pytest.mark.parametrize("name", library_names())
def test_every_built_in_strategy_can_be_explained(name: str) -> None:
    meaning = describe(library_spec(name))
    assert meaning.combinations > 1
    assert all(rule.endswith(".") for rule in meaning.rules)
    assert not [
        warning for warning in meaning.warnings if warning.startswith(("params.", "indicators.", "exit"))
    ]
