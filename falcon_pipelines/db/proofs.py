"""What was last shown to work from end to end: the canary, backups, archiving, restore drills. One row for each."""

from datetime import datetime, timedelta

from sqlalchemy import func
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Proof

CANARY = "canary"
DUE_WITHIN = {
    CANARY: timedelta(minutes=20),
    "archiving": timedelta(hours=3),
    "backup": timedelta(hours=30),
    "restore_drill": timedelta(days=9),
}
"""How old the last good one may be before something is wrong."""


def record_proof(
    session: Session, name: str, *, ok: bool, detail: str, seconds: float, proved_at: datetime
) -> None:
    """Keep the newest result, in the caller's transaction; an older one than is held changes nothing."""
    row = {"ok": ok, "detail": detail, "seconds": seconds, "proved_at": proved_at}
    statement = insert(Proof).values(name=name, **row, last_good_at=proved_at if ok else None)
    new = statement.excluded
    session.execute(
        statement.on_conflict_do_update(
            index_elements=["name"],
            set_={**row, "last_good_at": func.coalesce(new.last_good_at, Proof.last_good_at)},
            where=Proof.proved_at < new.proved_at,
        )
    )


def overdue(proof: Proof, now: datetime) -> str | None:
    """Why a proof is not good (any more), in words; None while it is."""
    if not proof.ok:
        return f"failed: {proof.detail}"
    allowed = DUE_WITHIN.get(proof.name)
    if allowed is not None and now - proof.proved_at > allowed:
        return f"none since {proof.proved_at:%Y-%m-%d %H:%M} UTC, due every {_words(allowed)}"
    return None


def _words(span: timedelta) -> str:
    hours = span.total_seconds() / 3600
    if hours < 1:
        return f"{hours * 60:.0f} minutes"
    return f"{hours:.0f} hours" if hours <= 48 else f"{hours / 24:.0f} days"
