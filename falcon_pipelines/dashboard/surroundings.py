"""What the pages need to know that is in the settings and not in the database."""

from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from pathlib import Path

from falcon_pipelines import settings


@dataclass(frozen=True)
class Surroundings:
    """Where a browser reaches the Dagster UI, how much language models may cost, what accounts are compared with,
    and where the watch on this node keeps what it sees."""

    dagster_url: str
    llm_monthly_budget_usd: Decimal
    llm_run_budget_usd: Decimal
    benchmark: str
    outages_file: Path | None


@cache
def surroundings() -> Surroundings:
    """Those of this process; read once. Raises InvalidSettings."""
    configured = settings.load()
    return Surroundings(
        dagster_url=configured.dagster_url or f"http://{configured.host}:{configured.dagster_port}",
        llm_monthly_budget_usd=configured.llm_monthly_budget_usd,
        llm_run_budget_usd=configured.llm_run_budget_usd,
        benchmark=configured.benchmark,
        outages_file=configured.outages_file,
    )
