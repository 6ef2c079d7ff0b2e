"""What may be asked for through the `requests` table: each kind with the shape of its payload.

The dashboard and the shell insert; sensors on compute take the waiting ones, act, and answer once.
"""

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from sqlalchemy import select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from falcon_pipelines.db.models import Request
from falcon_pipelines.errors import InputError


class InvalidRequest(InputError):
    """A request lacks something, or asks for something unknown."""


def _storable(value: str) -> str:
    if "\0" in value or any("\ud800" <= character <= "\udfff" for character in value):
        raise ValueError("contains characters that cannot be stored")
    return value


Text = Annotated[str, AfterValidator(_storable)]
"""Text that PostgreSQL can hold."""
Address = Annotated[
    str,
    Field(min_length=1, max_length=2048, pattern=r"^https?://[^\s\x00-\x1f\x7f]+$"),
    AfterValidator(_storable),
]


class _Payload(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class StudyVideo(_Payload):
    """Fetch a video's transcript and turn it into a judged strategy."""

    url: Address


class WatchFeed(_Payload):
    """Look at a channel or playlist for new videos from now on."""

    url: Address


class UnwatchFeed(_Payload):
    """Stop looking at a channel or playlist."""

    url: Address


class LayOverlay(_Payload):
    """Run a strategy with something assumed that its source does not say."""

    spec: str = Field(pattern=r"^[a-z][a-z0-9_]{0,79}$")
    choices: list[Annotated[Text, Field(min_length=1, max_length=200)]] = Field(
        min_length=1, max_length=10, description="names of overlays, or PLACE=VALUE"
    )


class SaveProfile(_Payload):
    """Store a screening profile as a new version."""

    document: Text = Field(min_length=1, max_length=100_000, description="the profile as YAML")


class DeleteProfile(_Payload):
    """Take a screening profile out of use; its versions, runs and record stay."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")


class RunScreen(_Payload):
    """Run a screening profile now."""

    profile: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    session: date | None = Field(None, description="default: the newest session with bars")
    slot: Literal["morning", "midday", "evening"] = "evening"


class RestoreProfile(_Payload):
    """Make an earlier version of a screening profile the newest again."""

    name: str = Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")
    version: int = Field(ge=1)


class DecideProposal(_Payload):
    """Approve or reject proposed weights of a profile, or go back from approved ones."""

    proposal: int = Field(ge=1)
    decision: Literal["approve", "reject", "revert"]


KINDS: dict[str, type[_Payload]] = {
    "study_video": StudyVideo,
    "watch_feed": WatchFeed,
    "unwatch_feed": UnwatchFeed,
    "lay_overlay": LayOverlay,
    "save_profile": SaveProfile,
    "delete_profile": DeleteProfile,
    "restore_profile": RestoreProfile,
    "decide_proposal": DecideProposal,
    "run_screen": RunScreen,
}
"""Every kind of request. Trading commands and decisions on strategies have tables of their own."""


def parse_payload(kind: str, payload: Any) -> BaseModel:
    """The payload as its type; raises InvalidRequest that names the field and what is wrong."""
    if kind not in KINDS:
        raise InvalidRequest(f"{kind}: no such request; known are {', '.join(KINDS)}")
    try:
        return KINDS[kind].model_validate(payload)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"]) or "payload"
        raise InvalidRequest(f"{kind}: {where}: {first['msg']}") from None


def ask(session: Session, kind: str, payload: Any, by: str, *, key: str | None = None) -> bool:
    """Insert a request; whether it is new. The same `key` asks once, however often it is sent.

    Needs no more than the right to INSERT. Raises InvalidRequest.
    """
    content = parse_payload(kind, payload).model_dump(mode="json")
    statement = insert(Request).values(key=key, kind=kind, payload=content, requested_by=by)
    made = session.execute(statement.on_conflict_do_nothing(index_elements=["key"]).returning(Request.id))
    return made.scalar_one_or_none() is not None


def waiting(session: Session, kinds: Sequence[str], *, limit: int = 100) -> Sequence[Request]:
    """Unanswered requests of these kinds, oldest first, locked so that two takers never share one."""
    return session.scalars(
        select(Request)
        .where(Request.kind.in_(kinds), Request.handled_at.is_(None))
        .order_by(Request.id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()


def answer(session: Session, request_id: int, outcome: Literal["done", "refused"], text: str) -> None:
    """Write what came of a request; the first answer stays."""
    session.execute(
        update(Request)
        .where(Request.id == request_id, Request.handled_at.is_(None))
        .values(handled_at=datetime.now(UTC), outcome=outcome, answer=text)
    )
