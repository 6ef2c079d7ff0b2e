"""The configured chain of language models, as Dagster sees it."""

from typing import TYPE_CHECKING

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.resources.database import Database

if TYPE_CHECKING:
    from falcon_pipelines.llm.client import LlmClient


class LanguageModels(dg.ConfigurableResource):
    """A client whose calls and answers are kept in the application database."""

    database: dg.ResourceDependency[Database]

    def client(self, run_id: str) -> "LlmClient | None":
        """A client that spends the budget of the run `run_id`; None where no model is configured."""
        configured = settings.load()
        if not configured.llm_providers:
            return None
        from falcon_pipelines.llm.client import Budget, LlmClient
        from falcon_pipelines.llm.store import PostgresStore

        return LlmClient(
            configured.llm_providers,
            PostgresStore(self.database.engine),
            Budget(configured.llm_run_budget_usd, configured.llm_monthly_budget_usd),
            configured.llm_deadline_seconds,
            run_id,
        )
