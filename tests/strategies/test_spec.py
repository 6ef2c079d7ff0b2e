# ruff: noqa: E501 - documents and the messages about them stand side by side
"""Reading, writing, varying and refusing specs."""

import contextlib
import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest

from falcon_pipelines.strategies.documents import read_document
from falcon_pipelines.strategies.spec import (
    InvalidSpec,
    dump_json,
    dump_yaml,
    load_spec,
    open_params,
    param_grid,
    parse_spec,
    spec_hash,
    validate_spec,
)

FULL = """
spec_version: 1
name: everything
description: One of each.
source: {video: abc, url: "https://example.org/abc", channel: Someone, claims: [{text: wins 80 %, quote: eighty percent, start_seconds: 3.5}]}
universe: {tickers: [ON, NO, NA, TRUE, BRK.B]}
timeframe: day
params: {fast: {value: 20, values: [10, 20]}, stop: {value: 5, low: 2.5, high: 7.5, step: 2.5}}
indicators:
  - {id: fast, fn: sma, params: {period: $fast}}
  - {id: slow, fn: ema, source: fast, params: {period: 50}}
  - {id: m, fn: macd, source: {sub: [high, low]}}
entry:
  long:
    all:
      - {crosses_above: [fast, slow]}
      - {any: [{gt: [m.histogram, 0]}, {not: {lte: [{pct_change: [close, 5]}, -3]}}]}
      - {between: [{div: [close, {highest: [high, 20]}]}, 0.5, 1.5]}
      - {within_last: {bars: 5, of: {lt: [close, {lag: [{lowest: [low, 10]}, 1]}]}}}
  short: {for_n_bars: {bars: $fast, of: {lt: [close, {mul: [slow, 0.9]}]}}}
exit:
  signal: {long: {crosses_below: [fast, slow]}}
  stop: {percent: $stop}
  target: {r_multiple: 3}
  trailing: {percent: 10}
  breakeven: {r_multiple: 1}
  time_stop: {bars: 12}
  partial: [{at: {percent: 5}, fraction: 0.5}]
sizing: {risk_per_trade: 1.0}
execution: {fee_bps: 10, slippage_bps: 5, max_positions: 3, rank_by: {pct_change: [close, 20]}, rank_order: ascending, volume_share: 0.1}
provenance:
  entry.long: {state: stated, quote: when the fast crosses the slow, start_seconds: 12.5}
  indicators.fast.params.period: {state: inferred}
  indicators.m.params.slow: {state: default}
  exit.stop.percent: {state: default}
unsupported: [{what: trend lines, why: no definition, quote: draw a line}]
"""

SIMPLE = "spec_version: 1\nname: x\nentry: {long: {gt: [close, 5]}}\n"


def problems(text: str) -> list[str]:
    with pytest.raises(InvalidSpec) as caught:
        parse_spec(text)
    return list(caught.value.problems)


def with_rule(rule: str) -> str:
    return SIMPLE.replace("{gt: [close, 5]}", rule)


def test_every_field_survives_yaml_and_json() -> None:
    spec = parse_spec(FULL)
    assert parse_spec(dump_yaml(spec)) == spec
    assert parse_spec(dump_json(spec)) == spec
    assert json.loads(dump_json(spec))["universe"] == {"tickers": ["ON", "NO", "NA", "TRUE", "BRK.B"]}


def test_a_parameter_is_replaced_everywhere_by_the_chosen_value_or_its_default() -> None:
    spec = parse_spec(FULL)
    assert open_params(spec) == ["fast", "stop"]
    chosen = spec.with_params({"fast": 7})
    assert open_params(chosen) == []
    document = chosen.document()
    assert document["indicators"][0]["params"] == {"period": 7}
    assert document["entry"]["short"]["for_n_bars"]["bars"] == 7
    assert document["exit"]["stop"] == {"percent": 5}
    assert chosen.with_params() == chosen


def test_the_grid_has_every_combination_and_reaches_the_end_of_a_range() -> None:
    grid = param_grid(parse_spec(FULL))
    expected = [{"fast": f, "stop": s} for f in (10, 20) for s in (2.5, 5, 7.5)]
    assert list(grid) == expected == [grid[place] for place in range(len(grid))]
    assert grid[-2:] == tuple(expected[-2:])
    assert {"fast": 20, "stop": 5} in grid
    assert {"fast": 20, "stop": 6} not in grid
    assert list(param_grid(parse_spec(SIMPLE))) == [{}]


def test_a_grid_that_cannot_be_run_is_refused() -> None:
    huge = (
        SIMPLE
        + "params: "
        + json.dumps({name: {"value": 1, "low": 1, "high": 1000, "step": 1} for name in ("a", "b", "c")})
    )
    with pytest.raises(InvalidSpec, match="1,000,000,000 combinations"):
        param_grid(parse_spec(huge))


