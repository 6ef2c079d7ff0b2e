"""From a dropped file, a submitted address or a watched channel to a verdict, in Dagster."""

import os
import time
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import dagster as dg
import pytest
from sqlalchemy import select, update

from falcon_pipelines.bars.calendar import sessions_from
from falcon_pipelines.bars.flat_files import DirectorySource
from falcon_pipelines.bars.ingest import ingest_sessions
from falcon_pipelines.bars.store import BarStore
from falcon_pipelines.bars.synthetic import write_synthetic_flat_files
from falcon_pipelines.db import models
from falcon_pipelines.db.embedded import EmbeddedPostgres
from falcon_pipelines.db.engine import database_engine
from falcon_pipelines.db.requests import ask
from falcon_pipelines.db.variants import spread_of
from falcon_pipelines.definitions import build_definitions
from falcon_pipelines.partitions import strategy_specs, videos
from falcon_pipelines.resources.bar_store import Bars
from falcon_pipelines.resources.database import Database
from falcon_pipelines.resources.language_models import LanguageModels
from falcon_pipelines.strategies.videos import ledger
from tests.conftest import new_database
from tests.video_servers import SITES, FakeYouTube, LoopbackVideos, fake_youtube, feed_document, spoken

START = date(2024, 1, 2)
SESSIONS = 120
VIDEO, SECOND = "dQw4w9WgXcQ", "-aaaaaaaa_1"
CHANNEL = "UCaaaaaaaaaaaaaaaaaaaaaa"
PLAIN = (
    "hello there i buy when the two period r s i drops below thirty and i sell when the two period r s i goes "
    "above sixty my stop is five percent"
)
OPEN_STOP = (
    "i buy when the two period r s i drops below thirty and i sell when the two period r s i goes above sixty "
    "my stop goes below the most recent swing low"
)


class Road:
    """Falcon's definitions on a database, a Dagster instance, bars and a YouTube of the test's own."""

    def __init__(
        self,
        instance: dg.DagsterInstance,
        database: Database,
        defs: dg.Definitions,
        site: FakeYouTube,
        folder: Path,
    ) -> None:
        self.instance, self.database, self.defs, self.site, self.folder = (
            instance,
            database,
            defs,
            site,
            folder,
        )
        self.resources: Mapping[str, Any] = defs.resources or {}

    def tick(self, name: str) -> list[dg.RunRequest]:
        """One evaluation of a sensor; what it asks of partitions is done, the runs are left to the test."""
        sensor = self.defs.resolve_sensor_def(name)
        wanted = {key: self.resources[key] for key in sensor.required_resource_keys}
        context = dg.build_sensor_context(instance=self.instance, resources=wanted, definitions=self.defs)
        # As the daemon has it; without the reference, partitions that the tick adds are not seen by its requests.
        context._instance_ref = self.instance.get_ref()
        result = sensor.evaluate_tick(context)
        for change in result.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(change.partitions_def_name, list(change.partition_keys))
        return list(result.run_requests or [])

    def work(self, name: str) -> list[str]:
        """One evaluation of a sensor and every run it asks for; their partitions."""
        sensor = self.defs.resolve_sensor_def(name)
        done = []
        for request in self.tick(name):
            job = self.defs.resolve_job_def(sensor.job_name)
            job.execute_in_process(
                instance=self.instance, partition_key=request.partition_key, tags=request.tags
            )
            done.append(str(request.partition_key))
        return done

    def rows(self, statement: Any) -> list[Any]:
        with self.database.transaction() as session:
            found = list(session.scalars(statement))
            session.expunge_all()
        return found

    def ask(self, kind: str, **payload: Any) -> None:
        with self.database.transaction() as session:
            ask(session, kind, payload, "ann")

    def answers(self) -> list[tuple[str | None, str | None]]:
        return [(r.outcome, r.answer) for r in self.rows(select(models.Request).order_by(models.Request.id))]

    def drop(self, name: str, content: bytes, age: float = 60) -> Path:
        path = self.folder / name
        path.write_bytes(content)
        os.utime(path, (time.time() - age, time.time() - age))
        return path

    def file_states(self) -> dict[str, str]:
        return {row.name: row.state for row in self.rows(select(models.TranscriptFile))}


