"""Who fills an account's orders: what the trader asks of a broker, and the default one, the paper ledger."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Protocol

from falcon_pipelines.db.engine import snapshot
from falcon_pipelines.trading.account import Outcome
from falcon_pipelines.trading.moments import Moment
from falcon_pipelines.trading.orders import Bar, Input
from falcon_pipelines.trading.reconciliation import reconcile
from falcon_pipelines.trading.store import StoredAccount
from falcon_pipelines.trading.writer import Record, Trader


class Broker(Protocol):
    """One account at one broker. Every method is safe to repeat; each writes in one transaction."""

    account_id: int

    @property
    def account(self) -> StoredAccount:
        """The account as of now."""

    def start(self) -> tuple[str, ...]:
        """Make ready; says what does not agree between the books and the broker."""

    def work_live(
        self,
        moment: Moment,
        bars: Mapping[str, Bar],
        highest: int,
        done_up_to: int,
        *,
        replayed: Collection[str] = (),
        record: Record | None = None,
    ) -> Outcome | None:
        """Work through live bars of one time; None where that was done before."""

    def pass_over(self, sequence: int) -> None:
        """Live bars up to `sequence` do not matter."""

    def act(
        self,
        moment: Moment,
        inputs: Mapping[str, Input] | None = None,
        *,
        record: Record | None = None,
        asked_before: datetime | None = None,
    ) -> Outcome | None:
        """Obey waiting commands, those `asked_before` a time, and live through corporate actions, by name."""


class PaperLedger(Trader):
    """Fills orders from the bars themselves, by the fill rules of the backtests."""

    def start(self) -> tuple[str, ...]:
        """What does not hold in the stored books."""
        with snapshot(self.engine) as session:
            return reconcile(session, self.account_id)
