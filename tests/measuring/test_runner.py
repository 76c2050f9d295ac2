"""One approach under the clock: what it is given, what is recorded, and what happens when it goes wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from advisor import progress
from advisor.errors import Interrupted
from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.progress import Silence
from advisor.measuring.records import Comparison, Run
from advisor.models import Capabilities
from advisor.scratch import scratch
from advisor.tasks import Task


def records(folder: Path, name: str) -> list[dict[str, Any]]:
    (path,) = folder.glob(f"*/{name}.seed0.jsonl")
    return list(lines(path))


def only(comparison: Comparison) -> Run:
    (run,) = comparison.runs
    return run


def test_each_test_example_is_predicted_exactly_once(numbers: Task, model: Any, spy: Any, tmp_path: Path) -> None:
    run = only(compare(numbers, model, [spy()], out=tmp_path))
    assert [p.id for p in run.predictions] == [e.id for e in numbers.test]
    batches = [batch for batch in spy.asked if len(batch) > 1]
    assert [len(batch) for batch in batches] == [32, 32, 6]
    assert len({query.id for batch in batches for query in batch}) == 70


def test_answers_belong_to_their_questions(numbers: Task, model: Any, spy: Any, tmp_path: Path) -> None:
    run = only(compare(numbers, model, [spy()], out=tmp_path))
    assert [p.text for p in run.predictions] == [e.input for e in numbers.test]


def test_latency_is_taken_on_sixteen_examples_alone_after_two_to_warm_up(
    numbers: Task, model: Any, spy: Any, tmp_path: Path
) -> None:
    run = only(compare(numbers, model, [spy()], out=tmp_path))
    alone = [batch[0].id for batch in spy.asked if len(batch) == 1]
    assert len(alone) == 18
    assert [x.id for x in run.latencies] == alone[2:]
    assert alone[:2] == alone[2:4]
    assert len(set(alone)) == 16
    assert all(0 < x.ttft_seconds <= x.seconds + 1e-6 for x in run.latencies)


def test_one_example_warms_up_where_it_takes_long(
    numbers: Task, model: Any, spy: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("advisor.measuring.latency.WARM_UP_SECONDS", 0.0)
    run = only(compare(numbers, model, [spy()], out=tmp_path))
    alone = [batch[0].id for batch in spy.asked if len(batch) == 1]
    assert [x.id for x in run.latencies] == alone[1:]
    assert len(alone) == 17


def test_a_small_test_split_gives_as_many_latencies_as_it_has_examples(
    numbers: Task, model: Any, spy: Any, tmp_path: Path
) -> None:
    run = only(compare(replace(numbers, test=numbers.test[:3]), model, [spy()], out=tmp_path))
    assert len(run.latencies) == len(run.predictions) == 3


def test_no_approach_sees_the_test_split_and_only_controls_see_evidence(
    numbers: Task, model: Any, spy: Any, control_spy: Any, tmp_path: Path
) -> None:
    compare(numbers, model, [spy(), control_spy()], out=tmp_path)
    for fitted in (spy.fitted, control_spy.fitted):
        assert [task.test for task in fitted] == [()]
        assert [len(task.train) for task in fitted] == [12]
    fields = {name for batch in spy.asked for query in batch for name in type(query).__dataclass_fields__}
    assert fields == {"id", "input"}
    assert {query.evidence for batch in control_spy.asked for query in batch} == {("list",)}


def test_no_answer_of_the_test_split_reaches_the_model(numbers: Task, model: Any, tmp_path: Path) -> None:
    secret = tuple(replace(e, target=f"secret{i}") for i, e in enumerate(numbers.test))
    heard: list[str] = []
    model.told = lambda call, texts, size: heard.extend(texts)
    compare(replace(numbers, test=secret), model, ["few-shot", "nearest", "rag", "oracle"], out=tmp_path)
    shown = heard + [repr(prompt) for prompt in model.prompts]
    assert shown
    assert not any("secret" in text for text in shown)


def test_a_failure_is_recorded_with_its_traceback_and_the_others_go_on(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path
) -> None:
    runs = compare(numbers, model, ["majority", faulty("fit"), "nearest"], out=tmp_path).runs
    assert [run.status for run in runs] == ["ok", "failed", "ok"]
    assert runs[1].error == "RuntimeError: no luck while fitting"
    assert runs[1].predictions == ()
    record = records(tmp_path, "faulty")
    assert [line["type"] for line in record] == ["run", "failed"]
    assert "in fit" in record[1]["traceback"]
    assert 'raise RuntimeError("no luck while fitting")' in record[1]["traceback"]


@pytest.mark.parametrize(
    ("how", "error"),
    [
        ("predict", "ZeroDivisionError: no luck while predicting"),
        ("second batch", "ZeroDivisionError: no luck with the last"),
        ("too few", "ValueError: predict was given 32 queries and returned 31 predictions"),
        ("another order", "ValueError: predict was given 32 queries and returned 32 predictions, which are not one"),
        ("no text", "TypeError: the prediction for 'q"),
    ],
)
def test_a_predictor_that_goes_wrong_is_a_failure_and_is_closed(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path, how: str, error: str
) -> None:
    run = only(compare(numbers, model, [faulty(how)], out=tmp_path))
    assert run.status == "failed"
    assert str(run.error).startswith(error)
    predictor = type(faulty("").fit(numbers, model, 0))
    assert predictor.closed == [how]


def test_a_failed_approach_is_tried_again_from_the_start(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path
) -> None:
    approach = faulty("second batch", times=1)
    assert only(compare(numbers, model, [approach], out=tmp_path)).status == "failed"
    run = only(compare(numbers, model, [approach], out=tmp_path))
    assert (run.status, run.error, len(run.predictions)) == ("ok", None, 70)
    assert len(faulty.attempts) == 2
    types = [line["type"] for line in records(tmp_path, "faulty_how=second_batch,times=1-" + "?" * 8)]
    assert types[:5] == ["run", "fitted", "predictions", "predictions", "failed"]
    assert types[5:7] == ["run", "fitted"]


@pytest.mark.parametrize(("how", "why"), [("unsuited", "it suits nobody"), ("not applicable", "cannot be trained")])
def test_an_approach_that_does_not_apply_is_skipped_with_its_reason(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path, how: str, why: str
) -> None:
    runs = compare(numbers, model, [faulty(how), "majority"], out=tmp_path).runs
    assert [run.status for run in runs] == ["skipped", "ok"]
    assert why in str(runs[0].error)


def test_a_users_mistake_that_only_one_approach_meets_fails_that_one_alone(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path
) -> None:
    runs = compare(numbers, model, [faulty("user error"), "majority"], out=tmp_path).runs
    assert [(run.status, run.error) for run in runs] == [
        ("failed", "the answers are too long (try: shorten them)"),
        ("ok", None),
    ]


def test_an_approach_that_does_not_suit_the_task_is_never_fitted(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path
) -> None:
    for _ in range(2):
        compare(numbers, model, [faulty("unsuited"), "head"], out=tmp_path)
    assert faulty.attempts == []
    assert [line["type"] for line in records(tmp_path, "head")] == ["run", "skipped"]


def test_a_tuner_without_local_weights_is_skipped(numbers: Task, model: Any, tmp_path: Path) -> None:
    run = only(compare(numbers, model, ["lora"], out=tmp_path))
    assert run.status == "skipped"
    assert "the weights of scripted are not here to be trained" in str(run.error)


def test_an_interrupt_by_the_user_is_no_failure(numbers: Task, make_model: Callable[..., Any], tmp_path: Path) -> None:
    def stop(call: str, texts: list[str], size: int) -> None:
        if call == "generate" and len(texts) == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(numbers, make_model(told=stop), ["zero-shot"], out=tmp_path)
    assert [line["type"] for line in records(tmp_path, "zero-shot")] == ["run", "fitted", "predictions", "predictions"]
    run = only(compare(numbers, make_model(), ["zero-shot"], out=tmp_path))
    assert (run.status, len(run.predictions)) == ("ok", 70)


@pytest.mark.parametrize("damage", ["gone", "torn"])
def test_what_was_fitted_and_then_damaged_is_fitted_anew(
    numbers: Task, make_model: Callable[..., Any], tmp_path: Path, damage: str
) -> None:
    def stop(call: str, texts: list[str], size: int) -> None:
        if call == "generate":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        compare(numbers, make_model(told=stop), ["rag:k=1"], out=tmp_path)
    kept = next(tmp_path.glob("*/rag_k=1.seed0/context/documents.jsonl"))
    if damage == "gone":
        kept.unlink()
    else:
        kept.write_bytes(kept.read_bytes()[:-5])
    run = only(compare(numbers, make_model(), ["rag:k=1"], out=tmp_path))
    assert (run.status, len(run.predictions)) == ("ok", 70)
    assert [line["type"] for line in records(tmp_path, "rag_k=1")].count("fitted") == 2


def test_a_batch_is_one_line_with_its_seconds(numbers: Task, model: Any, tmp_path: Path) -> None:
    run = only(compare(numbers, model, ["zero-shot"], out=tmp_path))
    written = [line for line in records(tmp_path, "zero-shot") if line["type"] == "predictions"]
    assert [len(line["predictions"]) for line in written] == [32, 32, 6]
    assert run.predict_seconds == pytest.approx(sum(line["seconds"] for line in written))
    json.dumps(written)


class Heard(Silence):
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.done = 0

    def begin(self, spec: str, index: int, of: int) -> None:
        self.said.append(f"begin {spec} {index}/{of}")

    def step(self, name: str, total: int | None) -> None:
        self.said.append(f"{name} {total}")

    def advance(self, n: int = 1) -> None:
        self.done += n

    def end(self, spec: str, outcome: str) -> None:
        self.said.append(f"end {spec}: {outcome}")


def test_progress_tells_each_step_and_counts_every_example(
    numbers: Task, model: Any, faulty: Any, tmp_path: Path
) -> None:
    heard = Heard()
    compare(numbers, model, ["majority", faulty("fit")], out=tmp_path, progress=heard)
    steps = ["begin majority 1/2", "fit None", "predict 70", "latency 16", "end majority: ok"]
    assert heard.said[:5] == steps
    assert heard.said[5:] == ["begin faulty 2/2", "fit None", "end faulty: failed: RuntimeError: no luck while fitting"]
    assert heard.done == 70 + 16
    again = Heard()
    compare(numbers, model, ["majority"], out=tmp_path, progress=again)
    assert again.said == ["begin majority 1/1", "end majority: already done"]


def test_a_model_that_likes_more_at_once_is_asked_more(numbers: Task, model: Any, spy: Any, tmp_path: Path) -> None:
    model.can = Capabilities(score=True, rows_at_once=50)
    found = compare(numbers, model, [spy()], out=tmp_path)
    assert [len(batch) for batch in spy.asked if len(batch) > 1] == [50, 20]
    assert found.settings["batch"] == 50


def test_answers_are_told_as_the_model_finds_them_and_each_once(numbers: Task, model: Any, tmp_path: Path) -> None:
    """A model may answer more prompts than there are examples, as where it is asked twice for each."""

    pieces: list[int] = []

    class Watched(Heard):
        def advance(self, n: int = 1) -> None:
            pieces.append(n)

    ask = model.generate

    def generate(prompts: Any, *more: Any) -> Any:
        for _ in range(3):
            progress.answered(15)
        return ask(prompts, *more)

    model.generate = generate
    compare(numbers, model, ["zero-shot"], out=tmp_path, progress=Watched())
    assert [n for n in pieces if n][:6] == [15, 15, 2, 15, 15, 2]
    assert sum(pieces) == 70 + 16


def test_what_a_fit_keeps_is_there_after_an_interruption_and_gone_once_it_is_recorded(
    numbers: Task, model: Any, spy: Any, tmp_path: Path
) -> None:
    kind = slow_learner(spy)
    run = only(compare(numbers, model, [kind()], out=tmp_path))
    assert run.status == "interrupted"
    (left,) = tmp_path.glob("*/*.unfinished")
    assert only(compare(numbers, model, [kind()], out=tmp_path)).status == "ok"
    assert kind.found == [None, "half"]
    assert not left.exists()


def test_what_a_failed_fit_kept_is_gone(numbers: Task, model: Any, spy: Any, tmp_path: Path) -> None:
    kind = slow_learner(spy, RuntimeError("no luck"))
    assert only(compare(numbers, model, [kind()], out=tmp_path)).status == "failed"
    assert not list(tmp_path.glob("*/*.unfinished"))
    assert only(compare(numbers, model, [kind()], out=tmp_path)).status == "ok"
    assert kind.found == [None, None]


def slow_learner(spy: Any, trouble: Exception | None = None) -> Any:
    """Keeps half of what it learns and breaks off, the first time."""

    class SlowLearner(spy):  # type: ignore[misc]
        name = "slow-learner"
        found: ClassVar[list[str | None]] = []

        def fit(self, task: Task, model: Any, seed: int) -> Any:
            lent = scratch()
            assert lent is not None
            kept = lent.kept("learned")
            self.found.append((kept / "what").read_text() if kept else None)
            if len(self.found) == 1:
                lent.keep("learned", lambda folder: (folder / "what").write_text("half") and None)
                raise trouble or Interrupted("a while", "wait")
            return super().fit(task, model, seed)

    return SlowLearner
