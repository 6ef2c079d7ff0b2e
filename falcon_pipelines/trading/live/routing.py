"""The routing file: which strategy trades a candidate, by rules over what is known of the ticker, and the limits. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from falcon_pipelines.errors import InputError
from falcon_pipelines.trading.orders import Sizing, SizingRule
from falcon_pipelines.trading.risk import Limits

Positive = Annotated[float, Field(gt=0)]
Percent = Annotated[float, Field(gt=0, le=100)]
Count = Annotated[int, Field(gt=0)]


class InvalidRouting(InputError):
    """A routing file that cannot be used: which file, which field, what is wrong."""


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class TickerFacts:
    """What is known of a ticker; None is not known.

    `price` and `market_cap` are in dollars, `volatility` is annualised (0.3 is 30 %).
    """

    price: float
    volatility: float | None = None
    etf: bool | None = None
    market_cap: float | None = None
    sector: str | None = None


class When(_Model):
    """Conditions that must all hold; none holds always."""

    etf: bool | None = None
    price_below: Positive | None = None
    price_above: Positive | None = None
    volatility_above: Positive | None = None
    volatility_below: Positive | None = None
    market_cap_above: Positive | None = None
    market_cap_below: Positive | None = None
    sector: tuple[str, ...] = ()

    def fits(self, facts: TickerFacts) -> bool | str:
        """Whether the conditions hold; the name of what is missing where that decides it.

        A condition that fails settles the matter, whatever else is not known.
        """
        answers: list[tuple[str, bool | None]] = []
        if self.etf is not None:
            answers.append(("whether it is an ETF", None if facts.etf is None else facts.etf == self.etf))
        for name, bound, value, above in (
            ("price", self.price_below, facts.price, False),
            ("price", self.price_above, facts.price, True),
            ("volatility", self.volatility_above, facts.volatility, True),
            ("volatility", self.volatility_below, facts.volatility, False),
            ("market capitalisation", self.market_cap_above, facts.market_cap, True),
            ("market capitalisation", self.market_cap_below, facts.market_cap, False),
        ):
            if bound is not None:
                known = None if value is None else (value > bound if above else value < bound)
                answers.append((name, known))
        if self.sector:
            answers.append(("sector", None if facts.sector is None else facts.sector in self.sector))
        if any(answer is False for _, answer in answers):
            return False
        return next((name for name, answer in answers if answer is None), True)


class Rule(_Model):
    """The candidates that fit go to `strategy`."""

    name: str
    when: When = When()
    strategy: str
    if_unknown: Literal["skip", "next"] = "skip"


class RouteSizing(_Model):
    """One sizing rule, in percent (or shares)."""

    percent_of_equity: Annotated[float, Field(gt=0, le=100)] | None = None
    risk_per_trade: Annotated[float, Field(gt=0, le=100)] | None = None
    volatility_target: Positive | None = None
    fixed_shares: Annotated[int, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _one(self) -> "RouteSizing":
        if len(self.model_fields_set) != 1:
            raise ValueError(f"give exactly one of {', '.join(type(self).model_fields)}")
        return self

    def sizing(self, volatility: float | None) -> Sizing:
        """The sizing of an order."""
        (name,) = self.model_fields_set
        rule: SizingRule = name  # type: ignore[assignment]
        return Sizing(rule, float(getattr(self, name)), volatility)


class RouteStrategy(_Model):
    """How much of a candidate is bought, and how it is left beside its own stop and target."""

    sizing: RouteSizing
    trail_percent: Annotated[float, Field(gt=0, lt=100)] | None = None
    max_sessions: Annotated[int, Field(gt=0)] | None = None


class EntryRules(_Model):
    """What a candidate must be to be bought."""

    max_age_hours: Positive = 24.0
    min_stop_percent: Annotated[float, Field(ge=0, lt=100)] = 1.0
    min_confidence: Annotated[float, Field(ge=0, le=1)] = 0.5


class RiskLimits(_Model):
    """What no live account may exceed; null is no limit. Percentages are of equity, losses of what it was."""

    max_positions: Count | None = 10
    cash_percent: Percent | None = 95.0
    strategy_percent: Percent | None = 50.0
    sector_percent: Percent | None = 30.0
    daily_loss_percent: Percent | None = 3.0
    drawdown_percent: Percent | None = 15.0
    cooldown_sessions: Count | None = 1
    guard_stops: Count | None = 4
    guard_sessions: Count = 1

    def limits(self) -> Limits:
        """As an account obeys them. Tickers without a known sector are together one more sector."""

        def share(percent: float | None) -> float | None:
            return None if percent is None else percent / 100

        return Limits(
            max_positions=self.max_positions,
            cash_share=share(self.cash_percent),
            strategy_share=share(self.strategy_percent),
            sector_share=share(self.sector_percent),
            daily_loss=share(self.daily_loss_percent),
            drawdown=share(self.drawdown_percent),
            cooldown=self.cooldown_sessions,
            guard_stops=self.guard_stops,
            guard_sessions=self.guard_sessions,
            pool_unknown_sectors=True,
        )


class Routing(_Model):
    """A routing file."""

    entry: EntryRules = EntryRules()
    limits: RiskLimits = RiskLimits()
    rules: tuple[Rule, ...] = Field(min_length=1)
    strategies: Mapping[str, RouteStrategy] = Field(default_factory=dict)


@dataclass(frozen=True)
class Route:
    """Where a candidate goes (`strategy`), or why nowhere."""

    strategy: str | None
    reason: str


def route(routing: Routing, ticker: str, facts: TickerFacts) -> Route:
    """The strategy of the first rule that fits; None with the reason where none does or an input is missing."""
    for rule in routing.rules:
        fits = rule.when.fits(facts)
        if fits is True:
            return Route(rule.strategy, f"rule {rule.name}")
        if isinstance(fits, str) and rule.if_unknown == "skip":
            return Route(None, f"not known of {ticker}: {fits}; rule {rule.name} needs it")
    return Route(None, f"no rule fits {ticker}")


def load_routing(path: Path | None = None) -> Routing:
    """The routing file at `path`, by default the bundled one. Raises InvalidRouting."""
    source = path or Path(str(files("falcon_pipelines.trading.live") / "routing.yaml"))
    try:
        return Routing.model_validate(yaml.safe_load(source.read_text(encoding="utf-8")))
    except OSError as error:
        raise InvalidRouting(f"{source}: {error.strerror}") from error
    except yaml.YAMLError as error:
        raise InvalidRouting(f"{source}: not YAML: {' '.join(str(error).split())}") from error
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "the document"
        raise InvalidRouting(f"{source}: {where}: {first['msg'].removeprefix('Value error, ')}") from error
