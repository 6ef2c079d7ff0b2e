"""A transcript into the database, from wherever it is known to be: Falcon itself, a dropped file, or YouTube."""

import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy.orm import Session

from falcon_pipelines.db import models
from falcon_pipelines.strategies.store import load_transcript, save_transcript
from falcon_pipelines.strategies.transcripts import Transcript, bundled_transcripts
from falcon_pipelines.strategies.videos import folder, ledger
from falcon_pipelines.strategies.videos.addresses import video_id, watch_url
from falcon_pipelines.strategies.videos.states import NoTranscript
from falcon_pipelines.strategies.videos.youtube import TranscriptSource

Transaction = Callable[[], AbstractContextManager[Session]]


def take_in(
    transcript_id: str,
    transaction: Transaction,
    source: TranscriptSource,
    watched_folder: Path,
    sleep: Callable[[float], None] = time.sleep,
) -> Transcript:
    """The transcript of this id, stored; one stored before is used as it is, and nobody is asked for it again.

    Raises NoTranscript once the video's state is on record, FileChanged, and NotAYouTubeAddress for an id that
    is neither a transcript of Falcon's, nor of an accepted file, nor of a video.
    """
    with transaction() as session:
        if session.get(models.Transcript, transcript_id) is not None:
            video = session.get(models.Video, transcript_id)
            if video is not None and video.state not in ("fetched", "studied"):
                ledger.mark_fetched(session, transcript_id, datetime.now(UTC))
            return load_transcript(session, transcript_id)
        name = folder.accepted_name(session, transcript_id)
    bundled = {transcript.id: transcript for transcript in bundled_transcripts()}
    if transcript_id in bundled:
        transcript = bundled[transcript_id]
    elif name is not None:
        transcript = folder.read_accepted(watched_folder, name, transcript_id)
    else:
        transcript = _fetched(transcript_id, transaction, source, sleep)
    with transaction() as session:
        save_transcript(session, transcript)
        if transcript.origin == "youtube":
            ledger.mark_fetched(session, transcript_id, datetime.now(UTC))
    return transcript


def _fetched(
    video: str, transaction: Transaction, source: TranscriptSource, sleep: Callable[[float], None]
) -> Transcript:
    address = watch_url(video_id(watch_url(video)))
    with transaction() as session:
        wait = ledger.begin_attempt(session, video, datetime.now(UTC))
    sleep(wait)
    try:
        return source.fetch(address)
    except NoTranscript as failure:
        with transaction() as session:
            ledger.mark_failed(session, failure, datetime.now(UTC))
        raise
