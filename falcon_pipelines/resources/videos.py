"""YouTube and the watched folder of transcripts, as Dagster sees them."""

from collections.abc import Callable, Sequence
from pathlib import Path

import dagster as dg

from falcon_pipelines import settings
from falcon_pipelines.strategies.videos.addresses import Feed
from falcon_pipelines.strategies.videos.polling import Poll, poll
from falcon_pipelines.strategies.videos.youtube import TranscriptSource, YouTubeSource


class Videos(dg.ConfigurableResource):
    """Where transcripts come from; `folder` overrides the settings' watched folder."""

    folder: str | None = None

    def source(self) -> TranscriptSource:
        """The source of a video's transcript."""
        return YouTubeSource()

    def poller(self) -> Callable[[Feed, Sequence[str]], Poll]:
        """What looks at a channel or playlist; raises PollFailed when called."""
        return poll

    def watched_folder(self) -> Path:
        """The folder whose transcript files are studied; it may be absent."""
        return Path(self.folder) if self.folder else settings.load().watched_transcripts
