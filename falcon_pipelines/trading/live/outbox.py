"""Sending what is in the outbox, through apprise: at least once, and twice only where nobody can know.

Before a message goes to a receiver, a mark says so; afterwards another says whether it was taken. A crash between
the two leaves the first without the second: whether the message went out cannot be known, because receivers do not
tell repeats apart. It is sent again then, with its number and the words "may be a repeat".
"""

import hashlib
import logging
import re
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from pydantic import SecretStr
from sqlalchemy import Engine, or_, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.engine import DatabaseUnavailable, transaction
from falcon_pipelines.db.models import Notification, NotificationDelivery
from falcon_pipelines.errors import InputError
from falcon_pipelines.trading.live.lock import SingleTrader

log = logging.getLogger(__name__)

AT_ONCE = 20
NEWS_FOR = timedelta(days=1)
"""A message nobody tried to send for this long is no news: it stays on the dashboard only."""
FIRST_PAUSE, LONGEST_PAUSE = timedelta(seconds=15), timedelta(hours=1)
Send = Callable[[str, str], bool]


class InvalidNotifyUrl(InputError):
    """One of FALCON_NOTIFY_URLS is not an address that apprise knows."""


@dataclass(frozen=True)
class Receiver:
    """Somebody who is told; `name` says which without giving the address away."""

    name: str
    send: Send


def receivers_of(urls: SecretStr | None) -> tuple[Receiver, ...]:
    """The receivers of the setting. Raises InvalidNotifyUrl that says which, never what it is."""
    if urls is None:
        return ()
    import apprise

    logging.getLogger("apprise").setLevel(logging.CRITICAL)  # its warnings quote addresses
    found = []
    for number, url in enumerate(re.split(r"[\s,]+(?=\w+://)", urls.get_secret_value().strip()), 1):
        if not url:
            continue
        target = apprise.Apprise()
        if not target.add(url):
            raise InvalidNotifyUrl(f"FALCON_NOTIFY_URLS: address {number} is not one that apprise knows")
        kind = re.sub(r"\W.*", "", url)
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        found.append(Receiver(f"{kind} {digest}", _sender(target)))
    return tuple(found)


def _sender(target: "object") -> Send:
    def send(title: str, body: str) -> bool:
        try:
            return bool(target.notify(title=title, body=body or title))  # type: ignore[attr-defined]
        except Exception as error:  # noqa: BLE001 - a plug-in of apprise may raise anything; none may stop the sender
            log.warning("a receiver failed with %s", type(error).__name__)
            return False

    return send


def pause_after(attempts: int) -> timedelta:
    """How long to wait after so many attempts."""
    doublings = min(attempts - 1, 20)
    return min(LONGEST_PAUSE, FIRST_PAUSE * (1 << doublings))


def due_notifications(session: Session, now: datetime) -> Sequence[Notification]:
    """What has to be sent now, oldest first."""
    fresh = or_(Notification.attempts > 0, Notification.created_at > now - NEWS_FOR)
    return session.scalars(
        select(Notification)
        .where(
            Notification.sent_at.is_(None),
            fresh,
            or_(Notification.next_attempt_at.is_(None), Notification.next_attempt_at <= now),
        )
        .order_by(Notification.id)
        .limit(AT_ONCE)
    ).all()


def send_due(engine: Engine, receivers: Sequence[Receiver], now: datetime) -> int:
    """Send what is due to every receiver that has not taken it; returns how many messages are done with.

    For one sender at a time. Raises DatabaseUnavailable.
    """
    if not receivers:
        return 0
    with transaction(engine) as session:
        due = [(row.id, row.title, row.body) for row in due_notifications(session, now)]
    return sum(_send_one(engine, receivers, *message, now) for message in due)


def _send_one(
    engine: Engine, receivers: Sequence[Receiver], number: int, title: str, body: str, now: datetime
) -> bool:
    with transaction(engine) as session:
        left = _mark_before(session, receivers, number, now)
    taken = {}
    for receiver, unsure in left:
        note = f"{body}\n(#{number}, may be a repeat)" if unsure else body
        taken[receiver.name] = receiver.send(title, note.strip())
    with transaction(engine) as session:
        return _mark_after(session, number, taken)


def _mark_before(
    session: Session, receivers: Sequence[Receiver], number: int, now: datetime
) -> list[tuple[Receiver, bool]]:
    """Who has to be sent the message, and whether each may have got it already."""
    delivery = NotificationDelivery
    for receiver in receivers:
        session.execute(
            insert(delivery)
            .values(notification_id=number, receiver=receiver.name, attempts=0)
            .on_conflict_do_nothing()
        )
    rows = {
        row.receiver: row
        for row in session.scalars(select(delivery).where(delivery.notification_id == number))
    }
    left = [
        (receiver, rows[receiver.name].attempted_at is not None)
        for receiver in receivers
        if rows[receiver.name].sent_at is None
    ]
    for receiver, _ in left:
        rows[receiver.name].attempts += 1
        rows[receiver.name].attempted_at = now
    message = session.get_one(Notification, number)
    message.attempts += 1
    message.next_attempt_at = now + pause_after(message.attempts)
    return left


def _mark_after(session: Session, number: int, taken: dict[str, bool]) -> bool:
    now = datetime.now(UTC)
    delivery = NotificationDelivery
    for receiver, done in taken.items():
        # A refusal is certain: the next attempt is no repeat.
        values = {"sent_at": now} if done else {"attempted_at": None}
        session.execute(
            update(delivery)
            .where(delivery.notification_id == number, delivery.receiver == receiver)
            .values(values)
        )
    failed = sorted(receiver for receiver, done in taken.items() if not done)
    message = session.get_one(Notification, number)
    if failed:
        message.problem = f"not taken by {', '.join(failed)}"
        return False
    message.sent_at, message.problem = now, None
    return True


def send_in_place_of_trader(engine: Engine, receivers: Sequence[Receiver], now: datetime) -> int:
    """Send what is due while no trader runs: whoever holds the trader's lock is the one sender."""
    lock = SingleTrader(engine)
    try:
        return send_due(engine, receivers, now) if receivers and lock.held() else 0
    finally:
        lock.release()


class Sender:
    """Sends from the outbox in a thread of its own until closed, so that a slow receiver delays no fill."""

    def __init__(self, engine: Engine, receivers: Sequence[Receiver], seconds: float = 2.0) -> None:
        self._engine, self._receivers, self._seconds = engine, receivers, seconds
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._run, name="outbox", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop after the message under way."""
        self._ended.set()
        self._thread.join(10)

    def _run(self) -> None:
        while not self._ended.wait(self._seconds):
            try:
                send_due(self._engine, self._receivers, datetime.now(UTC))
            except DatabaseUnavailable as error:
                log.warning("notifications wait: %s", error)
