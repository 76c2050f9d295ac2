"""Reading prompts in packed form: without padding, one behind the other, what they have in common only once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch

from advisor.models.clock import clock
from advisor.models.local.attention import NotPassedOn, packed_attention
from advisor.models.local.fused import FusedLayers, known
from advisor.models.local.kv import may_pack
from advisor.models.local.packed import Block, Packed, PackedPass, Prefix, Rows, chunks
from advisor.models.local.prefixes import common
from advisor.models.local.scoring import ChoiceTree
from advisor.models.render import Encoded

SHORTEST_PREFIX = 8
PREFIXES_KEPT = 4
ROUNDING = 0.05  # of the largest number: more than bfloat16 loses on the way, less than a wrong attention changes


class Reader:
    """Reads packed rows through a model, in inference mode.

    Args:
        module: the Hugging Face model, in evaluation mode, on its device.

    Attributes:
        packs: whether its rows can be read without padding, one behind the other; else they have to be padded.
        fused: reads its layers without Transformers around them, where they are of a known kind and packed.
        key: of the adaptation that the module computes with, by which prefixes are kept apart; empty for its own.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.key = ""
        self._prefixes: OrderedDict[tuple[str, tuple[int, ...]], Prefix] = OrderedDict()
        self.fused: FusedLayers | None = None
        self.packs = may_pack(module) and self._packing_agrees()
        if self.packs and known(module):
            self.fused = FusedLayers(module)
            if not self._packing_agrees():
                self.fused = None

    @property
    def device(self) -> torch.device:
        return torch.device(self.module.device)

    def forget(self) -> None:
        """Drop the prefixes kept from earlier calls."""
        self._prefixes.clear()

    def packed(self) -> AbstractContextManager[None]:
        """While the block runs, packed rows can be read: fused layers need not be told, a module's attention is."""
        return nullcontext() if self._fused() else packed_attention(self.module)

    def _fused(self) -> FusedLayers | None:
        return self.fused if self.fused is not None and self.fused.holds() else None

    def read(self, rows: Sequence[Encoded], tree: ChoiceTree | None, room: int) -> tuple[torch.Tensor, Rows]:
        """Read the prompts in packed form, what they have in common only once.

        Returns:
            The hidden states of each row's last token and of the tree's nodes behind it, shape (rows, 1 + nodes,
            size); and the rows, with place for `room` tokens more, which `step` continues.
        """
        shared = self._shared_prefix(rows)
        prefix = self._prefix(rows[0].ids[:shared]) if shared else Prefix()
        own = [row.ids[shared:] for row in rows]
        kept = Rows(prefix, [len(o) for o in own], room, self.device)
        nodes = len(tree.tokens) if tree is not None else 0
        hidden, order = [], []
        parts = list(chunks(own, nodes, self.device))
        with clock.span("prefill", tokens=sum(block.tokens(own) for blocks in parts for block in blocks)):
            for blocks in parts:
                clock.alarm()
                reading = PackedPass(blocks, prefix, tree, kept if room else None)
                packed = Packed.of(blocks, own, shared, tree)
                hidden.append(self._packed(packed.ids, packed.positions, reading, packed.ends))
                order += [row for block in blocks if block.ends for row in block.rows]
        found = torch.cat(hidden).view(len(rows), 1 + nodes, -1)
        if order != sorted(order):
            found = found[torch.tensor(order, device=found.device).argsort()]
        return found, kept

    def step(self, rows: Rows, tokens: torch.Tensor) -> torch.Tensor:
        """Continue each row by one token, shape (rows,); returns its hidden state, shape (rows, size)."""
        positions = rows.begin_step()
        return self._packed(tokens, positions, rows)

    def _packed(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        attending: PackedPass | Rows,
        wanted: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Last hidden states of the wanted tokens of a packed row, or of all, shape (tokens, size)."""
        ids, positions = ids.to(self.device), positions.to(self.device)
        numbers = wanted.to(self.device) if wanted is not None else None
        if fused := self._fused():
            return fused.read(ids, positions, attending, numbers)
        output = self.module.base_model(
            input_ids=ids[None], position_ids=positions[None], use_cache=False, attending=attending
        )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden if numbers is None else hidden[numbers]

    def _shared_prefix(self, rows: Sequence[Encoded]) -> int:
        shared = min([common([row.ids for row in rows]), *(min(row.stem, len(row.ids) - 1) for row in rows)])
        return shared if shared >= SHORTEST_PREFIX else 0

    def _prefix(self, ids: tuple[int, ...]) -> Prefix:
        key = self.key, ids
        if key not in self._prefixes:
            rows = Rows(Prefix(), [len(ids)], 0, self.device)
            blocks = [Block(0, 1, 0, len(ids), 0)]
            packed = Packed.of(blocks, [ids], 0, None)
            with clock.span("prefill", tokens=len(ids)):
                self._packed(packed.ids, packed.positions, PackedPass(blocks, Prefix(), None, rows), packed.ends)
            self._prefixes[key] = Prefix(len(ids), rows.layers)
            while len(self._prefixes) > PREFIXES_KEPT:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    @torch.inference_mode()
    def _packing_agrees(self) -> bool:
        """Whether packed rows say what each says alone: not every architecture passes on what packing needs."""
        start = tuple(range(5, 15))
        rows = [Encoded((*start, 15), len(start)), Encoded((*start, 16, 17, 18), len(start))]
        expected = [self._alone((*row.ids, 19)) for row in rows]
        try:
            with self.packed():
                _, read = self.read(rows, None, 1)
                found = self.step(read, torch.tensor([19, 19], device=self.device))
        except NotPassedOn:
            return False
        finally:
            self._prefixes.clear()
        difference = max(float((f - e).abs().max()) for f, e in zip(found, expected, strict=True))
        return difference < ROUNDING * max(float(e.abs().max()) for e in expected)

    def _alone(self, ids: Sequence[int]) -> torch.Tensor:
        """Last hidden state of a text as the model itself reads it, shape (size,)."""
        output = self.module.base_model(input_ids=torch.tensor([ids], device=self.device), use_cache=False)
        hidden: torch.Tensor = output.last_hidden_state[0, -1]
        return hidden
