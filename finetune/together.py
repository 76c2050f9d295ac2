"""Several candidates trained at once: their minibatches go through one set of base weights in one forward pass.

The pass is made of one pack for each candidate, and each adapted layer multiplies pack `k` by adapter `k` alone,
in batched low-rank products. So every candidate sees the numbers that it would see alone; what is shared is the time
in which a small model leaves a GPU idle.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import zip_longest
from typing import Any, TypeVar

import torch
from peft.tuners.lora import Linear, LoraLayer
from torch.nn.functional import cross_entropy, dropout

from advisor import progress
from advisor.models.clock import clock
from advisor.models.local.attention import NotPassedOn, packed_attention
from advisor.models.local.shortage import give_back, out_of_memory
from finetune.candidate import Candidate, untouched
from finetune.fused.packing import TokenRow
from finetune.fused.packs import Packs
from finetune.trainer import parts_of

Work = TypeVar("Work")

# Tokens x parameters of one step from which on a GPU is taken to be busy. Forward and backward pass cost four
# floating-point operations for each, so this is 8 TFLOP: 20 to 80 ms at the 100 to 400 TFLOP/s that GPUs for
# training reach in bfloat16, and as long as it takes to launch the six to ten thousand kernels of such a step.
# Below, the launches are what one waits for, and further rows in the same kernels cost next to nothing.
BUSY = 2e12


def at_once(candidates: Sequence[Candidate], examples: Sequence[TokenRow]) -> int:
    """How many candidates one forward pass should hold: 1 where one alone keeps the device busy, as on a CPU."""
    model = candidates[0].model
    if model.device.type != "cuda" or not joinable(candidates):
        return 1
    parameters = sum(p.numel() for p in model.module.parameters())
    row = sum(example.tokens for example in examples) / len(examples)
    tokens = row * max(c.recipe.batch for c in candidates)
    return max(1, min(len(candidates), int(BUSY // (parameters * tokens))))


def joinable(candidates: Sequence[Candidate]) -> bool:
    """Whether rows of any length can be packed, every adapter is plain LoRA on a linear layer (those of experts are
    not), and memory has room for what all layers compute."""
    layers = [module for module in candidates[0].wrapped.modules() if isinstance(module, LoraLayer)]
    plain = all(type(layer) is Linear and not layer.lora_variant for layer in layers)
    reader = candidates[0].model.reader
    short = any(candidate.trainer.history.checkpointing for candidate in candidates)
    return plain and not short and reader.packs and reader.window is None and reader.turn is None


class Together:
    """Trains candidates at once, at most `size` of them in one pass; fewer where memory runs out.

    One by itself goes through the model as in any training.
    """

    def __init__(self, candidates: Sequence[Candidate], size: int) -> None:
        self.size = size
        self.model = candidates[0].model
        self.layers = [module for module in candidates[0].wrapped.modules() if isinstance(module, Linear)]

    def go_on(self, goals: Mapping[Candidate, int]) -> None:
        """Take each candidate's steps up to the number given."""
        order = sorted(goals, key=lambda c: c.recipe.batch)  # alike ones together: less to fill up
        while taken := [(c, batch) for c in order if (batch := c.trainer.take(goals[c]))]:
            for (candidate, batch), loss in self._in_groups(taken, self._gradients):
                candidate.trainer.update(loss, batch)
                progress.advance(len(batch))
            looking = [c for c, _ in taken if c.trainer.evaluation_due]
            for candidate, loss in self.losses(looking).items():
                candidate.trainer.note_evaluation(loss)

    def losses(self, candidates: Sequence[Candidate]) -> dict[Candidate, float]:
        """Loss of each candidate on its held-out examples, as it stands."""
        return dict(self._in_groups(candidates, self._looks))

    def _in_groups(
        self, work: Sequence[Work], do: Callable[[Sequence[Work]], list[float]]
    ) -> Iterator[tuple[Work, float]]:
        """What `do` finds for each, asked for in groups; a group too large for the memory is halved and asked anew."""
        first = 0
        while first < len(work):
            group = work[first : first + self.size]
            try:
                found = do(group)
            except Exception as error:
                if len(group) == 1 or not (isinstance(error, NotPassedOn) or out_of_memory(error)):
                    raise
            else:
                yield from zip(group, found, strict=True)
                first += len(group)
                continue
            self.size = len(group) // 2
            give_back()  # what the failed pass held is let go only here, where the error is gone

    def _gradients(self, group: Sequence[tuple[Candidate, list[TokenRow]]]) -> list[float]:
        """Losses of a step; its gradients lie in the adapters' parameters afterwards."""
        if len(group) == 1:
            ((candidate, batch),) = group
            with candidate.active():
                return [candidate.trainer.gradients(batch)]
        candidates = [candidate for candidate, _ in group]
        stack = Stack(self.layers, candidates)
        tokens = [sum(len(row.answer) for row in batch) for _, batch in group]
        losses = [0.0] * len(group)
        with untouched(candidates):
            for parts in zip_longest(*(parts_of(batch, c.trainer.at_once) for c, batch in group)):
                members = [k for k, part in enumerate(parts) if part]
                found = self._summed("train", stack, [(k, parts[k]) for k in members])
                shares = torch.stack([loss / tokens[k] for k, loss in zip(members, found, strict=True)])
                with clock.span("train"):
                    shares.sum().backward()
                    for k, share in zip(members, shares.tolist(), strict=True):
                        losses[k] += share
        stack.hand_over()
        return losses

    @torch.no_grad()
    def _looks(self, group: Sequence[Candidate]) -> list[float]:
        """Mean loss per answer token on the held-out examples, which all have in common."""
        if len(group) == 1:
            with group[0].active():
                return [group[0].trainer.loss(group[0].trainer.held_out)]
        stack = Stack(self.layers, group)
        rows = sorted(group[0].trainer.held_out, key=lambda row: row.tokens)
        total = torch.zeros(len(group), device=self.model.device)
        for part in parts_of(rows, min(c.trainer.at_once for c in group)):
            total += torch.stack(self._summed("prefill", stack, [(k, part) for k in range(len(group))]))
        tokens = sum(len(row.answer) for row in rows)
        return [loss / tokens for loss in total.tolist()]

    def _summed(self, kind: str, stack: Stack, parts: Sequence[tuple[int, Sequence[TokenRow]]]) -> list[torch.Tensor]:
        """Loss of each part, summed over answer tokens; with it the number of its candidate in the stack."""
        packs = Packs.of([rows for _, rows in parts], self.model.device)
        with clock.span(kind, sum(packs.lengths)), stack.applied([k for k, _ in parts], packs, kind == "train"):
            with packed_attention(self.model.module):
                output = self.model.module.base_model(
                    input_ids=packs.ids, position_ids=packs.positions, use_cache=False, attending=packs.layout
                )
            logits = self.model.head(output.last_hidden_state[0, packs.predicting]).float()
            losses = cross_entropy(logits, packs.targets, reduction="none")
        return [part.sum() for part in losses.split(packs.answers)]


