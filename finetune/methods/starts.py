"""What is trained before the first token of every row: embeddings, or keys and values."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from peft import CartridgeConfig, PrefixTuningConfig, PromptEncoderConfig, PromptLearningConfig, PromptTuningConfig
from peft.tuners.p_tuning import PromptEncoder
from torch import nn

from advisor.approaches import Facts, Tuned
from advisor.errors import NotApplicable, UserError
from advisor.models import Adaptation, Prefixed, Stacked
from advisor.models.local.attention import FOREIGN
from advisor.models.local.engine import LocalModel
from advisor.models.local.packed import Layer
from advisor.models.local.shortage import tell_shortage
from advisor.models.local.start import keys_of
from finetune import adapter
from finetune.methods.contract import Inserted, LearnedTensors, Method, State, TrainedStart

EMBEDDINGS = "prompt_embeddings"  # PEFT's name of what any of these learned
PEFT: dict[str, Any] = {"task_type": "CAUSAL_LM", "num_transformer_submodules": 1, "inference_mode": True}
NEAR, NEAR_IN_HALF = 1e-3, 0.05  # of the largest number, that rounding may change


@dataclass(frozen=True)
class StartMethod(Method):
    """Something in front of every prompt.

    Attributes:
        tokens: whose place it takes.
        ids: tokens that it begins as, as many or fewer: they are then repeated.
        scale: by which what is trained is multiplied, so that under one learning rate with others it moves by one of
            its own.
    """

    tokens: int
    ids: tuple[int, ...] = ()
    scale: float = 1.0

    @contextmanager
    def inserted(self, model: LocalModel) -> Iterator[Inserted]:
        """The start alone is trained, beside the model's own weights."""
        with model.own_weights():
            yield self.begun(model)

    @abstractmethod
    def begun(self, model: LocalModel) -> Inserted:
        """The start, before a model that is ready to be trained behind it, whatever else was inserted.

        Raises:
            NotApplicable: the model's cache takes no keys and values, or it cannot be read by embeddings.
        """

    @abstractmethod
    def layers(self, model: LocalModel, state: State) -> list[Layer]:
        """Keys and values of what was learned, by the weights that are active."""

    @abstractmethod
    def config(self, model: LocalModel) -> PromptLearningConfig:
        """The same in PEFT's terms."""

    def tuned(self, model: LocalModel, learned: LearnedTensors) -> Tuned:
        """Keys and values in front of every prompt."""
        return TunedStart(self, model, learned.state, learned.config)

    def restore(self, folder: Path, model: LocalModel) -> Tuned:
        """Read what was learned, in PEFT's format."""
        return TunedStart(self, model, *read(folder))

    def save(self, folder: Path, model: LocalModel, state: State, trained: int) -> None:
        """Write what was learned in PEFT's format."""
        adapter.save(folder, self.config(model), state, trained)

    def _first(self, model: LocalModel) -> torch.Tensor:
        """The tokens that it begins as, shape (1, tokens)."""
        ids = self.ids or model.renderer.sample
        repeated = (ids * -(-self.tokens // len(ids)))[: self.tokens]
        return torch.tensor([repeated], device=model.device)


class TunedStart(Tuned):
    """What was learned to stand before every prompt.

    Attributes:
        over: what was learned of the weights with it, in the form in which that is served.
    """

    def __init__(
        self, method: StartMethod, model: LocalModel, state: State, trained: int, over: Tuned | None = None
    ) -> None:
        self.method = method
        self.model = model
        self.state = state
        self.trained = trained
        weights = over.adaptation if over else None
        assert not isinstance(weights, Prefixed | Stacked)  # one start is before all, and stages end with it
        model.activate(weights)
        try:
            with torch.no_grad():
                layers = method.layers(model, state)
        finally:
            model.activate(None)
        key = f"{adapter.key_of(state)}-before" + (f"-{weights.key}" if weights else "")
        self._adaptation = Prefixed(key, layers, weights)
        size = sum(4 * tensor.numel() for tensor in state.values())
        note = f"Queries were answered behind {method.tokens} learnt tokens, kept as keys and values in front of each."
        self.facts = Facts(artifact_bytes=size, trainable_parameters=trained, notes=(note,))

    @property
    def adaptation(self) -> Adaptation:
        """Keys and values."""
        return self._adaptation

    def save(self, folder: Path) -> None:
        """Write it in PEFT's format."""
        self.method.save(folder, self.model, self.state, self.trained)


def read(folder: Path) -> tuple[State, int]:
    """What was learned, and how many numbers were trained for it, as `StartMethod.save` wrote it."""
    _, state, trained = adapter.load(folder)
    return state, trained


def check_takes(model: LocalModel) -> None:
    """See that something may be learned before a model's prompts.

    Raises:
        NotApplicable: its cache takes no keys and values.
    """
    if not model.reader.takes_start:
        raise NotApplicable(
            f"{model.name} keeps other things than keys and values of what it has read, which nothing can stand before"
        )


class _Embeddings(nn.Module):
    """Embeddings of virtual tokens, float32, shape (tokens, size)."""

    def __init__(self, first: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(first.float())

    def forward(self) -> torch.Tensor:
        return self.weight


class _Encoded(nn.Module):
    """Embeddings that PEFT's prompt encoder makes."""

    def __init__(self, tokens: int, size: int, width: int, device: torch.device) -> None:
        super().__init__()
        config = PromptEncoderConfig(
            num_virtual_tokens=tokens, token_dim=size, num_transformer_submodules=1, encoder_hidden_size=width
        )
        self.encoder = PromptEncoder(config).to(device)
        self.places = torch.arange(tokens, device=device)

    def forward(self) -> torch.Tensor:
        found: torch.Tensor = self.encoder(self.places)
        return found


@dataclass(frozen=True)
class SoftPromptMethod(StartMethod):
    """Embeddings that the model reads like tokens (Lester et al. 2021).

    Attributes:
        width: of the hidden layers of the encoder that makes them (P-tuning, Liu et al. 2021); 0 for none.
    """

    width: int = 0

    def begun(self, model: LocalModel) -> Inserted:
        """Embeddings of real tokens, or an encoder drawn anew."""
        check_takes(model)
        ids = self._first(model)
        first = model.module.get_input_embeddings()(ids).detach()
        self._check_reads(model, ids, first)
        size = first.shape[-1]
        made: nn.Module = (
            _Encoded(self.tokens, size, self.width, model.device) if self.width else _Embeddings(first[0] / self.scale)
        )

        def layers() -> list[Layer]:
            embeddings = (made() * self.scale)[None].to(model.dtype)
            return keys_of(model.module, inputs_embeds=embeddings)

        def learned(masters: State) -> LearnedTensors:
            with torch.no_grad():
                for name, parameter in made.named_parameters():
                    parameter.copy_(masters[name])
                found = (made() * self.scale).float().cpu().clone()
            return LearnedTensors({EMBEDDINGS: found}, sum(tensor.numel() for tensor in masters.values()))

        return replace(Inserted.of(made, learned), start=TrainedStart(self.tokens, layers))

    def layers(self, model: LocalModel, state: State) -> list[Layer]:
        """The embeddings, read once."""
        size = int(model.module.get_input_embeddings().weight.shape[-1])
        embeddings = checked(model, state, (self.tokens, size))
        return keys_of(model.module, inputs_embeds=embeddings[None].to(model.device, model.dtype))

    def config(self, model: LocalModel) -> PromptLearningConfig:
        """What was trained by an encoder is saved as embeddings too."""
        kind = PromptEncoderConfig if self.width else PromptTuningConfig
        more: dict[str, Any] = {"encoder_hidden_size": self.width} if self.width else {}
        size = int(model.module.get_input_embeddings().weight.shape[-1])
        return kind(num_virtual_tokens=self.tokens, token_dim=size, **PEFT, **more)

    def _check_reads(self, model: LocalModel, ids: torch.Tensor, embeddings: torch.Tensor) -> None:
        """See that a model says by embeddings what it says by their tokens; some look up more by a token's number.

        Raises:
            NotApplicable: it does not.
        """
        text = model.module.config.get_text_config(decoder=True)
        same = not getattr(text, "hidden_size_per_layer_input", 0) and _same_by_embeddings(model, ids, embeddings)
        if not same:
            raise NotApplicable(
                f"{model.name} looks up more by a token's number than its embedding, which a soft prompt lacks; "
                "prefix learns keys and values instead"
            )


@torch.no_grad()
def _same_by_embeddings(model: LocalModel, ids: torch.Tensor, embeddings: torch.Tensor) -> bool:
    expected = keys_of(model.module, input_ids=ids)[-1]
    try:
        found = keys_of(model.module, inputs_embeds=embeddings)[-1]
    except FOREIGN as error:
        tell_shortage(error)
        return False
    near = NEAR if model.dtype == torch.float32 else NEAR_IN_HALF
    pairs = zip(found, expected, strict=True)
    return all(float((a - b).abs().max()) <= near * max(1.0, float(b.abs().max())) for a, b in pairs)


class _KeysValues(nn.Module):
    """Keys and values of virtual tokens in PEFT's layout, float32, shape (tokens, all of a token's numbers).

    The first `frozen` tokens stay as they are.
    """

    def __init__(self, first: torch.Tensor, frozen: int) -> None:
        super().__init__()
        self.fixed = first[:frozen].float()
        self.weight = nn.Parameter(first[frozen:].float())

    def forward(self) -> torch.Tensor:
        return torch.cat([self.fixed, self.weight]) if len(self.fixed) else self.weight


@dataclass(frozen=True)
class PrefixMethod(StartMethod):
    """Keys and values of each layer (prefix tuning, Li and Liang 2021), begun as those of real tokens.

    Attributes:
        frozen: of the first tokens, that are not trained: models look at the very first to look at nothing.
    """

    frozen: int = 0

    def begun(self, model: LocalModel) -> Inserted:
        """The keys and values of real tokens."""
        check_takes(model)
        with torch.no_grad():
            first = joined(keys_of(model.module, input_ids=self._first(model)))
        shapes = _shapes(model)
        made = _KeysValues(first / self.scale, self.frozen)

        def layers() -> list[Layer]:
            return divided((made() * self.scale).to(model.dtype), shapes)

        def learned(masters: State) -> LearnedTensors:
            whole = torch.cat([made.fixed, masters["weight"]]) * self.scale
            return LearnedTensors({EMBEDDINGS: whole.float().cpu().clone()}, masters["weight"].numel())

        return replace(Inserted.of(made, learned), start=TrainedStart(self.tokens, layers))

    def layers(self, model: LocalModel, state: State) -> list[Layer]:
        """As they were learned."""
        shapes = _shapes(model)
        flat = checked(model, state, (self.tokens, sum(heads * size for pair in shapes for heads, size in pair)))
        return divided(flat.to(model.device, model.dtype), shapes)

    def config(self, model: LocalModel) -> PromptLearningConfig:
        """Prefix tuning without PEFT's projection, or a cartridge, which has fixed tokens."""
        kind = CartridgeConfig if self.frozen else PrefixTuningConfig
        more: dict[str, Any] = {"num_frozen_tokens": self.frozen} if self.frozen else {}
        shapes = _shapes(model)
        heads, size = shapes[0][0]
        sizes: dict[str, Any] = {"num_layers": len(shapes), "num_attention_heads": heads, "token_dim": heads * size}
        return kind(num_virtual_tokens=self.tokens, **sizes, **PEFT, **more)


Shapes = list[tuple[tuple[int, int], tuple[int, int]]]


def _shapes(model: LocalModel) -> Shapes:
    """Heads and sizes of the keys and of the values of each layer."""
    with torch.no_grad():
        layers = keys_of(model.module, input_ids=torch.zeros(1, 1, dtype=torch.long, device=model.device))
    return [((k.shape[1], k.shape[3]), (v.shape[1], v.shape[3])) for k, v in layers]


def joined(layers: Sequence[Layer]) -> torch.Tensor:
    """Keys and values of all layers, side by side for each token."""
    return torch.cat([part[0].transpose(0, 1).flatten(1) for pair in layers for part in pair], dim=1)


def divided(flat: torch.Tensor, shapes: Shapes) -> list[Layer]:
    """What `joined` put side by side."""
    sizes = [heads * size for pair in shapes for heads, size in pair]
    parts = iter(flat.split(sizes, dim=1))

    def part(heads: int, size: int) -> torch.Tensor:
        found: torch.Tensor = next(parts).view(-1, heads, size).transpose(0, 1)[None]
        return found

    return [(part(*key), part(*value)) for key, value in shapes]


def checked(model: LocalModel, state: State, shape: tuple[int, int]) -> torch.Tensor:
    """What was learned, where it has the shape that this model and this tuner ask for.

    Raises:
        UserError: it was learned for others.
    """
    found = state.get(EMBEDDINGS)
    if found is None or tuple(found.shape) != shape:
        has = "nothing of that name" if found is None else f"{found.shape[0]} tokens of {found.shape[1]} numbers"
        raise UserError(
            f"{EMBEDDINGS}: {model.name} takes {shape[0]} tokens of {shape[1]} numbers, and what was saved has {has}",
            "take the model and the parameters that it was trained with",
        )
    return found
