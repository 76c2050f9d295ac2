from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import pytest

from advisor.approaches import ContextSource
from advisor.models import Context, LanguageModel
from advisor.tasks import Example, Task
from rag import Rag


def _shows_gold(example: Example, context: Context) -> bool:
    return any(passage.source in example.evidence for passage in context.passages)


def _many(desk: Task, count: int, evidence: str = "") -> list[Example]:
    """Many examples of the same questions; where `evidence` is given, a document that is never retrieved."""
    base = desk.train
    return [
        replace(
            base[n % len(base)],
            id=f"e{n}",
            evidence=(evidence,) if evidence else base[n % len(base)].evidence,
        )
        for n in range(count)
    ]


@pytest.fixture
def source(desk: Task, model: LanguageModel) -> ContextSource:
    return Rag(k=3, miss=0.25).build(desk, model, seed=0)


def _share(examples: Sequence[Example], contexts: Sequence[Context]) -> float:
    return sum(not _shows_gold(e, c) for e, c in zip(examples, contexts, strict=True)) / len(examples)


def test_the_right_passage_is_missing_in_about_miss_of_the_contexts(desk: Task, source: ContextSource) -> None:
    found = _many(desk, 500)
    assert _share(found, source.training_contexts(found, 7)) == pytest.approx(0.25, abs=0.05)


def test_also_where_retrieval_never_finds_it(desk: Task, model: LanguageModel) -> None:
    lost = [example for example in _many(desk, 500, "laptops") if "laptops" not in example.input]
    builder = Rag(k=2, miss=0.25).build(desk, model, seed=0)
    assert not any(_shows_gold(e, c) for e, c in zip(lost, builder.contexts([e.query for e in lost]), strict=True))
    contexts = builder.training_contexts(lost, 7)
    assert _share(lost, contexts) == pytest.approx(0.25, abs=0.05)
    assert all(context.size == 2 for context in contexts)
    ranks = Counter(c.passages[0].source == "laptops" for e, c in zip(lost, contexts, strict=True) if _shows_gold(e, c))
    assert 0.4 < ranks[True] / ranks.total() < 0.6


def test_what_is_left_out_is_filled_up_in_order(desk: Task, model: LanguageModel) -> None:
    wide = Rag(k=4).build(desk, model, seed=0).contexts([example.query for example in desk.train])
    without = Rag(k=3, miss=1).build(desk, model, seed=0).training_contexts(desk.train, 0)
    for example, four, three in zip(desk.train, wide, without, strict=True):
        assert three.passages == tuple(p for p in four.passages if p.source not in example.evidence)[:3]


def test_otherwise_it_is_what_inference_brings(desk: Task, model: LanguageModel) -> None:
    source = Rag(miss=0).build(desk, model, seed=0)
    assert source.training_contexts(desk.train, 0) == source.contexts([example.query for example in desk.train])


def test_of_a_long_document_the_part_that_matters_is_put_in(manual: Task, model: LanguageModel) -> None:
    asked = Example("q", "refunds", "five", evidence=("manual",))
    source = Rag(k=2, chunk=40, overlap=5, miss=0).build(manual, model, seed=0)
    assert not _shows_gold(asked, source.contexts([asked.query])[0])
    (context,) = source.training_contexts([asked], 0)
    assert ["Refunds reach the card" in p.text for p in context.passages if p.source == "manual"] == [True]


def test_the_seed_settles_it_and_each_example_for_itself(desk: Task, source: ContextSource) -> None:
    examples = _many(desk, 60)
    contexts = source.training_contexts(examples, 1)
    assert source.training_contexts(examples, 1) == contexts
    assert source.training_contexts(examples, 2) != contexts
    assert source.training_contexts(examples[30:], 1) == contexts[30:]


def test_without_evidence_nothing_is_changed(desk: Task, model: LanguageModel) -> None:
    source = Rag(miss=1).build(desk, model, seed=0)
    unknown = [replace(example, evidence=()) for example in desk.train]
    absent = [replace(example, evidence=("no such document",)) for example in desk.train]
    inference = source.contexts([example.query for example in desk.train])
    assert source.training_contexts(unknown, 0) == source.training_contexts(absent, 0) == inference
