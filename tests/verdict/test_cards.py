"""Cards of single examples."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from advisor.measuring.records import Answer, Comparison, Run
from advisor.models import Passage
from advisor.verdict import decide
from advisor.verdict.cards import CardPassage, cards

Make = Callable[..., Comparison]
MakeRun = Callable[..., Run]


def test_examples_on_which_rows_differ_most_come_first_in_the_order_of_the_test_set(
    comparison: Make, run: MakeRun
) -> None:
    made = comparison(
        [
            run("rag", ["yes", "yes", "no", "yes"]),
            run("lora", ["yes", "no", "no", "no"]),
            run("zero-shot", ["yes", "yes", "no", "no"]),
            run("majority", ["no", "no", "no", "no"]),
            Run("full", 0, "failed", error="out of memory"),
        ]
    )
    found = cards(made)
    assert [card.id for card in found] == ["q1", "q3", "q0", "q2"]  # the control does not count
    assert list(found[0].answers) == ["rag", "lora", "zero-shot", "majority"]
    assert [answer.score for answer in found[0].answers.values()] == [1, 0, 1, 0]
    assert found[0].targets == ("yes",)
    assert found[2].spread == found[3].spread == 0
    assert cards(made, decide(made).scores) == found


def test_a_card_shows_the_first_seed_and_marks_the_right_passages(comparison: Make, run: MakeRun) -> None:
    first = run("rag", ["yes"], seed=0, evidence=[("d2", "d1", "d3")])
    passages = tuple(Passage(name, "", f"text of {name}") for name in ("d2", "d1", "d3"))
    (prediction,) = first.predictions
    first = replace(first, predictions=(replace(prediction, passages=passages, shown=2, dropped=1, confidence=0.25),))
    made = comparison([first, run("rag", ["no"], seed=1, evidence=[("d3",)])], evidence={"q0": ("d1", "d9")})
    made = replace(made, answers={"q0": replace(made.answers["q0"], input="Is it?", group="billing")})
    (card,) = cards(made)
    assert (card.input, card.group) == ("Is it?", "billing")
    answer = card.answers["rag"]
    assert (answer.text, answer.score, answer.confidence, answer.failure) == ("yes", 1, 0.25, "")
    assert answer.passages == (
        CardPassage("d2", "text of d2", right=False),
        CardPassage("d1", "text of d1", right=True),
        CardPassage("d3", "text of d3", right=False, shown=False),
    )


def test_without_texts_documents_stand_in_for_passages(comparison: Make, run: MakeRun) -> None:
    made = comparison([run("rag", ["yes"], evidence=[("d1",)])], evidence={"q0": ("d1",)})
    (card,) = cards(replace(made, texts=False))
    assert card.input == ""
    assert card.answers["rag"].passages == (CardPassage("d1", "", right=True),)


def test_nothing_is_told_where_no_row_is_judged(comparison: Make, run: MakeRun) -> None:
    made = comparison([Run("rag", 0, "skipped", error="no documents")])
    assert cards(replace(made, answers={"q0": Answer(("yes",))})) == ()
