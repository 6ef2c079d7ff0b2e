"""Claims beside measurements, other assumptions, and the tearsheet as a person opens it."""

import re
from html.parser import HTMLParser

import pytest

from falcon_pipelines.backtesting.claims import check_claims
from falcon_pipelines.backtesting.evidence import gather
from falcon_pipelines.backtesting.run import run_backtest
from falcon_pipelines.backtesting.sensitivity import cost_sensitivity, fill_sensitivity, regimes
from falcon_pipelines.backtesting.statistics import DEFINITIONS
from falcon_pipelines.backtesting.tearsheet import tearsheet
from falcon_pipelines.backtesting.verdict import judge
from falcon_pipelines.strategies.signals import compute_signals
from falcon_pipelines.strategies.spec import parse_spec
from tests.backtesting.specs import EDGE
from tests.backtesting.test_verdict import planted

CLAIMED = (
    EDGE
    + """
source:
  video: abc
  claims:
    - {text: "a win rate of 73 percent"}
    - {text: "it made 25% a year", quote: "twenty five percent", start_seconds: 12.5}
    - {text: "never more than 8% drawdown"}
    - {text: "profit factor of 2.1"}
    - {text: "the best strategy ever </script><b>"}
"""
)


def test_a_claimed_figure_stands_beside_the_measured_one():
    spec = parse_spec(CLAIMED)
    result = run_backtest(spec.with_params(), planted(1, edge=0.004), fee_bps=2)
    found = check_claims(spec, result)
    assert [(check.statistic, check.claimed) for check in found] == [
        ("win_rate", 0.73),
        ("cagr", 0.25),
        ("max_drawdown", -0.08),
        ("profit_factor", 2.1),
        (None, None),
    ]
    assert found[1].measured == result.stats.cagr
    assert found[1].start_seconds == 12.5
    assert found[4].measured is None


def test_higher_costs_never_help_and_fills_are_ordered():
    spec = parse_spec(
        EDGE.replace("exit: {", "exit: {stop: {percent: 1}, target: {percent: 1}, ")
    ).with_params()
    panel = planted(2, edge=0.004)
    signals = compute_signals(spec, panel)
    result = run_backtest(spec, panel, signals=signals, slippage_bps=2)
    returns = [variant.total_return for variant in cost_sensitivity(result, signals)]
    assert returns == sorted(returns, reverse=True)
    optimistic, pessimistic = fill_sensitivity(result, signals)
    assert optimistic.total_return > result.stats.total_return > pessimistic.total_return


def test_regimes_split_the_bars_by_what_was_known_before():
    result = run_backtest(parse_spec(EDGE).with_params(), planted(1, edge=0.004))
    found = {regime.name: regime for regime in regimes(result)}
    assert set(found) == {"rising", "falling", "calm", "volatile"}
    assert found["rising"].bars + found["falling"].bars == 2_500 - 200


class _Page(HTMLParser):
    """What a browser would fetch, and the text a person reads."""

    def __init__(self) -> None:
        super().__init__()
        self.fetched: list[str] = []
        self.text = ""
        self._hidden = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._hidden = tag in ("script", "style")
        self.fetched += [value or "" for name, value in attrs if name in ("src", "href")]

    def handle_endtag(self, tag: str) -> None:
        self._hidden = False

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            self.text += data


@pytest.fixture(scope="module")
def page() -> tuple[str, _Page]:
    spec, panel = parse_spec(CLAIMED), planted(1, edge=0.01, bars=900)
    result, evidence = gather(spec, panel, fee_bps=2)
    html = tearsheet(spec, result, evidence, judge(result, evidence))
    parsed = _Page()
    parsed.feed(html)
    return html, parsed


def test_the_tearsheet_needs_nothing_but_itself(page: tuple[str, _Page]) -> None:
    assert page[1].fetched == []


def test_the_tearsheet_shows_charts_tables_definitions_and_the_verdict(page: tuple[str, _Page]) -> None:
    html, parsed = page
    charts = re.findall(r'<figure id="chart\d+" role="img" aria-label="([^"]+)"', html)
    assert charts[:2] == ["Equity against buy-and-hold", "Drawdown"]
    assert charts[2].startswith("EDGE: ")
    assert charts[3:] == ["Sweep: Sharpe ratio by parameter"]
    for definition in DEFINITIONS.values():
        assert definition in parsed.text
    for title in (
        "Why",
        "Claimed and measured",
        "Return by month",
        "Closed trades",
        "Walk-forward, anchored",
    ):
        assert title in parsed.text
    assert "synthetic bars" in parsed.text
    assert "seed 0" in parsed.text


def test_words_of_a_spec_cannot_become_markup(page: tuple[str, _Page]) -> None:
    assert "<b>" not in page[0].split("</script>", 1)[1].split("<script>")[0]
    assert "the best strategy ever </script><b>" in page[1].text


def test_the_same_run_gives_the_same_tearsheet_to_the_byte() -> None:
    spec, panel = parse_spec(EDGE), planted(1, edge=0.01, bars=600)
    first, second = (tearsheet(spec, run_backtest(spec.with_params(), panel)) for _ in range(2))
    assert first == second
