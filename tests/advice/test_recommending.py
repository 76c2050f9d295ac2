"""Advice before anything is run: from a profile, from probes that are made up, and for other circumstances."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from advisor.advice import recommend
from advisor.advice.recommending import estimate
from advisor.approaches import Adapted, ContextBuilder, parse
from advisor.approaches.workload import TURN, Lengths
from advisor.forecast.features import features
from advisor.forecast.foresight import foresee
from advisor.forecast.learned import LEARNED_WITH, expect, knowledge
from advisor.forecast.rules import expect_by_rules
from advisor.measuring.records import ModelFacts
from advisor.models import Capabilities, LanguageModel
from advisor.pilot import ProbeReading, Probes, Rates
from advisor.profiling import profile
from advisor.tasks import Document, Example, Limits, Outline, Task
from advisor.tasks.description import describe
from advisor.tasks.material import Material
from advisor.verdict import load_prices
from benchmarks.decisions.tree import advised_by_tree

RATES = Rates(prefill=1000.0, prefill_alone=500.0, decode=200.0, decode_alone=20.0, train=300.0, embed=5000.0)


def desk(train: int = 60) -> Task:
    """Questions whose answers stand in documents."""
    texts = [f"Room {n} of the house is on floor {n % 7} at desk {n}." for n in range(30)]
    documents = tuple(Document(f"d{n}", "", text) for n, text in enumerate(texts))
    asked = [
        Example(f"q{n}", f"Where is room {n % 30} asked {n}?", f"desk {n % 30}", evidence=(f"d{n % 30}",))
        for n in range(train + 40)
    ]
    parts = {"train": tuple(asked[:train]), "test": tuple(asked[train:]), "documents": documents}
    return Task("desk", "qa", "Answer briefly.", "token_f1", **parts)


def read(**values: float) -> Probes:
    named = {name.replace("_", "-"): value for name, value in values.items()}
    readings = tuple(ProbeReading(name, value, value - 0.1, value + 0.1, 32, 30) for name, value in named.items())
    return Probes(readings, (), RATES, "train", (), 60.0)


class Nameless:
    """Stands for an embedder that nobody asks."""

    name, revision, dimension = "nameless", "1", 4

    def embed(self, texts: Any) -> Any:
        raise AssertionError("it is not run")


class Counts(LanguageModel):
    """A model that knows what it is and how to count; nobody lets it run."""

    name = "counts"
    context_window = 512
    embedder = Nameless()
    can = Capabilities(score=True, train=True)

    def generate(self, prompts: Any, decoding: Any, adaptation: Any = None) -> Any:
        raise AssertionError("it is not run")

    def count_tokens(self, text: str) -> int:
        return len(text.split())

    def describe(self) -> dict[str, object]:
        return {
            "id": "counts",
            "revision": "1",
            "quantisation": None,
            "source": "made up",
            "dtype": "float32",
            "device": "cpu",
            "device_name": "cpu",
            "parameters": 10**8,
            "context_window": 4096,
            "embedder": "",
            "caveats": [],
        }


@pytest.fixture
def counts() -> LanguageModel:
    return Counts()  # type: ignore[return-value]


def test_without_a_model_every_approach_has_an_expectation_and_no_price() -> None:
    found = recommend(desk())
    assert {"zero-shot", "few-shot", "rag", "lora", "rag+lora", "nearest"} <= {o.spec for o in found.options}
    values = [option.expected.value for option in found.options]
    assert values == sorted(values, reverse=True)
    for option in found.options:
        assert option.expected.low <= option.expected.value <= option.expected.high
        if option.foreseen and option.foreseen.prompt_tokens:
            assert option.foreseen.latency is None
            assert option.cost.per_1k_queries is None
    assert found.advised in {o.spec for o in found.options if not o.control}
    assert len(found.reasons) == 3
    assert all(reason.claim and reason.fact for reason in found.reasons)
    assert any("--model" in step.command for step in found.steps)
    assert any("unknown" in caveat for caveat in found.caveats)


def test_answers_in_documents_speak_for_retrieval() -> None:
    found = recommend(desk())
    assert "rag" in (found.advised or "")
    assert any("documents" in reason.claim for reason in found.reasons)


def test_with_rates_everything_has_a_price_and_dearer_is_dearer(counts: LanguageModel) -> None:
    task = desk()
    found = estimate(profile(task), read(zero_shot=0.1), counts, task.limits, load_prices())
    for option in found.options:
        assert option.foreseen
        assert option.foreseen.latency
        assert option.cost.per_1k_queries is not None
    rag, zero, tuned = (found.option(spec).foreseen for spec in ("rag", "zero-shot", "rag+lora"))
    assert rag
    assert zero
    assert tuned
    assert rag.prompt_tokens > zero.prompt_tokens
    assert rag.index_seconds == pytest.approx(sum(len(d.text.split()) for d in task.documents) / 5000)
    assert zero.index_seconds is None
    assert (tuned.fit_seconds or 0) > 10
    assert zero.fit_seconds == 0
    assert any("queries a day" in change.circumstance for change in found.changes)


def test_limits_exclude_and_are_named(counts: LanguageModel) -> None:
    task = desk()
    free = estimate(profile(task), read(zero_shot=0.1), counts, Limits(), load_prices())
    tight = estimate(profile(task), read(zero_shot=0.1), counts, Limits(p95_ms=1.0), load_prices())
    assert free.advised != tight.advised
    assert any("p95" in text for option in tight.options for text in option.violations)
    assert all(not tight.option(spec).violations for spec in (tight.advised, *tight.open) if spec)


def test_the_goal_is_the_limit_that_is_asked_for_and_not_that_of_the_task() -> None:
    task = replace(desk(), limits=Limits(min_quality=0.7))
    said = [" ".join(step.what for step in recommend(task, limits=asked).steps) for asked in (None, Limits())]
    said.append(" ".join(step.what for step in recommend(task, limits=Limits(min_quality=0.9)).steps))
    assert ["which is what you ask for" in one for one in said] == [True, False, True]
    assert "reaches 0.7," in said[0] and "reaches 0.9," in said[2]


def test_a_probe_of_the_very_approach_is_taken_at_its_word() -> None:
    described = describe(Material(desk()))
    probes = read(zero_shot=0.42)
    found = expect_by_rules(described, "qa", "token_f1", probes, ["zero-shot", "lora"])
    assert found["zero-shot"].basis == "measured"
    assert found["zero-shot"].value == 0.42
    assert found["zero-shot"].low < 0.32
    assert found["lora"].basis == "rule"


def test_what_was_taken_out_of_labels_with_hardly_any_examples_is_not_taken_for_the_approach() -> None:
    described = replace(describe(Material(desk())), train=128)
    probes = replace(read(zero_shot=0.1), readings=(ProbeReading("head", 0.18, 0.12, 0.25, 128, 112),))
    few, enough = (
        expect_by_rules(replace(described, labels=labels), "classification", "accuracy", probes, ["head"])["head"]
        for labels in (77, 8)
    )
    assert "rule of thumb" in few.why
    assert "measured at 0.18" in enough.why


def test_more_labels_speak_for_training() -> None:
    few, many = (describe(Material(desk(train))) for train in (8, 60))
    both = (few, replace(many, train=5_000))
    values = [expect_by_rules(one, "qa", "token_f1", None, ["lora", "few-shot"]) for one in both]
    gains = [v["lora"].value - v["few-shot"].value for v in values]
    assert gains[0] < 0 < gains[1]


@pytest.mark.parametrize("train", [64, 2_000])
def test_a_tuned_encoder_is_expected_above_a_frozen_one(train: int) -> None:
    order = ["head", "encoder", "setfit"]
    described = replace(describe(Material(desk())), train=train, labels=8)
    found = expect_by_rules(described, "classification", "accuracy", None, [*order, "setfit:model=other"])
    assert sorted(order, key=lambda spec: found[spec].value) == order
    assert (found["encoder"].value < found["setfit"].value) == (train == 64)
    assert found["setfit:model=other"].value == found["setfit"].value
    assert all("Tunstall" in found[spec].why for spec in order)


def test_the_tree_follows_its_questions() -> None:
    described = describe(Material(desk(8)))
    assert advised_by_tree(described, documents_change=False) == "rag"
    bare = replace(described, documents=0, in_documents=None)
    assert advised_by_tree(bare, documents_change=True) == "few-shot"
    assert advised_by_tree(replace(bare, train=500, rigidity=0.9), documents_change=False) == "lora"
    assert advised_by_tree(replace(bare, train=0), documents_change=False) == "zero-shot"


def test_tokens_are_counted_from_the_tasks_own_texts() -> None:
    task = desk()
    lengths = Lengths.of(task, lambda text: 2 * len(text.split()))
    few, zero = (foresee(parse(spec), Outline.of(task), lengths, RATES, None) for spec in ("few-shot:k=4", "zero-shot"))
    texts = [lengths.inputs, lengths.answers]
    example = sum(sum(some) / len(some) for some in texts)
    assert few.prompt_tokens - zero.prompt_tokens == pytest.approx(4 * (example + TURN))
    assert few.latency
    assert zero.latency
    assert few.latency.ttft_p50 == pytest.approx(zero.latency.ttft_p50)  # fixed shots are read once
    assert few.latency.p50 < zero.latency.p50  # what has seen no answer is taken to ramble
    near = foresee(parse("few-shot:k=4,select=nearest"), Outline.of(task), lengths, RATES, None)
    assert near.latency
    assert near.latency.p50 > few.latency.p50


class Silent(ContextBuilder):
    """A context builder that does not say what it puts beside a query."""

    name = "silent"

    def build(self, task, model, seed):  # type: ignore[no-untyped-def]
        raise NotImplementedError

    restore = build


def test_nothing_is_foreseen_of_what_does_not_say_what_it_takes() -> None:
    task = desk()
    found = foresee(Adapted(Silent(), parse("lora").tuner), Outline.of(task), Lengths.of(task, None), RATES, None)
    assert found.trained
    figures = (found.prompt_tokens, found.throughput_qps, found.fit_seconds, found.latency, found.work, found.ranges)
    assert figures == (None, None, None, None, None, {})


@pytest.mark.parametrize("spec", ["zero-shot", "lora"])
def test_weights_that_are_kept_arranged_as_well_are_counted(spec: str) -> None:
    plain = ModelFacts("m", "r", None, "folder", "float16", "cpu", "a processor", 10**9, 2048, "e", ())
    task = desk()
    lengths = Lengths.of(task, lambda text: len(text.split()))
    arranged = replace(plain, dtype="bfloat16")
    found = [foresee(parse(spec), Outline.of(task), lengths, RATES, facts).memory_bytes for facts in (plain, arranged)]
    assert found[1] - found[0] == 2 * 10**9  # two bytes a weight, once more


def test_keys_and_values_of_what_is_answered_at_once_are_counted() -> None:
    task = desk()
    lengths = Lengths.of(task, lambda text: len(text.split()))
    plain = ModelFacts("m", "r", None, "folder", "float16", "cpu", "a processor", 10**9, 2048, "e", ())

    def counted(rows: int | None, tokens: int | None) -> float:
        """Tokens whose keys and values are counted."""
        facts = replace(plain, token_bytes=10**6, rows_at_once=rows, tokens_at_once=tokens)
        found, none = (foresee(parse("rag"), Outline.of(task), lengths, RATES, model) for model in (facts, plain))
        assert found.memory_bytes
        assert none.memory_bytes
        return (found.memory_bytes - none.memory_bytes) / 10**6

    rag = foresee(parse("rag"), Outline.of(task), lengths, RATES, plain)
    each = rag.prompt_tokens - lengths.stem + rag.completion_tokens
    assert counted(None, None) == 0
    assert counted(2, 10**9) == pytest.approx(2 * each, rel=0.01)
    assert counted(10**9, 10**9) == pytest.approx(len(task.test) * each, rel=0.01)
    assert counted(10**9, 10) == 10


def test_more_labels_make_no_other_task_of_it() -> None:
    known = knowledge()
    described = describe(Material(desk(60)))
    sizes = [replace(described, train=n) for n in (known.most, 10 * known.most, 1000 * known.most)]
    assert len({known.similar(features(one, "qa", "token_f1", None)) for one in sizes}) == 1
    values = [expect(one, "qa", "token_f1", None, ["lora", "rag"])["lora"].value for one in sizes]
    assert values == sorted(values)


def test_an_approach_that_was_measured_nowhere_is_placed_beside_one_that_was() -> None:
    described = describe(Material(desk(60)))
    found = expect(described, "qa", "token_f1", None, ["lora", "few-shot+lora"])
    beside, lora = found["few-shot+lora"], found["lora"]
    assert lora.tried
    assert not beside.tried
    assert beside.value == pytest.approx(lora.value, abs=0.1)
    assert beside.high - beside.low >= max(lora.high - lora.low, 0.3) - 0.01


def test_caveats_say_what_the_figures_rest_on_and_what_was_not_checked() -> None:
    said = " ".join(recommend(desk(60), limits=Limits(p95_ms=1.0)).caveats)
    known = knowledge()
    assert f"{len(known.cases)} comparisons with a small model" in said
    assert f"at most {known.most:,} training examples" in said
    assert "Not checked for want of one: latency." in said


@pytest.mark.parametrize(("others", "told"), [(None, False), (0.08, False), (0.4, True)])
def test_probes_of_a_busy_machine_are_said_to_be_such(others: float | None, told: bool) -> None:
    probes = replace(read(zero_shot=0.4), others=others)
    task, counts = desk(60), Counts()
    said = " ".join(estimate(profile(task), probes, counts, task.limits, load_prices()).caveats)
    assert ("Other programs took 40 % of the processor while the model was probed" in said) == told


def test_a_model_that_reads_prompts_in_full_takes_longer_by_what_they_have_in_common() -> None:
    task = desk()
    lengths = Lengths.of(task, lambda text: len(text.split()))
    once = ModelFacts("m", "r", None, "folder", "float16", "cpu", "a processor", 10**9, 2048, "e", ())

    def seconds(spec: str, facts: ModelFacts) -> float:
        found = foresee(parse(spec), Outline.of(task), lengths, RATES, facts).throughput_qps
        assert found is not None
        return 1 / found

    in_full = replace(once, reads_once=False)
    shared = parse("few-shot:k=8").load(Outline.of(task), lengths).shared
    assert shared > 2 * lengths.stem
    assert seconds("few-shot:k=8", in_full) - seconds("few-shot:k=8", once) == pytest.approx(shared / RATES.prefill)


@pytest.mark.parametrize(("name", "told"), [("counts", True), (LEARNED_WITH, False)])
def test_that_expectations_are_another_models_is_said_where_one_is_named(name: str, told: bool) -> None:
    task, model = desk(), Counts()
    described = model.describe() | {"id": name}
    model.describe = lambda: described  # type: ignore[method-assign]
    said = " ".join(estimate(profile(task), None, model, task.limits, load_prices()).caveats)
    assert ("is not the model that expectations are learned with" in said) is told
