"""The labelled talks, and what the grammar must reach on the half it is not tuned on."""

from falcon_pipelines.strategies.extraction import find_by_grammar
from falcon_pipelines.strategies.extraction.atoms import Finding
from falcon_pipelines.strategies.extraction.evaluation import evaluate, labelled_talks


def test_the_set_has_sixty_talks_and_twenty_without_a_rule() -> None:
    tuning, held_out = labelled_talks("tuning"), labelled_talks("evaluation")
    assert len(tuning) + len(held_out) >= 60
    assert len(held_out) >= 30
    assert sum(not talk.labels for talk in (*tuning, *held_out)) >= 20
    assert not {talk.transcript.original for talk in tuning} & {talk.transcript.original for talk in held_out}


def test_the_grammar_is_precise_and_finds_most_rules_on_talks_it_is_not_tuned_on() -> None:
    total = evaluate(find_by_grammar, labelled_talks("evaluation")).total
    assert total.precision is not None
    assert total.recall is not None
    assert total.precision >= 0.97
    assert total.recall >= 0.75


def test_no_rule_is_found_in_a_talk_without_one() -> None:
    empty = [talk for half in ("tuning", "evaluation") for talk in labelled_talks(half) if not talk.labels]
    assert evaluate(find_by_grammar, empty).total.wrong == 0


def test_finding_nothing_has_no_precision_and_no_recall() -> None:
    result = evaluate(lambda transcript: Finding(), labelled_talks("evaluation"))
    assert (result.total.precision, result.total.recall) == (None, 0.0)
    assert result.talks == 32
