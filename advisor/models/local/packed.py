"""A batch of rows that begin alike: read in packed form, then continued token by token or by a tree of choices.

What the rows have in common is computed once and attended once for all of them: as one product over many queries
instead of a copy in every row. The two parts of the attention are joined exactly by the sums of their exponentiated
logits (as in Hydragen, Juravsky et al. 2024). Where some rows have more in common, such as a passage that several
queries found, that is computed once as well (`families.py`).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

import torch

from advisor.models.local.attention import BLOCK, behind, by_products, causal_rows, joined, part
from advisor.models.local.batches import gathered
from advisor.models.local.prefixes import Own, Stretch, families, stretches
from advisor.models.local.scoring import ChoiceTree

AT_ONCE = 1024  # tokens of one forward pass: enough for the products, few enough for the caches
FAMILY = 4 * AT_ONCE  # of one with rows that have much in common

Layer = tuple[torch.Tensor, torch.Tensor]


@dataclass
class Prefix:
    """Keys and values of a common beginning, by layer, shape (1, key heads, length, size)."""

    length: int = 0
    layers: list[Layer] = field(default_factory=list)

    def followed_by(self, length: int, layers: Sequence[Layer]) -> Prefix:
        """With so many tokens more, whose keys and values were read behind it."""
        if not self.length:
            return Prefix(length, list(layers))
        pairs = zip(self.layers, layers, strict=True)
        return Prefix(self.length + length, [(behind(a, c), behind(b, d)) for (a, b), (c, d) in pairs])

    def part(self, layer: int, query: torch.Tensor, scale: float) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention of any number of queries to all of the prefix.

        Args:
            query: shape (heads, queries, size).

        Returns:
            As `attention.part`, shapes (heads, queries, size) and (heads, queries).
        """
        key, value = self.layers[layer]
        heads, queries, size = query.shape
        folded = query.reshape(1, key.shape[1], -1, size)  # the heads of one key head are so many more queries
        attended, total = part(folded, key, value, scale)
        return attended.reshape(heads, queries, -1), total.reshape(heads, queries)


