"""Statistics of an equity curve and its trades, each with the definition that is printed beside it."""

from dataclasses import asdict, dataclass

import numpy as np
from numpy.typing import NDArray

from falcon_pipelines.backtesting.accounting import AccountHistory

SESSIONS_PER_YEAR = 252

DEFINITIONS = {
    "total_return": "final equity / initial cash - 1",
    "cagr": "(final / initial) ^ (1 / years) - 1, years = calendar days from the first to the last bar / 365.25",
    "volatility": "standard deviation (ddof 1) of bar returns x sqrt(bars per year); 252 sessions a year",
    "sharpe": "mean / standard deviation (ddof 1) of bar returns x sqrt(bars per year), risk-free rate 0 (Sharpe 1994)",
    "sortino": "mean of bar returns / root mean square of the negative ones over all bars x sqrt(bars per year)",
    "max_drawdown": "lowest equity / highest earlier equity - 1",
    "max_drawdown_bars": "most bars in a row below an earlier high",
    "calmar": "cagr / |max_drawdown|",
    "exposure": "share of bars with a position held at any time in the bar",
    "average_gross": "mean of gross position value / equity at the close",
    "win_rate": "share of closed trades with a profit after costs",
    "profit_factor": "sum of profits / sum of losses of closed trades",
    "average_trade": "mean profit of closed trades after costs, dollars",
    "average_trade_pct": "mean of profit / entry value of closed trades, percent",
    "best_trade_pct": "highest profit / entry value, percent",
    "worst_trade_pct": "lowest profit / entry value, percent",
    "average_bars_held": "mean number of bars from entry to exit",
    "turnover": "value traded / mean equity / years",
    "fees": "sum of fees, dollars",
    "skewness": "third standardised moment of bar returns",
    "kurtosis": "fourth standardised moment of bar returns (normal: 3)",
}


@dataclass(frozen=True)
class Statistics:
    """Figures of one equity curve, as fractions unless the name says percent, bars or dollars; NaN = undefined.

    `DEFINITIONS` holds the definition of each.
    """

    total_return: float
    cagr: float
    volatility: float
    sharpe: float
    sortino: float
    max_drawdown: float
    max_drawdown_bars: int
    calmar: float
    exposure: float
    average_gross: float
    win_rate: float
    profit_factor: float
    average_trade: float
    average_trade_pct: float
    best_trade_pct: float
    worst_trade_pct: float
    average_bars_held: float
    turnover: float
    fees: float
    skewness: float
    kurtosis: float

    def as_dict(self) -> dict[str, float]:
        """Name to value, in the order of DEFINITIONS."""
        return asdict(self)


def bars_per_year(timestamps: NDArray[np.datetime64]) -> float:
    """252 for day bars; for shorter ones 252 x the median number of bars in a UTC date (a US session lies in one)."""
    _, counts = np.unique(timestamps.astype("datetime64[D]"), return_counts=True)
    return SESSIONS_PER_YEAR * float(np.median(counts)) if len(counts) else SESSIONS_PER_YEAR


def bar_returns(equity: NDArray[np.float64], initial_cash: float) -> NDArray[np.float64]:
    """Simple returns from close to close, the first from the initial cash; 0 after ruin. (T,) to (T,)."""
    before = np.concatenate([[initial_cash], equity[:-1]])
    return np.where(before > 0, equity / np.where(before > 0, before, 1.0) - 1.0, 0.0)


def excess_at_equal_risk(returns: NDArray[np.float64], benchmark: NDArray[np.float64]) -> NDArray[np.float64]:
    """Bar returns held at the benchmark's volatility, minus the benchmark's. (T,) or (K, T) and (T,).

    The mean, annualised, is the M2 excess of Modigliani and Modigliani (1997): the difference of Sharpe ratios
    times the benchmark's volatility. A strategy that never moves counts as cash.
    """
    own = np.std(returns, axis=-1, keepdims=True)
    scale = np.where(own > 1e-15, float(np.std(benchmark)) / np.maximum(own, 1e-15), 0.0)
    return returns * scale - benchmark


