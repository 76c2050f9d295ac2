"""Every variant of LoRA, and PEFT's other kinds: attached they answer as merged, and the base stays what it was."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from peft import PeftModel
from peft.mapping import PEFT_TYPE_TO_CONFIG_MAPPING
from peft.tuners.lora import LoraLayer
from transformers import (
    AutoModelForCausalLM,
    Gemma3TextConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MixtralConfig,
    Phi3Config,
    Qwen3Config,
)

from advisor.approaches import TrainingSet, Tuned
from advisor.errors import NotApplicable
from advisor.models import Adaptation, Attached, Decoding, Merged, Prompt
from advisor.models.local.engine import LocalModel
from finetune import Ia3, Lora, NormTuner, PeftKind
from finetune.fused.layers import Fused
from finetune.methods.lora import LoraMethod
from finetune.peft_kinds import _NOT_MERGEABLE, _OWN, MERGEABLE

Bits = dict[str, torch.Tensor]
BitsOf = Callable[[LocalModel], Bits]
Untouched = Callable[[LocalModel, Bits], None]

TRAINED: dict[str, Any] = {"epochs": 3, "batch": 4}
LORA = Lora(rank=4, alpha=8, lr=1e-2, **TRAINED)
VARIANTS = {
    "plain": LORA,
    "dora": replace(LORA, dora=True),
    "rslora": replace(LORA, rslora=True, alpha=None),
    "pissa": replace(LORA, init="pissa"),
    "olora": replace(LORA, init="olora"),
    "orthogonal": replace(LORA, init="orthogonal"),
    "gaussian": replace(LORA, init="gaussian"),
    "pissa, dora and rslora": replace(LORA, init="pissa_niter_16", dora=True, rslora=True),
    "attention": replace(LORA, targets="attention"),
    "mlp": replace(LORA, targets="mlp"),
    "ia3": Ia3(lr=5e-2, **TRAINED),
    "ln": NormTuner(lr=5e-2, **TRAINED),
    "vera": PeftKind("vera", lr=5e-2, **TRAINED),
}
CHOICES = ["red", "green", "dark blue"]
SHAPE: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "initializer_range": 0.2,
}
GROUPED = SHAPE | {"num_key_value_heads": 2}
SHAPES: dict[str, Any] = {
    "llama": LlamaConfig(**GROUPED),
    "qwen3": Qwen3Config(**GROUPED, head_dim=8),
    "gemma3": Gemma3TextConfig(
        **GROUPED, head_dim=8, query_pre_attn_scalar=8, layer_types=["sliding_attention", "full_attention"]
    ),
    "phi3": Phi3Config(**GROUPED, pad_token_id=0),
    "gpt_neox": GPTNeoXConfig(**SHAPE),
}


@pytest.fixture(scope="module", params=SHAPES)
def shaped(
    request: pytest.FixtureRequest, folder_of: Callable[..., Path], loaded: Callable[..., LocalModel], llama: LocalModel
) -> LocalModel:
    config = SHAPES[request.param]
    config.vocab_size = llama.module.config.vocab_size
    return loaded(folder_of(request.param, config))


def scores(model: LocalModel, prompts: list[Prompt], adaptation: Adaptation | None) -> torch.Tensor:
    return torch.tensor([s.totals for s in model.score(prompts, CHOICES, adaptation)])


def saved(tuned: Tuned, folder: Path) -> Path:
    folder.mkdir()
    tuned.save(folder)
    return folder


def assert_alike(tuner: Any, model: LocalModel, curriculum: TrainingSet, folder: Path) -> Tuned:
    """Merged, attached, and restored where nothing is known but the folder: the same answers, by the same numbers."""
    prompts = [one.prompt for one in curriculum.examples]
    own = scores(model, prompts, None)
    tuned = tuner.tune(curriculum, model, seed=0)
    torch.manual_seed(99)
    beside = replace(tuner, serve="attached").restore(saved(tuned, folder / "adapter"), model)
    again = tuner.restore(folder / "adapter", model)
    assert isinstance(tuned.adaptation, Merged)
    assert isinstance(beside.adaptation, Attached)
    assert again.adaptation.key == tuned.adaptation.key
    assert again.facts.trainable_parameters == beside.facts.trainable_parameters == tuned.facts.trainable_parameters
    assert again.facts.artifact_bytes == tuned.facts.artifact_bytes > 0
    merged, attached = (scores(model, prompts, one.adaptation) for one in (tuned, beside))
    torch.testing.assert_close(attached, merged, atol=1e-3, rtol=0)
    assert torch.equal(scores(model, prompts, again.adaptation), merged)
    answers = [[g.text for g in model.generate(prompts, Decoding(4), a.adaptation)] for a in (tuned, beside)]
    assert answers[0] == answers[1]
    assert float((merged - own).abs().max()) > 0.1
    assert torch.equal(scores(model, prompts, None), own)
    return tuned


@pytest.fixture
def alike(
    curriculum: TrainingSet, bits_of: BitsOf, assert_untouched: Untouched, tmp_path: Path
) -> Callable[[Any, LocalModel], None]:
    """`assert_alike`, behind which the model is what it was."""

    def check(tuner: Any, model: LocalModel) -> None:
        before = bits_of(model)
        assert_alike(tuner, model, curriculum, tmp_path)
        assert_untouched(model, before)

    return check


@pytest.fixture(scope="module")
def roomy(folder_of: Callable[..., Path], loaded: Callable[..., LocalModel], llama: LocalModel) -> LocalModel:
    """Of matrices as large as PEFT's defaults want them at least."""
    shape = SHAPE | {"hidden_size": 96, "intermediate_size": 128, "vocab_size": llama.module.config.vocab_size}
    return loaded(folder_of("roomy", LlamaConfig(**shape)))


