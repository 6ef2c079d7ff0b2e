"""The language model client of one screen: the profile's chain and budget within the settings' limits."""

from sqlalchemy import Engine

from falcon_pipelines.llm.client import Budget, LlmClient
from falcon_pipelines.llm.store import PostgresStore
from falcon_pipelines.profiles.schema import Profile
from falcon_pipelines.settings import Settings


def judging_client(profile: Profile, settings: Settings, engine: Engine) -> LlmClient | None:
    """The client to judge this profile's finalists with; None where none is configured or wanted.

    A chain naming a provider that is not configured gives a client without it; with none left, asking ends in
    `no_provider` and the factor ranking stands.
    """
    if not profile.llm.enabled or not settings.llm_providers:
        return None
    chain = profile.llm.chain
    providers = {provider.name: provider for provider in settings.llm_providers}
    chosen = (
        tuple(providers.values()) if chain is None else tuple(providers[n] for n in chain if n in providers)
    )
    budget = Budget(min(profile.llm.budget_usd, settings.llm_run_budget_usd), settings.llm_monthly_budget_usd)
    return LlmClient(chosen, PostgresStore(engine), budget, settings.llm_deadline_seconds)
