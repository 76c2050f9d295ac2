"""When no answer is given: thresholds, what they are chosen on, and what a tuner is taught instead."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from advisor.approaches import parse, untrained
from advisor.errors import UserError
from advisor.models import Context, Decoding, LanguageModel, Passage
from advisor.tasks import Example, Outline, Query, Task
from rag import Rag
from rag.abstaining import Trials, best_score, chosen, trials
from rag.index import PassageIndex

RIGHT, HOPELESS = Example("a", "q", "yes"), Example("b", "q", "unanswerable")


def _trials(answerable: int, unanswerable: int, share: float) -> Trials:
    return Trials((RIGHT,) * answerable, (HOPELESS,) * unanswerable, share, made=False, dev=True)


def _index(desk: Task, model: LanguageModel) -> PassageIndex:
    return Rag().index_of(desk, model)


def test_the_threshold_parts_what_can_be_answered_from_what_cannot() -> None:
    found = chosen("score", "qa", _trials(3, 2, 0.4), [0.9, 0.8, 0.6, 0.2, 0.4], ["yes"] * 5)
    assert found.least == pytest.approx(0.5)
    assert [found.withholds(value) for value in (0.4, 0.6)] == [True, False]
    assert "5 dev questions, 2 of them unanswerable" in found.note
    assert "1.00, against 0.60" in found.note
    assert "where the score of the best passage was below 0.5, " in found.note
    found = chosen("probability", "qa", _trials(3, 2, 0.4), [0.9, 0.8, 0.6, 0.2, 0.4], ["yes"] * 5)
    assert 'log-likelihood per token of its answer, less that of "unanswerable", was below 0.5, ' in found.note


def test_where_abstaining_does_not_help_everything_is_answered() -> None:
    found = chosen("score", "qa", _trials(2, 1, 0.1), [0.1, 0.2, 0.9], ["yes"] * 3)
    assert found.least is None
    assert not found.withholds(-math.inf)
    assert "no threshold did better than none" in found.note


def test_unanswerable_questions_count_by_their_share_and_not_by_how_many_were_drawn() -> None:
    values, texts = [0.1, 0.3, 0.5, 0.2, 0.2, 0.2], ["yes"] * 6
    rare, frequent = (chosen("score", "qa", _trials(3, 3, share), values, texts) for share in (0.05, 0.5))
    assert rare.least is None
    assert frequent.least == pytest.approx(0.25)


def test_a_query_for_which_nothing_was_found_is_the_first_to_be_withheld() -> None:
    found = chosen("score", "qa", _trials(2, 1, 0.3), [2.0, 3.0, -math.inf], ["yes"] * 3)
    assert (found.withholds(-math.inf), found.withholds(2.0)) == (True, False)
    assert best_score(Context()) == -math.inf


def test_answers_that_are_wrong_anyway_cost_nothing() -> None:
    found = chosen("score", "qa", _trials(2, 1, 0.3), [0.1, 0.9, 0.5], ["no", "yes", "no"])
    assert found.least == pytest.approx(0.7)


def test_unanswerable_examples_of_dev_come_first(desk: Task, model: LanguageModel) -> None:
    hopeless = tuple(Example(f"u{n}", "who feeds the cat", "unanswerable") for n in range(2))
    found = trials(replace(desk, dev=(*desk.train[:6], *hopeless)), _index(desk, model), 0)
    assert (len(found.answerable), len(found.unanswerable), found.made, found.dev) == (6, 2, False, True)
    assert found.share == pytest.approx(0.25)
    of_train = trials(replace(desk, train=(*desk.train, *hopeless)), _index(desk, model), 0)
    assert (len(of_train.unanswerable), of_train.made, of_train.dev) == (2, False, False)


def test_without_any_questions_are_made_from_the_evidence(desk: Task, model: LanguageModel) -> None:
    found = trials(desk, _index(desk, model), 0)
    assert found.made and found.unanswerable == found.answerable
    assert found.share == 0.5
    bare = replace(desk, train=tuple(replace(example, evidence=()) for example in desk.train))
    with pytest.raises(UserError, match="evidence"):
        trials(bare, _index(bare, model), 0)


def test_scores_have_to_be_there() -> None:
    scored = Passage("a", "", "text", score=0.7)
    assert best_score(Context(passages=(scored, replace(scored, score=0.2)))) == 0.7
    with pytest.raises(UserError, match="gives none"):
        best_score(Context(passages=(scored, replace(scored, score=None))))


@pytest.mark.parametrize("retriever", ["dense", "bm25", "hybrid"])
def test_searchers_say_how_well_a_passage_fits(retriever: str, desk: Task, model: LanguageModel) -> None:
    source = Rag(retriever=retriever).build(desk, model, seed=0)
    for context in source.contexts([example.query for example in desk.train]):
        scores = [passage.score for passage in context.passages]
        assert scores == sorted(scores, key=lambda score: -(score or 0.0)) and None not in scores


def test_what_is_taught_where_the_evidence_is_left_out(desk: Task, model: LanguageModel) -> None:
    source = Rag(abstain="trained", miss=0.5, cite=True).build(desk, model, seed=0)
    unknown = Example("u", "who feeds the cat", "nobody", evidence=("no such document",))
    examples = [*desk.train, unknown]
    contexts = source.training_contexts(examples, 3)
    learned = source.to_learn(examples, contexts)
    assert learned[-1] == "nobody"
    for example, context, answer in zip(desk.train, contexts, learned, strict=False):
        places = [n for n, passage in enumerate(context.passages, 1) if passage.source in example.evidence]
        assert answer == (f"{example.target} [{places[0]}]" if places else "unanswerable")
    assert 0 < sum(answer == "unanswerable" for answer in learned) < len(desk.train)
    assert source.decoding(Decoding(1), model).max_tokens > 2


def test_plain_rag_teaches_what_the_examples_say(desk: Task, model: LanguageModel) -> None:
    source = Rag(miss=1.0).build(desk, model, seed=0)
    contexts = source.training_contexts(desk.train, 0)
    assert source.to_learn(desk.train, contexts) == [example.target for example in desk.train]
    assert not any(context.numbered or context.instruction for context in contexts)
    assert source.decoding(Decoding(7), model) == Decoding(7)


def test_what_cannot_stand_together_says_so() -> None:
    with pytest.raises(UserError, match="no tuner") as caught:
        parse("rag:abstain=trained")
    assert caught.value.hint == "rag:abstain=trained+lora"
    with pytest.raises(UserError, match="cot"):
        Rag(abstain="probability", cot=True)
    with pytest.raises(UserError, match="abstain"):
        parse("rag:abstain=sometimes")
    assert untrained(parse("rag:abstain=trained+lora")) is None
    assert untrained(parse("rag:cite=true+lora")) == parse("rag:cite=true")


def test_what_is_tried_is_foreseen(desk: Task) -> None:
    outline = Outline.of(desk)
    kinds = ("none", "score", "probability", "trained")
    assert [Rag(abstain=kind).load(outline).tried for kind in kinds] == [0, 8, 8, 0]
    assert Rag(abstain="score").load(outline).words == Rag().load(outline).words


def test_where_it_suits(desk: Task, labelled: Task) -> None:
    both = Rag(abstain="score"), Rag(cite=True)
    assert [builder.unsuited(desk) for builder in both] == ["", ""]
    assert all("documents" in builder.unsuited(labelled) for builder in both)
    sorted_desk = replace(desk, kind="classification", labels=("a", "b"))
    assert all("label" in builder.unsuited(sorted_desk) for builder in both)
    bare = replace(desk, train=tuple(replace(example, evidence=()) for example in desk.train))
    assert "evidence" in Rag(abstain="trained").unsuited(bare)


@pytest.mark.parametrize("fuse", ["scores", "ranks"])
def test_a_question_about_nothing_in_the_documents_is_told_apart_by_both_together(
    fuse: str, desk: Task, model: LanguageModel
) -> None:
    real = [example.query for example in desk.train]
    foreign = [
        Query("x", "Which volcano erupted near Naples?"),
        Query("y", "Which penguin hid behind blue ice near Chile?"),
        Query("z", "Who composed nine symphonies?"),
    ]
    source = Rag(retriever="hybrid", fuse=fuse).build(desk, model, seed=0)  # type: ignore[arg-type]
    known, unknown = ([best_score(c) for c in source.contexts(queries)] for queries in (real, foreign))
    assert min(known) > max(unknown)
    fused = [[context.passages[0].score or 0 for context in source.contexts(queries)] for queries in (real, foreign)]
    assert min(fused[0]) <= max(fused[1])  # which are scaled anew for each, so that they tell nothing
    by_vectors = Rag().build(desk, model, seed=0)
    assert known == pytest.approx([best_score(c) for c in by_vectors.contexts(real)])
    least = (min(known) + max(unknown)) / 2
    strict = Rag(retriever="hybrid", fuse=fuse, least=least).build(desk, model, seed=0)  # type: ignore[arg-type]
    assert all(context.passages for context in strict.contexts(real))
    assert not any(context.passages for context in strict.contexts(foreign))
