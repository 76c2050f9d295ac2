"""What is learned in front of every prompt answers as PEFT's own model does, and leaves the model as it was."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
import torch
from peft import PeftModel
from transformers import AutoConfig, AutoModelForCausalLM

from advisor.approaches import TrainingExample, TrainingSet, registry
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Prefixed, Prompt
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.models.local.start import holding
from advisor.tasks import Document, Query, Task
from finetune import Cartridge, Lora, PrefixTuning, PTuning, Qlora, SoftPrompt
from finetune.fused.packing import TokenRow
from finetune.gradient import GradientTuner
from finetune.session import SplitRows
from finetune.starts import StartAndWeights
from finetune.trainer import Trainer
from tests.models.tiny import GROUPED, SMALL

RowsOf = Callable[[LocalModel, Sequence[TrainingExample]], list[TokenRow]]
Bits = Callable[[LocalModel], dict[str, torch.Tensor]]
Check = Callable[[LocalModel, dict[str, torch.Tensor]], None]

LORA = Lora(rank=8, alpha=16, lr=1e-2, epochs=15, batch=4)
ALONE = {
    "prompt": SoftPrompt(tokens=8, lr=0.3, epochs=40, batch=4),
    "ptuning": PTuning(tokens=8, width=32, lr=2e-2, epochs=40, batch=4),
    "prefix": PrefixTuning(tokens=8, lr=0.1, epochs=40, batch=4),
    "cartridge": Cartridge(tokens=24, lr=0.1, epochs=40, batch=4),
}
TUNERS: dict[str, GradientTuner] = {
    **ALONE,
    "prompt+lora": StartAndWeights.of(SoftPrompt(tokens=8, lr=0.1), LORA),
    "prefix+lora": StartAndWeights.of(PrefixTuning(tokens=8, lr=0.1), LORA),
    "prefix+lora attached": StartAndWeights.of(PrefixTuning(tokens=8, lr=0.1), replace(LORA, serve="attached")),
}
DOCUMENTS = (
    Document("1", "Plants", "Grass and leaves are green. " * 8),
    Document("2", "Water", "The sea is dark blue, and so is the clear sky."),
)
CHOICES = ["red", "green", "dark blue"]


@pytest.fixture(params=TUNERS.values(), ids=TUNERS.keys())
def tuner(request: pytest.FixtureRequest) -> GradientTuner:
    found: GradientTuner = request.param
    return found


@pytest.fixture
def taught(lessons: tuple[TrainingExample, ...]) -> TrainingSet:
    return TrainingSet(lessons, documents=DOCUMENTS)


def totals(model: LocalModel, lessons: Sequence[TrainingExample], adaptation: Any = None) -> list[tuple[float, ...]]:
    return [scores.totals for scores in model.score([lesson.prompt for lesson in lessons], CHOICES, adaptation)]


def test_it_learns_is_kept_and_leaves_the_model_as_it_was(
    llama: LocalModel, tuner: GradientTuner, taught: TrainingSet, tmp_path: Path, bits_of: Bits, assert_untouched: Check
) -> None:
    lessons = taught.examples
    before, bare = bits_of(llama), totals(llama, lessons)
    tuned = tuner.tune(taught, llama, seed=0)
    assert_untouched(llama, before)
    found = totals(llama, lessons, tuned.adaptation)
    assert likely(found, lessons) > likely(bare, lessons) + 2
    assert isinstance(tuned.adaptation, Prefixed) and tuned.adaptation.form == "attached"
    tuned.save(tmp_path)
    restored = tuner.restore(tmp_path, llama)
    assert totals(llama, lessons, restored.adaptation) == found
    assert restored.adaptation.key == tuned.adaptation.key
    for name in ("artifact_bytes", "trainable_parameters"):
        assert getattr(restored.facts, name) == getattr(tuned.facts, name) > 0
    assert totals(llama, lessons) == bare
    assert_untouched(llama, before)


def likely(found: Sequence[Sequence[float]], lessons: Sequence[TrainingExample]) -> float:
    """Mean log-likelihood of the right answers."""
    right = [row[CHOICES.index(lesson.answer)] for row, lesson in zip(found, lessons, strict=True)]
    return sum(right) / len(right)


def loss_behind(model: LocalModel, adaptation: Any, rows: Sequence[TokenRow]) -> float:
    """Mean loss per answer token with an adaptation, as the model itself tells it of each row alone."""
    model.activate(adaptation)
    layers = adaptation.layers
    total = 0.0
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([[*row.prompt, *row.answer]])
            given = layers[0][0].shape[2]
            labels = ids.clone()
            labels[:, : len(row.prompt)] = -100
            output = model.module(
                ids,
                labels=labels,
                past_key_values=holding(model.module, layers),
                position_ids=given + torch.arange(ids.shape[1])[None],
            )
            total += output.loss.item() * len(row.answer)
    model.activate(None)
    return total / sum(len(row.answer) for row in rows)


@pytest.mark.parametrize("way", ["as it is", "padded", "checkpointed", "padded and checkpointed"])
@pytest.mark.parametrize("name", ["llama", "gpt2", "mistral"])
def test_what_is_trained_is_what_answers(
    name: str,
    way: str,
    request: pytest.FixtureRequest,
    tuner: GradientTuner,
    rows_of: RowsOf,
    lessons: tuple[TrainingExample, ...],
) -> None:
    """The trainer's loss, and a first step's gradients, whichever way rows are read."""
    model: LocalModel = request.getfixturevalue(name)
    rows = rows_of(model, lessons)
    packs = model.reader.packs and "padded" not in way
    brief = replace(tuner, epochs=2)
    with patch.object(model.reader, "packs", packs), started(model, brief, rows) as trainer:
        trainer.begin(rows, (), 0)
        trainer.history.checkpointing = "checkpointed" in way
        trainer.go_on(trainer.total)
        loss, losses = trainer.loss(rows), list(trainer.history.losses)
        trainer.finish()
        learned = trainer.learned()
    with started(model, brief, rows) as trainer:
        assert losses == pytest.approx(trainer.train(rows, (), 0).losses, abs=2e-3)
    tuned = brief.method().tuned(model, learned)
    assert loss_behind(model, tuned.adaptation, rows) == pytest.approx(loss, abs=1e-3)


@contextmanager
def started(model: LocalModel, tuner: GradientTuner, rows: Sequence[TokenRow]) -> Iterator[Trainer]:
    torch.manual_seed(0)
    with tuner.method_for(SplitRows(rows, (), documents=DOCUMENTS)).inserted(model) as inserted:
        yield Trainer(model, inserted, tuner)


@pytest.mark.parametrize("name", ALONE)
def test_pefts_own_model_says_the_same(
    name: str, llama: LocalModel, llama_folder: Path, taught: TrainingSet, tmp_path: Path
) -> None:
    tuned = replace(ALONE[name], epochs=3).tune(taught, llama, seed=0)
    tuned.save(tmp_path)
    module = AutoModelForCausalLM.from_pretrained(llama_folder, dtype=torch.float32).eval()
    module = PeftModel.from_pretrained(module, str(tmp_path)).eval()
    found = totals(llama, taught.examples, tuned.adaptation)
    tokens = [llama.renderer.encode_answer(choice) for choice in CHOICES]
    for lesson, row in zip(taught.examples, found, strict=True):
        prompt = llama.renderer.encode(lesson.prompt, 64).ids
        for answer, total in zip(tokens, row, strict=True):
            ids = torch.tensor([[*prompt, *answer]])
            with torch.inference_mode():
                logits = module(input_ids=ids, attention_mask=torch.ones_like(ids)).logits[0].log_softmax(-1)
            logits = logits[-len(answer) - 1 : -1]
            expected = sum(line[token].item() for line, token in zip(logits, answer, strict=True))
            assert total == pytest.approx(expected, abs=1e-3)


FAMILIES = {
    "Llama": ("llama", GROUPED),
    "Qwen 3": ("qwen3", GROUPED | {"head_dim": 16}),
    "Gemma 3": (
        "gemma3_text",
        GROUPED
        | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window": 16}
        | {"layer_types": ["sliding_attention", "full_attention"]},
    ),
    "Phi 3": ("phi3", GROUPED | {"pad_token_id": 0}),
    "GPT-NeoX": ("gpt_neox", SMALL),
}


@pytest.fixture
def made(
    tmp_path: Path, tokenizer_with: Callable[..., Any], loaded: Callable[..., LocalModel]
) -> Callable[[str, dict[str, Any]], LocalModel]:
    """A model of a kind, with these values of its configuration, drawn at random."""

    def make(kind: str, values: dict[str, Any]) -> LocalModel:
        torch.manual_seed(11)
        config = AutoConfig.for_model(kind, **values, eos_token_id=0, bos_token_id=None)
        AutoModelForCausalLM.from_config(config, dtype=torch.float32).save_pretrained(tmp_path)
        tokenizer_with().save_pretrained(tmp_path)
        return loaded(tmp_path)

    return make


@pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())
def test_models_of_many_kinds_learn_it(
    family: tuple[str, dict[str, Any]],
    tuner: GradientTuner,
    rows_of: RowsOf,
    lessons: tuple[TrainingExample, ...],
    made: Callable[[str, dict[str, Any]], LocalModel],
    bits_of: Bits,
    assert_untouched: Check,
) -> None:
    model = made(*family)
    rows, before = rows_of(model, lessons), bits_of(model)
    brief = replace(tuner, epochs=2)
    with started(model, brief, rows) as trainer:
        losses = trainer.train(rows, (), 0).losses
        loss, learned = trainer.loss(rows), trainer.learned()
    assert loss < losses[0]
    tuned = brief.method().tuned(model, learned)
    assert loss_behind(model, tuned.adaptation, rows) == pytest.approx(loss, abs=1e-3)
    assert_untouched(model, before)


@pytest.mark.parametrize("name", ["prompt", "prefix+lora"])
def test_a_search_finds_a_configuration(name: str, llama: LocalModel, taught: TrainingSet) -> None:
    """Of both, as they are named together, the rate of the weights is searched, with which the other goes."""
    tuner = replace(TUNERS[name], epochs=2, batch=0, lr=type(TUNERS[name])().lr if name == "prompt" else 1e-3, search=2)
    tuned = tuner.tune(replace(taught, dev=taught.examples[:4]), llama, seed=0)
    assert any("Searched 2 configurations" in note for note in tuned.facts.notes)
    part = name.rpartition("+")[2]
    assert set(tuned.facts.resolved) == {part}
    assert {"lr", "batch"} <= set(tuned.facts.resolved[part])


def test_a_seed_gives_one_start_and_another_one_another(llama: LocalModel, taught: TrainingSet) -> None:
    first, again, other = (
        replace(ALONE["ptuning"], epochs=1).tune(taught, llama, seed=seed).adaptation.key for seed in (1, 1, 2)
    )
    assert first == again != other


def test_a_cartridge_holds_the_documents(llama: LocalModel, taught: TrainingSet, light_task: Task) -> None:
    tuner = Cartridge(tokens=24, lr=0.1, epochs=1, read=64)
    assert tuner.unsuited(replace(light_task, documents=())) == "there are no documents"
    assert tuner.unsuited(replace(light_task, documents=DOCUMENTS)) == ""
    assert (tuner.reads_documents(40.0), tuner.reads_documents(1e6)) == (64.0, 64.0)
    tuned = tuner.tune(taught, llama, seed=0)
    assert any("tokens were read once, to learn to say them" in note for note in tuned.facts.notes)
    text = llama.renderer.encode_text(f"{DOCUMENTS[0].title}\n{DOCUMENTS[0].text}")
    row = TokenRow(text.ids[: text.stem], text.stem, text.ids[text.stem :])
    untrained = replace(tuner, read=1).method_for(SplitRows([row], (), documents=DOCUMENTS))
    with untrained.inserted(llama) as inserted:
        before = Trainer(llama, inserted, tuner).loss([row])
    with replace(tuner, read=10_000).method_for(SplitRows([row], (), documents=DOCUMENTS)).inserted(llama) as inserted:
        assert Trainer(llama, inserted, tuner).loss([row]) < before


def test_a_cartridge_reads_as_many_tokens_as_it_says_however_short_the_documents(llama: LocalModel) -> None:
    short = tuple(Document(str(number), "", f"Stone {number} is grey.") for number in range(100))
    method = Cartridge(tokens=8, epochs=1, read=300).method_for(SplitRows([], (), documents=short))
    clock.drain()
    with method.inserted(llama):
        assert 300 <= clock.drain().spans["train"].tokens < 300 + 2 * len(short)


def test_an_approach_with_it_is_fitted_and_brought_back(llama: LocalModel, light_task: Task, tmp_path: Path) -> None:
    approach = registry.whole(PrefixTuning(tokens=8, lr=0.1, epochs=1, batch=4))
    task = replace(light_task, test=())
    predictor = approach.fit(task, llama, seed=0)
    queries = [Query(example.id, example.input) for example in light_task.test[:4]]
    found = [prediction.text for prediction in predictor.predict(queries)]
    predictor.save(tmp_path)
    restored = approach.restore(tmp_path, task.brief, llama)
    assert [prediction.text for prediction in restored.predict(queries)] == found
    assert any("behind 8 learnt tokens" in note for note in predictor.facts.notes)


def test_long_prompts_are_trained_on_with_room_for_it(llama: LocalModel) -> None:
    """The row and the learnt tokens fit the context window together."""
    lessons = tuple(TrainingExample(Prompt("Say which.", "sea " * 2000), answer) for answer in ("red", "green"))
    tuned = SoftPrompt(tokens=100, epochs=1, batch=2).tune(TrainingSet(lessons), llama, seed=0)
    assert any("were cut to fit" in note for note in tuned.facts.notes)
    with pytest.raises(UserError, match="fill the context window"):
        SoftPrompt(tokens=llama.context_window, epochs=1).tune(TrainingSet(lessons[:1]), llama, seed=0)


UNFIT = {
    "states": ("lfm2", GROUPED | {"layer_types": ["conv", "full_attention"]}, "prefix", "nothing can stand before"),
    "embeddings of each layer": (
        "gemma3n_text",
        GROUPED
        | {"head_dim": 8, "sliding_window": 16, "layer_types": ["sliding_attention", "full_attention"]}
        | {"vocab_size_per_layer_input": 400, "hidden_size_per_layer_input": 8, "laurel_rank": 8}
        | {"num_kv_shared_layers": 0, "activation_sparsity_pattern": [0.5, 0.0]},
        "prompt",
        "looks up more by a token's number",
    ),
}


@pytest.mark.parametrize(("kind", "values", "name", "reason"), UNFIT.values(), ids=UNFIT.keys())
def test_a_model_that_it_cannot_stand_before_says_so(
    kind: str,
    values: dict[str, Any],
    name: str,
    reason: str,
    taught: TrainingSet,
    made: Callable[[str, dict[str, Any]], LocalModel],
    bits_of: Bits,
    assert_untouched: Check,
) -> None:
    model = made(kind, values)
    before = bits_of(model)
    with pytest.raises(NotApplicable, match=reason):
        ALONE[name].tune(taught, model, seed=0)
    assert_untouched(model, before)


def test_what_was_learned_for_another_model_is_refused(
    llama: LocalModel, gpt2: LocalModel, taught: TrainingSet, tmp_path: Path
) -> None:
    PrefixTuning(tokens=4, epochs=1, batch=4).tune(taught, gpt2, seed=0).save(tmp_path)
    with pytest.raises(UserError, match="and what was saved has 4 tokens of"):
        PrefixTuning(tokens=4).restore(tmp_path, llama)


def test_it_stands_before_codes_too(
    llama: LocalModel, taught: TrainingSet, bits_of: Bits, assert_untouched: Check
) -> None:
    tuner = StartAndWeights.of(PrefixTuning(tokens=8, lr=0.1), Qlora(rank=8, alpha=16, lr=1e-2, epochs=8, batch=4))
    before, bare = bits_of(llama), totals(llama, taught.examples)
    tuned = tuner.tune(taught, llama, seed=0)
    assert_untouched(llama, before)
    assert likely(totals(llama, taught.examples, tuned.adaptation), taught.examples) > likely(bare, taught.examples) + 2
    assert_untouched(llama, before)


@pytest.mark.parametrize("name", ["ptuning", "cartridge", "prefix+lora"])
def test_a_look_at_the_answers_changes_nothing_of_the_training(
    name: str, llama: LocalModel, taught: TrainingSet, bits_of: Bits, assert_untouched: Check
) -> None:
    """For it what is trained is taken out of the model, and put in again; the documents are not read again."""
    looks: list[Adaptation] = []

    def judge(adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        looks.append(adaptation)
        return 0.5

    before = bits_of(llama)
    tuner = replace(TUNERS[name], epochs=3, batch=4)
    held = replace(taught, dev=taught.examples[:4], judge=judge)
    by_loss = tuner.tune(held, llama, seed=0)
    by_answers = replace(tuner, stop="metric").tune(held, llama, seed=0)
    assert by_answers.adaptation.key == by_loss.adaptation.key
    assert looks and all(isinstance(one, Prefixed) for one in looks)
    assert_untouched(llama, before)
