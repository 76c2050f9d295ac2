"""Citations and abstention of a row, from records to figures with intervals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from sklearn.metrics import f1_score, precision_score, recall_score

from advisor.approaches import Citation
from advisor.measuring.records import Comparison, Run
from advisor.measuring.scored import Scored
from advisor.reporting import report
from advisor.verdict import decide

Runs = Callable[..., Run]
Comparisons = Callable[..., Comparison]
UNANSWERABLE = "unanswerable"


def asked(comparison: Comparison) -> Comparison:
    """The same as a question answering task."""
    return replace(comparison, task=replace(comparison.task, kind="qa", metric="token_f1", labels=()))


def citing(run: Run, *named: tuple[tuple[str, ...], int]) -> Run:
    """The same run with the documents that each answer names, and how many numbers were impossible."""
    found = [
        replace(p, citations=tuple(Citation(n, s) for n, s in enumerate(sources, 1)), miscited=wrong)
        for p, (sources, wrong) in zip(run.predictions, named, strict=True)
    ]
    return replace(run, predictions=tuple(found))


def test_citations_against_evidence(run: Runs, comparison: Comparisons) -> None:
    evidence = {"q0": ("d1",), "q1": ("d1", "d2"), "q2": ("d3",)}  # that of q3 is not known
    named = ((("d1", "d9"), 0), (("d1",), 1), ((), 0), (("d4",), 0))
    rows = [citing(run("rag:cite=true", ["yes"] * 4), *named), run("rag", ["yes"] * 4)]
    cited, plain = decide(comparison(rows, evidence=evidence)).rows
    assert plain.citations is None
    assert cited.citations is not None
    found = cited.citations
    assert found.precision is not None and found.recall is not None
    assert found.precision.value == pytest.approx((0.5 + 1) / 2)  # over the answers that name any
    assert found.recall.value == pytest.approx((1 + 0.5 + 0) / 3)
    assert (found.without, found.impossible) == (0.25, 0.25)
    assert 0 <= found.recall.low < found.recall.value < found.recall.high <= 1


def test_a_row_that_finds_nothing_at_all_has_a_recall_of_zero(run: Runs, comparison: Comparisons) -> None:
    """As where a threshold leaves no passage; a row without documents has none."""
    rows = [replace(run("rag:least=0.99", ["yes"] * 4), shows="documents"), run("zero-shot", ["yes"] * 4)]
    nothing, plain = decide(comparison(rows, evidence={"q0": ("d1",), "q1": ("d2",)})).rows
    assert nothing.retrieval is not None and nothing.retrieval.recall_at_k is not None
    assert nothing.retrieval.recall_at_k.value == 0
    assert plain.retrieval is None


def test_an_abstention_lacks_no_citation(run: Runs, comparison: Comparisons) -> None:
    row = decide(comparison([citing(run("rag", [UNANSWERABLE, "yes"]), ((), 0), ((), 0))])).rows[0]
    assert row.citations is not None
    assert (row.citations.without, row.citations.precision, row.citations.recall) == (0.5, None, None)


@pytest.mark.parametrize(
    "said",
    [
        [UNANSWERABLE, "yes", "Unanswerable.", "yes", "no", "yes"],
        ["yes"] * 6,
        [UNANSWERABLE] * 6,
    ],
)
def test_abstention_is_that_of_scikit_learn(run: Runs, comparison: Comparisons, said: list[str]) -> None:
    targets = [UNANSWERABLE, UNANSWERABLE, "yes", "yes", "yes", "yes"]
    row = decide(asked(comparison([run("a", said)], targets=targets))).rows[0]
    true, given = [t == UNANSWERABLE for t in targets], [s.lower().startswith(UNANSWERABLE) for s in said]
    found = row.abstention
    assert found is not None and found.unanswerable == 2
    for measure, official in (("precision", precision_score), ("recall", recall_score), ("f1", f1_score)):
        interval = getattr(found, measure)
        if interval is None:
            assert measure == "precision" and not any(given)
        else:
            assert interval.value == pytest.approx(official(true, given, zero_division=0.0))
            assert 0 <= interval.low <= interval.value <= interval.high <= 1
    assert found.share is not None and found.share.value == pytest.approx(sum(given) / 6)
    assert found.quality_answerable is not None
    assert found.quality_answerable.value == pytest.approx(sum(s == "yes" for s in said[2:]) / 4)


def test_quality_where_there_is_an_answer_by_what_a_model_was_asked(run: Runs, comparison: Comparisons) -> None:
    """What the model gave no value for counts as not right, here as in the quality."""
    one = run("a", [UNANSWERABLE, "yes", "no", "no"])
    values = {p.id: value for p, value in zip(one.predictions, (1.0, 0.5, 0.25, None), strict=True)}
    one = replace(one, scored={"embedding_similarity": Scored(values)})
    found = asked(comparison([one], targets=[UNANSWERABLE, "yes", "yes", "yes"]))
    row = decide(replace(found, task=replace(found.task, metric="embedding_similarity"))).rows[0]
    assert row.abstention is not None and row.abstention.quality_answerable is not None
    assert row.abstention.quality_answerable.value == pytest.approx(0.25)


def test_seeds_are_taken_together_without_being_more_questions(run: Runs, comparison: Comparisons) -> None:
    targets, said = [UNANSWERABLE] * 10 + ["yes"] * 10, [UNANSWERABLE] * 15 + ["yes"] * 5
    one = decide(asked(comparison([run("a", said)], targets=targets))).rows[0].abstention
    three = [replace(run("a", said), seed=seed) for seed in range(3)]
    assert decide(asked(comparison(three, targets=targets))).rows[0].abstention == one


def test_where_every_question_has_an_answer_nothing_is_said(run: Runs, comparison: Comparisons) -> None:
    decision = decide(asked(comparison([run("a", ["yes", UNANSWERABLE])])))
    assert decision.rows[0].abstention is None
    assert "Unanswerable questions" not in report(decision)
    labels = decide(comparison([run("a", ["yes", UNANSWERABLE])], targets=["yes", UNANSWERABLE]))
    assert labels.rows[0].abstention is None


def test_the_report_says_it(run: Runs, comparison: Comparisons) -> None:
    targets = [UNANSWERABLE] * 5 + ["yes"] * 15
    cited = citing(run("rag:cite=true", [UNANSWERABLE] * 4 + ["yes"] * 16), *[((), 0)] * 20)
    decision = decide(asked(comparison([cited], targets=targets)))
    for how in ("terminal", "markdown"):
        text: Any = report(decision, how)
        assert "Unanswerable questions" in text and "5 of the test questions cannot be answered" in text
        assert "0.800 [" in text  # 4 of 5
        assert "0.889 [" in text or how == "terminal"  # F1, where there is room
        assert "80 % of the answers" in " ".join(text.split())