@dataclass(frozen=True)
class Block:
    """Consecutive rows of one length, packed one behind the other; or what several rows have in common.

    Attributes:
        first, count: numbers of the rows.
        start: where they begin in the packed row.
        prompt: tokens of each row's own part that stand here.
        nodes: tokens of the tree behind each.
        path: where in the packed row the own part's tokens before these stand.
        ends: whether the rows end here; else `first` is one of the rows that go on elsewhere.
    """

    first: int
    count: int
    start: int
    prompt: int
    nodes: int
    path: tuple[slice, ...] = ()
    ends: bool = True

    @property
    def length(self) -> int:
        """Tokens of one row that stand here."""
        return self.prompt + self.nodes

    @property
    def before(self) -> int:
        """Tokens of a row's own part that stand elsewhere."""
        return sum(place.stop - place.start for place in self.path)

    @property
    def place(self) -> slice:
        """Where the rows lie in the packed row."""
        return slice(self.start, self.start + self.count * self.length)

    @property
    def rows(self) -> range:
        """Numbers of the rows."""
        return range(self.first, self.first + self.count)

    def tokens(self, own: Own) -> int:
        """How many stand here, padding left aside; `own` are the rows' own parts."""
        return sum(min(len(own[row]) - self.before, self.prompt) + self.nodes for row in self.rows)

    def cut(self, packed: torch.Tensor) -> torch.Tensor:
        """Cut a packed tensor of shape (heads, packed length, size) into rows of shape (count, heads, length, size)."""
        rows: torch.Tensor = packed[:, self.place].unflatten(1, (self.count, self.length)).transpose(0, 1)
        return rows

    def behind_path(self, packed: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
        """The rows of the block with what stands elsewhere of them before it."""
        if not self.path:
            return rows
        return behind(torch.cat([packed[:, place] for place in self.path], dim=1), rows)


class Rows:
    """Keys and values of the rows' own parts, with room to go on.

    Args:
        prefix: what all rows begin with.
        lengths: tokens of each row's own part.
        room: tokens that may be added to each.
    """

    def __init__(self, prefix: Prefix, lengths: Sequence[int], room: int, device: torch.device) -> None:
        self.prefix = prefix
        self.lengths = torch.tensor(lengths, device=device)
        self.count = len(lengths)
        self.capacity = max(lengths) + room
        self.layers: list[Layer] = []
        self._mask: torch.Tensor | None = None
        self._longest = 0
        self._place = (self.lengths, self.lengths)

    def write(self, layer: int, block: Block, keys: torch.Tensor, values: torch.Tensor) -> None:
        """Keep what was read of a block's rows; shape (rows, key heads, length, size)."""
        if layer == len(self.layers):
            shapes = [(self.count, t.shape[1], self.capacity, t.shape[3]) for t in (keys, values)]
            self.layers.append((keys.new_zeros(shapes[0]), values.new_zeros(shapes[1])))
        for kept, new in zip(self.layers[layer], (keys, values), strict=True):
            kept[block.first : block.first + block.count, :, : new.shape[2]] = new

    def begin_step(self) -> torch.Tensor:
        """Make place for one token a row; returns where each stands, counted from the row's beginning."""
        positions = self.prefix.length + self.lengths
        self._place = (torch.arange(self.count, device=self.lengths.device), self.lengths)
        self.lengths = self.lengths + 1
        self._longest = int(self.lengths.max())
        beyond = torch.arange(self._longest, device=self.lengths.device) >= self.lengths[:, None]
        self._mask = None
        if bool(beyond.any()):
            hidden = beyond[:, None, None]
            self._mask = self.layers[0][0].new_zeros(hidden.shape).masked_fill_(hidden, -math.inf)
        return positions

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """One new token a row: keeps its key and value, attends to all of its row."""
        rows, place = self._place
        keys, values = (kept[: self.count] for kept in self.layers[layer])
        keys[rows, :, place] = key.transpose(0, 1)
        values[rows, :, place] = value.transpose(0, 1)
        heads, _, size = query.shape
        folded = query.transpose(0, 1).reshape(self.count, key.shape[0], -1, size)
        seen = slice(0, self._longest)
        attended, total = part(folded, keys[:, :, seen], values[:, :, seen], scale, mask=self._mask)
        own = attended.reshape(self.count, heads, -1), total.reshape(self.count, heads)
        if not self.prefix.length:
            return own[0]
        before, sums = self.prefix.part(layer, query, scale)
        return joined(own, (before.transpose(0, 1), sums.T))

    def join(self, other: Rows) -> None:
        """Take up others behind these, which lie behind the same prefix and have as many layers."""
        rows, capacity = self.count + other.count, max(self.capacity, other.capacity)
        joined = []
        for own, more in zip(self.layers, other.layers, strict=True):
            pair = []
            for ours, theirs in zip(own, more, strict=True):
                kept = ours.new_zeros(rows, ours.shape[1], capacity, ours.shape[3])
                kept[: self.count, :, : self.capacity] = ours[: self.count]
                kept[self.count :, :, : other.capacity] = theirs[: other.count]
                pair.append(kept)
            joined.append((pair[0], pair[1]))
        self.layers, self.count, self.capacity = joined, rows, capacity
        self.lengths = torch.cat([self.lengths, other.lengths])

    def drop(self, rows: Sequence[int]) -> list[int]:
        """Give up these rows, each of whose numbers the last one takes; returns the others' old numbers, in order."""
        order = list(range(self.count))
        for row in sorted(rows, reverse=True):
            self.count -= 1
            order[row] = order[self.count]
            order.pop()
            if row != self.count:
                for keys, values in self.layers:
                    keys[row], values[row] = keys[self.count], values[self.count]
                self.lengths[row] = self.lengths[self.count]
        self.lengths = self.lengths[: self.count]
        return order


class PackedPass:
    """Reads blocks of rows in one packed pass, each row with the tree's nodes behind it.

    Args:
        rows: where keys and values are kept; None where nothing follows.
    """

    def __init__(self, blocks: Sequence[Block], prefix: Prefix, tree: ChoiceTree | None, rows: Rows | None) -> None:
        self.blocks = blocks
        self.prefix = prefix
        self.tree = tree
        self.rows = rows
        self._masks: dict[int, torch.Tensor] = {}

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        """Each row's tokens see the prefix and, causally, their row; a node sees its prompt and its ancestors."""
        attended = query.new_empty(query.shape[1], query.shape[0], value.shape[-1])
        whole = [self._whole(block, query) for block in self.blocks]
        # Where some have a path, each block sees the prefix together with its own.
        apart = all(whole) or any(block.path for block in self.blocks)
        common = self.prefix.part(layer, query, scale) if self.prefix.length and not apart else None
        for block, at_once in zip(self.blocks, whole, strict=True):
            queries, own_keys, own_values = (block.cut(packed) for packed in (query, key, value))
            keys, values = block.behind_path(key, own_keys), block.behind_path(value, own_values)
            if self.rows is not None and block.ends:
                self.rows.write(layer, block, keys, values)
            if self.prefix.length and (at_once or common is None):
                keys, values = map(behind, self.prefix.layers[layer], (keys, values))
            if at_once:
                found = causal_rows(queries, keys, values, scale)
            else:
                own = self._parts(block, queries, own_keys, own_values, scale)
                before = keys.shape[2] - own_keys.shape[2]
                found = own[0]
                if common is not None:
                    seen = tuple(block.cut(x if x.dim() == 3 else x[..., None]) for x in common)
                    found = joined(own, (seen[0], seen[1][..., 0]))
                elif before:
                    found = joined(own, part(queries, keys[:, :, :before], values[:, :, :before], scale))
            attended[block.place] = found.transpose(1, 2).flatten(0, 1)
        return attended

    def _whole(self, block: Block, query: torch.Tensor) -> bool:
        """Whether a block's rows are attended at once with what comes before them, not part by part.

        What comes before and is short costs less to copy in front of each row than to join.
        """
        if block.nodes:
            return False
        before = self.prefix.length + block.before
        short = before <= max(BLOCK, block.prompt)
        return not before or (short and by_products(query, block.prompt))

    def _parts(
        self, block: Block, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Attention of the rows of a block to themselves, with its sums."""
        if not block.nodes:
            return part(query, key, value, scale, causal=True)
        n = block.prompt
        prompts = part(query[:, :, :n], key[:, :, :n], value[:, :, :n], scale, causal=True)
        nodes = part(query[:, :, n:], key, value, scale, mask=self._mask(n, query))
        return torch.cat([prompts[0], nodes[0]], dim=2), torch.cat([prompts[1], nodes[1]], dim=2)

    def _mask(self, prompt: int, like: torch.Tensor) -> torch.Tensor:
        """Attention mask of the tree behind a prompt of so many tokens, shape (1, 1, nodes, prompt + nodes)."""
        assert self.tree is not None
        if prompt not in self._masks:
            own = like.new_zeros(self.tree.ancestors.shape)
            own.masked_fill_(~self.tree.ancestors.to(like.device), -math.inf)
            mask = torch.cat([own.new_zeros(len(own), prompt), own], dim=1)
            self._masks[prompt] = mask[None, None]
        return self._masks[prompt]


def chunks(own: Own, nodes: int) -> Iterator[list[Block]]:
    """Blocks for one forward pass each; `own` are the rows' own parts, of which like lengths stand together."""
    found = list(families(own, nodes, FAMILY))
    together = [stretches(own, family) for family in found if len(family) > 1]
    sizes = [sum(s.stop - s.start + nodes * (len(s.rows) == 1) for s in family) for family in together]
    for chunk in gathered(sizes, AT_ONCE):
        blocks: list[Block] = []
        for number in chunk:
            blocks += _family(together[number], nodes, blocks[-1].place.stop if blocks else 0)
        yield blocks
    alone = sorted(family[0] for family in found if len(family) == 1)
    for chunk in gathered([len(own[row]) + nodes for row in alone], AT_ONCE):
        yield _blocks([alone[number] for number in chunk], own, nodes)


def _blocks(chunk: Sequence[int], own: Own, nodes: int) -> list[Block]:
    """Rows that follow one another in number and in length make a block."""
    blocks, start = [], 0
    for (length, _), rows in groupby(enumerate(chunk), key=lambda pair: (len(own[pair[1]]), pair[1] - pair[0])):
        members = [row for _, row in rows]
        blocks.append(Block(members[0], len(members), start, length, nodes))
        start = blocks[-1].place.stop
    return blocks


def _family(family: Sequence[Stretch], nodes: int, start: int) -> list[Block]:
    """What the rows have in common, and what each has of its own, from `start` on."""
    blocks: list[Block] = []
    for stretch in family:
        ends = len(stretch.rows) == 1
        path = tuple(blocks[number].place for number in stretch.path)
        size = stretch.stop - stretch.start
        blocks.append(Block(stretch.rows[0], 1, start, size, nodes if ends else 0, path, ends))
        start = blocks[-1].place.stop
    return blocks


@dataclass(frozen=True)
class Packed:
    """Blocks as the model takes them.

    Attributes:
        ids, positions: shape (packed length,).
        ends: numbers of the packed tokens whose hidden states are wanted: for each row the last of its prompt, then
            its nodes.
    """

    ids: torch.Tensor
    positions: torch.Tensor
    ends: torch.Tensor

    @classmethod
    def of(cls, blocks: Sequence[Block], own: Own, prefix: int, tree: ChoiceTree | None) -> Packed:
        """Lay the rows of `blocks` out, whose own parts are `own`, behind a prefix of so many tokens."""
        nodes = tree.tokens.tolist() if tree is not None else []
        depths = tree.depths.tolist() if tree is not None else []
        ids: list[int] = []
        positions: list[int] = []
        ends: list[int] = []
        for block in blocks:
            for row in (own[number] for number in block.rows):
                start, first = len(ids), prefix + block.before
                tokens = row[block.before : block.before + block.prompt]
                size = len(tokens)
                padding = block.prompt - size
                ids += [*tokens, *([0] * padding)]
                positions += [*range(first, first + size), *([first + size - 1] * padding)]
                if block.ends:
                    ids += nodes
                    positions += [first + size + depth for depth in depths]
                    ends += [start + size - 1, *range(start + block.prompt, start + block.length)]
        return cls(torch.tensor(ids), torch.tensor(positions), torch.tensor(ends))
