"""Data sets of the hub: saved to a folder, or in the cache, without a network."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError

datasets = pytest.importorskip("datasets")

Bring = Callable[..., Any]
ROOT = Path(__file__).parents[4]


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., str]:
    """Saves splits, given as columns, and gives their name."""

    def saved(features: dict[str, Any] | None = None, **splits: dict[str, list[Any]]) -> str:
        kinds = datasets.Features(features) if features else None
        made = {name: datasets.Dataset.from_dict(columns, features=kinds) for name, columns in splits.items()}
        datasets.DatasetDict(made).save_to_disk(str(tmp_path / "saved"))
        return f"hf:{tmp_path / 'saved'}"

    return saved


def labels(*names: str) -> Any:
    return datasets.ClassLabel(names=list(names))


TEXT = datasets.Value("string")


def test_labels_have_their_names_and_hidden_ones_are_not_used(bring: Bring, saved: Callable[..., str]) -> None:
    features = {"idx": TEXT, "premise": TEXT, "hypothesis": TEXT, "label": labels("yes", "no")}

    def rows(*found: int) -> dict[str, list[Any]]:
        return {name: [name[0]] * len(found) for name in ("idx", "premise", "hypothesis")} | {"label": list(found)}

    name = saved(features, train=rows(0, 1, -1), validation_matched=rows(1), test=rows(-1), extra=rows(0))
    found = bring(None, name)
    assert found.format.kind == "classification"
    assert found.pairs == [("premise: p\nhypothesis: h", label) for label in ("yes", "no", "no")]
    assert found.splits == ["train", "train", "dev"]
    ((place, why),) = found.dropped.items()
    assert place.endswith("saved:train:3")
    assert why == "the answer is empty"
    assert "the split test is not read: its labels are hidden" in found.notes
    assert "the split extra is not read" in found.notes
    assert bring(None, f"{name}:extra").splits == [""]
    assert bring(Path(name.removeprefix("hf:"))).splits == found.splits
    with pytest.raises(UserError, match="there is no split tset"):
        bring(None, f"{name}:tset")


def test_squad_on_the_hub_is_squad(bring: Bring, saved: Callable[..., str]) -> None:
    answers = {"text": datasets.List(TEXT), "answer_start": datasets.List(datasets.Value("int32"))}
    features = {"id": TEXT, "context": TEXT, "question": TEXT, "answers": answers}
    row = {
        "id": ["a"],
        "context": ["It is red."],
        "question": ["Which?"],
        "answers": [{"text": ["red"], "answer_start": [6]}],
    }
    found = bring(None, saved(features, train=row), format="squad")
    assert found.format.kind == "qa"
    assert found.pairs == [("Which?", "red")]
    assert found.documents[0]["text"] == "It is red."


def test_tags_and_lists_of_labels_have_their_names(bring: Bring, saved: Callable[..., str]) -> None:
    features = {"tokens": datasets.List(TEXT), "ner_tags": datasets.List(labels("O", "B-city"))}
    found = bring(None, saved(features, train={"tokens": [["in", "Oslo"]], "ner_tags": [[0, 1]]}))
    assert found.pairs == [("in Oslo", '{"city":["Oslo"]}')]
    features = {"text": TEXT, "labels": datasets.List(labels("joy", "fear"))}
    found = bring(None, saved(features, train={"text": ["a", "b"], "labels": [[0, 1], []]}))
    assert found.pairs == [("a", '{"labels":["joy","fear"]}'), ("b", '{"labels":[]}')]


def test_columns_that_are_named_or_have_usual_names(bring: Bring, saved: Callable[..., str]) -> None:
    name = saved(train={"question": ["a"], "answer": ["b"], "why": ["c"]})
    assert bring(None, name).pairs == [("a", "b")]
    assert bring(None, name, inputs=("question", "answer"), target="why").pairs == [("question: a\nanswer: b", "c")]
    with pytest.raises(UserError, match='there is no column "whi"'):
        bring(None, name, inputs=("question",), target="whi")
    with pytest.raises(UserError, match="which column is the input") as caught:
        bring(None, saved(train={"x": ["a"], "y": ["b"]}))
    assert "there are: x, y" in caught.value.hint
    with pytest.raises(UserError, match="is not a SQuAD file"):
        bring(None, name, format="squad")
    with pytest.raises(UserError, match="is not beir"):
        bring(None, name, format="beir")


def test_an_empty_data_set_and_a_folder_that_is_none(bring: Bring, saved: Callable[..., str], tmp_path: Path) -> None:
    with pytest.raises(UserError, match="the data set holds no rows"):
        bring(None, saved({"text": TEXT}, train={"text": []}))
    (tmp_path / "state.json").write_text("{}")
    with pytest.raises(UserError, match="is no data set that was saved"):
        bring(tmp_path)
    with pytest.raises(UserError, match="no data set is named"):
        bring(None, "hf:")
    with pytest.raises(UserError, match="is no name of a data set"):
        bring(None, "hf:a/b/c/d")


def test_without_the_library_the_extra_is_named(bring: Bring, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    (tmp_path / "state.json").write_text("{}")
    for path, name in ((None, "hf:squad"), (None, f"hf:{tmp_path}"), (tmp_path, "")):
        with pytest.raises(UserError, match="datasets, which is not installed") as caught:
            bring(path, name)
        assert caught.value.hint == "pip install 'adaptation-advisor[hub]'"


CACHED = """
from datasets import *
from datasets.arrow_writer import ArrowWriter
from advisor.errors import UserError
from advisor.tasks.importing.contract import ImportSource
from advisor.tasks.importing.hub import Hub
import sys
from pathlib import Path
features = Features({"text": Value("string"), "label": ClassLabel(names=["bad", "good"])})
folder = Path(sys.argv[1]) / "my_set" / "plain" / "0.0.0" / "abc"
folder.mkdir(parents=True)
with ArrowWriter(path=str(folder / "my_set-train.arrow"), features=features) as writer:
    writer.write({"text": "a", "label": 1})
    writer.finalize()
splits = SplitDict({"train": SplitInfo("train", num_examples=1, dataset_name="my_set")}, dataset_name="my_set")
info = DatasetInfo(features=features, dataset_name="my_set", config_name="plain", version="0.0.0", splits=splits)
info.write_to_directory(str(folder))
for name in ("hf:my_set", "hf:my_set/plain:train"):
    found = Hub.recognise(ImportSource(name))
    print([(record.values["input"], record.values["target"], str(record.place)) for record in found.read()])
try:
    Hub.recognise(ImportSource("hf:none_such"))
except UserError as error:
    print(error)
"""


def test_the_cache_is_read_without_a_network(tmp_path: Path) -> None:
    environment = os.environ | {
        "HF_HUB_OFFLINE": "1",
        "HF_HOME": str(tmp_path),
        "HF_DATASETS_CACHE": str(tmp_path / "cache"),
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", CACHED, str(tmp_path / "cache")],
        capture_output=True,
        text=True,
        env=environment,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    first, second, third, hint = done.stdout.strip().split("\n")
    assert first == "[('a', 'good', 'my_set:train:1')]"
    assert second == "[('a', 'good', 'my_set/plain:train:1')]"
    assert third.startswith("error: hf:none_such: cannot be had: ")
    assert "it must be in the cache" in hint