class Stack:
    """The adapters of several candidates as batches of matrices, layer by layer; lower ranks are filled with zeros.

    A row of zeros in one half meets a row of zeros in the other, so that neither has a gradient.
    """

    @torch.no_grad()
    def __init__(self, layers: Sequence[Linear], candidates: Sequence[Candidate]) -> None:
        self.layers = layers
        self.candidates = candidates
        first = candidates[0].model
        rank = 8 * math.ceil(max(c.recipe.rank for c in candidates) / 8)  # what tensor cores multiply fast
        widths: list[Any] = [width for layer in layers for width in (layer.in_features, layer.out_features)]
        shapes = [(len(candidates), rank, width) for width in widths]
        flat = torch.zeros(sum(map(math.prod, shapes)), device=first.device, dtype=first.dtype)
        parts = flat.split([math.prod(shape) for shape in shapes])
        leaves = [part.view(shape).requires_grad_() for part, shape in zip(parts, shapes, strict=True)]
        # For each layer A, shape (candidates, rank, in), and B, shape (candidates, rank, out).
        self.halves = list(zip(leaves[::2], leaves[1::2], strict=True))
        scaling = [[[c.recipe.alpha / c.recipe.rank]] for c in candidates]
        self.scaling = torch.tensor(scaling, device=first.device, dtype=first.dtype)
        own: list[torch.Tensor] = []
        theirs: list[torch.Tensor] = []
        for layer, (a, b) in zip(layers, self.halves, strict=True):
            for k, candidate in enumerate(candidates):
                own += [a[k, : candidate.recipe.rank], b[k, : candidate.recipe.rank]]
                theirs += [layer.lora_A[candidate.name].weight, layer.lora_B[candidate.name].weight.T]  # type: ignore[list-item]
        torch._foreach_copy_(own, theirs)

    def hand_over(self) -> None:
        """Give each adapter its part of the gradients."""
        for layer, (a, b) in zip(self.layers, self.halves, strict=True):
            for k, candidate in enumerate(self.candidates):
                rank = candidate.recipe.rank
                for half, of, turned in ((layer.lora_A, a, False), (layer.lora_B, b, True)):
                    if of.grad is not None:
                        part = of.grad[k, :rank]
                        half[candidate.name].weight.grad = part.T if turned else part

    @contextmanager
    def applied(self, members: Sequence[int], packs: Packs, dropping: bool) -> Iterator[None]:
        """The model with pack `n` adapted by candidate `members[n]`, while the block runs."""
        chosen = None if len(members) == len(self.candidates) else torch.tensor(members, device=packs.ids.device)
        drops = tuple((n, c) for n, k in enumerate(members) if dropping and (c := self.candidates[k]).recipe.dropout)
        before = [vars(layer)["forward"] for layer in self.layers]
        try:
            for layer, halves in zip(self.layers, self.halves, strict=True):
                a, b, scaling = (x if chosen is None else x[chosen] for x in (*halves, self.scaling))
                vars(layer)["forward"] = _Joined(layer.base_layer, a, b, scaling, packs, drops)
            yield
        finally:
            for layer, forward in zip(self.layers, before, strict=True):
                vars(layer)["forward"] = forward


