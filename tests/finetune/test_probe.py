"""A classifier of hidden states: what it learns, what it chooses, what of the model it tunes and leaves."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoConfig

from advisor.approaches import Lengths, Prediction, parse
from advisor.errors import NotApplicable, UserError
from advisor.measuring.comparing import compare
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from advisor.tasks import Example, Outline, Query, Task
from finetune.fused.packing import TokenRow
from finetune.layer_choice import HeldExamples, LayerChoice, candidates, layers_tried
from finetune.trainer import Trainer
from tests.models.tiny import GROUPED, SMALL

WORDS = {"red": ("tomato", "rose", "fire", "cherry"), "green": ("grass", "leaf", "frog", "pea")}
TINY = "probe:layer=2,pool=mean,c=0.1"
HEADS = GROUPED | {"head_dim": 8}
KINDS: dict[str, dict[str, Any]] = {
    "llama": GROUPED,
    "qwen3": HEADS,
    "gemma3_text": HEADS | {"sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]},
    "phi3": GROUPED,
    "gpt_neox": SMALL,
}


@pytest.fixture(scope="module")
def colours() -> Task:
    """Things of two colours, each with several words before it."""
    pairs = [(f"{how} {thing}", colour) for how in ("a", "the", "my") for colour in WORDS for thing in WORDS[colour]]
    train = tuple(Example(f"t{i}", text, colour) for i, (text, colour) in enumerate(pairs))
    return Task("colours", "classification", "Say which colour.", "accuracy", ("red", "green"), train)


QUERIES = [Query(str(i), f"one {thing}") for i, thing in enumerate((*WORDS["red"], *WORDS["green"]))]


def told(answers: list[Prediction]) -> list[tuple[str, float | None]]:
    return [(answer.text, answer.confidence) for answer in answers]


def test_it_learns_what_the_states_tell(llama: LocalModel, colours: Task) -> None:
    queries = [Query(example.id, example.input) for example in colours.train]
    answers = parse("probe:pool=mean,c=100").fit(colours, llama, 0).predict(queries)
    assert [answer.id for answer in answers] == [query.id for query in queries]
    assert [answer.text for answer in answers] == [example.target for example in colours.train]
    for answer in answers:
        assert answer.confidence is not None and 0.5 <= answer.confidence <= 1
        assert answer.usage.prompt_tokens > 0 and answer.usage.completion_tokens == 0
        assert answer.usage.ttft_seconds is not None and answer.usage.ttft_seconds > 0


def test_it_says_what_it_chose_and_by_what(llama: LocalModel, colours: Task) -> None:
    facts = parse("probe").fit(colours, llama, 0).facts
    chosen = facts.resolved["probe"]
    assert chosen["layer"] in (1, 2, 3) and chosen["pool"] in ("last", "mean")
    assert f"layer {chosen['layer']} of 3" in facts.notes[0] and "cross-validation on 24" in facts.notes[0]
    size = llama.module.config.hidden_size
    assert facts.trainable_parameters == 2 * (size + 1) and facts.artifact_bytes == 4 * facts.trainable_parameters


def test_what_is_given_is_taken(llama: LocalModel, colours: Task) -> None:
    facts = parse(TINY).fit(colours, llama, 0).facts
    assert facts.resolved["probe"] == {"layer": 2, "pool": "mean", "c": 0.1}
    assert "chosen" not in facts.notes[0]


def test_dev_is_chosen_by_where_there_is_one(llama: LocalModel, colours: Task) -> None:
    task = replace(colours, train=colours.train[:16], dev=colours.train[16:])
    assert "on 8 dev examples" in parse("probe").fit(task, llama, 0).facts.notes[0]


def test_too_few_examples_to_choose_by_are_said(llama: LocalModel, colours: Task) -> None:
    task = replace(colours, train=(colours.train[0], colours.train[4]))
    predictor = parse("probe").fit(task, llama, 0)
    assert "too few" in predictor.facts.notes[0]
    assert {answer.text for answer in predictor.predict(QUERIES)} <= {"red", "green"}


def test_a_large_training_set_is_compared_in_part_and_learned_whole(
    llama: LocalModel, colours: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("finetune.probe.COMPARED", 10)
    drawn = parse("probe:layer=2,pool=mean").fit(colours, llama, 0)
    assert "on 10 training examples" in drawn.facts.notes[0]
    given = parse(f"probe:layer=2,pool=mean,c={drawn.facts.resolved['probe']['c']}").fit(colours, llama, 0)
    assert told(drawn.predict(QUERIES)) == told(given.predict(QUERIES))


def test_folds_hold_every_example_out_once() -> None:
    held = HeldExamples.of(["a", "b", "a", "b", "c", "a"], [])
    assert sorted(i for _, judged in held.splits for i in judged) == list(range(6))
    assert all(not set(fitted) & set(judged) for fitted, judged in held.splits)
    assert len(HeldExamples.of(["a", "b"] * 300, []).splits) == 1


def test_layers_that_are_tried_are_evenly_apart_with_the_last() -> None:
    assert layers_tried(30) == (4, 8, 11, 15, 19, 22, 26, 30)
    assert layers_tried(3) == (1, 2, 3)
    assert candidates([10, 20, 30], "auto", 1.0)[0] == LayerChoice(20, "last", 1.0)


@pytest.mark.parametrize("spec", [f"{TINY},calibrate=true", f"{TINY},unfreeze=1,calibrate=true,epochs=2"])
def test_confidences_are_calibrated_on_dev(llama: LocalModel, colours: Task, tmp_path: Path, spec: str) -> None:
    assert "calibrate needs dev examples" in parse(spec).unsuited(colours)
    dev = tuple(replace(e, id=f"d{e.id}", target=("red", "green")[n % 3 == 0]) for n, e in enumerate(colours.train))
    task = replace(colours, dev=dev)  # of other answers, so that none can be sure
    plain = parse(spec.replace(",calibrate=true", "")).fit(task, llama, 0).predict(QUERIES)
    fitted = parse(spec).fit(task, llama, 0)
    found = fitted.predict(QUERIES)
    assert [answer.text for answer in found] == [answer.text for answer in plain]
    assert sum(a.confidence or 0 for a in found) < sum(a.confidence or 0 for a in plain)
    assert "(Guo et al. 2017), chosen on 24 dev examples" in fitted.facts.notes[-1]
    fitted.save(tmp_path)
    assert told(parse(spec).restore(tmp_path, task.brief, llama).predict(QUERIES)) == told(found)


@pytest.mark.parametrize("spec", [TINY, f"{TINY},unfreeze=1,epochs=2"])
def test_what_was_saved_answers_alike(llama: LocalModel, colours: Task, tmp_path: Path, spec: str) -> None:
    fitted = parse(spec).fit(colours, llama, 0)
    fitted.save(tmp_path)
    restored = parse(spec).restore(tmp_path, colours.brief, llama)
    assert restored.facts == fitted.facts
    assert told(restored.predict(QUERIES)) == told(fitted.predict(QUERIES))
    assert {path.suffix for path in tmp_path.iterdir()} <= {".json", ".npz", ".safetensors"}


def test_another_seed_changes_nothing_but_where_layers_are_trained(llama: LocalModel, colours: Task) -> None:
    frozen, tuned = parse("probe"), parse(f"{TINY},unfreeze=1,epochs=2")
    assert (frozen.seeded, frozen.trains_model) == (False, False)
    assert (tuned.seeded, tuned.trains_model) == (True, True)
    for approach, same in ((frozen, True), (tuned, False)):
        first, again, other = (told(approach.fit(colours, llama, seed).predict(QUERIES)) for seed in (0, 0, 1))
        assert first == again
        assert (first == other) == same


@pytest.mark.parametrize("kind", KINDS)
def test_layers_are_tuned_and_the_model_stays_what_it_was(
    kind: str,
    colours: Task,
    folder_of: Callable[..., Path],
    loaded: Callable[..., LocalModel],
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    model = loaded(folder_of(kind, AutoConfig.for_model(kind, **KINDS[kind])))
    before = bits_of(model)
    frozen = parse(TINY).fit(colours, model, 0)
    tuned = parse(f"{TINY},unfreeze=1,lr=1e-2,epochs=3").fit(colours, model, 0)
    assert_untouched(model, before)
    assert told(tuned.predict(QUERIES)) != told(frozen.predict(QUERIES))
    assert_untouched(model, before)
    layer = sum(p.numel() for p in model.module.base_model.layers[1].parameters())
    assert tuned.facts.trainable_parameters == layer + frozen.facts.trainable_parameters
    assert tuned.facts.artifact_bytes == 4 * tuned.facts.trainable_parameters


def test_an_interrupted_training_leaves_the_model_as_it_was(
    llama: LocalModel,
    colours: Task,
    breaking_off: Callable[[], AbstractContextManager[None]],
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    llama.activate(None)
    before = bits_of(llama)
    with breaking_off():
        parse(f"{TINY},unfreeze=2,epochs=4").fit(colours, llama, 0)
    assert_untouched(llama, before)


def test_a_training_that_makes_nothing_better_changes_nothing(llama: LocalModel, colours: Task) -> None:
    task = replace(colours, train=colours.train[:16], dev=colours.train[16:])
    frozen, ruined = (parse(f"{TINY}{more}").fit(task, llama, 0) for more in ("", ",unfreeze=2,lr=30,epochs=2"))
    assert "stay as they were" in ruined.facts.notes[-1]
    for one, other in zip(frozen.predict(QUERIES), ruined.predict(QUERIES), strict=True):
        assert one.text == other.text and one.confidence == pytest.approx(other.confidence, abs=1e-5)


def test_packed_and_padded_rows_are_trained_alike(
    llama: LocalModel, colours: Task, monkeypatch: pytest.MonkeyPatch
) -> None:
    approach = parse(f"{TINY},unfreeze=2,epochs=1")
    packed = told(approach.fit(colours, llama, 0).predict(QUERIES))
    with monkeypatch.context() as patch:
        patch.setattr(llama.reader, "packs", False)
        padded = told(approach.fit(colours, llama, 0).predict(QUERIES))
    for (one, its), (other, their) in zip(packed, padded, strict=True):
        assert one == other and its == pytest.approx(their, abs=1e-3)


def test_a_model_elsewhere_is_refused_in_a_sentence(make_model: Callable[..., Any], colours: Task) -> None:
    with pytest.raises(NotApplicable, match="not the hidden states"):
        parse("probe").fit(colours, make_model(), 0)


def test_a_layer_or_a_depth_that_is_not_there_is_refused(llama: LocalModel, colours: Task) -> None:
    with pytest.raises(NotApplicable, match="has 3 layers, and none is number 9"):
        parse("probe:layer=9").fit(colours, llama, 0)
    with pytest.raises(NotApplicable, match="unfreeze is 8"):
        parse("probe:unfreeze=8").fit(colours, llama, 0)
    assert "none is number 9" in parse("probe:layer=9").beyond(3)
    assert not parse("probe:layer=3,unfreeze=3").beyond(3)


def test_a_layer_that_is_not_there_is_told_before_anything_is_measured(
    llama: LocalModel, colours: Task, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = replace(colours, test=colours.train[:2])
    found = compare(task, llama, ["majority", "probe:layer=9"], out=tmp_path)
    assert [(run.status, run.fit_seconds is None) for run in found.runs] == [("ok", False), ("skipped", True)]
    assert "none is number 9" in str(found.runs[1].error)
    assert "probe:layer=9 will be skipped: the model has 3 layers" in caplog.text


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("probe:layer=0", "the first is number 1"),
        ("probe:layer=x", "not int"),
        ("probe:layer=x", "a whole number, for example 8, or auto"),
        ("probe:pool=max", "one of"),
        ("probe:c=0", "above 0"),
        ("probe:unfreeze=-1", "not be negative"),
        ("probe:lr=0", "lr must be positive"),
        ("probe:layer=2,unfreeze=4", "2 layers up to"),
    ],
)
def test_a_parameter_that_cannot_be_is_named(spec: str, said: str) -> None:
    with pytest.raises(UserError) as caught:
        parse(spec)
    assert said in f"{caught.value.what} {caught.value.hint}"


def test_it_is_for_labels_alone(colours: Task) -> None:
    assert "labels" in parse("probe").unsuited(replace(colours, kind="qa", labels=()))
    assert "fewer than two" in parse("probe").unsuited(replace(colours, train=colours.train[:1]))
    assert not parse("probe").unsuited(colours)


def test_its_costs_are_foreseen(colours: Task) -> None:
    outline, lengths = Outline.of(colours), Lengths.of(colours, None)
    frozen, tuned = (parse(spec).load(outline, lengths) for spec in ("probe", "probe:unfreeze=4,epochs=2"))
    assert frozen is not None and tuned is not None
    assert (frozen.tried, frozen.trained_on, frozen.step, frozen.written) == (24, 0, 0, 0)
    assert tuned.trained_on == pytest.approx(24 * frozen.prompt) and tuned.step > 0


@pytest.mark.parametrize("stop", ["loss", "metric"])
def test_a_killed_training_goes_on_and_gives_the_same_answers(
    llama: LocalModel, colours: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stop: str
) -> None:
    approach = parse(f"{TINY},unfreeze=1,lr=1e-2,epochs=3,stop={stop}")
    task = replace(colours, dev=colours.train[::3])
    whole = approach.fit(task, llama, 0)
    assert whole.facts.served == "merged"
    assert whole.facts.tokens_seen > 0
    assert ("accuracy" in whole.facts.notes[-1]) == (stop == "metric")
    take = Trainer.take

    def dying(self: Trainer, until: int) -> list[TokenRow]:
        if self.steps == 3:
            raise KeyboardInterrupt
        return take(self, until)

    with monkeypatch.context() as patch, lending(Scratch(tmp_path, 0.0)), pytest.raises(KeyboardInterrupt):
        patch.setattr(Trainer, "take", dying)
        approach.fit(task, llama, 0)
    with lending(Scratch(tmp_path)):
        resumed = approach.fit(task, llama, 0)
    assert resumed.facts == whole.facts
    assert told(resumed.predict(QUERIES)) == told(whole.predict(QUERIES))
