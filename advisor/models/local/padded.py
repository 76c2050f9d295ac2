"""Rows padded to one length, read and continued through the model's own cache.

For models whose rows cannot lie one behind the other, and for GPUs, where a few large kernels are faster than many
small ones. What may be done with a model's cache is seen by trying, since architectures differ in it: some take
several tokens behind what they hold, some only one, some fill their states from the padding.
"""

from __future__ import annotations

import copy
import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.nn.functional import pad
from transformers.cache_utils import Cache, DynamicLayer, DynamicSlidingWindowLayer, StaticLayer

from advisor.models.clock import clock
from advisor.models.local.device import device_of
from advisor.models.local.scoring import ChoiceTree

LARGEST_MASK = 2**26
LOGITS_AT_ONCE = 2**30  # of a layer's attention, where it is taken by plain products: 2 to 4 GB
TOKENS_AT_ONCE = 16_384  # of one forward pass, padding included
IN_PLACE = (DynamicLayer, DynamicSlidingWindowLayer)  # whose keys and values are all that they hold


@dataclass(frozen=True)
class Habits:
    """What may be done with a model's cache.

    Attributes:
        goes_on: several tokens at once may stand behind what it holds, and padding between both.
        pads: rows may be padded on the left.
        masks: it may be told which earlier tokens each token sees, as in a tree.
    """

    goes_on: bool
    pads: bool
    masks: bool


@dataclass(frozen=True)
class Beginning:
    """What several rows begin with: so many tokens, and the cache that holds them, of one row."""

    length: int
    cache: Any

    def of(self, rows: int) -> Any:
        """A cache of so many rows that begin so."""
        return forked(self.cache, [0] * rows)


@dataclass(frozen=True)
class Manner:
    """How rows are read and continued.

    Attributes:
        pieces: in several passes, where one would compute too much at once.
        turn: length beyond which a row, which is then the only one, is to be read again from its first token.
        room: tokens that each may be continued by in place, as a GPU likes it; None where the cache is to grow.
    """

    pieces: bool = False
    turn: int | None = None
    room: int | None = None


PLAIN = Manner()


