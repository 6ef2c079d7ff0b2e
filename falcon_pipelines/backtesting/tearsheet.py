"""A backtest as one HTML file that needs nothing else: charts, tables, and the definition of every figure."""

from pathlib import Path
from typing import TYPE_CHECKING

from falcon_pipelines.backtesting.claims import check_claims
from falcon_pipelines.backtesting.reproduction import provenance
from falcon_pipelines.backtesting.run import BacktestResult
from falcon_pipelines.backtesting.tearsheet_charts import (
    Chart,
    drawdown_chart,
    equity_chart,
    heatmap,
    price_charts,
)
from falcon_pipelines.backtesting.tearsheet_tables import (
    claims_table,
    evidence_tables,
    months_table,
    statistics_table,
    trades_table,
    verdict_table,
)

if TYPE_CHECKING:
    from falcon_pipelines.backtesting.evidence import Evidence
    from falcon_pipelines.backtesting.verdict import Verdict
    from falcon_pipelines.strategies.spec import Spec

TEMPLATE = Path(__file__).parent / "templates" / "tearsheet.html"


def tearsheet(
    spec: "Spec",
    result: BacktestResult,
    evidence: "Evidence | None" = None,
    judged: "Verdict | None" = None,
    *,
    seed: int = 0,
) -> str:
    """The HTML of one backtest; with evidence and verdict, their tables and the heatmap of the sweep too."""
    from jinja2 import Environment
    from markupsafe import Markup
    from plotly.offline import get_plotlyjs

    panel = result.panel
    charts = [equity_chart(result), drawdown_chart(result), *price_charts(result)]
    tables = [statistics_table(result), months_table(result), trades_table(result)]
    if evidence is not None:
        swept = heatmap(evidence)
        charts += [swept] if swept else []
        tables = [*evidence_tables(evidence), *tables]
    if judged is not None:
        tables.insert(0, verdict_table(judged))
    claims = check_claims(spec, result)
    if claims:
        tables.insert(1 if judged else 0, claims_table(claims))
    template = Environment(autoescape=True).from_string(TEMPLATE.read_text(encoding="utf-8"))
    names = ", ".join(panel.tickers[:8]) + (
        f" and {len(panel.tickers) - 8} more" if len(panel.tickers) > 8 else ""
    )
    return template.render(
        spec=spec,
        result=result,
        judged=judged,
        summary=(
            f"${result.initial_cash:,.0f} became ${result.final_equity:,.0f}; buy-and-hold "
            f"${result.benchmark.final_equity:,.0f}. {len(result.trades):,} closed trades, "
            f"{len(result.open_trades)} open."
        ),
        tickers=names,
        first=str(panel.timestamps[0])[:10],
        last=str(panel.timestamps[-1])[:10],
        charts=[
            Chart(chart.title, Markup(chart.data), Markup(chart.layout), chart.note)  # noqa: S704 - our own JSON
            for chart in charts
        ],
        tables=tables,
        run=provenance(spec, panel.version, seed),
        plotly_js=Markup(get_plotlyjs()),  # noqa: S704 - the library itself
    )
