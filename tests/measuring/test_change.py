"""What is measured again after the documents have changed: nothing is fitted anew, and nothing is asked twice."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from advisor.approaches import Approach, Prediction, Predictor
from advisor.errors import Interrupted, UserError
from advisor.measuring.attempt import read_run
from advisor.measuring.comparing import compare
from advisor.measuring.lines import append, lines
from advisor.measuring.progress import Silence
from advisor.measuring.reading import read_comparison, record_path
from advisor.models import LanguageModel
from advisor.models.store import fresh
from advisor.tasks import Document, Query, Task


@dataclass(frozen=True)
class Reader(Approach):
    """Answers with the text of its one document; `log` keeps what was done."""

    name: ClassVar[str] = "reader"
    log: ClassVar[list[str]] = []
    trouble: ClassVar[list[Exception]] = []

    def fit(self, task: Task, model: LanguageModel, seed: int) -> Predictor:
        assert not task.test_after
        assert not task.documents_after
        self.log.append("fit")
        return Reading(task.documents[0].text, self)

    def restore(self, folder: Path, task: Any, model: LanguageModel) -> Predictor:
        return Reading((folder / "text").read_text(), self)


class Reading(Predictor):
    def __init__(self, text: str, of: Reader) -> None:
        self.text, self.of = text, of

    def predict(self, queries: Sequence[Query]) -> list[Prediction]:
        if self.text == "new" and self.of.trouble and len(self.of.log) > 4:
            raise self.of.trouble[0]
        self.of.log.append(f"{self.text} {len(queries)}")
        return [Prediction(q.id, self.text) for q in queries]

    def after(self, documents: Sequence[Document]) -> Predictor:
        self.of.log.append("indexed")
        return Reading(documents[0].text, self.of)

    def save(self, folder: Path) -> None:
        (folder / "text").write_text(self.text)


@pytest.fixture
def reader() -> Reader:
    Reader.log.clear()
    Reader.trouble.clear()
    return Reader()


@pytest.fixture
def changing(numbers: Task) -> Task:
    """The document says something else afterwards; one question is new, the others are asked again."""
    documents = (Document("list", "List", "old"),)
    test = tuple(replace(e, target="old") for e in numbers.test)
    after = (*(replace(e, target="new") for e in test), replace(test[0], id="q70", input="what is new"))
    changed = (Document("list", "List", "new"),)
    return replace(numbers, documents=documents, test=test, documents_after=changed, test_after=after)


def after_of(folder: Path, task: Task, row: int = 0) -> Any:
    return read_comparison(folder).runs[row].after[task.fingerprint_after]


def test_every_row_is_measured_again_and_nothing_is_fitted_anew(changing, model, reader, tmp_path):
    found = compare(changing, model, [reader], out=tmp_path)
    assert found.runs[0].status == "ok"
    assert {p.text for p in found.runs[0].predictions} == {"old"}
    after = after_of(tmp_path, changing)
    assert [p.id for p in after.predictions] != []
    assert {p.text for p in after.predictions} == {"new"}
    assert len(after.predictions) == 71
    assert after.ended
    assert after.index_seconds >= 0
    assert reader.log.count("fit") == 1
    assert reader.log.count("indexed") == 1
    assert found.change.documents == 1
    assert found.change.answers["q3"].targets == ("new",)
    assert found.change.answers["q3"].before == "q3"
    assert found.change.answers["q70"].before == ""
    saved = next(tmp_path.rglob("text"))
    assert saved.read_text() == "old"  # what is saved is what was fitted
    before = list(reader.log)
    compare(changing, model, [reader], out=tmp_path)
    assert reader.log == before


def test_what_stays_as_it_is_is_asked_what_is_new_alone(changing, model, spy, tmp_path):
    found = compare(changing, model, [spy()], out=tmp_path)
    after = after_of(tmp_path, changing)
    assert len(after.predictions) == 71
    assert after.index_seconds is None
    assert [q.id for q in spy.asked[-1]] == ["q70"]
    assert len(found.runs[0].predictions) == 70


def test_a_finished_run_is_completed_when_its_task_is_given_a_change(changing, model, reader, tmp_path):
    first = compare(changing.before_change(), model, [reader], out=tmp_path)
    assert first.change is None
    assert changing.fingerprint == changing.before_change().fingerprint
    asked = len(reader.log)
    second = compare(changing, model, [reader], out=tmp_path)
    assert reader.log[asked] == "indexed"
    assert "fit" not in reader.log[asked:]
    assert not any(said.startswith("old") for said in reader.log[asked:])
    assert second.runs[0].after[changing.fingerprint_after].ended
    other = replace(changing, documents_after=(Document("list", "List", "newer"),))
    third = compare(other, model, [reader], out=tmp_path)
    assert {p.text for p in third.runs[0].after[other.fingerprint_after].predictions} == {"newer"}
    assert changing.fingerprint_after in third.runs[0].after


def test_after_a_kill_the_answers_that_are_there_are_not_asked_for_again(changing, model, reader, tmp_path):
    compare(changing, model, [reader], out=tmp_path)
    path = record_path(next(tmp_path.glob("*/answers.jsonl")).parent, "reader", 0)
    rows = path.read_text().splitlines(keepends=True)
    first = next(at for at, row in enumerate(rows) if '"after"' in row and '"predictions"' in row)
    path.write_text("".join(rows[: first + 1]))
    missing = 71 - len(after_of(tmp_path, changing).predictions)
    assert 0 < missing < 71
    reader.log.clear()
    compare(changing, model, [reader], out=tmp_path)
    assert reader.log[0] == "indexed"
    assert sum(int(said.split()[1]) for said in reader.log[1:]) == missing
    after = after_of(tmp_path, changing)
    assert sorted({p.id for p in after.predictions}) == sorted(e.id for e in changing.test_after)
    assert len(after.predictions) == 71


def test_what_fails_after_the_change_leaves_the_run_as_it_is(changing, model, reader, tmp_path):
    reader.trouble.append(RuntimeError("no luck with what is new"))
    found = compare(changing, model, [reader], out=tmp_path)
    assert found.runs[0].status == "ok"
    after = after_of(tmp_path, changing)
    assert not after.ended
    assert "no luck with what is new" in after.error
    reader.trouble.clear()
    compare(changing, model, [reader], out=tmp_path)
    assert after_of(tmp_path, changing).ended
    assert not after_of(tmp_path, changing).error


def test_a_server_that_is_gone_then_costs_nothing_that_was_measured(changing, model, reader, tmp_path):
    reader.trouble.append(Interrupted("the server is gone"))
    found = compare(changing, model, [reader], out=tmp_path)
    assert found.runs[0].status == "ok"
    assert not after_of(tmp_path, changing).ended
    reader.trouble.clear()
    compare(changing, model, [reader], out=tmp_path)
    assert after_of(tmp_path, changing).ended
    assert reader.log.count("fit") == 1


def test_rules_may_change_without_documents(numbers, model, control_spy, tmp_path):
    changed = replace(numbers, test_after=tuple(replace(e, target="something else") for e in numbers.test))
    found = compare(changed, model, [control_spy()], out=tmp_path)
    assert found.change.documents == 0
    after = after_of(tmp_path, changed)
    assert {p.id for p in after.predictions} == {e.id for e in numbers.test}
    assert sum(len(asked) for asked in control_spy.asked) == 70 + sum(len(a) for a in control_spy.asked if len(a) == 1)
    assert [line["type"] for line in lines(next(tmp_path.rglob("control-spy*.jsonl")))][-1] == "after"


def test_questions_are_told_by_what_they_ask_where_their_numbers_moved(numbers, model, spy, tmp_path):
    moved = tuple(replace(e, id=str(at)) for at, e in enumerate(reversed(numbers.test)))
    found = compare(replace(numbers, test_after=moved), model, [spy()], out=tmp_path)
    assert found.change.answers["0"].before == "q69"


@pytest.mark.parametrize(
    ("part", "said"), [({"test_after": ()}, "which answers are right"), ({"documents": ()}, "documents_after")]
)
def test_a_change_that_cannot_be_measured_is_refused(changing, model, reader, tmp_path, part, said):
    with pytest.raises(UserError, match=said):
        compare(replace(changing, **part), model, [reader], out=tmp_path)


def test_documents_are_indexed_again_and_what_shows_none_is_asked_what_is_new(changing, make_model, tmp_path):
    calls: list[tuple[str, list[str], int]] = []
    compare(changing.before_change(), make_model(), ["rag:k=1", "oracle", "few-shot:k=2"], out=tmp_path)
    model = make_model(told=lambda *call: calls.append(call))
    found = compare(changing, model, ["rag:k=1", "oracle", "few-shot:k=2"], out=tmp_path)
    after = {run.spec: run.after[changing.fingerprint_after] for run in found.runs}
    assert {spec: each.index_seconds is not None for spec, each in after.items()} == {
        "rag:k=1": True,
        "oracle": True,
        "few-shot:k=2": False,
    }
    shown = {passage.text for p in after["rag:k=1"].predictions for passage in p.passages}
    assert shown == {"new"}
    assert {passage.text for p in found.runs[0].predictions for passage in p.passages} == {"old"}
    asked = [len(prompts) for what, prompts, _ in calls if what == "generate"]
    assert sum(asked) == 71 + 71 + 1


def test_another_folder_takes_over_what_was_measured_after_the_change(changing, scripted, kept, tmp_path):
    calls: list[Any] = []

    class Hosted(scripted.ScriptedModel):
        __module__ = "advisor.models.scripted"

    model = Hosted(told=lambda *call: calls.append(call))
    compare(changing.before_change(), model, ["few-shot:k=2"], out=tmp_path / "a")
    first = compare(changing, model, ["few-shot:k=2"], out=tmp_path / "b")
    assert first.runs[0].measured
    assert first.runs[0].after[changing.fingerprint_after].ended
    calls.clear()
    second = compare(changing, model, ["few-shot:k=2"], out=tmp_path / "c")
    assert second.runs[0].after == first.runs[0].after
    assert not calls


def test_without_texts_passages_of_after_the_change_are_not_recorded_either(changing, model, tmp_path):
    found = compare(changing, model, ["rag:k=1"], out=tmp_path, texts=False)
    after = found.runs[0].after[changing.fingerprint_after]
    assert after.ended
    assert not any(p.passages for p in after.predictions)
    assert "what is new" not in "".join(path.read_text() for path in tmp_path.rglob("*.jsonl"))


def test_models_that_are_compared_are_each_measured_after_the_change(changing, make_model, tmp_path):
    models = [make_model(), make_model()]
    models[0].alias, models[1].alias = "small", "large"
    found = compare(changing, models, ["rag:k=1", "nearest"], out=tmp_path)
    assert {run.spec for run in found.runs} == {"rag:k=1@small", "rag:k=1@large", "nearest"}
    assert all(run.after[changing.fingerprint_after].ended for run in found.runs)
    assert len(found.change.answers) == 71


def test_calls_of_after_the_change_are_no_part_of_what_a_query_costs(changing, model, reader, tmp_path):
    compare(changing, model, [reader], out=tmp_path)
    path = record_path(next(tmp_path.glob("*/answers.jsonl")).parent, "reader", 0)
    answer = {"id": "q0", "text": "new", "evidence": []}
    calls = {"requests": 5, "retried": 1}
    append(path, {"type": "after", "change": "other", "predictions": [answer], "calls": calls})
    append(path, {"type": "interrupted", "step": "after", "error": "the server is gone", "calls": calls})
    run = read_run(path)
    assert run.status == "ok"
    assert run.calls == {"after": {"requests": 5, "retried": 2}}  # what was kept counts when it is taken up again
    assert run.after["other"].predictions[0].text == "new"
    assert run.after[changing.fingerprint_after].ended


def test_what_an_embedder_is_given_to_index_the_changed_documents_is_kept_apart(tmp_path):
    head = {"type": "run", "spec": "rag", "seed": 0, "control": False, "uses_model": True, "config": {}}
    answer = {"id": "q0", "text": "new", "evidence": []}
    after = {"type": "after", "change": "c"}
    append(
        tmp_path / "rag.jsonl",
        head,
        {"type": "finished"},
        after | {"index_seconds": 1.0, "calls": {"embedded": 500}},
        after | {"seconds": 1.0, "predictions": [answer], "calls": {"embedded": 3}},
        after | {"ended": True},
    )
    append(tmp_path / "lora.jsonl", head, {"type": "finished"}, after | {"index_seconds": None}, after)
    assert read_run(tmp_path / "rag.jsonl").after["c"].embedded == 500
    assert read_run(tmp_path / "lora.jsonl").after["c"].embedded is None


@pytest.mark.parametrize("harm", [shutil.rmtree, lambda folder: (folder / "text").write_text("other")])
def test_what_was_fitted_and_is_gone_is_told_to_be_gone(changing, model, reader, tmp_path, harm):
    compare(changing.before_change(), model, [reader], out=tmp_path)
    harm(next(tmp_path.rglob("text")).parent)
    asked, told = len(reader.log), Recording()
    for _ in range(2):
        found = compare(changing, model, [reader], out=tmp_path, progress=told)
        assert found.runs[0].status == "ok"
        assert "--fresh" in after_of(tmp_path, changing).error
    assert len(reader.log) == asked
    assert all(said.startswith("not completed") and "--fresh" in said for said in told.outcomes)
    assert sum(line["type"] == "after" for line in lines(next(tmp_path.rglob("reader*.jsonl")))) == 1
    with fresh():
        compare(changing, model, [reader], out=tmp_path)
    assert after_of(tmp_path, changing).ended


def test_what_was_damaged_is_not_put_where_others_take_it(changing, scripted, kept, tmp_path):
    class Hosted(scripted.ScriptedModel):
        __module__ = "advisor.models.scripted"

    compare(changing.before_change(), Hosted(), ["few-shot:k=2"], out=tmp_path / "a")
    (stored,) = kept.rglob("runs/*.zip")
    whole = stored.read_bytes()
    next((tmp_path / "a").rglob("task.json")).write_text("{}")
    compare(changing, Hosted(), ["few-shot:k=2"], out=tmp_path / "a")
    assert stored.read_bytes() == whole


class Recording(Silence):
    """Keeps what each approach came to."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []

    def end(self, spec: str, outcome: str) -> None:
        self.outcomes.append(outcome)
