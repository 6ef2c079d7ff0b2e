"""Which accounts trade on live bars: one for each strategy on paper, one for the candidates; opened when first needed."""

import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import Session

from falcon_pipelines.backtesting.assumed_costs import (
    ASSUMED_FEE_BPS,
    ASSUMED_SLIPPAGE_BPS,
    with_assumed_costs,
)
from falcon_pipelines.db import models
from falcon_pipelines.strategies.spec import Spec
from falcon_pipelines.strategies.store import spec_of
from falcon_pipelines.trading.account import Rules
from falcon_pipelines.trading.live.arrivals import newest_sequence
from falcon_pipelines.trading.live.candidate_desk import ACCOUNT
from falcon_pipelines.trading.live.spec_desk import live_rules
from falcon_pipelines.trading.orders import Costs
from falcon_pipelines.trading.promotion import promoted_specs
from falcon_pipelines.trading.risk import Limits
from falcon_pipelines.trading.rows import rules_data
from falcon_pipelines.trading.store import create_account

log = logging.getLogger(__name__)

ASSUMED_COSTS = Costs(ASSUMED_FEE_BPS, ASSUMED_SLIPPAGE_BPS)
"""Basis points a side for candidates: the costs that backtests assume."""


@dataclass(frozen=True)
class LiveAccount:
    """An account the trader works for; `spec` is its strategy's, without open parameters.

    `promoted` is False for one whose strategy was taken off paper: its exits still run.
    """

    id: int
    name: str
    broker: str
    opened_at: datetime
    spec: Spec | None = None
    promoted: bool = True


def live_accounts(
    session: Session, cash: Decimal, broker: str, now: datetime, limits: Limits, *, synthetic: bool
) -> list[LiveAccount]:
    """Every account that trades on live bars, opening those that are missing with `cash` dollars.

    An account opened now trades the bars that arrive from now on. All obey `limits`, whatever they were opened with.
    """
    found = []
    candidates = _open_account(
        session, ACCOUNT, cash, now, Rules(ASSUMED_COSTS, limits), broker, synthetic=synthetic
    )
    found.append(LiveAccount(candidates.id, candidates.name, candidates.broker, candidates.opened_at))
    promoted = {row.id: row for row in promoted_specs(session)}
    for spec_id, row in promoted.items():
        spec = _runnable(row)
        name = f"{spec.name} {row.spec_hash[:6]} live"
        account = _open_account(
            session, name, cash, now, live_rules(spec, limits), broker, spec_id, synthetic=synthetic
        )
        found.append(LiveAccount(account.id, account.name, account.broker, account.opened_at, spec))
    known = {account.id for account in found}
    for account in _open_live(session):
        if account.id not in known and account.spec_id is not None:
            spec = _runnable(session.get_one(models.StrategySpec, account.spec_id))
            _limit(account, live_rules(spec, limits))
            found.append(
                LiveAccount(
                    *(account.id, account.name, account.broker, account.opened_at, spec), promoted=False
                )
            )
    return found


def _runnable(row: models.StrategySpec) -> Spec:
    return with_assumed_costs(spec_of(row)).with_params({})


def _open_live(session: Session) -> Sequence[models.Account]:
    return session.scalars(
        select(models.Account)
        .where(models.Account.live_sequence.is_not(None), models.Account.closed_at.is_(None))
        .order_by(models.Account.id)
    ).all()


def _open_account(
    session: Session,
    base: str,
    cash: Decimal,
    now: datetime,
    rules: Rules,
    broker: str,
    spec_id: int | None = None,
    *,
    synthetic: bool,
) -> models.Account:
    """The open account of that name; after a reset the next one, numbered."""
    numbered = f"^{re.escape(base)}( [0-9]+)?$"
    of_name = session.scalars(
        select(models.Account)
        .where(models.Account.name.regexp_match(numbered), models.Account.live_sequence.is_not(None))
        .order_by(models.Account.id.desc())
    ).all()
    for account in of_name:
        if account.closed_at is None:
            _limit(account, rules)
            return account
    if broker == "alpaca":
        rules = replace(rules, costs=Costs())  # its fills are what they are, and it takes no commission
    name = base if not of_name else f"{base} {len(of_name) + 1}"
    made = create_account(
        *(session, name, cash, now, rules),
        spec_id=spec_id,
        live_sequence=newest_sequence(session),
        broker=broker,
        synthetic=synthetic,
    )
    return session.get_one(models.Account, made)


def _limit(account: models.Account, rules: Rules) -> None:
    """Make an account obey the limits of `rules`; what trading costs it stays as it was opened."""
    limits = rules_data(rules)["limits"]
    before = account.rules["limits"]
    changed = {name: value for name, value in limits.items() if before.get(name) != value}
    if changed:
        log.info("other limits", extra={"account": account.name, "limits": changed})
        account.rules = {**account.rules, "limits": {**before, **limits}}
