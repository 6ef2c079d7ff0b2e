"""What a call costs: a dated table of list prices, and the most that a call of unknown price may cost."""

from datetime import date
from decimal import Decimal
from urllib.parse import urlsplit

from falcon_pipelines.llm.replies import Usage
from falcon_pipelines.settings import LlmProvider

# Written down on 2026-11-23 without access to the providers' price pages: where it matters, give a provider its
# `input_usd_per_million` and `output_usd_per_million` in the settings; they go before this table.
# US dollars per million tokens (input, output), in force from the date on; a name also stands for dated builds
# of the same model ("gpt-4o-mini-2024-07-18").
PRICES: tuple[tuple[str, date, Decimal, Decimal], ...] = (
    ("gpt-4o", date(2024, 10, 1), Decimal("2.50"), Decimal("10.00")),
    ("gpt-4o-mini", date(2024, 7, 18), Decimal("0.15"), Decimal("0.60")),
    ("gpt-4.1", date(2025, 4, 14), Decimal("2.00"), Decimal("8.00")),
    ("gpt-4.1-mini", date(2025, 4, 14), Decimal("0.40"), Decimal("1.60")),
    ("gpt-4.1-nano", date(2025, 4, 14), Decimal("0.10"), Decimal("0.40")),
    ("gpt-5", date(2025, 8, 7), Decimal("1.25"), Decimal("10.00")),
    ("gpt-5-mini", date(2025, 8, 7), Decimal("0.25"), Decimal("2.00")),
    ("gpt-5-nano", date(2025, 8, 7), Decimal("0.05"), Decimal("0.40")),
    ("claude-sonnet-4-5", date(2025, 9, 29), Decimal("3.00"), Decimal("15.00")),
    ("claude-haiku-4-5", date(2025, 10, 15), Decimal("1.00"), Decimal("5.00")),
    ("sonar", date(2025, 1, 21), Decimal("1.00"), Decimal("1.00")),
    ("sonar-pro", date(2025, 1, 21), Decimal("3.00"), Decimal("15.00")),
)
UNKNOWN_PRICE = (Decimal(15), Decimal(75))
"""Reserved against budgets, per million tokens, where no price is known."""
_LOCAL = ("localhost", "127.0.0.1", "::1")
_MILLION = Decimal(1_000_000)


def price(provider: LlmProvider, model: str, day: date) -> tuple[Decimal, Decimal] | None:
    """US dollars per million input and output tokens of a model on a day; None where it is not known.

    A price in the settings goes first; a server on this machine costs nothing.
    """
    if provider.input_usd_per_million is not None and provider.output_usd_per_million is not None:
        return provider.input_usd_per_million, provider.output_usd_per_million
    if urlsplit(provider.base_url).hostname in _LOCAL:
        return Decimal(0), Decimal(0)
    known = [
        (len(name), since, paid, earned)
        for name, since, paid, earned in PRICES
        if since <= day and (model == name or model.startswith(f"{name}-2"))
    ]
    if not known:
        return None
    _, _, paid, earned = max(known)
    return paid, earned


def cost(provider: LlmProvider, model: str, usage: Usage, day: date) -> Decimal | None:
    """US dollars of one call; None where usage or price is unknown."""
    known = price(provider, model, day)
    if known == (Decimal(0), Decimal(0)):
        return Decimal(0)
    if known is None or usage.prompt_tokens is None or usage.completion_tokens is None:
        return None
    return (known[0] * usage.prompt_tokens + known[1] * usage.completion_tokens) / _MILLION


def most_it_can_cost(provider: LlmProvider, prompt_characters: int, max_tokens: int, day: date) -> Decimal:
    """US dollars if every character were a token and the reply as long as allowed."""
    paid, earned = price(provider, provider.model, day) or UNKNOWN_PRICE
    return (paid * prompt_characters + earned * max_tokens) / _MILLION