@pytest.mark.parametrize("variant", VARIANTS)
def test_attached_a_variant_answers_as_merged(
    variant: str, shaped: LocalModel, alike: Callable[[Any, LocalModel], None]
) -> None:
    alike(VARIANTS[variant], shaped)


@pytest.mark.parametrize("kind", MERGEABLE)
def test_every_kind_that_is_open_merges_exactly(
    kind: str, roomy: LocalModel, alike: Callable[[Any, LocalModel], None]
) -> None:
    alike(PeftKind(kind, lr=5e-2, epochs=2, batch=4), roomy)


@pytest.mark.parametrize("variant", ["pissa", "olora", "ia3", "ln"])
def test_a_variant_goes_onto_weights_that_are_stored_transposed(
    variant: str, gpt2: LocalModel, alike: Callable[[Any, LocalModel], None]
) -> None:
    alike(VARIANTS[variant], gpt2)


@pytest.mark.parametrize("variant", ["pissa", "dora", "ia3", "ln", "vera"])
def test_a_bfloat16_model_gets_what_was_learned_rounded_once(
    variant: str,
    llama_folder: Path,
    loaded: Callable[..., LocalModel],
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
    tmp_path: Path,
) -> None:
    model, exact = loaded(llama_folder, "bfloat16"), loaded(llama_folder)
    for name, parameter in exact.module.named_parameters():
        parameter.data = model.module.get_parameter(name).data.float()
    before, prompts = bits_of(model), [one.prompt for one in curriculum.examples]
    tuner = VARIANTS[variant]
    tuned = tuner.tune(curriculum, model, seed=0)
    assert_untouched(model, before)
    folder = saved(tuned, tmp_path / "adapter")
    same = tuner.restore(folder, exact).adaptation
    for name, tensor in tuned.adaptation.tensors.items():  # type: ignore[attr-defined]
        assert torch.equal(tensor, same.tensors[name].to(torch.bfloat16))  # type: ignore[union-attr]
    beside = replace(tuner, serve="attached").restore(folder, model)
    merged, attached = (scores(model, prompts, one.adaptation) for one in (tuned, beside))
    assert float((merged - attached).abs().mean()) < 0.3 * float((merged - scores(model, prompts, None)).abs().mean())
    assert_untouched(model, before)


@pytest.mark.parametrize("init", ["pissa", "olora"])
def test_what_starts_from_the_weights_says_at_first_what_the_model_says(
    init: Any, llama: LocalModel, bits_of: BitsOf, assert_untouched: Untouched
) -> None:
    """Each weight is without what its adapter starts from, and each layer still works in one step."""
    llama.activate(None)
    ids, before = torch.arange(8)[None] + 5, bits_of(llama)
    with torch.no_grad():
        own = llama.module(ids).logits
        with LoraMethod(4, 8, init=init).inserted(llama) as inserted:
            begun = llama.module(ids).logits
            layers = {n: m for n, m in inserted.module.named_modules() if isinstance(m, LoraLayer)}
            for name, layer in layers.items():
                assert isinstance(vars(layer)["forward"], Fused)
                weight = before[f"{name.removeprefix('base_model.model.')}.weight"]
                left = layer.get_base_layer().weight
                product = layer.scaling["default"] * layer.lora_B["default"].weight @ layer.lora_A["default"].weight
                torch.testing.assert_close(left + product, weight, atol=1e-5, rtol=1e-5)
                assert float(torch.linalg.norm(left - weight)) > 0.1 * float(torch.linalg.norm(weight))
            learned = inserted.learned({name: p.detach().clone() for name, p in inserted.named.items()})
    torch.testing.assert_close(begun, own, atol=1e-4, rtol=1e-4)
    assert_untouched(llama, before)
    prompts = [Prompt("Say which.", "the sea")]
    idle = LoraMethod(4, 8, init=init).tuned(llama, learned)
    torch.testing.assert_close(scores(llama, prompts, idle.adaptation), scores(llama, prompts, None))


def test_what_starts_from_the_weights_leaves_them_where_training_breaks_off(
    llama: LocalModel, curriculum: TrainingSet, bits_of: BitsOf, assert_untouched: Untouched, breaking_off: Any
) -> None:
    before = bits_of(llama)
    with breaking_off():
        VARIANTS["pissa"].tune(curriculum, llama, seed=0)
    assert_untouched(llama, before)


@pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing.:FutureWarning")
@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")
@pytest.mark.parametrize("variant", ["pissa, dora and rslora", "olora", "ia3", "ln", "vera"])
def test_peft_reads_what_is_saved(variant: str, llama: LocalModel, curriculum: TrainingSet, tmp_path: Path) -> None:
    ids = torch.arange(8)[None] + 5
    tuned = VARIANTS[variant].tune(curriculum, llama, seed=0)
    folder = saved(tuned, tmp_path / "adapter")
    assert {path.suffix for path in folder.iterdir()} <= {".json", ".safetensors", ".md"}
    fresh = AutoModelForCausalLM.from_pretrained(llama.source.path, dtype=torch.float32)
    llama.activate(tuned.adaptation)
    with torch.no_grad():
        theirs, ours = PeftModel.from_pretrained(fresh, str(folder)).eval()(ids).logits, llama.module(ids).logits
    llama.activate(None)
    torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_what_is_trained_is_counted_apart_from_what_is_kept(llama: LocalModel, curriculum: TrainingSet) -> None:
    plain, pissa, ia3, norms = (
        VARIANTS[name].tune(curriculum, llama, seed=0) for name in ("plain", "pissa", "ia3", "ln")
    )
    assert pissa.facts.trainable_parameters == plain.facts.trainable_parameters
    assert pissa.facts.artifact_bytes == 2 * plain.facts.artifact_bytes
    sizes = {name: p.shape for name, p in llama.module.named_parameters()}
    assert ia3.facts.trainable_parameters == sum(shape[0] for name, shape in sizes.items() if "_proj" in name)
    assert norms.facts.trainable_parameters == sum(shape[0] for name, shape in sizes.items() if "norm" in name)
    assert "twice" not in " ".join(plain.facts.notes)
    assert "with a rank of 8" in " ".join(pissa.facts.notes)


@pytest.mark.parametrize(("targets", "part"), [("attention", "self_attn"), ("mlp", "mlp")])
def test_targets_name_the_layers_that_change(
    targets: Any, part: str, llama: LocalModel, curriculum: TrainingSet
) -> None:
    for tuner in (replace(LORA, targets=targets), replace(VARIANTS["ia3"], targets=targets)):
        changed = set(tuner.tune(curriculum, llama, seed=0).adaptation.tensors)
        matrices = {name for name, p in llama.module.named_parameters() if p.dim() == 2 and f".{part}." in name}
        assert changed == matrices


def test_rslora_is_as_strong_at_the_default_rank_and_stays_so_at_a_high_one() -> None:
    strengths = {rank: LoraMethod(rank, rslora=True).strength / rank**0.5 for rank in (16, 64)}
    plain = {rank: LoraMethod(rank).strength / rank for rank in (16, 64)}
    assert strengths[16] == plain[16]
    assert strengths[64] / strengths[16] == 2 * plain[64] / plain[16]


def test_every_kind_of_peft_is_open_or_refused_for_a_reason() -> None:
    registered = {str(getattr(kind, "value", kind)).lower() for kind in PEFT_TYPE_TO_CONFIG_MAPPING}
    assert {*MERGEABLE, *_OWN, *_NOT_MERGEABLE} == registered
    assert len({*MERGEABLE, *_OWN, *_NOT_MERGEABLE}) == len(MERGEABLE) + len(_OWN) + len(_NOT_MERGEABLE)


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("verra", "no kind 'verra' that merges into the weights; near are vera, pvera"),
        ("nothing-like-it", "it has adamss"),
        ("poly", "the number of a task"),
        ("prefix_tuning", "a tuner of its own here: prefix"),
        ("lily", "depends on the input"),
    ],
)
def test_a_kind_that_does_not_merge_is_refused_in_a_line(kind: str, reason: str) -> None:
    with pytest.raises(ValueError, match=re.escape(reason)):
        PeftKind(kind)


@pytest.mark.parametrize("tuner", [PeftKind("shira"), replace(LORA, init="pissa", dora=True)], ids=["shira", "pissa"])
def test_a_model_that_a_kind_does_not_fit_is_left_alone(
    tuner: Any,
    folder_of: Callable[..., Path],
    loaded: Callable[..., LocalModel],
    llama: LocalModel,
    curriculum: TrainingSet,
    bits_of: BitsOf,
    assert_untouched: Untouched,
) -> None:
    """Matrices too small for PEFT's defaults; experts stacked in one tensor, which DoRA does not go onto."""
    if isinstance(tuner, PeftKind):
        model = llama
    else:
        config = MixtralConfig(**GROUPED, num_local_experts=2, num_experts_per_tok=1)
        config.vocab_size = llama.module.config.vocab_size
        model = loaded(folder_of("mixtral", config))
    before = bits_of(model)
    with pytest.raises(NotApplicable):
        tuner.tune(curriculum, model, seed=0)
    assert_untouched(model, before)