def test_the_hash_is_of_the_meaning_not_of_the_spelling() -> None:
    spelled = parse_spec(
        SIMPLE + "timeframe: day\nsizing: {percent_of_equity: 95.0}\nexecution: {fee_bps: 0}\n"
    )
    assert spec_hash(spelled) == spec_hash(parse_spec(SIMPLE))
    assert spec_hash(parse_spec(SIMPLE.replace("5", "6"))) != spec_hash(parse_spec(SIMPLE))
    assert len(spec_hash(spelled)) == 64


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (with_rule("{crosses_abov: [close, 5]}"), "entry.long: 'crosses_abov' is not a condition; did you mean 'crosses_above'?"),
        (with_rule("{all: [{gt: [close]}]}"), "entry.long.all.0.gt.1: missing"),
        (with_rule("{all: []}"), "entry.long.all: needs at least one condition"),
        (with_rule("{gt: [clos, 5]}"), "entry.long.gt.0: unknown operand 'clos'; did you mean 'close'?"),
        (with_rule("{gt: [close, true]}"), "entry.long.gt.1: True is not an operand"),
        (with_rule("{gt: [{lag: [close, 0]}, 1]}"), "entry.long.gt.0.lag.1: 0 is out of range; allowed: a whole number from 1 to 100,000"),
        (with_rule("{gt: [close, 5], lt: [close, 9]}"), "entry.long: a condition has exactly one key, this has 2 (gt, lt)"),
        (with_rule("{gt: [close, $x]}"), "entry.long.gt.1: unknown parameter '$x'"),
        (SIMPLE + "exit: {stp: {percent: 3}}", "exit.stp: unknown key; did you mean 'stop'?; allowed: signal, stop"),
        (SIMPLE + "exit: {stop: {percent: 100}}", "exit.stop.percent: 100 is out of range; allowed: a number above 0 and below 100"),
        (SIMPLE + "exit: {stop: {atr: {multiple: 0}}}", "exit.stop.atr.multiple: 0 is out of range"),
        (SIMPLE + "exit: {target: {r_multiple: 2}}", "exit.target.r_multiple: R is the distance to the stop: needs exit.stop or exit.trailing"),
        (SIMPLE + "sizing: {risk_per_trade: 1}", "sizing.risk_per_trade: risk is the distance to the stop: needs exit.stop or exit.trailing"),
        (SIMPLE + "exit: {partial: [{at: {percent: 5}, fraction: 0.7}, {at: {percent: 9}, fraction: 0.7}]}", "exit.partial: the fractions add up to 1.4"),
        (SIMPLE + "exit: {signal: {long: {gt: [close, x]}}}", "exit.signal.long.gt.1: unknown operand 'x'"),
        (SIMPLE + "timeframe: 1d", "timeframe: '1d' is not allowed; allowed: day, 1m, 5m, 15m, 30m, 1h"),
        (SIMPLE + "indicators: [{id: r, fn: rsii}]", "indicators.r.fn: unknown indicator 'rsii'; did you mean 'rsi'?"),
        (SIMPLE + "indicators: [{id: r, fn: sma, params: {perid: 3}}]", "indicators.r.params.perid: sma has no such parameter; did you mean 'period'?"),
        (SIMPLE + "indicators: [{id: r, fn: sma}]", "indicators.r.params.period: missing; sma needs a whole number from 1 to 10,000"),
        (SIMPLE + "indicators: [{id: r, fn: rsi, params: {period: 0}}]", "indicators.r.params.period: 0 is out of range"),
        (SIMPLE + "indicators: [{id: a, fn: atr, source: close}]", "indicators.a.source: atr is computed from high, low, close; it takes no source"),
        (SIMPLE + "indicators: [{id: close, fn: rsi}]", "indicators.close.id: 'close' is a bar field"),
        (SIMPLE + "indicators: [{id: a, fn: rsi, source: b}, {id: b, fn: rsi}]", "indicators.a.source: unknown operand 'b'"),
        (SIMPLE + "params: {n: {value: 5, values: [0, 5]}}\nindicators: [{id: s, fn: sma, params: {period: $n}}]", "indicators.s.params.period: with $n = 0: 0 is out of range"),
        (SIMPLE + "params: {n: {value: 5, low: 1}}", "params.n: a range needs low, high and step"),
        (SIMPLE + "provenance: {entry.lon: {state: inferred}}", "provenance.entry.lon: the spec has no such field"),
        (SIMPLE + "provenance: {entry.long: {state: stated}}", "provenance.entry.long: what is stated needs its quote"),
        ("spec_version: 1\nname: x\nentry: {}", "entry: needs long, short or both"),
        ("spec_version: 2\nname: x\nentry: {long: {gt: [close, 5]}}", "spec_version: 2 is not allowed; allowed: 1"),
        ("{}", "name: missing"),
        (SIMPLE.replace("name: x", "name: My Cross-2"), "name: 'My Cross-2' must be lower-case letters, digits and underscores, a letter first; for example 'my_cross_2'"),
        (SIMPLE + "universe: {tickers: [SPY, ON, SPY]}", "universe.tickers: SPY is listed twice"),
        (SIMPLE + "universe: {tickers: []}", "universe.tickers: "),
        ("- 1", "must be an object"),
        ("a: [", "line 1, not valid YAML"),
        (SIMPLE + "name: y", "line 4: the key 'name' appears twice"),
        ("a: &x 1\nb: *x", "line 2: aliases (*name) are not allowed"),
        ('{"spec_version": 1, "spec_version": 1}', "the key 'spec_version' appears twice"),
        ('{"spec_version": NaN}', "NaN is not a number that a spec may hold"),
        ("a: " + "[" * 5000, "nested too deeply"),
        ("a: !!python/object:os.system x", "line 1: tags (tag:yaml.org,2002:python/object:os.system) are not allowed"),
        (SIMPLE + "params: {n: {value: x}}", "params.n.value: 'x' is not a number"),
        (SIMPLE + "params: {n: {value: 1, low: 1, high: 5, step: 0}}", "params.n: step 0 must be above zero"),
    ],
)  # fmt: skip
def test_a_problem_names_the_path_and_what_is_allowed(text: str, expected: str) -> None:
    assert any(problem.startswith(expected) for problem in problems(text)), problems(text)


