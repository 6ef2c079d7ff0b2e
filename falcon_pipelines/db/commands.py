"""Telling an account what to do: the one way to insert a command, for the shell and the dashboard alike.

Its trader takes the command on the next bar and answers it; that is `falcon_pipelines.trading.commands`.
"""

from decimal import Decimal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import OperatorCommand
from falcon_pipelines.errors import InputError

NEEDS_TARGET = ("close", "cancel", "edit_stop")
PLAIN = ("pause", "resume", "flatten", "acknowledge")


class InvalidCommand(InputError):
    """A command lacks what it is about, or is none."""


def request_command(
    session: Session,
    account_id: int,
    command: str,
    by: str,
    *,
    target: str | None = None,
    stop: Decimal | None = None,
    key: str | None = None,
) -> bool:
    """Ask for a command; whether it is new. The same `key` asks once, however often it is sent.

    `target` is the ticker to `close`, or the order to `cancel` or `edit_stop`. Needs no more than the right to
    INSERT. Raises InvalidCommand.
    """
    if command not in (*PLAIN, *NEEDS_TARGET):
        known = ", ".join((*PLAIN, *NEEDS_TARGET))
        raise InvalidCommand(f"{command}: is no command; known are {known}")
    if (target is None) == (command in NEEDS_TARGET):
        raise InvalidCommand(f"{command}: {'needs' if command in NEEDS_TARGET else 'takes no'} target")
    if (stop is None or stop <= 0) == (command == "edit_stop"):
        raise InvalidCommand(
            f"{command}: {'needs' if command == 'edit_stop' else 'takes no'} stop price above 0"
        )
    row = {"account_id": account_id, "request_key": key, "command": command, "target": target, "stop": stop}
    statement = insert(OperatorCommand).values(**row, requested_by=by)
    made = session.execute(
        statement.on_conflict_do_nothing(index_elements=["request_key"]).returning(OperatorCommand.id)
    )
    return made.scalar_one_or_none() is not None
