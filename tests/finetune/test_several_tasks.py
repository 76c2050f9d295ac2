"""One training on several tasks: how they are mixed, what becomes of their gradients, what belongs to each."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from advisor.approaches import OtherTraining, TrainingExample, TrainingSet, registry
from advisor.errors import UserError
from advisor.models import Prompt
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from finetune import Bottleneck, Full, Lora, Qlora, adapter
from finetune.conflicts import combined, weighting
from finetune.difficulty import with_difficulty
from finetune.fused.packing import TokenRow
from finetune.gradient import GradientTuner
from finetune.insertion import Insertion
from finetune.minibatches import minibatches, pass_size
from finetune.session import SplitRows
from finetune.stages import Stages
from finetune.trainer import Trainer
from finetune.training import Schedule, TrainingSettings

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
ALSO = "../sizes"
LORA = Lora(rank=8, alpha=16, lr=1e-2, epochs=2, batch=4, also=ALSO)
SIZES = {
    "the whale": "large",
    "a mouse": "small",
    "the mountain behind the town": "large",
    "an ant": "small",
    "the sea": "large",
}
OPPOSED = ([1.0, 0.0, 2.0], [-1.0, 1.0, 0.0])


@pytest.fixture(scope="module")
def sizes() -> tuple[TrainingExample, ...]:
    return tuple(TrainingExample(Prompt("Say how large the thing is.", thing), size) for thing, size in SIZES.items())


@pytest.fixture
def both(lessons: tuple[TrainingExample, ...], sizes: tuple[TrainingExample, ...]) -> TrainingSet:
    return TrainingSet(lessons, others=(OtherTraining(ALSO, "sizes", sizes, left_out=2),))


@pytest.fixture
def mixed(
    llama: LocalModel, rows_of: RowsOf, lessons: tuple[TrainingExample, ...], sizes: tuple[TrainingExample, ...]
) -> list[TokenRow]:
    return [*rows_of(llama, lessons), *(replace(row, task=1) for row in rows_of(llama, sizes))]


def rows(*counts: int) -> list[TokenRow]:
    return [TokenRow((n, 1), 0, (2,), task, float(-n)) for task, count in enumerate(counts) for n in range(count)]


@pytest.mark.parametrize("mix, drawn", [("equal", 8), ("root", 16), ("size", 32)])
def test_a_pass_takes_all_of_this_task_and_a_share_of_others_without_one_twice(mix: str, drawn: int) -> None:
    schedule = Schedule(epochs=32 // drawn, batch=4, also="other", mix=mix)  # type: ignore[arg-type]
    steps = list(minibatches(rows(8, 32), schedule, seed=1))
    seen = Counter((row.task, row.prompt) for step in steps for row in step)
    assert pass_size(rows(8, 32), schedule.mix) == (8 + drawn, 3 * (8 + drawn))
    assert {count for (task, _), count in seen.items() if not task} == {schedule.epochs}
    assert len(seen) == 40 and {count for (task, _), count in seen.items() if task} == {1}
    assert all({row.task for row in step} == {0, 1} for step in steps if drawn < 32)


def test_one_task_alone_is_seen_as_before() -> None:
    order, rng = rows(5), random.Random(3)
    expected = []
    for _ in range(2):
        again = list(order)
        rng.shuffle(again)
        expected += again
    found = [row for step in minibatches(order, Schedule(epochs=2, batch=2), seed=3) for row in step]
    assert found == expected


def test_a_curriculum_begins_with_what_is_easy_and_sees_all_as_often() -> None:
    schedule = Schedule(epochs=2, batch=3, curriculum="loss", also="other")
    order = [row for step in minibatches(rows(6, 6), schedule, seed=0) for row in step]
    first, second = order[:12], order[12:]
    for task in (0, 1):
        of = [row.difficulty for row in first if row.task == task]
        assert of == sorted(of)
    assert second != first and Counter(first) == Counter(second)


def test_difficulty_is_the_length_or_the_untrained_models_loss(llama: LocalModel, mixed: list[TokenRow]) -> None:
    by_length = with_difficulty(mixed, "length", llama)
    assert [row.difficulty for row in by_length] == [row.tokens for row in mixed]
    by_loss = with_difficulty(mixed, "loss", llama)
    with Insertion(LORA.method(), llama, 0) as inserted:
        trainer = Trainer(llama, inserted, LORA)
        expected = [trainer.loss([row]) for row in mixed]  # fresh adapters say nothing
    assert [row.difficulty for row in by_loss] == pytest.approx(expected, rel=1e-4)
    assert with_difficulty(mixed, "none", llama) == mixed


@pytest.mark.parametrize("how", ["pcgrad", "upgrad"])
def test_what_works_against_another_task_is_taken_out(how: str) -> None:
    pytest.importorskip("torchjd", reason="the extra several is not installed")
    weigh = weighting(how)  # type: ignore[arg-type]
    first, second = (torch.tensor(one) for one in OPPOSED)
    (found,) = combined([[first], [second]], weigh)
    product, lengths = first @ second, (first @ first, second @ second)
    expected = first - product / lengths[1] * second + second - product / lengths[0] * first  # Yu et al., algorithm 1
    assert found is not None
    torch.testing.assert_close(found, expected, atol=1e-3, rtol=0)
    assert min(found @ first, found @ second) > -1e-3
    agreeing = [[first, None], [first + 1, torch.ones(2)]]
    assert [one.tolist() for one in combined(agreeing, weigh) if one is not None] == [
        pytest.approx((2 * first + 1).tolist(), abs=1e-3),
        pytest.approx([1.0, 1.0], abs=1e-3),
    ]


def test_gradients_that_are_no_numbers_are_added_up_and_so_seen() -> None:
    pytest.importorskip("torchjd", reason="the extra several is not installed")
    (found,) = combined([[torch.tensor([float("nan")])], [torch.ones(1)]], weighting("upgrad"))
    assert found is not None and found.isnan().all()


def test_a_missing_library_is_one_line(llama: LocalModel, both: TrainingSet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "torchjd.aggregation", None)
    with pytest.raises(UserError, match="conflicts=pcgrad") as caught:
        replace(LORA, conflicts="pcgrad").tune(both, llama, seed=0)
    assert "[several]" in caught.value.hint


def test_the_sum_of_the_tasks_gradients_is_that_of_all_rows_at_once(llama: LocalModel, mixed: list[TokenRow]) -> None:
    found = []
    for batch in (mixed, [replace(row, task=0) for row in mixed]):
        with Insertion(LORA.method(), llama, 0) as inserted:
            trainer = Trainer(llama, inserted, LORA)
            loss = trainer.gradients(batch)
            found.append((loss, trainer.weights.hand_over()))
    (loss, apart), (expected, together) = found
    assert loss == pytest.approx(expected, rel=1e-5)
    for one, other in zip(apart, together, strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    "tuner",
    [
        LORA,
        replace(LORA, conflicts="pcgrad", mix="size"),
        replace(LORA, conflicts="upgrad", curriculum="length"),
        replace(LORA, modulation="task", init="pissa"),
        Bottleneck(width=8, epochs=1, batch=4, also=ALSO, conflicts="pcgrad"),
        Full(lr=1e-3, epochs=1, batch=4, also=ALSO, conflicts="pcgrad"),
        registry.parse(f"prompt:tokens=4+lora:rank=4,epochs=1,batch=4,modulation=task,also={ALSO}").tuner,  # type: ignore[attr-defined]
    ],
    ids=["lora", "pcgrad", "upgrad", "modulation", "adapter", "full", "prompt+lora"],
)
def test_others_are_trained_on_and_said(
    llama: LocalModel,
    tuner: GradientTuner,
    both: TrainingSet,
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    if tuner.conflicts != "none":
        pytest.importorskip("torchjd", reason="the extra several is not installed")
    before = bits_of(llama)
    tuned, alone = tuner.tune(both, llama, seed=0), tuner.alone().tune(both, llama, seed=0)
    assert_untouched(llama, before)
    assert tuned.adaptation.key != alone.adaptation.key
    assert tuned.facts.tokens_seen > 1.5 * alone.facts.tokens_seen
    said = " ".join(tuned.facts.notes)
    assert "trained on sizes too" in said and "2 training examples of it were left out" in said
    assert "sizes" not in " ".join(alone.facts.notes)


def test_a_budget_counts_all_tasks(llama: LocalModel, both: TrainingSet) -> None:
    free = LORA.tune(both, llama, seed=0)
    bound = replace(LORA, budget=free.facts.tokens_seen // 2).tune(both, llama, seed=0)
    assert bound.facts.tokens_seen == pytest.approx(free.facts.tokens_seen / 2, rel=0.2)


def test_a_tasks_part_learns_from_its_own_examples_alone(llama: LocalModel, mixed: list[TokenRow]) -> None:
    lora = replace(LORA, modulation="task")
    with Insertion(lora.method_for(SplitRows(mixed, ())), llama, 0) as inserted:
        trainer = Trainer(llama, inserted, lora)
        resting = {name: p.detach().clone() for name, p in inserted.named.items()}
        trainer.gradients([row for row in mixed if row.task == 1])
        for name, parameter in inserted.named.items():
            assert torch.equal(parameter, resting[name])
            own, half = name.startswith("task1/"), inserted.named.get(f"task1/{name}")
            if own or half is None or parameter.grad is None:
                continue
            part = parameter.grad[6:] if ".lora_A." in name else parameter.grad[:, 6:]
            assert part.shape == half.shape and not part.any()
        assert any(p.grad is not None and p.grad.any() for n, p in inserted.named.items() if n.startswith("task1/"))


@pytest.mark.parametrize("tuner", [LORA, Qlora(rank=8, alpha=16, lr=1e-2, epochs=1, batch=4, also=ALSO)])
def test_what_is_kept_of_it_is_an_adapter_as_any_other(
    llama: LocalModel, tuner: Lora, both: TrainingSet, tmp_path: Path
) -> None:
    if isinstance(tuner, Qlora):
        pytest.importorskip("bitsandbytes", reason="the extra qlora is not installed")
    own = replace(tuner, modulation="task")
    tuned = own.tune(both, llama, seed=0)
    tuned.save(tmp_path)
    asked, choices = [example.prompt for example in both.examples], ["red", "green", "dark blue"]
    found = []
    for serve in ("merged", "attached"):
        adaptation = replace(own, serve=serve).restore(tmp_path, llama).adaptation  # type: ignore[arg-type]
        found.append(torch.tensor([one.totals for one in llama.score(asked, choices, adaptation)]))
    llama.activate(None)
    torch.testing.assert_close(*found, atol=1e-3, rtol=1e-3)
    kept = sum(tensor.numel() for tensor in adapter.load(tmp_path)[1].values())
    assert tuned.facts.trainable_parameters == 5 * kept / 4
    assert "Of its rank of 8, 2 belonged to this task and 6 to all of them." in tuned.facts.notes


@pytest.mark.parametrize(
    "tuner",
    [replace(LORA, conflicts="pcgrad", curriculum="loss", dropout=0.2), replace(LORA, modulation="task")],
    ids=["pcgrad", "modulation"],
)
def test_killed_and_gone_on_with_it_ends_the_same(
    llama: LocalModel, tuner: Lora, both: TrainingSet, tmp_path: Path, breaking_off: Callable[[], object]
) -> None:
    pytest.importorskip("torchjd", reason="the extra several is not installed")
    whole = tuner.tune(both, llama, seed=1)
    with lending(Scratch(tmp_path, 0.0)), breaking_off():  # type: ignore[attr-defined]
        tuner.tune(both, llama, seed=1)
    with lending(Scratch(tmp_path, 0.0)):
        resumed = tuner.tune(both, llama, seed=1)
    assert resumed.adaptation.key == whole.adaptation.key
    assert resumed.facts == whole.facts


@pytest.mark.parametrize(
    "spec, said",
    [
        ("lora:mix=size", "mix says nothing without other tasks"),
        ("lora:conflicts=pcgrad", "conflicts says nothing"),
        ("lora:modulation=task", "modulation says nothing"),
        ("lora:also=../a;../a", "names a task twice"),
        ("lora:also=../a,modulation=task,rank=1", "rank of at least 2"),
        ("lora:also=../a,modulation=task,conflicts=pcgrad", "one of them"),
    ],
)
def test_what_says_nothing_is_refused(spec: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        registry.parse(spec)


def test_the_same_alone_and_what_it_will_read() -> None:
    spec = "lora:rank=8,curriculum=length,also=../a;../b,mix=root,modulation=task"
    several = registry.parse(spec)
    assert registry.spec_of(several) == "lora:rank=8,modulation=task,also=../a;../b,mix=root,curriculum=length"
    alone = registry.parse("lora:rank=8,curriculum=length")
    assert registry.spec_of(several.tuner.alone()) == registry.spec_of(alone)  # type: ignore[attr-defined]
    tuner: TrainingSettings = several.tuner  # type: ignore[attr-defined]
    read = [one.reads(100, own=40, shared=60) for one in (tuner, alone.tuner)]  # type: ignore[attr-defined]
    assert read[0] > 2.5 * read[1]


def test_examples_that_were_not_handed_over_are_missed(llama: LocalModel, curriculum: TrainingSet) -> None:
    with pytest.raises(UserError, match="no examples of it were handed over"):
        LORA.tune(curriculum, llama, seed=0)


def test_a_stage_learns_from_what_it_names_itself(llama: LocalModel, both: TrainingSet) -> None:
    stages = Stages(Full(lr=1e-3, epochs=1, batch=4), replace(LORA, epochs=1))
    assert (stages.others, stages.alone().others) == ((ALSO,), ())
    said = stages.tune(both, llama, seed=0).facts.notes
    assert [note.partition(":")[0] for note in said if "trained on sizes too" in note] == ["lora"]


def test_no_more_of_a_large_task_is_read_than_its_passes_take(
    llama: LocalModel, lessons: tuple[TrainingExample, ...], sizes: tuple[TrainingExample, ...]
) -> None:
    """A curriculum by loss reads each example once, and the untrained model has to."""
    large = TrainingSet(lessons[:4], others=(OtherTraining(ALSO, "sizes", sizes * 20),))
    clock.drain()
    found = replace(LORA, epochs=1, curriculum="loss").tune(large, llama, seed=0)
    read = clock.drain().spans["prefill"].tokens
    assert "4 of 100 examples in each pass" in " ".join(found.facts.notes)
    assert read < found.facts.tokens_seen