def test_all_problems_are_reported_at_once() -> None:
    text = (
        with_rule("{gt: [rsi, x]}") + "indicators: [{id: rsi, fn: rsii}, {id: m, fn: macd, params: {fst: 1}}]"
    )
    assert len(problems(text)) == 4


def test_an_output_must_be_said_where_there_are_several() -> None:
    text = with_rule("{gt: [m, 0]}") + "indicators: [{id: m, fn: macd}]"
    assert problems(text) == [
        "entry.long.gt.0: 'm' has several outputs; say which: m.line, m.signal, m.histogram"
    ]
    text = with_rule("{gt: [m.sgnal, 0]}") + "indicators: [{id: m, fn: macd}]"
    assert "did you mean 'signal'?" in problems(text)[0]


def test_the_message_names_the_file(tmp_path: Path) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text("spec_version: 1\nname: x")
    with pytest.raises(InvalidSpec) as caught:
        load_spec(path)
    assert str(caught.value) == f"{path}: entry: missing"
    with pytest.raises(InvalidSpec, match="no such file"):
        load_spec(tmp_path / "absent.yaml")


def test_an_unknown_parameter_is_refused_by_name() -> None:
    with pytest.raises(InvalidSpec, match=r"params.fst: unknown parameter; did you mean 'fast'\?"):
        parse_spec(FULL).with_params({"fst": 3})
    with pytest.raises(InvalidSpec, match=r"exit.stop.percent: 200 is out of range"):
        parse_spec(FULL).with_params({"stop": 200})


JUNK: list[Any] = [
    *(
        None,
        True,
        0,
        -1,
        1.5,
        1e300,
        float("nan"),
        float("inf"),
        10**30,
        "",
        "$x",
        "$fast",
        "close",
        "m",
        "m.signal",
    ),
    *(
        "a b",
        "day",
        "week",
        "x" * 500,
        [],
        {},
        [1],
        [[]],
        {"a": 1},
        {1: 2},
        {"long": {}},
        {"gt": ["close", 1]},
    ),
    *({"lag": ["close", 1]}, {"lag": []}, {"lag": 5}, {"gt": []}, {"all": []}, {"percent": 5}, {"atr": {}}),
    *({"r_multiple": "$fast"}, {"indicator": "m"}, {"tickers": []}, {"value": 3}, {"not": {"not": 5}}),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, item in items for place in places(item, (*path, key)))]


@pytest.mark.parametrize("seed", range(4))
def test_any_document_is_either_a_spec_that_reads_back_or_refused_in_lines(seed: int) -> None:
    original = read_document(FULL)
    everywhere = places(original)[1:]
    draw = random.Random(seed)
    refused, messages = 0, []
    for _ in range(150):
        document = copy.deepcopy(original)
        for _ in range(draw.choice([1, 1, 2])):
            *way, last = draw.choice(everywhere)
            inner = document
            with contextlib.suppress(KeyError, IndexError, TypeError):
                for key in way:
                    inner = inner[key]
                if draw.random() < 0.1:
                    del inner[last]
                else:
                    inner[last] = copy.deepcopy(draw.choice(JUNK))
        try:
            spec = validate_spec(document)
        except InvalidSpec as error:
            messages += error.problems
            refused += 1
        else:
            again = parse_spec(dump_yaml(spec))
            assert again == spec == parse_spec(dump_json(spec))
            assert spec_hash(again) == spec_hash(spec)
    assert 50 < refused < 150
    assert len(messages) >= refused
    assert not [message for message in messages if "\n" in message]


def test_nesting_has_an_end() -> None:
    deep = '{"not": ' * 100 + '{"gt": ["close", 1]}' + "}" * 100
    with pytest.raises(InvalidSpec, match="nested more than 60 levels deep"):
        parse_spec(f'{{"spec_version": 1, "name": "x", "entry": {{"long": {deep}}}}}')


def test_a_byte_order_mark_is_no_part_of_a_document() -> None:
    assert parse_spec("\ufeff" + SIMPLE) == parse_spec(SIMPLE)
