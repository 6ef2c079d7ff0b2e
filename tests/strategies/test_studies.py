"""Which reading of a talk is in force, what is stored of it, and what is laid over it by choice."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import Engine, select

from falcon_pipelines.db.engine import database_engine, transaction
from falcon_pipelines.db.models import Extraction, StrategySpec, StrategyVariant
from falcon_pipelines.llm.client import Budget, LlmClient
from falcon_pipelines.llm.store import PostgresStore
from falcon_pipelines.settings import LlmProvider
from falcon_pipelines.strategies.extraction import ExtractionResult
from falcon_pipelines.strategies.extraction.model_reply import ModelAtom
from falcon_pipelines.strategies.spec import dump_yaml, parse_spec
from falcon_pipelines.strategies.store import save_transcript, spec_of
from falcon_pipelines.strategies.studies import lay_over_stored, read_strategy, save_study
from falcon_pipelines.strategies.transcripts import Transcript, parse_words
from tests.llm.chat_server import Scripted, chat_server, completion, failure
from tests.strategies.extraction.talks import transcript

TALK = (
    "i buy when the r s i drops below thirty and i sell when the r s i goes above seventy my stop goes below the most "
    "recent swing low"
)


@pytest.fixture
def engine(database_url: str) -> Iterator[Engine]:
    engine = database_engine(database_url)
    yield engine
    engine.dispose()


def reported(*atoms: dict[str, Any], **envelope: Any) -> Scripted:
    empty = {
        **dict.fromkeys(ModelAtom.model_fields),
        "state": "stated",
        "first_segment": 0,
        "last_segment": 1,
    }
    return completion(json.dumps({"atoms": [empty | atom for atom in atoms]}), **envelope)


ENTRY = {
    "place": "entry_long",
    "quote": "i buy when the r s i drops below thirty",
    "left": "rsi",
    "comparison": "below",
    "right": "level",
    "right_number": 30,
}


def results(
    engine: Engine, words: str, *script: Scripted, budget: Decimal = Decimal(1)
) -> tuple[ExtractionResult, ...]:
    with chat_server(*script) as server:
        priced = {"input_usd_per_million": Decimal(10), "output_usd_per_million": Decimal(10)}
        provider = LlmProvider(name="local", base_url=server.url, model="m", **priced)
        client = LlmClient([provider], PostgresStore(engine), Budget(budget, Decimal(10)), 5.0)
        return read_strategy(transcript(words), client)


def stored(engine: Engine, words: str, found: tuple[ExtractionResult, ...]) -> list[tuple[str, bool]]:
    with transaction(engine) as session:
        save_transcript(session, transcript(words))
        save_study(session, "abc123", found)
        rows = session.scalars(select(Extraction).order_by(Extraction.extractor))
        return [(row.extractor, row.in_force) for row in rows]


def test_a_model_that_read_everything_is_in_force_and_the_grammar_is_kept_beside(engine: Engine) -> None:
    found = results(engine, TALK, reported(ENTRY))
    assert [result.extractor for result in found] == ["llm", "grammar"]
    assert stored(engine, TALK, found) == [("grammar", False), ("llm", True)]


def test_where_no_model_answers_the_grammar_is_in_force(engine: Engine) -> None:
    found = results(engine, TALK, failure(401))
    assert stored(engine, TALK, found) == [("grammar", True)]


def test_where_the_budget_ends_in_the_middle_what_was_read_is_kept_and_the_grammar_is_in_force(
    engine: Engine,
) -> None:
    words = f"{TALK} {'and so on ' * 1200}"
    found = results(engine, words, reported(ENTRY, usage=None), reported(), budget=Decimal("0.20"))
    assert [result.extractor for result in found] == ["grammar", "llm"]
    assert "not_read_skipped_budget" in {flag.kind for flag in found[1].flags}
    assert [rule.field for rule in found[1].rules if rule.state == "stated"] == ["entry.long"]
    assert stored(engine, words, found) == [("grammar", True), ("llm", False)]


def test_a_transcript_studied_twice_is_stored_once(engine: Engine) -> None:
    found = read_strategy(transcript(TALK), None)
    assert stored(engine, TALK, found) == stored(engine, TALK, found) == [("grammar", True)]
    with transaction(engine) as session:
        assert len(session.scalars(select(StrategySpec)).all()) == 4
        assert len(session.scalars(select(StrategyVariant)).all()) == 3


def test_each_reading_is_a_strategy_of_its_own_name_that_says_which_it_is(engine: Engine) -> None:
    with transaction(engine) as session:
        save_transcript(session, transcript(TALK))
        study = save_study(session, "abc123", read_strategy(transcript(TALK), None))
        assert study.spec_name == "rsi_abc123"
        assert study.variant_names == tuple(f"rsi_abc123_reading_{n}" for n in (1, 2, 3))
        assert study.to_judge == (study.spec_name, *study.variant_names)
        row = session.scalars(select(StrategySpec).where(StrategySpec.name == "rsi_abc123_reading_2")).one()
        assert row.extraction is not None
        assert row.extraction["variant"] == {
            "kind": "reading",
            "field": "exit.stop",
            "value": {"swing": {"bars": 10}},
        }


def test_what_is_laid_over_a_stored_strategy_is_stored_with_who_chose_it(engine: Engine) -> None:
    words = "i buy when the r s i drops below thirty"
    with transaction(engine) as session:
        save_transcript(session, transcript(words))
        study = save_study(session, "abc123", read_strategy(transcript(words), None))
        assert study.to_judge == ()
        assert lay_over_stored(session, "rsi_abc123", ["after_20_bars"], "ann") == (
            "rsi_abc123_with_after_20_bars",
            True,
        )
        assert lay_over_stored(session, "rsi_abc123", ["exit.breakeven.percent=3"], "ann")[1] is False
        variants = session.scalars(select(StrategyVariant).order_by(StrategyVariant.id)).all()
        assert [(row.kind, row.why, row.runnable) for row in variants] == [
            ("overlay", "chosen by ann", True),
            ("overlay", "chosen by ann", False),
        ]


HOSTILE = "<script>alert(1)</script> {{ 7*7 }} ${jndi:ldap://x} '; DROP TABLE videos; -- !!python/object:os.system \u202e"


def test_code_in_every_field_of_a_talk_stays_text_in_files_and_in_the_database(engine: Engine) -> None:
    words = f"{HOSTILE} {TALK} and this {HOSTILE} wins eighty percent of the time"
    content = json.dumps({"events": [{"tStartMs": 0, "segs": [{"utf8": f"{words} \ud800"}]}]}).encode()
    talk = Transcript(
        "abc123", HOSTILE, None, HOSTILE, "file", parse_words(content, ".json3", "talk"), content
    )
    with transaction(engine) as session:
        save_transcript(session, talk)
        study = save_study(session, talk.id, read_strategy(talk, None))
    with transaction(engine) as session:
        row = session.scalars(select(StrategySpec).where(StrategySpec.name == study.spec_name)).one()
        again = spec_of(row)
        assert again == study.result.spec
        assert session.scalars(select(Extraction)).one().document["status"] == "runnable"
    assert parse_spec(dump_yaml(again)) == again
    assert again.name.replace("_", "").isalnum()
    assert again.document()["entry"] == {"long": {"lt": ["rsi", 30]}}
    assert {flag.kind for flag in study.result.flags} >= {"code"}
