"""The layers of a model of Llama's kind, read without what Transformers does around them.

A step of one token of a small model spends much of its time around the products: of the 135M model's 42 ms on two Zen 4
cores 24 were in them; read from here a step takes 37. The formulas are the library's, with fewer roundings.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

from advisor.models.local.attention import Attending
from advisor.models.local.linear import with_silu

Rotation = tuple[torch.Tensor, torch.Tensor]  # what `rotary` gives

KINDS = ("llama", "mistral", "qwen2", "qwen3")  # whose layers are known to compute what stands here, and nothing else


class FusedLayers:
    """Reads packed rows through the layers of a model, in inference mode."""

    def __init__(self, module: Any) -> None:
        base = module.base_model
        self._base = base
        self._layers = [_Layer(number, layer) for number, layer in enumerate(base.layers)]
        self._last = base.norm
        self._norm = Norm.of(self._last)

    def read(
        self, ids: torch.Tensor, positions: torch.Tensor, attending: Attending, wanted: torch.Tensor | None
    ) -> torch.Tensor:
        """Last hidden states.

        Args:
            ids, positions: of the packed row's tokens, shape (packed length,).
            wanted: numbers of the tokens whose states are asked for; None for all. The others' end before the last
                layer's products.

        Returns:
            Shape (wanted, size).
        """
        hidden = self._base.embed_tokens(ids)
        rotation = rotary(self._base, hidden, positions)
        for layer in self._layers[:-1]:
            hidden = layer.read(hidden, rotation, attending, None)
        return self._norm(self._layers[-1].read(hidden, rotation, attending, wanted))

    def states(
        self, ids: torch.Tensor, positions: torch.Tensor, attending: Attending, layers: Sequence[int]
    ) -> list[torch.Tensor]:
        """What these layers, counted from 1, hand on, shape (packed length, size) each; none above them is computed."""
        hidden = self._base.embed_tokens(ids)
        rotation = rotary(self._base, hidden, positions)
        found = {}
        for layer in self._layers[: max(layers)]:
            found[layer.number + 1] = hidden = layer.read(hidden, rotation, attending, None)
        return [found[number] for number in layers]

    def holds(self) -> bool:
        """Whether the model is as it was: an adapter may have been put before its modules, or a hook onto it."""
        ends = (self._layers[0], self._layers[-1])
        return not hung(self._base) and self._base.norm is self._last and all(layer.holds() for layer in ends)


class _Layer:
    def __init__(self, number: int, layer: Any) -> None:
        attention, mlp = layer.self_attn, layer.mlp
        self.number = number
        self.around = layer, attention, mlp
        self.parts = [(part, name, getattr(part, name)) for part in self.around for name in part._modules]
        self.scale, self.size = attention.scaling, attention.head_dim
        self.products = [linear.forward for linear in (attention.q_proj, attention.k_proj, attention.v_proj)]
        self.out = attention.o_proj.forward
        self.gate = with_silu(mlp.gate_proj, mlp.act_fn)
        self.up, self.down = mlp.up_proj.forward, mlp.down_proj.forward
        self.before, self.between = Norm.of(layer.input_layernorm), Norm.of(layer.post_attention_layernorm)
        self.of_heads = head_norms(attention)

    def holds(self) -> bool:
        return not any(map(hung, self.around)) and all(part._modules[name] is own for part, name, own in self.parts)

    def read(
        self, hidden: torch.Tensor, rotation: Rotation, attending: Attending, wanted: torch.Tensor | None
    ) -> torch.Tensor:
        normed = self.before(hidden)
        query, key, value = (product(normed).unflatten(-1, (-1, self.size)) for product in self.products)
        if self.of_heads:
            query, key = (norm(x) for norm, x in zip(self.of_heads, (query, key), strict=True))
        query, key = rotated(query, rotation), rotated(key, rotation)
        query, key, value = (x.transpose(0, 1) for x in (query, key, value))
        attended = attending.attend(self.number, query, key, value, self.scale).flatten(1)
        if wanted is not None:
            attended, hidden = attended[wanted], hidden[wanted]
        hidden = hidden + self.out(attended)
        normed = self.between(hidden)
        return hidden.add_(self.down(self.gate(normed).mul_(self.up(normed))))


def known(module: Any) -> bool:
    """Whether the model's layers are of a kind that is known here, and nothing is hung onto them."""
    config = module.config.get_text_config(decoder=True)
    alone = hasattr(module.base_model, "layers")  # not where what sees images stands around them
    return alone and config.model_type in KINDS and not any(hung(part) for part in module.base_model.modules())


def hung(part: Any) -> bool:
    """Whether a hook listens to a module, or puts something before it."""
    return hasattr(part, "_hf_hook") or bool(part._forward_hooks) or bool(part._forward_pre_hooks)


@dataclass(frozen=True)
class Norm:
    """Root mean square normalisation (Zhang and Sennrich 2019) by a module's weight, which may be given other numbers
    later."""

    weight: torch.Tensor
    epsilon: float

    @classmethod
    def of(cls, module: Any) -> Norm:
        """The norm of a module of Transformers."""
        return cls(module.weight, module.variance_epsilon)

    def __call__(self, given: torch.Tensor) -> torch.Tensor:
        return self.scaled(given, self.scale(given))

    def scale(self, given: torch.Tensor) -> torch.Tensor:
        """The factor of each row: one over the root of its mean square, in float32, shape (..., 1).

        By the kernel for norms: torch's `rms_norm` goes six times over the numbers where three suffice.
        """
        squares: torch.Tensor = torch.linalg.vector_norm(given, dim=-1, keepdim=True, dtype=torch.float32).square_()
        return squares.div_(given.shape[-1]).add_(self.epsilon).rsqrt_()

    def scaled(self, given: torch.Tensor, scale: torch.Tensor) -> torch.Tensor:
        """What the norm says of rows whose `scale` is known."""
        return (given * scale).mul_(self.weight).to(given.dtype)


def head_norms(attention: Any) -> tuple[Norm, ...]:
    """Those of queries and of keys, where the kind has them, else nothing."""
    named = (getattr(attention, name, None) for name in ("q_norm", "k_norm"))
    return tuple(Norm.of(module) for module in named if module is not None)


def rotary(base: Any, hidden: torch.Tensor, positions: torch.Tensor) -> Rotation:
    """Cosines and sines by which positions rotation queries and keys, shape (tokens, 1, size), the sines' first half
    negated."""
    cos, sin = (angle[0].unsqueeze(1) for angle in base.rotary_emb(hidden, positions[None]))
    half = sin.shape[-1] // 2
    return cos, torch.cat([-sin[..., :half], sin[..., half:]], dim=-1)


def rotated(heads: torch.Tensor, rotation: Rotation) -> torch.Tensor:
    """Rotary positions (Su et al. 2021) applied to queries or keys, shape (tokens, heads, size)."""
    cos, sin = rotation
    return torch.addcmul(heads * cos, heads.roll(heads.shape[-1] // 2, -1), sin)
