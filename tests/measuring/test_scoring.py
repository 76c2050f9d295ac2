"""Metrics that ask a model are measured behind the finished run, recorded, go on after a kill, and fit nothing anew."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.measuring.comparing import compare
from advisor.measuring.lines import lines
from advisor.measuring.reading import read_comparison, record_path
from advisor.measuring.scored import AT_ONCE
from advisor.reporting import report
from advisor.tasks import Example, Task
from advisor.verdict import decide

ASKED = ("embedding_similarity", "reference_perplexity", "bertscore")


@pytest.fixture
def questions(numbers: Task) -> Task:
    """A task of answers in words, with more test examples than stand in one line of a record."""
    test = tuple(Example(f"q{n}", f"what is {n}", f"it is {n % 3}") for n in range(AT_ONCE + 5))
    return replace(numbers, kind="qa", labels=(), metric="token_f1", test=test, train=test[:4], dev=())


def _record(folder: Any) -> Any:
    return record_path(next(folder.glob("*/answers.jsonl")).parent, "zero-shot", 0)


def test_a_finished_run_is_asked_for_what_is_missing_and_fitted_no_second_time(questions, scorer, tmp_path):
    before = compare(questions, scorer, ["zero-shot"], out=tmp_path).runs[0]
    assert before.scored == {}
    found = compare(replace(questions, metrics=ASKED), scorer, ["zero-shot"], out=tmp_path)
    kinds = [line["type"] for line in lines(_record(tmp_path))]
    assert kinds.count("run") == kinds.count("fitted") == 1
    assert kinds[kinds.index("finished") + 1 :] == ["scored"] * 5
    (run,) = found.runs
    assert run.predictions == before.predictions and found.task.metrics == ASKED
    known = run.scored["embedding_similarity"].values
    assert set(known) == {example.id for example in questions.test}
    assert all(0 <= value <= 1 for value in known.values())
    assert list(run.scored["reference_perplexity"].values.values()) == pytest.approx([math.exp(2 / 4)] * len(known))
    assert "shows no vectors of single tokens" in run.scored["bertscore"].error
    asked = len(scorer.scored)
    assert asked == len(questions.test)
    again = compare(replace(questions, metrics=ASKED[:2]), scorer, ["zero-shot"], out=tmp_path)
    assert again.runs[0].scored == run.scored and len(scorer.scored) == asked
    assert compare(questions, scorer, ["zero-shot"], out=tmp_path).task.metrics == ()


def test_after_a_kill_only_the_rest_is_asked(questions, scorer, tmp_path):
    task = replace(questions, metrics=("reference_perplexity",))
    whole = compare(task, scorer, ["zero-shot"], out=tmp_path)
    path = _record(tmp_path)
    rows = path.read_text().splitlines(keepends=True)
    path.write_text("".join(rows[:-1]))
    scorer.scored.clear()
    assert compare(task, scorer, ["zero-shot"], out=tmp_path).runs == whole.runs
    assert len(scorer.scored) == 5


def test_what_another_embedder_said_does_not_count(questions, scorer, tmp_path):
    task = replace(questions, metrics=("embedding_similarity",))
    compare(task, scorer, ["zero-shot"], out=tmp_path)
    path = _record(tmp_path)
    path.write_text(path.read_text().replace('"by": "', '"by": "another'))
    run = compare(task, scorer, ["zero-shot"], out=tmp_path).runs[0]
    assert [line["type"] for line in lines(path)].count("scored") == 4
    assert len(run.scored["embedding_similarity"].values) == len(questions.test)


def test_what_was_fitted_is_needed_by_likelihoods_alone(questions, scorer, tmp_path):
    compare(questions, scorer, ["zero-shot"], out=tmp_path)
    for file in _record(tmp_path).with_suffix("").rglob("*"):
        if file.is_file():
            file.unlink()
    run = compare(replace(questions, metrics=ASKED[:2]), scorer, ["zero-shot"], out=tmp_path).runs[0]
    assert run.status == "ok" and len(run.scored["embedding_similarity"].values) == len(questions.test)
    assert "gone" in run.scored["reference_perplexity"].error


def test_a_row_that_tells_no_likelihoods_lacks_the_perplexity_and_no_more(questions, scorer, tmp_path):
    found = compare(replace(questions, metrics=ASKED[:2]), scorer, ["zero-shot", "nearest"], out=tmp_path)
    scored = {run.spec: sorted(run.scored) for run in found.runs}
    assert scored == {"zero-shot": list(ASKED[:2]), "nearest": ["embedding_similarity"]}


def test_every_metric_stands_in_the_results_with_its_interval(questions, scorer, tmp_path):
    beside = ("rouge_1", "bleu", "distinct_n", "self_bleu", "length_ratio", "refusals", "format_failures", *ASKED[:2])
    found = compare(replace(questions, metrics=beside), scorer, ["zero-shot"], out=tmp_path)
    decision = decide(found)
    row = json.loads(report(decision, "json"))["approaches"][0]
    assert set(row["metrics"]) == {"token_f1", *beside}
    assert row["metrics"]["token_f1"]["value"] == row["quality"]["value"]
    for name, one in row["metrics"].items():
        assert one["low"] <= one["value"] <= one["high"], name
        assert one["n"] == len(questions.test) and one["missing"] == 0
    assert row["metrics"]["reference_perplexity"]["better"] == "lower"
    assert row["metrics"]["reference_perplexity"]["value"] == pytest.approx(math.exp(0.5))
    assert row["metrics"]["bleu"]["corpus"]["low"] <= row["metrics"]["bleu"]["corpus"]["value"]
    page = report(decision, "markdown")
    assert "## Further metrics" in page and "lower is better" in page and "of all together" in page
    assert "Further metrics" not in report(decide(replace(found, task=replace(found.task, metrics=()))), "markdown")


def test_a_recorded_measure_can_be_the_metric_and_a_row_without_it_has_no_quality(questions, scorer, tmp_path):
    task = replace(questions, metric="embedding_similarity")
    found = compare(task, scorer, ["zero-shot"], out=tmp_path)
    row = decide(found).rows[0]
    values = found.runs[0].scored["embedding_similarity"].values
    assert row.quality.value == pytest.approx(sum(values.values()) / len(values))
    path = _record(tmp_path)
    path.write_text("".join(line for line in path.read_text().splitlines(keepends=True) if '"scored"' not in line))
    row = decide(read_comparison(tmp_path)).rows[0]
    assert (row.status, row.quality) == ("interrupted", None)
    assert "not every answer was judged by embedding_similarity" in row.error


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        ("bleu", "not a list of texts"),
        (["blue"], 'did you mean "bleu"'),
        (["numeric:tolerance=-1"], "at least 0"),
        (["numeric:tol=1"], "no parameter=value of it"),
        (["exact_match:normalise=x"], "one of answer, none"),
        (["distinct_n:n=two"], "whole number"),
        (["json_f1"], 'needs kind "extraction"'),
    ],
)
def test_a_slip_in_further_metrics_is_told(metrics: Any, said: str) -> None:
    from advisor.tasks.faults import FaultLog
    from advisor.tasks.settings import check_settings

    log = FaultLog()
    check_settings({"name": "a", "kind": "qa", "instruction": "b", "metrics": metrics}, "task.toml", log)
    with pytest.raises(UserError, match=said):
        log.raise_if_any()


def test_what_is_no_quality_cannot_be_the_metric() -> None:
    from advisor.tasks import check_metric

    for spec in ("distinct_n", "refusals", "length_ratio", "reference_perplexity"):
        with pytest.raises(UserError, match="cannot be compared by it"):
            check_metric(spec, "qa")
        assert check_metric(spec, "qa", beside=True) == spec
    assert check_metric("numeric:relative=0,tolerance=0.50", "qa") == "numeric:tolerance=0.5"
