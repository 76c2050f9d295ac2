"""Probes of a scripted model: what is judged by whom, what fits the time, and what is said of the rest.

Nobody sleeps here: what takes time moves the cold clock on, which a probe keeps to as well as to the wall.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pytest

from advisor.errors import UserError
from advisor.measuring.progress import Silence
from advisor.models import Adaptation, Capabilities, Decoding, Generation, LanguageModel, Prompt, Scores, Vectors
from advisor.models.clock import clock
from advisor.models.contention import Stand
from advisor.pilot import Probes, probe
from advisor.tasks import Document, Example, Task

COLOURS = ("red", "green", "blue")
WORDS = ("stone", "river", "tower", "garden", "window", "letter", "engine", "bottle", "candle", "ladder", "mirror")

SCORES = Capabilities(score=True)


@dataclass
class Bags:
    """An embedder: hashed bags of words. It remembers what it was asked and moves the clock on."""

    seconds_per_word: float = 0.0
    texts: list[str] = field(default_factory=list)
    name: str = "bags"
    revision: str = "1"
    dimension: int = 2048

    def embed(self, texts: Sequence[str]) -> Vectors:
        rows = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in zip(rows, texts, strict=True):
            self.texts.append(text)
            for word in text.lower().replace("?", "").split():
                row[zlib.crc32(word.encode()) % self.dimension] += 1
            clock.credit("embeddings", self.seconds_per_word * len(text.split()))
        return rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)


@dataclass
class Rules(LanguageModel):
    """A model that names the colour it sees, else copies the most similar shot or passage; it moves the clock on."""

    seconds_per_prompt: float = 0.0  # of 25 characters
    seconds_per_word: float = 0.0
    prompts: list[Prompt] = field(default_factory=list)
    name: str = "rules"
    revision: str = "1"
    context_window: int = 400
    can: Capabilities = SCORES

    def __post_init__(self) -> None:
        self.embedder = Bags(self.seconds_per_word)

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        found = []
        for prompt in prompts:
            self._read(prompt)
            said = next((p.text.split()[-1] for p in prompt.context.passages if p.title in prompt.input), "nothing")
            found.append(Generation(said, 20, 2, self.seconds_per_prompt or 1e-4, self.seconds_per_prompt + 2e-4, 0, 0))
        return found

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        found = []
        for prompt in prompts:
            self._read(prompt)
            seen = tuple(0.0 if choice in prompt.input else -5.0 for choice in choices)
            found.append(Scores(seen, (1,) * len(choices), 20, 0.0, 0, 0))
        return found

    def describe(self) -> dict[str, Any]:
        return {}

    def forget(self) -> None: ...

    def peak_memory_bytes(self) -> int | None:
        return None

    def _read(self, prompt: Prompt) -> None:
        self.prompts.append(prompt)
        clock.credit("answers", self.seconds_per_prompt * len(prompt.input) / 25)


class Reader(Rules):
    """The same, and every word costs it two nats."""

    can = Capabilities(score=True, text_likelihood=True)

    def log_likelihoods(self, texts: Sequence[str], adaptation: Adaptation | None = None) -> list[float]:
        return [-2.0 * len(text.split()) for text in texts]


class Held(Rules):
    """A model that gives no likelihoods, and can be held to the labels; left to itself it writes something else."""

    can = Capabilities(choose=True)

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        said = [next((choice for choice in choices if choice in p.input), choices[0]) for p in prompts]
        return [Generation(text, 20, 1, 0.0, 0.0, 0, 0) for text in said]


def sorting(train: int, dev: int = 0) -> Task:
    """Things of three colours; the colour stands in the input."""

    def things(n: int, prefix: str) -> tuple[Example, ...]:
        rows = range(n)
        return tuple(
            Example(f"{prefix}{i}", f"{prefix} {WORDS[i % 11]} {i} is {COLOURS[i % 3]}", COLOURS[i % 3]) for i in rows
        )

    parts = things(train, "t"), things(dev, "d"), things(30, "q")
    return Task("sorting", "classification", "Name the colour.", "accuracy", COLOURS, *parts)


def asking(documents: int, train: int = 40, words: int = 12) -> Task:
    """Questions whose answer is the last word of the document with their number."""
    fill = (" ".join(f"filler{i}x{j}" for j in range(words)) for i in range(documents))
    pages = tuple(Document(f"d{i}", f"shelf {i}.", f"{text} holds item{i}") for i, text in enumerate(fill))
    examples = tuple(
        Example(f"e{i}", f"what holds shelf {i}. today?", f"item{i}", evidence=(f"d{i}",)) for i in range(train)
    )
    return Task("asking", "qa", "Answer.", "exact_match", (), examples, (), (), pages)


def names(found: Probes) -> list[str]:
    return [reading.name for reading in found.readings]


def reading(found: Probes, name: str) -> Any:
    return next(one for one in found.readings if one.name == name)


def without_time(found: Probes) -> Probes:
    return replace(found, seconds=0.0, others=None, rates=replace(found.rates, **dict.fromkeys(found.rates.__slots__)))


def test_a_classification_is_probed_by_model_and_by_cheap_learners() -> None:
    found = probe(sorting(train=300), Reader())
    assert names(found) == ["head", "nearest", "zero-shot", "few-shot:k=4", "perplexity of inputs"]
    assert found.split == "train"
    known = reading(found, "zero-shot")
    assert (known.value, known.n, known.high) == (1.0, 64, 1.0)
    assert 0.9 < known.low < 1.0  # all right, and yet not certain
    assert (reading(found, "head").n, reading(found, "head").train) == (75, 225)
    assert [(one.name, one.train) for one in found.curve] == [
        *(("head", size) for size in (8, 32, 128)),
        *(("nearest", size) for size in (8, 32, 128)),
    ]
    assert reading(found, "perplexity of inputs").value == pytest.approx(np.exp(2))
    assert found.rates.prefill and found.rates.prefill_alone and found.rates.embed
    assert found.rates.decode is None


def test_labels_are_told_as_the_model_tells_them_where_it_is_not_probed() -> None:
    assert reading(probe(sorting(train=60), Held(can=Held.can)), "zero-shot").value == 1.0


def test_no_probed_example_is_learned_from_and_test_is_not_read() -> None:
    task, model = sorting(train=300), Reader()
    probe(task, model)
    asked = {prompt.input for prompt in model.prompts}
    shown = {shot.input for prompt in model.prompts for shot in prompt.context.shots}
    assert shown and not asked & shown
    test = {example.input for example in task.test}
    assert not test & {*asked, *shown, *model.embedder.texts}


def test_what_others_took_meanwhile_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    later = Stand(50.0, 60.0, 20.0, (0, 1))
    stands = iter([Stand(0.0, 0.0, 0.0, (0, 1))])
    monkeypatch.setattr(clock.state, "look", lambda: next(stands, later))
    assert probe(sorting(train=40), Reader()).others == pytest.approx(0.4)


def test_a_dev_split_is_what_is_probed() -> None:
    model = Reader()
    found = probe(sorting(train=300, dev=80), model)
    assert found.split == "dev"
    assert reading(found, "nearest").train == 300
    assert not [prompt for prompt in model.prompts if prompt.input.startswith(("t ", "q "))]


def test_a_small_train_is_crossed_and_that_is_said() -> None:
    found = probe(sorting(train=40), Reader())
    assert (reading(found, "zero-shot").n, reading(found, "zero-shot").train) == (40, 20)
    assert reading(found, "head").train == 35
    assert any("only 40 training examples" in text for text in found.left_out)


@pytest.mark.parametrize(("train", "scarce"), [(8, True), (9, False)])
def test_of_labels_with_hardly_any_examples_it_is_said_what_judging_takes_away(train: int, scarce: bool) -> None:
    found = probe(sorting(train=train), Reader())
    assert any(f"{train} training examples of 3 labels" in text for text in found.left_out) == scarce
    judged_on_dev = probe(sorting(train=train, dev=80), Reader())
    assert not any("of 3 labels" in text for text in judged_on_dev.left_out)


@pytest.mark.parametrize("train", [3, 5, 8])
def test_of_a_tiny_train_each_example_is_judged_by_all_others(train: int) -> None:
    task, model = sorting(train=train), Reader()
    found = probe(task, model)
    assert (reading(found, "few-shot:k=4").n, reading(found, "few-shot:k=4").train) == (train, train - 1)
    for prompt in model.prompts:
        assert prompt.input not in {shot.input for shot in prompt.context.shots}
    assert any("from all others" in text for text in found.left_out)
    assert reading(found, "zero-shot").low < 0.75 < reading(found, "zero-shot").high


def test_documents_are_searched_and_what_the_right_one_is_worth() -> None:
    found = probe(asking(documents=40), Reader())
    assert found.value("zero-shot") == 0.0
    assert found.value("oracle") == 1.0
    assert reading(found, "oracle").n == 40
    assert found.value("recall@3") == found.value("rag") > 0.8
    assert found.value("perplexity of documents") == pytest.approx(np.exp(2))
    assert not any("searched" in text for text in found.left_out)


def test_of_a_corpus_that_is_too_large_a_part_is_searched_and_that_is_said() -> None:
    began = clock.now()
    found = probe(asking(documents=600, words=30), Rules(seconds_per_word=0.05), seconds=300.0)
    assert clock.now() - began < 300.0
    recalled = reading(found, "recall@3")
    assert recalled.value > 0.9 and 0 < recalled.n <= 40
    assert reading(found, "rag").n <= recalled.n
    (said,) = [text for text in found.left_out if "searched" in text]
    assert "of 600 documents" in said and "too good" in said


def test_documents_without_evidence_have_no_oracle() -> None:
    task = asking(documents=20)
    found = probe(replace(task, train=tuple(replace(e, evidence=()) for e in task.train)), Rules())
    assert "rag" in names(found)
    assert not {"oracle", "recall@3"} & set(names(found))
    assert any("evidence" in text for text in found.left_out)


def test_a_model_that_does_not_read_plain_text_has_no_perplexity() -> None:
    found = probe(sorting(train=40), Rules())
    assert "perplexity of inputs" not in names(found)
    assert any("perplexity of inputs was not measured" in text and "rules" in text for text in found.left_out)
    assert found.rates.train is None


@pytest.mark.parametrize(("pace", "most"), [(4.0, 63), (15.0, 8), (200.0, 0)])
def test_a_slower_model_answers_fewer_examples_and_keeps_to_the_time(pace: float, most: int) -> None:
    began = clock.now()
    found = probe(sorting(train=300), Rules(seconds_per_prompt=pace), seconds=200.0)
    assert clock.now() - began < 200.0 + (pace if not most else 0) + 5  # the first answer comes unplanned
    answered = {one.name: one.n for one in found.readings}
    assert answered["head"] == 75
    assert (answered.get("zero-shot", 0) > 0) == (most > 0)
    assert answered.get("zero-shot", 0) <= most
    if not most:
        assert any(text.startswith("zero-shot was not measured: it would take about") for text in found.left_out)


def test_the_same_call_gives_the_same_readings() -> None:
    task = asking(documents=40)
    assert without_time(probe(task, Reader())) == without_time(probe(task, Reader()))


def test_nothing_is_asked_twice() -> None:
    model = Reader()
    probe(sorting(train=300), model)
    real = [p for p in model.prompts if p.context.shots]
    assert len(real) == len(set(real))
    assert len(model.embedder.texts) == len(set(model.embedder.texts))


def test_an_approach_that_fails_is_left_out_and_the_others_are_probed() -> None:
    class Broken(Reader):
        def score(self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None) -> Any:
            if any(prompt.context.shots for prompt in prompts):
                raise RuntimeError("no shots today")
            return super().score(prompts, choices, adaptation)

    found = probe(sorting(train=300), Broken())
    assert "zero-shot" in names(found) and "few-shot:k=4" not in names(found)
    assert "few-shot:k=4 was not measured: RuntimeError: no shots today." in found.left_out


def test_without_training_examples_dev_is_still_asked() -> None:
    found = probe(replace(sorting(train=0, dev=20), labels=COLOURS), Reader())
    assert names(found) == ["zero-shot", "perplexity of inputs"]
    assert any("no training examples" in text for text in found.left_out)


@pytest.mark.parametrize(("task", "seconds"), [(sorting(train=20), 0.0), (sorting(train=0), 60.0)])
def test_no_time_and_no_examples_are_mistakes(task: Task, seconds: float) -> None:
    with pytest.raises(UserError):
        probe(task, Reader(), seconds)


def test_progress_hears_each_step() -> None:
    heard: list[tuple[str, ...]] = []

    class Ear(Silence):
        def begin(self, spec: str, index: int, of: int) -> None:
            heard.append(("begin", spec))

        def step(self, name: str, total: int | None) -> None:
            heard.append(("step", name))

        def advance(self, n: int = 1) -> None: ...

        def end(self, spec: str, outcome: str) -> None:
            heard.append(("end", outcome))

    probe(sorting(train=20), Reader(), progress=Ear())
    assert heard[0] == ("begin", "first measurements") and heard[-1] == ("end", "ok")
    assert ("step", "zero-shot, 16") in heard


def test_the_models_keep_to_the_protocol() -> None:
    made: list[Callable[[], LanguageModel]] = [Rules, Reader]
    assert all(isinstance(make(), LanguageModel) for make in made)
