"""Why a video has no transcript, what that means, and what happens next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from falcon_pipelines.errors import FalconError

VideoState = Literal[
    "live_pending",
    "premiere",
    "processing",
    "no_captions",
    "age_gated",
    "members_only",
    "private",
    "geo",
    "blocked_ip",
    "rate_limited",
    "unreachable",
    "unavailable",
    "extractor_broken",
]


@dataclass(frozen=True)
class NextStep:
    """What happens after a failure: tried again after `wait`, or never (None); `advice` is for a person."""

    wait: timedelta | None
    advice: str


NEXT_STEPS: dict[VideoState, NextStep] = {
    "live_pending": NextStep(timedelta(hours=2), "it is live or will be; tried again when it should be over"),
    "premiere": NextStep(timedelta(hours=6), "it has not been shown yet; tried again later"),
    "processing": NextStep(
        timedelta(hours=1), "YouTube is still making the captions; tried again in an hour"
    ),
    "no_captions": NextStep(None, "it has no English captions; submit a transcript file instead"),
    "age_gated": NextStep(None, "it is only for signed-in adults; submit a transcript file instead"),
    "members_only": NextStep(None, "it is only for members of the channel"),
    "private": NextStep(None, "it is private"),
    "geo": NextStep(None, "it is not shown in this country"),
    "blocked_ip": NextStep(
        timedelta(hours=12), "YouTube takes this machine for a robot; tried again in 12 hours"
    ),
    "rate_limited": NextStep(timedelta(hours=1), "too many requests; tried again in an hour"),
    "unreachable": NextStep(timedelta(minutes=10), "YouTube cannot be reached from here; tried again soon"),
    "unavailable": NextStep(None, "it was removed or never existed"),
    "extractor_broken": NextStep(timedelta(hours=24), "yt-dlp cannot read it; update yt-dlp if this stays"),
}
MAX_ATTEMPTS = 5

_MESSAGES: tuple[tuple[VideoState, str], ...] = (
    ("rate_limited", r"HTTP Error 429|too many requests|rate.?limit"),
    ("unreachable", r"failed to resolve|name resolution|timed out|connection (?:refused|reset|aborted)|"
     r"network is unreachable|no route to host|unable to connect|HTTP Error 50[234]"),
    ("blocked_ip", r"not a bot|IP is likely being blocked|unusual traffic|captcha|HTTP Error 403"),
    ("premiere", r"premieres? (?:in|will|on|at)|Premiere"),
    ("live_pending", r"live event will begin|live event has not|offline|not currently live|is live"),
    ("processing", r"still processing|being processed|live event has ended|recording is not available"),
    ("members_only", r"members.only|member.level|join this channel|to this channel's members|requires payment"),
    ("age_gated", r"confirm your age|age.restricted|inappropriate for some users"),
    ("private", r"private video|video is private|sign in if you've been granted"),
    ("geo", r"available in your (?:country|location)|blocked it in your country|geo.?restrict"),
    ("unavailable", r"video (?:is )?(?:un|not )available|has been (?:removed|terminated)|no longer available|"
     r"removed by|does not exist|account associated|HTTP Error 404|incomplete youtube id"),
)  # fmt: skip


class NoTranscript(FalconError):
    """A video has no transcript that could be read; `state` says why.

    `not_before` is the time from which it may have one, where YouTube names it.
    """

    def __init__(
        self, video: str, state: VideoState, detail: str = "", not_before: datetime | None = None
    ) -> None:
        self.video = video
        self.state = state
        self.detail = detail
        self.not_before = not_before
        super().__init__(f"video {video} has no transcript: {state}; {NEXT_STEPS[state].advice}")


def state_of_message(message: str) -> VideoState:
    """The state that an error message of yt-dlp stands for; `extractor_broken` for one that is not known."""
    for state, pattern in _MESSAGES:
        if re.search(pattern, message, re.IGNORECASE):
            return state
    return "extractor_broken"


def state_of_info(info: Mapping[str, Any]) -> VideoState | None:
    """The state that the metadata of a video speak of; None where nothing stands against reading its captions."""
    availability = info.get("availability")
    if availability in ("private", "needs_auth"):
        return "private" if availability == "private" else "age_gated"
    if availability in ("subscriber_only", "premium_only"):
        return "members_only"
    live = info.get("live_status")
    if live == "is_upcoming":
        return "premiere" if info.get("duration") else "live_pending"
    if live == "is_live":
        return "live_pending"
    return None


def state_without_captions(info: Mapping[str, Any]) -> VideoState:
    """Whether captions may still come (`processing`) or there are none."""
    return "processing" if info.get("live_status") == "post_live" else "no_captions"


def next_attempt(state: VideoState, attempts: int) -> timedelta | None:
    """How long to wait after so many attempts, doubling each time; None for never again."""
    wait = NEXT_STEPS[state].wait
    if wait is None or attempts >= MAX_ATTEMPTS:
        return None
    return timedelta(seconds=wait.total_seconds() * 2 ** max(0, attempts - 1))
