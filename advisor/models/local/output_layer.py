"""The output layer: from hidden states to logits, as the model at hand computes them."""

from __future__ import annotations

import inspect
from typing import Any

import torch

from advisor.errors import UserError
from advisor.models.local.device import device_of

PROBE = 8  # tokens; the last of them is changed to see whether earlier ones notice
NOISE = 0.05  # of the largest logit: more than bfloat16 rounds, less than another formula changes
HINT = "pass a causal language model of the GPT kind, such as Llama, Qwen, Gemma or GPT-2"


class OutputLayer:
    """The output head, with what some architectures do to their logits behind it.

    Granite divides them, Cohere multiplies them, under names that mean the opposite elsewhere. So the factor is
    measured, once, against the model's own logits; and a model that this does not explain is refused.

    Raises:
        UserError: the model reads both ways, keeps no key-value cache, or computes its logits in another way.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        if module.base_model is module and isinstance(getattr(module, "model", None), torch.nn.Module):
            module.base_model_prefix = "model"  # Llama 4 calls by a name that is not there what gives the hidden states
        self.cap = getattr(module.config.get_text_config(decoder=True), "final_logit_softcapping", None)
        self.factor = 1.0
        self.factor = self._measured()

    def __call__(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary."""
        # On a CPU a matrix product with a strided input is many times slower than with a packed one.
        logits: torch.Tensor = self.module.get_output_embeddings()(hidden.contiguous())
        if self.factor != 1.0:
            logits = logits * self.factor
        return torch.tanh(logits / self.cap) * self.cap if self.cap else logits

    @torch.inference_mode()
    def _measured(self) -> float:
        name = type(self.module).__name__
        if "past_key_values" not in inspect.signature(self.module.base_model.forward).parameters:
            raise UserError(f"{name} keeps no key-value cache, so it cannot be asked here", HINT)
        ids = torch.arange(PROBE, device=device_of(self.module))[None] + 5
        other = ids.clone()
        other[0, -1] += 1
        expected = self.module(input_ids=ids, use_cache=False).logits.float()
        changed = self.module(input_ids=other, use_cache=False).logits.float()
        noise = NOISE * expected.abs().max()
        if (expected - changed)[:, :-1].abs().max() > noise:
            raise UserError(f"{name} reads what comes after a token too, so it cannot continue a text", HINT)
        hidden = getattr(self.module.base_model(input_ids=ids, use_cache=False), "last_hidden_state", None)
        if hidden is None:
            raise UserError(f"{name} does not tell its hidden states", HINT)
        plain = self(hidden).float()
        factor = float((expected * plain).sum() / (plain * plain).sum())
        factor = 1.0 if abs(factor - 1) < 0.01 else factor
        if (expected - factor * plain).abs().max() > noise or (self.cap and factor != 1.0):
            raise UserError(f"{name} computes its logits in a way that is not known here", HINT)
        return factor
