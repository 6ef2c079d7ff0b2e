"""What language models cost this month, beside what they may."""

from datetime import datetime
from decimal import Decimal

from falcon_pipelines.dashboard.queries.operations import Spend
from falcon_pipelines.dashboard.surroundings import surroundings
from falcon_pipelines.dashboard.values import Dollars, Value


class Spending(Value):
    """The month's spending and budgets."""

    since: datetime
    monthly_budget: Dollars
    run_budget: Dollars
    spent: Dollars
    purposes: list[Spend]


def spending(since: datetime, purposes: list[Spend]) -> Spending:
    """The month's spending beside the budgets of this process's settings."""
    known = surroundings()
    return Spending(
        since=since,
        monthly_budget=known.llm_monthly_budget_usd,
        run_budget=known.llm_run_budget_usd,
        spent=sum((purpose.most for purpose in purposes), Decimal(0)),
        purposes=purposes,
    )
