"""The table of measured comparisons, and how the advice is scored by it."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from advisor.forecast.learned import expect_from, learn
from advisor.forecast.scale import angle
from advisor.measuring.metrics import confusion, scores
from advisor.pilot import ProbeReading, Probes, Rates
from advisor.tasks import Document, Example, Task
from advisor.tasks.description import describe
from advisor.tasks.material import Material
from advisor.verdict import Interval
from advisor.verdict.sample import Sample
from benchmarks.decisions import table, unseen
from benchmarks.decisions.grid import grid
from benchmarks.decisions.noise_floor import halved
from benchmarks.decisions.scoring import Advised, advised, case_of, coverage, noise_floor, scored, without_probes
from benchmarks.decisions.table import Measured, Outcome


def asked(n: int, words: int = 6, documents: int = 0) -> Task:
    examples = tuple(Example(str(i), f"question {i} " * (words // 2), f"answer {i % 7}") for i in range(n + 20))
    found = tuple(Document(f"d{i}", "", f"answer {i} stands here") for i in range(documents))
    parts = {"train": examples[:n], "test": examples[n:], "documents": found}
    return Task(f"task {n} {words} {documents}", "qa", "Answer.", "token_f1", **parts)


def outcome(quality: float, seconds: float = 1.0) -> Outcome:
    return Outcome(Interval(quality, quality - 0.05, quality + 0.05), 20, 32, seconds, seconds, (50.0, 5.0))


def point(number: int, size: int) -> Measured:
    """Documents make `rag` the best; without them it is `lora` where there are many examples, else `few-shot`."""
    task = asked(size, words=4 + number % 5, documents=10 * (number % 2))
    start = 0.1 + 0.02 * (number % 10)
    found = {"zero-shot": outcome(start), "few-shot": outcome(start + 0.1), "nearest": outcome(0.05)}
    found["lora"] = outcome(start + (0.3 if size > 8 else 0.02), 50.0)
    if task.documents:
        found |= {"rag": outcome(start + 0.35, 5.0), "rag+lora": outcome(start + 0.3, 90.0)}
    readings = (ProbeReading("zero-shot", start, start - 0.1, start + 0.1, 32, size),)
    probes = Probes(readings, (), Rates(), "train", (), 30.0)
    return Measured(f"task {number}", "qa", "token_f1", size, describe(Material(task)), probes, found)


@pytest.fixture(scope="module")
def measured() -> list[Measured]:
    points = [point(number, size) for number in range(22) for size in (8, 128)]
    return [*points[:-2], *(replace(one, halved=0.1) for one in points[-2:])]


@pytest.fixture(scope="module")
def judged(measured: list[Measured]) -> list[Advised]:
    return advised(measured)


def test_the_table_is_kept_and_added_to(measured: list[Measured], tmp_path: Path) -> None:
    path = tmp_path / "table.jsonl"
    table.write(measured[:2], path)
    assert table.read(path) == [table.read(path)[0], table.read(path)[1]]
    again = replace(measured[0], probes=None, outcomes={"lora": outcome(0.9)})
    table.write([again, measured[4]], path)
    kept = {(one.task, one.train): one for one in table.read(path)}
    assert len(kept) == 3
    first = kept["task 0", 8]
    assert first.outcomes["lora"].quality.value == 0.9
    assert first.probes == measured[0].probes  # what was probed before stays
    assert first.description.input_words == measured[0].description.input_words
    assert all("label_counts" in json.loads(line)["description"] for line in path.read_text().splitlines())


def test_grid_points_grow_with_the_task_and_small_ones_come_first(tmp_path: Path) -> None:
    for name, n in (("small", 5), ("large", 600)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "task.toml").write_text(f'[task]\nname = "{name}"\nkind = "qa"\ninstruction = "Answer."\n')
        for split, count in (("train", n), ("test", 6)):
            rows = [{"input": f"{split} question {i}", "target": f"answer {i % 5}"} for i in range(count)]
            (folder / f"{split}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    found = grid([tmp_path / "small", tmp_path / "large"], tmp_path / "out")
    assert {(one.task.name, one.size) for one in found} == {
        *(("small", 5), ("large", 8), ("large", 32), ("large", 128), ("large", 512))
    }
    assert [one.effort for one in found] == sorted(one.effort for one in found)
    by_size = {one.size: one.specs for one in found}
    assert "zero-shot" in by_size[32]
    assert "zero-shot" not in by_size[128]  # it learns nothing there
    assert "few-shot:select=nearest" not in by_size[8]


def test_advice_that_can_be_learned_beats_every_constant(judged: list[Advised]) -> None:
    scores = {score.policy: score for score in scored(judged)}
    advice = scores.pop("advice")
    scores.pop("profile without probes")
    assert advice.top1 > 0.9
    assert advice.regret["quality first"] < min(score.regret["quality first"] for score in scores.values())
    assert advice.margin < 0.05


def test_intervals_are_counted(measured: list[Measured], judged: list[Advised]) -> None:
    found = coverage(judged)
    share, width, n = found["all"]
    assert n == sum(len(one.outcomes) for one in measured)
    assert share > 0.9
    assert 0 < width < 1
    assert set(found) >= {"zero-shot", "lora", "rag"}


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_what_is_best_by_chance_is_told_from_what_is_better(metric: str) -> None:
    rng = np.random.default_rng(0)
    targets = ["yes" if i % 2 else "no" for i in range(100)]

    def sample(name: str, share: float) -> Sample:
        hits = rng.random(100) < share
        texts = [text if hit else {"yes": "no", "no": "yes"}[text] for text, hit in zip(targets, hits, strict=True)]
        accepted = [(text,) for text in targets]
        counts = (confusion(texts, accepted, ("no", "yes")),) if metric == "macro_f1" else None
        return Sample(name, scores(metric, texts, accepted)[None], counts)

    even = [sample(f"approach {n}", 0.5) for n in range(8)]
    best = max(one.quality for one in even)
    assert best > 0.55
    assert halved(even) < best - 0.04
    clear = sample("clear", 0.9)
    assert halved([*even, clear]) == pytest.approx(clear.quality, abs=0.01)


def test_the_noise_floor_rests_on_the_points_that_tell_it(judged: list[Advised]) -> None:
    best = [max(one.qualities.values()) for one in judged[-2:]]
    assert noise_floor(judged) == pytest.approx(np.mean(best) - 0.1)
    assert noise_floor(judged[:-2]) is None


def test_profiles_alone_are_scored_too(measured: list[Measured]) -> None:
    blind = without_probes(measured[:16])
    assert all(one.probes is None for one in blind)
    policies = {score.policy: score.regret["quality first"] for score in scored(advised(blind))}
    assert policies["advice"] == policies["profile without probes"]


def difference(one: Measured, spec: str) -> float:
    """From `lora`, of angles."""
    return angle(one.outcomes[spec].quality.value) - angle(one.outcomes["lora"].quality.value)


def test_a_task_like_no_other_is_placed_by_the_average_of_all(measured: list[Measured]) -> None:
    known = learn([case_of(one) for one in measured if one.train == 128])
    new = replace(measured[0], kind="classification")
    far = replace(new.description, train=10**6, labels=10**4, majority=0.9, rigidity=0.0)
    found = expect_from(known, far, "classification", "accuracy", None, ["zero-shot", "few-shot", "lora", "own"])
    assert {one.basis for one in found.values()} == {"rule"}
    for spec in ("lora", "few-shot", "zero-shot"):
        apart = np.mean([difference(one, spec) for one in measured if one.train == 128])
        assert angle(found[spec].value) - angle(found["lora"].value) == pytest.approx(apart, abs=0.005)
    assert found["zero-shot"].edge < found["few-shot"].edge < found["lora"].edge == 0.0
    assert "none of them like this one" in found["lora"].why


def test_new_tasks_are_scored_once_and_by_what_was_known_before(measured: list[Measured], tmp_path: Path) -> None:
    known = learn([case_of(one) for one in measured if one.task not in ("task 3", "task 4")])
    path = tmp_path / "unseen.jsonl"
    first = unseen.record(unseen.scored_unseen(measured, known), path)
    assert {(one.task, one.train) for one in first} == {(f"task {n}", size) for n in (3, 4) for size in (8, 128)}
    assert {(one.tasks, one.cells) for one in first} == {(20, 40)}
    assert unseen.record(unseen.scored_unseen(measured[:20], learn([])), path)[0].task == "task 0"
    assert [one.task for one in unseen.read(path)[:4]] == [one.task for one in first]
    assert len({(one.task, one.train) for one in unseen.read(path)}) == len(unseen.read(path)) == 20
    text = unseen.text(first)
    assert "4 grid points of 2 tasks" in text
    assert text.index("| advice") < text.index("| always zero-shot")
    assert not unseen.text([])


def test_a_comparison_without_training_teaches_what_it_measured(measured: list[Measured]) -> None:
    cases = [case_of(one) for one in measured]
    without = [replace(case, qualities={s: q for s, q in case.qualities.items() if s != "lora"}) for case in cases[:20]]
    known = learn([*without, *cases[20:]])
    assert known.profiled.values["few-shot"].cases == len(cases)
    assert known.profiled.edges["few-shot"].cases == len(cases) - 20
    assert set(known.probed.halves) == {"zero-shot", "few-shot", "nearest", "lora", "rag", "rag+lora"}
    assert learn(cases[:4]).believed(cases[0].features, ["lora"]) == {}
