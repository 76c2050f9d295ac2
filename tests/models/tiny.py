"""Configurations of tiny models, and what Transformers itself says of an answer: how likely it is, and which it is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import torch

from advisor.models.local.rope import afresh

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 512,
    "vocab_size": 400,
    "initializer_range": 0.2,
}
GROUPED = SMALL | {"num_key_value_heads": 2}
LINEAR: dict[str, Any] = {
    "linear_num_key_heads": 2,
    "linear_num_value_heads": 4,
    "linear_key_head_dim": 8,
    "linear_value_head_dim": 8,
    "layer_types": ["linear_attention", "full_attention"],
}
TURNING: dict[str, Any] = {
    "original_max_position_embeddings": 64,
    "rope_parameters": {
        "rope_type": "longrope",
        "short_factor": [1.0] * 4,
        "long_factor": [3.0] * 4,
        "original_max_position_embeddings": 64,
        "rope_theta": 10_000.0,
    },
}
"""Frequencies that are others from 64 tokens on."""
GROWING = {"rope_type": "dynamic", "factor": 4.0, "rope_theta": 10_000.0}


@torch.no_grad()  # and not in inference mode, whose tensors nothing else may write to: a model may keep frequencies
def log_likelihoods(module: Any, prompt: Sequence[int], answers: Sequence[Sequence[int]]) -> list[float]:
    """Of each answer, one by one, as if nothing had been read before."""
    found = []
    for answer in answers:
        afresh(module)
        ids = torch.tensor([[*prompt, *answer[:-1]]])
        said = module(input_ids=ids, use_cache=False).logits[0, len(prompt) - 1 :].double().log_softmax(-1)
        found.append(sum(row[token].item() for row, token in zip(said, answer, strict=True)))
    return found


def greedy(module: Any, prompt: Sequence[int], most: int, stops: Collection[int]) -> list[int]:
    """The tokens that `generate` gives behind a prompt, without the one that ends the answer."""
    ids, ends = torch.tensor([list(prompt)]), sorted(stops)
    found = module.generate(
        ids,
        attention_mask=torch.ones_like(ids),
        max_new_tokens=most,
        do_sample=False,
        eos_token_id=ends,
        pad_token_id=ends[0],
    )
    tokens = found[0, len(prompt) :].tolist()
    return tokens[: next((place for place, token in enumerate(tokens) if token in stops), None)]


def text_of(model: Any, tokens: Sequence[int]) -> str:
    """What a model's tokens say, as an answer."""
    return str(model.renderer.tokenizer.decode(tokens, skip_special_tokens=True)).strip()
