"""Log-likelihoods of choices: every prompt once, all choices of a prompt in one tree."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch

from advisor.models.clock import clock
from advisor.models.local.device import device_of
from advisor.models.render import Encoded

LOGITS_AT_ONCE = 1024  # rows of logits in memory: 200 MB of float32 at a vocabulary of 49,152


@dataclass(frozen=True)
class ChoiceTree:
    """The choices' tokens as a tree, so that beginnings in common are computed once.

    A node stands for a token that has to be read to predict what follows it; the last token of a choice is
    only predicted, never read.

    Attributes:
        tokens, depths: of each node; shape (nodes,).
        ancestors: which nodes a node attends to, itself included; bool, shape (nodes, nodes).
        steps: per choice, (row, token) pairs: the token and the row of logits that predicts it; row 0 is the
            end of the prompt and row i + 1 is node i.
        lengths: tokens of each choice.
    """

    tokens: torch.Tensor
    depths: torch.Tensor
    ancestors: torch.Tensor
    steps: tuple[tuple[tuple[int, int], ...], ...]
    lengths: tuple[int, ...]

    @classmethod
    def of(cls, choices: Sequence[Sequence[int]], end: int) -> ChoiceTree:
        """The tree of these token sequences.

        Where one choice begins another, all are closed with the token `end`: without it the shorter one would
        be judged on less than it says.
        """
        rows = [tuple(c) for c in choices]
        if any(a != b and b[: len(a)] == a for a in rows for b in rows) or not all(rows):
            rows = [(*row, end) for row in rows]
        index: dict[tuple[int, ...], int] = {}
        steps = []
        for row in rows:
            path = []
            for position, token in enumerate(row):
                before = row[:position]
                if before and before not in index:
                    index[before] = len(index)
                path.append((index[before] + 1 if before else 0, token))
            steps.append(tuple(path))
        nodes = list(index)
        ancestors = torch.zeros(len(nodes), len(nodes), dtype=torch.bool)
        for node, number in index.items():
            for length in range(1, len(node) + 1):
                ancestors[number, index[node[:length]]] = True
        return cls(
            torch.tensor([node[-1] for node in nodes], dtype=torch.long),
            torch.tensor([len(node) - 1 for node in nodes], dtype=torch.long),
            ancestors,
            tuple(steps),
            tuple(len(row) for row in rows),
        )

    def paths(self) -> list[list[int]]:
        """Numbers of the nodes on the way to each that none follows, in order."""
        ends = (self.ancestors.sum(0) == 1).nonzero().flatten().tolist()
        return [self.ancestors[end].nonzero().flatten().tolist() for end in ends]

    @property
    def deepest(self) -> int:
        """How many nodes stand behind one another at most."""
        return max(self.lengths) - 1

    def totals(self, hidden: torch.Tensor, head: Callable[[torch.Tensor], torch.Tensor]) -> torch.Tensor:
        """Log-likelihood of each choice, in float32 whatever the model's dtype: bfloat16 is off by 0.1 here.

        Args:
            hidden: last hidden states of the prompt's end and of every node, shape (batch, 1 + nodes, size).
            head: from hidden states to logits over the vocabulary.

        Returns:
            Shape (batch, choices).
        """
        flat = sorted((row, token, choice) for choice, path in enumerate(self.steps) for row, token in path)
        totals = torch.zeros(hidden.shape[0], len(self.steps), device=hidden.device)
        rows_at_once = max(1, LOGITS_AT_ONCE // hidden.shape[0])
        for first in range(0, hidden.shape[1], rows_at_once):
            part = [entry for entry in flat if first <= entry[0] < first + rows_at_once]
            if not part:
                continue
            row, token, choice = (torch.tensor(c, device=hidden.device) for c in zip(*part, strict=True))
            logits = head(hidden[:, first : first + rows_at_once]).float()
            picked = logits[:, row - first, token] - logits.logsumexp(-1)[:, row - first]
            totals.index_add_(1, choice, picked)
        return totals


def scored_in_full(
    module: Any, head: Callable[[torch.Tensor], torch.Tensor], rows: Sequence[Encoded], tree: ChoiceTree
) -> torch.Tensor:
    """Log-likelihood of each choice, each read behind the whole prompt: where nothing can be read once for all of them.

    Only choices of one length are read together, so that nothing is padded.

    Returns:
        Shape (rows, choices).
    """
    choices = [tuple(token for _, token in path) for path in tree.steps]
    totals = torch.zeros(len(rows), len(choices), device=device_of(module))
    for number, row in enumerate(rows):
        for length in sorted(set(tree.lengths)):
            clock.alarm()
            places = [place for place, choice in enumerate(choices) if len(choice) == length]
            ids = torch.tensor([row.ids + choices[place][:-1] for place in places], device=device_of(module))
            with clock.span("prefill", tokens=ids.numel()):
                hidden = module.base_model(input_ids=ids, use_cache=False).last_hidden_state[:, -length:]
            with clock.span("score"):
                logits = head(hidden).float()
                targets = torch.tensor([choices[place] for place in places], device=device_of(module))
                picked = logits.gather(-1, targets[..., None])[..., 0] - logits.logsumexp(-1)
                totals[number, places] = picked.sum(1)
    return totals
