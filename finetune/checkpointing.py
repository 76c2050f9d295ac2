"""Gradient checkpointing (Chen et al. 2016): layers keep their input alone and are computed again on the way back.

It takes a third more time, and a fraction of the memory: of what a long row's layers compute, all is needed for the
backward pass. The gradients are the same, bit for bit, since the same is computed twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from typing import Any

import torch
from torch import nn
from torch.utils.checkpoint import checkpoint
from transformers.modeling_layers import GradientCheckpointingLayer

from advisor.errors import NotApplicable
from advisor.models.local.device import device_of
from advisor.models.local.engine import LocalModel
from advisor.models.local.kv import passing_bytes
from advisor.models.local.shortage import left, not_enough, size_in_words
from finetune.training import Schedule

LOGITS = 2**30  # bytes that logits and what the backward pass makes of them take at once
LOGIT = 12  # of them for one: in float32, its gradient, and both in the model's number format
SHARE = 0.75  # of what is free, for what the backward pass is left; the rest is for what is computed on the way

Context = Callable[[], AbstractContextManager[None]]


@contextmanager
def checkpointed(module: nn.Module, again: Context = nullcontext) -> Iterator[None]:
    """The module's layers are computed again on the way back from a forward pass in this block.

    Transformers' own switch works in training mode alone, in which dropouts of the model's own would be at work.

    Args:
        again: what has to be around a layer when it is computed again, when the block is over.
    """
    before = [(layer, vars(layer).get("forward")) for layer in blocks_of(module)]
    for layer, _ in before:
        vars(layer)["forward"] = partial(_computed, layer.forward, again)
    try:
        yield
    finally:
        for layer, forward in before:
            vars(layer).pop("forward")
            if forward is not None:
                vars(layer)["forward"] = forward


def twice(compute: Callable[..., torch.Tensor], *given: Any, again: Context = nullcontext) -> Any:
    """What `compute` makes of what is given, of which alone the backward pass is left something."""
    return checkpoint(compute, *given, use_reentrant=False, context_fn=lambda: (nullcontext(), again()))


def trainer_bytes(count: int, number_format: torch.dtype) -> int:
    """Bytes that a trainer takes for so many weights of the model's own: in float32 masters, their gradients and two
    moments; in the model's number format the weights' gradients and two states to go back to."""
    return count * (4 * 4 + 3 * number_format.itemsize)


def check_room(model: LocalModel, count: int) -> None:
    """See that there is room for what a trainer takes for so many weights of the model's own.

    Raises:
        NotApplicable: there is not.
    """
    needs, (free, whose) = trainer_bytes(count, model.dtype), left(model.device)
    if free is not None and needs > free:
        raise NotApplicable(
            f"training {count:,} weights takes about {size_in_words(needs)} beside the model, and "
            f"{size_in_words(free)} is free {whose}; freeze:last=4 trains fewer, lora the fewest"
        )


def foreseen(model: LocalModel, longest: int, at_once: int, schedule: Schedule) -> tuple[bool, int]:
    """Whether it is done: where the schedule leaves that open, if the longest example's layers would not fit into what
    is free; and how many tokens fit in one pass, of so many that are wanted, but at least that example's."""
    always = schedule.checkpointing == "always"
    free, _ = left(model.device)
    if free is None:
        return always, at_once
    room = SHARE * free
    short = kept_bytes(model.module, longest, checkpointing=False) * longest > room
    needed = always or (short and schedule.checkpointing == "auto")
    return needed, min(at_once, max(longest, int(room / kept_bytes(model.module, longest, needed))))


def within_logits(model: LocalModel, share: float, at_once: int) -> int:
    """How many tokens of so many are read at once, where for this share of them all logits are computed: rows whose
    every token is learned have twenty times those of an answer."""
    vocabulary = int(model.module.config.get_text_config(decoder=True).vocab_size)
    return min(at_once, max(1, int(LOGITS / (LOGIT * vocabulary * share))))


def too_large(model: LocalModel, error: Exception, tokens: int) -> Exception:
    """What is said of an example of so many tokens that does not fit even so; for its backward pass a CPU puts the
    weights into another order."""
    module = model.module
    weights = sum(p.nbytes for p in module.parameters()) if model.device.type == "cpu" else 0
    needs = tokens * kept_bytes(module, tokens, checkpointing=True) + weights
    return not_enough(error, f"training on an example of {tokens:,} tokens", model.device, needs)


def kept_bytes(module: Any, longest: int, checkpointing: bool) -> int:
    """Bytes of each token that the backward pass is left, roughly, where a row has up to so many tokens.

    On a CPU the probabilities of attention are among them (`finetune.fused.attention`).
    """
    text = module.config.get_text_config(decoder=True)
    layers, width = int(text.num_hidden_layers), int(module.dtype.itemsize)
    heads = int(getattr(text, "num_attention_heads", None) or 1)
    attention = heads * longest // 2 * width if device_of(module).type == "cpu" else 0
    if checkpointing:
        return passing_bytes(module) + attention + layers * int(text.hidden_size) * width
    return passing_bytes(module, layers) + layers * attention


def _computed(forward: Callable[..., Any], again: Context, *args: Any, **kwargs: Any) -> Any:
    if not torch.is_grad_enabled():
        return forward(*args, **kwargs)
    return twice(partial(forward, **kwargs), *args, again=again)


def blocks_of(module: nn.Module) -> list[nn.Module]:
    """What is repeated in a model: the outermost of what Transformers would checkpoint, else its longest list."""
    found: list[tuple[str, nn.Module]] = []
    for name, part in module.named_modules():
        if isinstance(part, GradientCheckpointingLayer) and not any(name.startswith(f"{one}.") for one, _ in found):
            found.append((name, part))
    if found:
        return [part for _, part in found]
    lists = [list(part) for part in module.modules() if isinstance(part, nn.ModuleList)]
    return max(lists, key=len, default=[])
