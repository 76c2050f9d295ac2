"""Judges: asked behind the finished rows, once, apart from what these cost; whatever they say is recorded."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from advisor.errors import Interrupted, NotApplicable, UserError
from advisor.measuring.comparing import compare
from advisor.measuring.graded import to_grade
from advisor.measuring.judges import Judge, JudgeMetric, grade_of, outcome_of
from advisor.models import Capabilities, Generation, Passage, Prompt
from advisor.reporting import report
from advisor.tasks import Grade, Limits, Task, check_metric
from advisor.verdict import decide

ROWS = ["zero-shot", "few-shot:k=2"]
SPEC = "judge:model=big"


def answers(prompt: Prompt) -> str:
    """Right on two thirds of the questions with shots, on half of them without."""
    number = int(re.findall(r"\d+", prompt.input)[-1])
    right = number % 3 if prompt.context.shots else number % 2
    return f"it is {number}" if right else f"nobody can say what number {number + 1} may be"


def by_reference(prompt: Prompt, choice: str) -> float:
    """Sure of the best grade where the answer is the reference, and of the worst where it is not."""
    told = dict(line.split(": ", 1) for line in prompt.input.splitlines())
    if "Answer A" in told:
        right = {name: told[f"Answer {name}"] == told["Reference answer"] for name in "AB"}
        return 3.0 * right[choice]
    right_one = told["Answer to grade"] == told["Reference answer"]
    return 5.0 * (choice in ("5", "yes")) if right_one else 5.0 * (choice in ("1", "no"))


@pytest.fixture
def pair(scripted: ModuleType) -> Callable[..., tuple[Any, Any]]:
    """The model that answers and the one that judges."""

    def made(rule: Callable[[Prompt, str], float] = by_reference, **more: Any) -> tuple[Any, Any]:
        small = scripted.ScriptedModel(name="maker/small", writing=answers)
        big = scripted.ScriptedModel(name="maker/big", scoring=rule, **more)
        small.alias, big.alias = "small", "big"
        return small, big

    return made


def measured(task: Task, models: Sequence[Any], out: Path, rows: Sequence[str] = ROWS, **more: Any) -> Any:
    return compare(task, list(models), [*(f"{row}@small" for row in rows), "zero-shot@big"], out=out, **more)


def judged(comparison: Any, spec: str = SPEC) -> dict[str, Any]:
    return {run.spec: run.scored[spec] for run in comparison.runs if spec in run.scored}


def asked_of(judge: Any) -> list[Prompt]:
    return [prompt for prompt in judge.prompts if prompt.instruction.startswith("You ")]


def test_what_a_judge_says_is_recorded_behind_the_run_once(numbers: Task, pair: Any, tmp_path: Path) -> None:
    task = replace(numbers, metrics=(SPEC,))
    small, big = pair()
    comparison = measured(task, (small, big), tmp_path)
    found = judged(comparison)
    assert {"zero-shot@small", "few-shot:k=2@small"} <= found.keys()
    right = {f"q{i}" for i in range(70) if i % 2}
    values = found["zero-shot@small"].values
    assert {i for i, value in values.items() if value and value > 0.9} == right
    assert all(0 < value < 0.1 for i, value in values.items() if i not in right)
    assert found["zero-shot@small"].took.alias == "big" and found["zero-shot@small"].took.seconds > 0
    prompts = asked_of(big)
    assert len(prompts) == len({prompt.input for prompt in prompts})  # the same answer is graded once for all rows
    again = measured(task, pair(), tmp_path)
    assert judged(again) == found
    small, late = pair()
    measured(task, (small, late), tmp_path)
    assert not asked_of(late) and not small.prompts


def test_what_it_took_is_no_rows(numbers: Task, pair: Any, tmp_path: Path) -> None:
    plain = measured(numbers, pair(), tmp_path / "plain")
    with_judge = measured(replace(numbers, metrics=(SPEC,)), pair(), tmp_path / "judged")
    for before, after in zip(decide(plain).rows, decide(with_judge).rows, strict=True):
        assert (before.prompt_tokens, before.completion_tokens) == (after.prompt_tokens, after.completion_tokens)
        assert before.calls == after.calls and not after.asked
    (told,) = decide(with_judge).judges
    assert told.asked is not None and told.asked.id == "maker/big" and told.failures == 0


def test_a_judge_that_is_gone_goes_on_where_it_stopped(numbers: Task, pair: Any, tmp_path: Path) -> None:
    task = replace(numbers, metrics=(SPEC,))
    left = [50]

    def breaks(prompt: Prompt, choice: str) -> float:
        if prompt.instruction.startswith("You "):
            left[0] -= choice == "5"
            if left[0] < 0:
                raise Interrupted("the server is gone")
        return by_reference(prompt, choice)

    stopped = measured(task, pair(breaks), tmp_path)
    first = judged(stopped)["zero-shot@small"]
    assert len(first.values) == 48 and first.error == "the server is gone"
    assert any("the server is gone" in caveat for caveat in decide(stopped).recommendation.caveats)
    small, big = pair()
    done = judged(measured(task, (small, big), tmp_path))
    assert len(done["zero-shot@small"].values) == 70 and not done["zero-shot@small"].error
    assert not small.prompts and not any("nobody can say what number 1 may be" in p.input for p in asked_of(big))


def test_a_model_that_only_writes_cannot_judge(numbers: Task, pair: Any, tmp_path: Path) -> None:
    small, big = pair(can=Capabilities())
    comparison = measured(replace(numbers, metrics=(SPEC,)), (small, big), tmp_path)
    assert all("cannot judge" in one.error for one in judged(comparison).values())
    assert all(row.status == "ok" for row in decide(comparison).rows)
    with pytest.raises(NotApplicable, match="not parsed"):
        Judge(big, ("1", "2"))


def test_a_judge_that_is_held_to_a_choice_says_its_grade_and_failures_are_counted(
    numbers: Task, scripted: ModuleType, tmp_path: Path
) -> None:
    class Chooser(scripted.ScriptedModel):  # type: ignore[misc, name-defined]
        def choose(self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Any = None) -> list[Generation]:
            self.prompts += prompts
            best = [max(choices, key=lambda choice: by_reference(prompt, choice)) for prompt in prompts]
            refused = ["number 7\n" in prompt.input for prompt in prompts]
            return [
                Generation("" if no else text, 1, 1, 0.0, 0.0, failure="it refused" if no else "")
                for text, no in zip(best, refused, strict=True)
            ]

    small = scripted.ScriptedModel(name="maker/small", writing=answers)
    big = Chooser(name="maker/big", can=Capabilities(choose=True), writing=answers)
    small.alias, big.alias = "small", "big"
    comparison = measured(replace(numbers, metrics=(SPEC,)), (small, big), tmp_path)
    values = judged(comparison)["zero-shot@small"].values
    assert values["q7"] is None and {value for value in values.values() if value is not None} == {0.0, 1.0}
    decision = decide(comparison)
    assert decision.judges[0].failures == 3  # one a row
    assert next(row for row in decision.rows if row.spec == "zero-shot@small").metrics[SPEC].missing == 1
    assert "got no grade" in report(decision, "terminal")
    for row in decision.judges[0].rows:  # one mean and one interval, wherever they stand
        told = next(one for one in decision.rows if one.spec == row.spec).metrics[SPEC]
        assert (row.judged.value, row.judged.low, row.judged.high) == (told.value, told.low, told.high)


def test_texts_go_to_no_judge_elsewhere_where_none_may_leave(numbers: Task, pair: Any, tmp_path: Path) -> None:
    task = replace(numbers, metrics=("judge:model=openai:gpt-5-mini",), limits=Limits(local_only=True))
    small, _ = pair()
    with pytest.raises(UserError, match="judge openai:gpt-5-mini: would send texts"):
        compare(task, small, ROWS, out=tmp_path)
    assert not small.prompts
    with pytest.raises(UserError, match="--no-texts leaves them out"):
        compare(replace(numbers, metrics=("judge:model=small,passages=true",)), small, ROWS, out=tmp_path, texts=False)


def test_pairs_are_judged_in_both_orders(numbers: Task, pair: Any, tmp_path: Path) -> None:
    spec = "judge-pairs:model=big"
    comparison = measured(replace(numbers, metrics=(spec,)), pair(), tmp_path)
    found = judged(comparison, spec)["zero-shot@small"]
    assert found.rival == "few-shot:k=2@small"
    for i in range(70):
        own, other = bool(i % 2), bool(i % 3)
        assert found.values[f"q{i}"] == (0.5 if own == other else float(own)), i
    (told,) = decide(comparison).judges
    assert told.position is not None and told.position.value == 0.5
    assert told.agreement is not None and told.agreement.kappa.value > 0.8


def test_a_judge_that_likes_what_stands_first_makes_ties_and_that_shows(
    numbers: Task, pair: Any, tmp_path: Path
) -> None:
    spec = "judge-pairs:model=big"

    def first(prompt: Prompt, choice: str) -> float:
        return float(choice == "A")

    comparison = measured(replace(numbers, metrics=(spec,)), pair(first), tmp_path)
    assert set(judged(comparison, spec)["zero-shot@small"].values.values()) == {0.5}
    (told,) = decide(comparison).judges
    assert told.position is not None and told.position.low == 1.0
    assert "is not shown to judge better than chance" in told.distrusted
    assert "prefers what stands first in 1.00" in report(decide(comparison), "markdown")


def test_a_judge_at_chance_decides_nothing(numbers: Task, pair: Any, tmp_path: Path) -> None:
    def blind(prompt: Prompt, choice: str) -> float:
        return float(choice == "5") * (len(prompt.input) % 2)

    task = replace(numbers, metric=SPEC)
    decision = decide(measured(task, pair(blind), tmp_path / "blind"))
    assert not decision.recommendation.decided
    assert any("So it decides nothing" in reason for reason in decision.recommendation.reasons)
    sees = decide(measured(task, pair(), tmp_path / "sees"))
    assert not any("decides nothing" in reason for reason in sees.recommendation.reasons)
    assert next(row for row in sees.rows if row.spec == "few-shot:k=2@small").quality.value > 0.6


def test_a_judge_that_likes_a_style_is_corrected_by_grades(numbers: Task, pair: Any, tmp_path: Path) -> None:
    """It falls for long answers, which are the wrong ones here, every other time."""

    def likes_length(prompt: Prompt, choice: str) -> float:
        told = dict(line.split(": ", 1) for line in prompt.input.splitlines())
        if "Answer to grade" in told and len(told["Answer to grade"]) > 20 and int(told["Question"][-1]) < 5:
            return 5.0 * (choice == "5")
        return by_reference(prompt, choice)

    grades = tuple(Grade(f"q{i}", answers(Prompt("", f"number {i}")), float(i % 2)) for i in range(30))
    comparison = measured(replace(numbers, metrics=(SPEC,), grades=grades), pair(likes_length), tmp_path)
    assert comparison.grades == grades
    (told,) = decide(comparison).judges
    row = next(row for row in told.rows if row.spec == "zero-shot@small")
    assert told.against == "people's grades" and told.grades >= 30
    assert row.judged.low > 0.5 and row.corrected is not None
    assert row.corrected.estimate.low < 0.5 < row.corrected.estimate.high
    assert row.bias is not None and row.bias.low > 0
    assert told.length is not None and told.length.low > 0
    text = report(decide(comparison), "markdown")
    assert "held against people's grades" in text and "likes long answers" in text
    other = next(row for row in told.rows if row.spec == "few-shot:k=2@small")
    assert other.corrected is None  # only answers that the first row gives too were graded, which is no random choice


def test_grades_of_answers_that_no_row_gives_are_counted_among_the_caveats(
    numbers: Task, pair: Any, tmp_path: Path
) -> None:
    grades = (*(Grade(f"q{i}", "edited", 1.0) for i in range(2)), Grade("q1", "it is 1", 1.0))
    task = replace(numbers, metrics=(SPEC,), grades=grades)
    said = decide(measured(task, pair(), tmp_path / "judged")).recommendation.caveats
    (stray,) = [one for one in said if "grades.jsonl" in one]
    assert stray.startswith("2 of 3 grades of people in grades.jsonl are of answers that no row gives")
    assert "the first of q0" in stray
    said = decide(measured(replace(task, metrics=()), pair(), tmp_path / "plain")).recommendation.caveats
    assert any("3 grades of people in grades.jsonl are not used" in one and "no judge was asked" in one for one in said)


def test_grades_of_known_answers_are_said_nothing_of(numbers: Task, pair: Any, tmp_path: Path) -> None:
    task = replace(numbers, metrics=(SPEC,), grades=(Grade("q1", "It is  1", 1.0),))
    said = decide(measured(task, pair(), tmp_path)).recommendation.caveats
    assert not any("grades.jsonl" in one for one in said)


def test_controls_are_not_given_to_grade(numbers: Task, pair: Any, tmp_path: Path) -> None:
    comparison = measured(numbers, pair(), tmp_path, rows=["zero-shot"])
    runs = tuple(replace(run, control=run.spec == "zero-shot@small") for run in comparison.runs)
    rows = to_grade(replace(comparison, runs=runs), 20, seed=1)
    others = {p.answer for run in runs if not run.control for p in run.predictions}
    assert rows and {row["answer"] for row in rows} <= others


def test_answers_to_grade_are_blind_and_of_whole_examples(numbers: Task, pair: Any, tmp_path: Path) -> None:
    comparison = measured(numbers, pair(), tmp_path)
    rows = to_grade(comparison, 20, seed=1)
    assert 20 <= len(rows) <= 22 and all(row["grade"] is None for row in rows)
    assert {key for row in rows for key in row} == {"id", "input", "reference", "answer", "grade"}
    given = {(p.id, p.answer) for run in comparison.runs for p in run.predictions}
    assert {(row["id"], row["answer"]) for row in rows} <= given
    first = rows[0]["id"]
    assert {row["answer"] for row in rows if row["id"] == first} == {a for i, a in given if i == first}
    graded = replace(comparison, grades=tuple(Grade(row["id"], row["answer"], 1.0) for row in rows))
    assert not {(r["id"], r["answer"]) for r in to_grade(graded, 20, seed=1)} & {(r["id"], r["answer"]) for r in rows}


def test_grades_are_means_of_the_scale_and_rubrics_are_the_tasks() -> None:
    assert grade_of((0.25, 0.0, 0.75)) == 0.75 and grade_of(None) is None and grade_of((1.0, 0.0)) == 0.0
    assert [outcome_of(*pair) for pair in ((0.9, 0.1), (0.1, 0.9), (0.9, 0.9), (0.2, 0.1), (0.5, 0.5))] == [
        1.0,
        0.0,
        0.5,
        0.5,
        0.5,
    ]
    plain = JudgeMetric.of("judge:model=big", "Be strict.")
    assert plain.instruction.startswith("Be strict.\n") and plain.choices == ("1", "2", "3", "4", "5")
    own = JudgeMetric.of("judge:model=big,scale=2,passages=true,rubric=Be kind.", "Be strict.")
    assert own.instruction.startswith("Be kind.\n") and own.choices == ("no", "yes")
    prompt = own.prompt("why?", ["so", "so"], [" "], (Passage("d", "Title", "It is so."),))
    assert "Reference answer: so\nAnswer to grade: (nothing)" in prompt.input and "It is so." in prompt.asked
    with pytest.raises(UserError, match="scale of 50"):
        JudgeMetric.of("judge:model=big,scale=50", "")
    with pytest.raises(UserError, match="compares answers with those of a rival"):
        check_metric("judge-pairs:model=big", "qa")