@pytest.fixture(scope="module")
def bars(postgres: EmbeddedPostgres, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bar store of synthetic sessions; it is read without its database."""
    folder = tmp_path_factory.mktemp("bars")
    write_synthetic_flat_files(folder / "flat", tickers=8, sessions=SESSIONS, start=START)
    with new_database(postgres, template="falcon") as url:
        engine = database_engine(url)
        store = BarStore(folder / "store", engine)
        for _ in ingest_sessions(
            DirectorySource(folder / "flat"), store, "day", sessions_from(START, SESSIONS)
        ):
            pass
        engine.dispose()
    return folder / "store"


@pytest.fixture
def road(
    tmp_path: Path,
    database_url: str,
    dagster_instance: dg.DagsterInstance,
    bars: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Road]:
    monkeypatch.setenv("FALCON_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(ledger, "SECONDS_BETWEEN_VIDEOS", 0.05)
    database = Database(url=database_url)
    folder = tmp_path / "dropped"
    folder.mkdir()
    with fake_youtube() as site:
        SITES[site.url] = site
        defs = build_definitions(
            {
                "database": database,
                "bars": Bars(root=str(bars), database=database),
                "videos": LoopbackVideos(folder=str(folder), site=site.url),
                "language_models": LanguageModels(database=database),
            }
        )
        yield Road(dagster_instance, database, defs, site, folder)
        del SITES[site.url]


def test_a_submitted_video_and_a_dropped_file_end_with_spec_evidence_backtest_and_verdict(
    road: Road,
) -> None:
    road.site.talks[VIDEO] = spoken(PLAIN)
    road.ask("study_video", url=f"https://youtu.be/{VIDEO}?t=10")
    road.drop("my talk.json3", spoken(OPEN_STOP))
    assert road.work("submissions") == [VIDEO]
    [dropped] = road.work("transcript_folder")
    assert road.answers() == [("done", f"{VIDEO} is fetched now, and becomes a strategy if it states one")]
    assert road.file_states() == {"my talk.json3": "studied"}

    transcripts = {row.id: row for row in road.rows(select(models.Transcript))}
    assert set(transcripts) == {VIDEO, dropped}
    assert transcripts[VIDEO].original == spoken(PLAIN)
    assert transcripts[VIDEO].words[:2] == [["hello", 1.0], ["there", 1.5]]
    assert transcripts[VIDEO].url == f"https://www.youtube.com/watch?v={VIDEO}"

    judged = road.work("new_specs")
    assert len(judged) == len(set(judged)) == 5
    assert road.work("new_specs") == []
    assert len(road.rows(select(models.Verdict))) == 5

    with road.database.transaction() as session:
        [stated] = spread_of(session, VIDEO).results
        assert (stated.kind, stated.runnable) == ("stated", True)
        assert stated.final_equity is not None
        assert stated.verdict
        spread = spread_of(session, dropped)
        kinds = [result.kind for result in spread.results]
        readings = [result.value for result in spread.results if result.kind == "reading"]
        assert kinds == ["stated", "reading", "reading", "reading"]
        assert readings == [{"swing": {"bars": bars}} for bars in (5, 10, 20)]
        assert all(result.verdict for result in spread.results)
        assert spread.lowest is not None
        assert spread.highest is not None
        assert spread.lowest <= spread.highest
    [spec] = road.rows(select(models.StrategySpec).where(models.StrategySpec.transcript_id == VIDEO))
    entry = next(rule for rule in spec.extraction["rules"] if rule["field"] == "entry.long")
    assert entry["quote"] == "i buy when the two period r s i drops below thirty"
    assert entry["start_seconds"] == 2.0
    assert "SCAM" not in str(spec.document)


def test_an_overlay_that_a_person_chose_makes_a_strategy_run_and_is_marked_as_assumed(road: Road) -> None:
    road.drop("cross.txt", b"buy when the 5-day crosses above the 20-day")
    [dropped] = road.work("transcript_folder")
    assert road.work("new_specs") == []
    [row] = road.rows(select(models.StrategySpec))
    assert row.extraction["status"] == "needs_overlay"
    road.ask("lay_overlay", spec=row.name, choices=["after_20_bars"])
    road.ask("lay_overlay", spec=row.name, choices=["entry.long=close"])
    road.ask("lay_overlay", spec=row.name, choices=["exit.time_stop.bars=7", "exit.stop.percent=4"])
    road.ask("lay_overlay", spec="nobody", choices=["after_20_bars"])
    road.tick("overlays")
    outcomes = [outcome for outcome, _ in road.answers()]
    assert outcomes == ["done", "refused", "done", "refused"]
    assert len(road.work("new_specs")) == 2
    with road.database.transaction() as session:
        stated, first, second = spread_of(session, dropped).results
        assert (stated.runnable, stated.verdict) == (False, None)
        assert first.verdict
        assert second.verdict
        assert (second.kind, second.field) == ("overlay", "exit.time_stop.bars, exit.stop.percent")
    [laid] = road.rows(select(models.StrategySpec).where(models.StrategySpec.name == second.name))
    assert laid.document["exit"] == {"stop": {"percent": 4}, "time_stop": {"bars": 7}}
    assert laid.document["provenance"]["exit.stop.percent"] == {"state": "assumed"}
    assert "Assumed by choice" in laid.document["description"]


REFUSED = (
    "http://www.youtube.com/watch?v=dQw4w9WgXcQ",
    "https://evil.example/watch?v=dQw4w9WgXcQ",
    "https://www.youtube.com.evil.example/watch?v=dQw4w9WgXcQ",
    "https://youtube.com@evil.example/watch?v=dQw4w9WgXcQ",
    "https://127.0.0.1/watch?v=dQw4w9WgXcQ",
    "file:///etc/passwd",
    "https://www.youtube.com/watch?v='; DROP TABLE videos; --",
    "https://www.youtube.com/redirect?q=https://evil.example",
)


def test_only_addresses_of_youtube_are_taken_and_the_others_refused_before_any_network(road: Road) -> None:
    asked = [
        *(("study_video", {"url": url}) for url in REFUSED),
        ("watch_feed", {"url": "https://vimeo.com/@trader"}),
        ("unwatch_feed", {"url": "https://www.youtube.com/@NobodyWatches"}),
        ("study_video", {"URL": 1}),
    ]
    with road.database.transaction() as session:
        # As the web role may insert them, past every check of the dashboard's.
        session.add_all(
            models.Request(kind=kind, payload=payload, requested_by="eve") for kind, payload in asked
        )
    assert road.tick("submissions") == []
    answers = road.answers()
    assert [outcome for outcome, _ in answers] == ["refused"] * len(asked)
    assert all(answer and "\n" not in answer for _, answer in answers)
    assert road.site.asked == []
    assert road.rows(select(models.Video)) == []


def test_a_watched_channel_brings_its_new_videos_once_and_a_failed_look_moves_nothing(road: Road) -> None:
    road.site.feeds[CHANNEL] = feed_document([SECOND, VIDEO])
    road.site.talks |= {VIDEO: spoken("good morning everyone"), SECOND: spoken(PLAIN)}
    road.ask("watch_feed", url=f"https://www.youtube.com/channel/{CHANNEL}")
    road.tick("submissions")
    road.tick("watched_feeds")
    assert sorted(road.work("submissions")) == sorted([SECOND, VIDEO])
    assert road.work("submissions") == []
    states = {row.id: (row.state, row.detail) for row in road.rows(select(models.Video))}
    assert states[VIDEO][0] == states[SECOND][0] == "studied"
    assert "not_mechanisable" in str(states[VIDEO][1])

    later = "bbbbbbbbbb1"
    road.site.feeds[CHANNEL] = b"<html>sorry</html>"
    _feeds_are_due(road)
    road.tick("watched_feeds")
    [feed] = road.rows(select(models.WatchedFeed))
    assert feed.cursor == [SECOND, VIDEO]
    assert "404" in str(feed.problem)
    assert feed.next_poll_at > datetime.now(UTC) + timedelta(minutes=16)

    road.site.feeds[CHANNEL] = feed_document([later, SECOND])
    road.site.problems[later] = "ERROR: [youtube] x: Sign in to confirm you\u2019re not a bot"
    _feeds_are_due(road)
    road.tick("watched_feeds")
    assert road.work("submissions") == [later]
    [blocked] = road.rows(select(models.Video).where(models.Video.id == later))
    assert (blocked.state, blocked.attempts) == ("blocked_ip", 1)
    assert "12 hours" in blocked.next_step
    assert road.rows(select(models.Transcript).where(models.Transcript.id == later)) == []

    # YouTube has refused this machine: nothing else is asked meanwhile, and a person is told so.
    road.ask("study_video", url="https://www.youtube.com/watch?v=ccccccccccc")
    assert road.tick("submissions") == []
    assert "asked for a pause" in str(road.answers()[-1][1])
    road.ask("unwatch_feed", url=f"https://www.youtube.com/channel/{CHANNEL}")
    road.tick("submissions")
    assert road.rows(select(models.WatchedFeed)) == []


def _feeds_are_due(road: Road) -> None:
    with road.database.transaction() as session:
        session.execute(update(models.WatchedFeed).values(next_poll_at=datetime.now(UTC)))


def test_every_file_of_the_watched_folder_has_a_state_that_a_person_can_see(road: Road) -> None:
    talk = spoken("good morning everyone")
    road.drop("a.json3", talk)
    road.drop("again.json3", talk)
    road.drop("still copying.vtt", b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nhel", age=-3600)
    road.drop("half.srt.part", b"1\n")
    road.drop("slides.pdf", b"%PDF-1.7")
    road.drop("broken.json3", b'{"events": [')
    road.drop("binary.txt", b"MZ\x00\x01\xff")
    road.drop("latin.srt", "1\n00:00:01,000 --> 00:00:02,000\ncaf\xe9\n".encode("latin-1"))
    road.drop("empty.vtt", b"")
    road.drop("evil\x1b[31m\nname.txt", b"hello")
    road.drop(".hidden.txt", b"hello")
    (road.folder / "folder.txt").mkdir()
    (road.folder / "link.txt").symlink_to("/etc/passwd")
    os.mkfifo(road.folder / "pipe.txt")
    assert len(road.work("transcript_folder")) == 2
    assert road.file_states() == {
        "a.json3": "studied",
        "again.json3": "duplicate",
        "still copying.vtt": "arriving",
        "half.srt.part": "arriving",
        "slides.pdf": "unknown_format",
        "broken.json3": "unreadable",
        "binary.txt": "unreadable",
        "latin.srt": "unreadable",
        "empty.vtt": "unreadable",
        "evil\\x1b[31m\\nname.txt": "studied",
        "folder.txt": "unreadable",
        "link.txt": "unreadable",
        "pipe.txt": "unreadable",
    }
    assert all(row.detail and "\n" not in row.detail for row in road.rows(select(models.TranscriptFile)))
    road.drop("still copying.vtt", b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nhello", age=-3600)
    assert road.work("transcript_folder") == []

    road.drop("still copying.vtt", b"WEBVTT\n\n00:00:01.000 --> 00:00:02.000\nhello you\n")
    road.drop("broken.json3", spoken("it is mended"))
    assert len(road.work("transcript_folder")) == 2
    assert road.file_states()["still copying.vtt"] == road.file_states()["broken.json3"] == "studied"


def test_a_run_that_dies_is_started_again_and_one_that_keeps_dying_is_given_up(road: Road) -> None:
    road.drop("a.json3", spoken("good morning"))
    keys = []
    for _ in range(5):
        [request] = road.tick("transcript_folder")
        keys.append(request.run_key)
        job = road.defs.resolve_job_def("study_videos")
        run = road.instance.create_run_for_job(
            job, tags=dict(request.tags), status=dg.DagsterRunStatus.STARTED
        )
        assert road.tick("transcript_folder") == []
        road.instance.report_run_failed(run)
    assert len(set(keys)) == 5
    assert road.tick("transcript_folder") == []
    assert road.file_states() == {"a.json3": "failed"}


def test_the_road_uses_the_configured_language_model_and_the_grammar_where_none_answers(
    road: Road, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = '[{"name": "gone", "base_url": "http://127.0.0.1:9/v1", "model": "m"}]'
    monkeypatch.setenv("FALCON_LLM_PROVIDERS", provider)
    monkeypatch.setenv("FALCON_LLM_DEADLINE_SECONDS", "1")
    road.drop("a.json3", spoken(PLAIN))
    road.work("transcript_folder")
    [extraction] = road.rows(select(models.Extraction))
    assert (extraction.extractor, extraction.status, extraction.in_force) == ("grammar", "runnable", True)
    assert {call.status for call in road.rows(select(models.LlmCall))} == {"unreachable"}


def test_partitions_hold_what_was_asked_for(road: Road) -> None:
    road.drop("a.json3", spoken(PLAIN))
    [transcript] = road.work("transcript_folder")
    assert road.instance.get_dynamic_partitions(str(videos.name)) == [transcript]
    assert len(road.instance.get_dynamic_partitions(str(strategy_specs.name))) == 1
