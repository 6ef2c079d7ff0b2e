"""Acting on what people ask for: a video to study, a feed to watch or to watch no longer."""

from collections.abc import Callable
from datetime import datetime

from pydantic import BaseModel
from sqlalchemy.orm import Session

from falcon_pipelines.db.requests import StudyVideo, UnwatchFeed, WatchFeed, answer, parse_payload, waiting
from falcon_pipelines.errors import FalconError, InputError
from falcon_pipelines.strategies.videos import ledger
from falcon_pipelines.strategies.videos.addresses import feed, video_id


class NotWatched(InputError):
    """A feed that is not watched was to be watched no longer."""


KINDS = ("study_video", "watch_feed", "unwatch_feed")


def act(session: Session, now: datetime) -> list[str]:
    """Answer every waiting request of these kinds; the answers. Nothing here touches the network."""
    answers = []
    for request in waiting(session, KINDS):
        try:
            payload = parse_payload(request.kind, request.payload)
            text = _ACTIONS[type(payload)](session, payload, now)
            answer(session, request.id, "done", text)
        except FalconError as error:
            text = str(error)
            answer(session, request.id, "refused", text)
        answers.append(text)
    return answers


def _study(session: Session, payload: BaseModel, now: datetime) -> str:
    return ledger.submit(session, video_id(_url(payload)), now)


def _watch(session: Session, payload: BaseModel, now: datetime) -> str:
    url = feed(_url(payload)).url
    new = ledger.watch(session, url)
    return f"{url} is watched from now on" if new else f"{url} is watched already"


def _unwatch(session: Session, payload: BaseModel, now: datetime) -> str:
    url = feed(_url(payload)).url
    if not ledger.unwatch(session, url):
        raise NotWatched(f"{url}: is not watched")
    return f"{url} is watched no longer; what it brought stays"


def _url(payload: BaseModel) -> str:
    if not isinstance(payload, StudyVideo | WatchFeed | UnwatchFeed):
        raise TypeError
    return payload.url.strip()


_ACTIONS: dict[type[BaseModel], Callable[[Session, BaseModel, datetime], str]] = {
    StudyVideo: _study,
    WatchFeed: _watch,
    UnwatchFeed: _unwatch,
}