class PaddedRows:
    """Rows of token ids, padded on the left, read and continued through the model's own cache.

    Args:
        own: each row's tokens behind the beginning.

    Attributes:
        hidden: the last hidden state of each row, shape (rows, size).
    """

    def __init__(
        self, module: Any, own: Sequence[Sequence[int]], beginning: Beginning | None = None, manner: Manner = PLAIN
    ) -> None:
        self.module = module
        self.manner = manner
        self.cache: Any = None
        self._places = "position_ids" in inspect.signature(module.base_model.forward).parameters
        self._begin(own, beginning)

    def _begin(self, own: Sequence[Sequence[int]], beginning: Beginning | None) -> None:
        first = beginning.length if beginning else 0
        self.own = [list(row) for row in own] if self.manner.turn is not None else []
        self.lengths = [first + len(row) for row in own]
        self.width = max(self.lengths)
        self.cache = beginning.of(len(own)) if beginning else None
        ids, mask = laid_out(own, first)
        self.mask = mask.to(device_of(self.module))
        positions = (self.mask.cumsum(1) - 1).clamp(min=0)[:, first:]
        ids = ids.to(device_of(self.module))
        most = self._columns(ids.shape[0]) if self.manner.pieces else ids.shape[1]
        for start in range(0, ids.shape[1], most):
            clock.alarm()
            piece = slice(start, start + most)
            seen = self.mask[:, : first + min(start + most, ids.shape[1])]
            self.hidden = self._read(ids[:, piece], positions[:, piece], seen if self.padded else None)
        self._positions = positions[:, -1:]
        self._bias: torch.Tensor | None = None
        room = self.manner.room
        if room is not None and all(type(layer) in IN_PLACE for layer in self.cache.layers):
            self.cache = in_place(self.cache, self.width + room)
            self._bias = hiding(pad(self.mask, (0, room))[:, None, None], self.module.dtype)

    def _columns(self, rows: int) -> int:
        """Tokens of each row that one pass reads at most."""
        return max(1, min(TOKENS_AT_ONCE, looks(self.module) // self.width) // rows)

    @property
    def padded(self) -> bool:
        """Whether any of the rows is."""
        return any(length != self.width for length in self.lengths)

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """Continue each row by one token, shape (rows,); returns its hidden state, shape (rows, size)."""
        if self.manner.turn is not None:
            self.own[0].append(int(tokens[0]))
            if self.lengths[0] == self.manner.turn:
                self._begin(self.own, None)
                return self.hidden
        self._positions = self._positions + 1
        self.lengths = [length + 1 for length in self.lengths]
        self.width += 1
        if self._bias is not None:
            self._bias[..., self.width - 1] = 0
            return self._read(tokens[:, None], self._positions, self._bias)
        self.mask = torch.cat([self.mask, self.mask.new_ones(len(tokens), 1)], dim=1)
        return self._read(tokens[:, None], self._positions, self.mask if self.padded else None)

    def drop(self, rows: Sequence[int]) -> list[int]:
        """Give up these rows; returns the others' numbers, in the order in which they now stand.

        In place it is done only where half of all are to go: for fewer it costs more than reading them on.
        """
        gone = set(rows)
        kept = [row for row in range(len(self.lengths)) if row not in gone]
        if self._bias is not None and 2 * len(kept) > len(self.lengths):
            return list(range(len(self.lengths)))
        index = torch.tensor(kept, device=self.mask.device)
        self.mask, self._positions = self.mask[index], self._positions[index]
        self.lengths = [self.lengths[row] for row in kept]
        if self._bias is None:
            choose(self.cache, index)
            return kept
        self._bias = self._bias[index]
        for layer in self.cache.layers:
            own = index.to(layer.keys.device)
            layer.keys, layer.values = layer.keys.index_select(0, own), layer.values.index_select(0, own)
        return kept

    def along(self, tree: ChoiceTree, rows: Sequence[int], paths: Sequence[Sequence[int]]) -> list[torch.Tensor]:
        """Hidden states along a path of the tree behind each of these rows, token by token; the rows stay as they are.

        Returns:
            For each depth, shape (paths, size); what is beyond a path's end says nothing.
        """
        fork = copy.copy(self)
        index = torch.tensor(rows, device=self.mask.device)
        fork.cache, fork.manner = forked(self.cache, rows), PLAIN
        fork.mask, fork._positions = self.mask[index], self._positions[index]
        fork.lengths = [self.lengths[row] for row in rows]
        tokens = tree.tokens.tolist()
        found = []
        for depth in range(max(map(len, paths))):
            ids = [tokens[path[min(depth, len(path) - 1)]] for path in paths]
            found.append(fork.step(torch.tensor(ids, device=self.mask.device)))
        return found

    def spread(self, tree: ChoiceTree) -> torch.Tensor:
        """Hidden states of all of the tree's nodes behind each row, shape (rows, nodes, size), in one pass."""
        nodes = tree.tokens.to(device_of(self.module))
        positions = self._positions + 1 + tree.depths.to(device_of(self.module))
        bias = hiding(seen(self.mask, 0, tree), self.module.dtype)
        return self._whole(nodes.expand(len(self.lengths), -1), positions, bias)

    def _read(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        return self._whole(ids, positions, mask)[:, -1]

    def _whole(self, ids: torch.Tensor, positions: torch.Tensor, mask: torch.Tensor | None) -> torch.Tensor:
        placed = {"position_ids": positions} if self._places else {}
        # A mask of nothing but ones says nothing, and without it attention takes its fastest path.
        output = self.module.base_model(
            input_ids=ids, attention_mask=mask, past_key_values=self.cache, use_cache=True, **placed
        )
        self.cache = output.past_key_values
        hidden: torch.Tensor = output.last_hidden_state
        return hidden


class WholeRows:
    """Rows that are read again from their first token at every step, for models whose cache does not carry them on."""

    def __init__(self, module: Any, rows: Sequence[Sequence[int]]) -> None:
        self.module = module
        self.rows = [list(row) for row in rows]
        self.hidden = self._read()

    def step(self, tokens: torch.Tensor) -> torch.Tensor:
        """As of `PaddedRows`."""
        for row, token in zip(self.rows, tokens.tolist(), strict=True):
            row.append(token)
        return self._read()

    def drop(self, rows: Sequence[int]) -> list[int]:
        """As of `PaddedRows`."""
        gone = set(rows)
        kept = [row for row in range(len(self.rows)) if row not in gone]
        self.rows = [self.rows[row] for row in kept]
        return kept

    def _read(self) -> torch.Tensor:
        states = []
        for row in self.rows:
            states.append(alone(self.module, row)[-1:])
        return torch.cat(states)


def alone(module: Any, ids: Sequence[int]) -> torch.Tensor:
    """Last hidden states of a text as the model itself reads it, shape (tokens, size)."""
    output = module.base_model(input_ids=torch.tensor([ids], device=device_of(module)), use_cache=False)
    hidden: torch.Tensor = output.last_hidden_state[0]
    return hidden


def laid_out(own: Sequence[Sequence[int]], before: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Token ids padded on the left, shape (rows, longest), and what is no padding of them and of so many tokens before
    them, shape (rows, before + longest)."""
    longest = max(map(len, own))
    ids = torch.zeros(len(own), longest, dtype=torch.long)
    mask = torch.zeros(len(own), before + longest, dtype=torch.long)
    mask[:, :before] = 1
    for i, row in enumerate(own):
        ids[i, longest - len(row) :] = torch.tensor(row)
        mask[i, before + longest - len(row) :] = 1
    return ids, mask


def seen(mask: torch.Tensor, own: int, tree: ChoiceTree) -> torch.Tensor:
    """Which tokens see which, of rows with a tree of choices behind each.

    Args:
        mask: what is no padding of the rows, shape (rows, tokens).
        own: how many of the last of these tokens look; the others only are looked at.

    Returns:
        Bool, shape (rows, 1, own + nodes, tokens + nodes).
    """
    rows, tokens = mask.shape
    nodes = len(tree.tokens)
    found = mask.new_zeros(rows, own + nodes, tokens + nodes, dtype=torch.bool)
    causal = torch.ones(own, tokens, dtype=torch.bool, device=mask.device).tril_(tokens - own)
    found[:, :own, :tokens] = causal & mask[:, None].bool()
    found[:, own:, :tokens] = mask[:, None].bool()
    found[:, own:, tokens:] = tree.ancestors.to(mask.device)
    return found[:, None]


def hiding(seen: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
    """What is added to logits so that only what is seen counts. Finite: padding sees nothing, and is to be a number."""
    least = torch.finfo(dtype).min
    return torch.zeros(seen.shape, dtype=dtype, device=seen.device).masked_fill_(~seen.bool(), least)


def looks(module: Any) -> int:
    """How often one token may look at another in one pass: what says so, or the logits, are to fit memory."""
    if module.config._attn_implementation != "eager":
        return LARGEST_MASK
    heads = getattr(module.config.get_text_config(decoder=True), "num_attention_heads", 1)
    return min(LARGEST_MASK, LOGITS_AT_ONCE // heads)


def forked(cache: Any, rows: Sequence[int]) -> Any:
    """A cache of these rows of another, each as often as it is named; the other stays as it is."""
    own = _copied(cache)
    own.layers = [_copied(layer) for layer in own.layers]
    choose(own, torch.tensor(rows))
    return own


def _copied(holder: Any) -> Any:
    """The same with lists of its own, of the same tensors."""
    own = copy.copy(holder)
    vars(own).update({name: copy.copy(held) for name, held in vars(own).items() if isinstance(held, (list, dict))})
    return own


def choose(cache: Any, rows: torch.Tensor) -> None:
    """Keep these rows of a cache."""
    cache.reorder_cache(rows)
    if beside := getattr(cache, "linear_cache", None):  # MiniMax's states, which stand beside the layers
        cache.linear_cache = [states[rows] if len(states) else states for states in beside]


def in_place(cache: Any, width: int) -> Cache:
    """The cache's keys and values in tensors of so many tokens, which are written in place from here on."""
    layers: list[Any] = []
    for number, layer in enumerate(cache.layers):
        made = StaticLayer(width)
        made.update(layer.keys, layer.values)
        layers.append(made)
        cache.layers[number] = None
    return Cache(layers=layers)
