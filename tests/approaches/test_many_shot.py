"""As many examples as fit, and what it takes of a query to find what stands beside it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import Lengths, Load, parse
from advisor.approaches.many_shot import ManyShot
from advisor.approaches.workload import TRAINED_TOKENS
from advisor.errors import NotApplicable, UserError
from advisor.tasks import Example, Outline, Task

MakeModel = Callable[..., Any]


@pytest.fixture
def many(tickets: Task) -> Task:
    """A thousand examples; nine in ten have one label."""
    train = tuple(
        Example(f"t{n}", f"ticket number{n} says a few words more", "card" if n % 10 else "address")
        for n in range(1000)
    )
    return replace(tickets, train=train)


def test_as_many_as_fit_the_window_and_as_balanced_as_may_be(many: Task, make_model: MakeModel) -> None:
    model = make_model(context_window=1_000)
    source = ManyShot().build(many, model, 0)
    context = source.contexts([many.test[0].query, many.test[1].query])[0]
    taken = sum(model.count_tokens(s.input) + model.count_tokens(s.answer) + 12 for s in context.shots)
    assert 700 <= taken <= 750 and context.fixed
    counts = Counter(shot.answer for shot in context.shots)
    assert abs(counts["card"] - counts["address"]) <= 1
    order = [shot.answer for shot in context.shots]
    assert order != sorted(order) and order[:4] != ["card", "address"] * 2  # mixed
    assert f"{len(context.shots)} of 1,000 training examples stood in the prompt" in source.facts.notes[0]
    assert source.facts.resolved == {"many-shot": {"examples": len(context.shots)}}
    again, other = ManyShot().build(many, model, 0), ManyShot().build(many, model, 1)
    assert again.contexts([many.test[0].query]) == [context] != other.contexts([many.test[0].query])


def test_the_budget_limits_it_and_all_may_fit(many: Task, tickets: Task, make_model: MakeModel) -> None:
    model = make_model(context_window=4_000)
    shots = ManyShot(budget=100).build(many, model, 0).contexts([many.test[0].query])[0].shots
    assert len(shots) == 5
    source = ManyShot().build(tickets, model, 0)
    assert len(source.contexts([tickets.test[0].query])[0].shots) == len(tickets.train)
    assert "9 of 9" in source.facts.notes[0] and "While training" not in source.facts.notes[0]


def test_training_rows_show_the_first_of_them_and_never_their_own_answer(many: Task, make_model: MakeModel) -> None:
    model = make_model(context_window=20_000)
    source = ManyShot().build(many, model, 0)
    everything = source.contexts([many.test[0].query])[0].shots
    shown = source.training_contexts(many.train, 0)
    for example, context in zip(many.train, shown, strict=True):
        taken = sum(model.count_tokens(s.input) + model.count_tokens(s.answer) + 12 for s in context.shots)
        assert taken <= TRAINED_TOKENS
        assert example.input not in [shot.input for shot in context.shots]
    assert shown[0].shots[0] == everything[0]
    assert f"up to {TRAINED_TOKENS:,}" in source.facts.notes[0]


def test_it_answers_and_is_brought_back(tickets: Task, make_model: MakeModel, tmp_path: Path) -> None:
    model = make_model()
    approach = parse("many-shot:budget=80")
    predictor = approach.fit(tickets.for_fitting(), model, 0)
    queries = [example.query for example in tickets.test]
    predictor.save(tmp_path)
    answers, again = (one.predict(queries) for one in (predictor, approach.restore(tmp_path, tickets.brief, model)))
    assert [(a.text, a.confidence, a.usage.shown) for a in answers] == [(a.text, a.confidence, 4) for a in again]


def test_where_it_does_not_suit(tickets: Task, make_model: MakeModel) -> None:
    assert ManyShot().unsuited(replace(tickets, train=())) == "there are no training examples"
    with pytest.raises(NotApplicable, match="fits 10 tokens"):
        ManyShot(budget=10).build(tickets, make_model(), 0)
    with pytest.raises(UserError, match="budget is -1"):
        parse("many-shot:budget=-1")


def load(spec: str, task: Task, window: int = 0) -> Load:
    found = parse(spec).load(Outline.of(task), Lengths.of(task, None))
    assert found is not None
    return found.within(window)


def test_what_is_shown_is_foreseen_as_far_as_the_window_holds_it(many: Task) -> None:
    whole, cut = load("many-shot", many), load("many-shot", many, 4_000)
    few = load("few-shot:k=8", many)
    assert whole.prompt > 20_000 and cut.prompt == 3_000
    own = few.prompt - few.shared
    assert cut.prompt - cut.shared == pytest.approx(own) == pytest.approx(whole.prompt - whole.shared)
    assert load("many-shot:budget=400", many).prompt < 700
    tuned = load("many-shot+lora:epochs=1", many)
    assert tuned.trained_on < 1_000 * (TRAINED_TOKENS + 300)


def test_documents_are_foreseen_as_shared_only_where_all_fit(desk: Task) -> None:
    fits, cut = load("long-context", desk, 4_000), load("long-context", desk, 100)
    assert fits.shared > fits.stem and fits.prompt - fits.shared < 40
    assert cut.prompt == 75 and cut.shared == cut.stem
    assert load("long-context:retriever=dense", desk).indexed > 0 == load("long-context", desk).indexed


def test_what_is_asked_to_find_passages_is_foreseen(desk: Task) -> None:
    plain = load("rag:retriever=bm25", desk)
    judged = load("rag:retriever=bm25,rerank=llm,fetch=3", desk)
    assert (judged.calls, judged.asked) == (4, 3) and plain.asked == 0
    assert judged.prompt == pytest.approx(plain.prompt + judged.asked_prompt)
    assert judged.asked_prompt > 3 * 20 and judged.written == plain.written
    hyde = load("rag:retriever=bm25,query=hyde", desk)
    assert hyde.calls == 2 and hyde.written - plain.written == hyde.asked_written > 50
    both = load("rag:retriever=bm25,query=multi,rerank=llm,fetch=3", desk)
    assert both.asked == 1 + 4 * 3  # the query and three others are judged apart
    tuned = load("rag:retriever=bm25,query=hyde+lora:epochs=1", desk)
    assert tuned.trained_on == load("rag:retriever=bm25+lora:epochs=1", desk).trained_on
    assert tuned.tried_written == pytest.approx(3 * hyde.asked_written)