@dataclass(frozen=True)
class _Joined:
    """A linear layer with an adapter for each pack.

    Attributes:
        a, b: shape (packs, rank, in) and (packs, rank, out).
        scaling: shape (packs, 1, 1).
        drops: numbers of the packs whose adapter drops some of its input, and their candidates.
    """

    base: torch.nn.Module
    a: torch.Tensor
    b: torch.Tensor
    scaling: torch.Tensor
    packs: Packs
    drops: tuple[tuple[int, Candidate], ...]

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[:-1].numel() != self.packs.ids.numel():
            raise NotPassedOn  # the layer does not see every token, so whose it sees cannot be told
        result: torch.Tensor = self.base(x)
        shape = (len(self.packs.lengths), max(self.packs.lengths), -1)
        low = torch.bmm(self._dropped(x.reshape(shape)), self.a.mT) * self.scaling
        return torch.baddbmm(result.reshape(shape), low, self.b).view_as(result)

    def _dropped(self, given: torch.Tensor) -> torch.Tensor:
        if not self.drops:
            return given
        packs = list(given.unbind())
        for number, candidate in self.drops:
            own, filling = packs[number].tensor_split([self.packs.lengths[number]])
            with candidate.drawing():  # on what a pass alone would drop from, no more and no less
                packs[number] = torch.cat([dropout(own, candidate.recipe.dropout), filling])
        return torch.stack(packs)
