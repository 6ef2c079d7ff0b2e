"""A person's word on a strategy: the one way to insert it, for the shell and the dashboard alike.

What follows from it, with the verdict, is decided in `falcon_pipelines.trading.promotion`.
"""

from typing import Literal

from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Decision

Choice = Literal["approve", "retire"]


def request_decision(
    session: Session, spec_id: int, choice: Choice, by: str, *, key: str | None = None
) -> bool:
    """Approve a strategy for paper, or retire it; whether that is new. The same `key` decides once.

    Needs no more than the right to INSERT.
    """
    statement = insert(Decision).values(spec_id=spec_id, choice=choice, decided_by=by, request_key=key)
    made = session.execute(
        statement.on_conflict_do_nothing(index_elements=["request_key"]).returning(Decision.id)
    )
    return made.scalar_one_or_none() is not None