def sharpe_ratio(returns: NDArray[np.float64], periods_per_year: float) -> float:
    """Annualised Sharpe ratio of bar returns with risk-free rate 0; NaN where they do not vary."""
    if len(returns) < 2:
        return float("nan")
    deviation = float(np.std(returns, ddof=1))
    return float(np.mean(returns)) / deviation * periods_per_year**0.5 if deviation > 1e-15 else float("nan")


def drawdown(equity: NDArray[np.float64], initial_cash: float) -> NDArray[np.float64]:
    """Equity relative to its highest value so far (the initial cash included), 0 or below. (T,) to (T,)."""
    return equity / np.maximum(np.maximum.accumulate(equity), initial_cash) - 1.0


def years_between(timestamps: NDArray[np.datetime64]) -> float:
    """Calendar years from the first to the last bar."""
    if len(timestamps) < 2:
        return 0.0
    return float((timestamps[-1] - timestamps[0]) / np.timedelta64(1, "s")) / (365.25 * 86_400)


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


def _longest_run(flags: NDArray[np.bool_]) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(np.int8)))
    return int((edges[1::2] - edges[::2]).max()) if len(edges) else 0


def statistics(
    timestamps: NDArray[np.datetime64],
    account: AccountHistory,
    orders: NDArray[np.void],
    trades: NDArray[np.void],
    initial_cash: float,
) -> Statistics:
    """All figures of one backtest over T bars; `orders` are its fills, `trades` matched ones
    (dtype `tallies.TRADE`)."""
    equity = account.equity
    per_year = bars_per_year(timestamps)
    returns = bar_returns(equity, initial_cash)
    years = years_between(timestamps)
    growth = float(equity[-1]) / initial_cash
    cagr = growth ** (1 / years) - 1 if years > 0 and growth > 0 else (-1.0 if growth <= 0 else float("nan"))
    falls = drawdown(equity, initial_cash)
    downside = float(np.sqrt(np.mean(np.minimum(returns, 0.0) ** 2)))
    deviation = float(np.std(returns))
    centred = returns - returns.mean()
    pnl = trades["pnl"]
    pct = 100.0 * pnl / (trades["quantity"] * trades["entry_price"])
    some = len(trades) > 0
    nan = float("nan")
    traded = float(np.sum(np.abs(orders["size"]) * orders["price"]))
    return Statistics(
        total_return=growth - 1,
        cagr=cagr,
        volatility=float(np.std(returns, ddof=1)) * per_year**0.5 if len(returns) > 1 else nan,
        sharpe=sharpe_ratio(returns, per_year),
        sortino=_ratio(float(returns.mean()), downside) * per_year**0.5,
        max_drawdown=float(falls.min()),
        max_drawdown_bars=_longest_run(falls < 0),
        calmar=_ratio(cagr, abs(float(falls.min()))),
        exposure=float(np.mean(account.held)),
        average_gross=float(np.mean(account.gross / np.where(equity > 0, equity, np.inf))),
        win_rate=float(np.mean(pnl > 0)) if some else nan,
        profit_factor=_ratio(float(pnl[pnl > 0].sum()), -float(pnl[pnl < 0].sum())) if some else nan,
        average_trade=float(pnl.mean()) if some else nan,
        average_trade_pct=float(pct.mean()) if some else nan,
        best_trade_pct=float(pct.max()) if some else nan,
        worst_trade_pct=float(pct.min()) if some else nan,
        average_bars_held=float(np.mean(trades["exit_bar"] - trades["entry_bar"])) if some else nan,
        turnover=_ratio(_ratio(traded, float(equity.mean())), years),
        fees=float(orders["fee"].sum()),
        skewness=_ratio(float(np.mean(centred**3)), deviation**3),
        kurtosis=_ratio(float(np.mean(centred**4)), deviation**4),
    )
