"""What has to happen to an account before a session's first bar: corporate actions, and purchases that are over."""

import logging
from collections.abc import Mapping
from datetime import date, datetime, timedelta

from sqlalchemy.orm import Session

from falcon_pipelines.bars.calendar import midnight, session_open_close
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.db.notifications import notify
from falcon_pipelines.errors import FalconError
from falcon_pipelines.trading.account import AccountState
from falcon_pipelines.trading.live.accounts import LiveAccount
from falcon_pipelines.trading.live.candidate_desk import stale_orders
from falcon_pipelines.trading.lived_actions import due_actions
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Input
from falcon_pipelines.trading.store import pending

log = logging.getLogger(__name__)

ACTIONS_REACH = timedelta(days=14)
"""How late a corporate action may be published and still be lived through."""


def due_before_open(
    session: Session, store: BarStore, account: LiveAccount, state: AccountState, at: datetime, day: date
) -> Mapping[str, Input]:
    """Corporate actions up to the session `day`, and purchases that outlived theirs, by name.

    An action that came too late to be lived through is told of once.
    """
    submitted = pending(session, account.id)
    tickers = sorted(state.tickers() | {order.ticker for order in submitted})
    inputs: dict[str, Input] = {}
    if tickers:
        try:
            listed = store.corporate_actions(tickers, day - ACTIONS_REACH, day, store.current_version())
        except FalconError as error:
            log.warning("%s: corporate actions are not known: %s", account.name, error)
            listed = ()
        due, too_late = due_actions(listed, state, day, submitted)
        inputs.update(due)
        for name in too_late:
            notify(
                session,
                f"late_action:{account.name}:{name}",
                "reconciliation",
                f"{account.name}: {name} was published late",
                "There were trades after its ex-date, so it was not applied; check the position.",
            )
    if at < session_open_close(day)[0] or state.session is None or state.session < day:
        inputs.update(stale_orders(state, submitted, Moment(at, midnight(day), day)))
    return inputs
