"""What a claim in a source says in figures."""

import pytest

from falcon_pipelines.backtesting.claims import check_claims
from falcon_pipelines.backtesting.run import BacktestResult, run_backtest
from falcon_pipelines.strategies.spec import parse_spec
from tests.backtesting.specs import EDGE
from tests.backtesting.test_verdict import planted

CLAIMED = (
    EDGE
    + """
source:
  video: abc
  claims: [{text: "TEXT"}]
"""
)


@pytest.fixture(scope="module")
def result() -> BacktestResult:
    return run_backtest(parse_spec(EDGE).with_params(), planted(1, edge=0.004))


def claimed(text: str, result: BacktestResult) -> tuple[str | None, float | None]:
    (check,) = check_claims(parse_spec(CLAIMED.replace("TEXT", text)), result)
    assert (check.measured is None) == (check.statistic is None)
    return check.statistic, check.claimed


@pytest.mark.parametrize(
    ("text", "statistic", "figure"),
    [
        ("a win rate of sixty five percent over two hundred trades", "win_rate", 0.65),
        ("over 100 trades the win rate was 65 percent", "win_rate", 0.65),
        ("a win rate of 65", "win_rate", 0.65),
        ("it returned twenty three point five percent per year", "cagr", 0.235),
        ("made 1,250% since 2003", "total_return", 12.5),
        ("a profit factor of 1.8 over 200 trades", "profit_factor", 1.8),
        ("the drawdown was 20%", "max_drawdown", -0.2),
        ("it took three hundred and fourteen trades", "closed_trades", 314.0),
        ("average gain per trade is 0.8%", "average_trade_pct", 0.8),
    ],
)
def test_a_claim_is_read_in_digits_or_words_by_the_number_beside_it(
    text: str, statistic: str, figure: float, result: BacktestResult
) -> None:
    assert claimed(text, result) == (statistic, pytest.approx(figure))


@pytest.mark.parametrize(
    "text",
    ["it works great", "it grew 10,000 dollars into 50,000", "it wins two thirds of the trades"],
)
def test_what_names_no_figure_of_ours_claims_none(text: str, result: BacktestResult) -> None:
    assert claimed(text, result) == (None, None)
