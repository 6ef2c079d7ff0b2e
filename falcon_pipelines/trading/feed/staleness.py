"""Whether a feed that should bring bars brings them; no I/O."""

from dataclasses import dataclass

from falcon_pipelines.trading.feed.bars import Hours


@dataclass(frozen=True)
class Judgement:
    """`quiet`: the exchange is closed or nothing is watched. `since` is when the silence began, while stale."""

    state: str
    since: int | None = None


def judge(
    hours: Hours, now: int, last_message: float | None, *, watched: bool, started: int, limit_seconds: float
) -> Judgement:
    """How a live source is, at `now` in seconds since the epoch.

    Bars are due from a minute after the open until the close. Silence begins with the last message or the first
    minute's end, and is the same one after a restart, which only gets `limit_seconds` more.
    """
    session = hours.of(now)
    if not watched or session is None or not session[0] <= now < session[1]:
        return Judgement("quiet")
    since = max(int(last_message or 0), session[0] + 60)
    if now - max(since, started) > limit_seconds:
        return Judgement("stale", since)
    return Judgement("live")
