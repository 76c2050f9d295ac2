"""Reading prompts: in packed form, without padding, one behind the other, what they have in common only once; else in
padded rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from typing import Any

import torch

from advisor.models.clock import clock
from advisor.models.local.attention import FOREIGN, packed_attention
from advisor.models.local.beginnings import Beginnings
from advisor.models.local.device import device_of
from advisor.models.local.fused import FusedLayers, known
from advisor.models.local.kv import may_pack, window
from advisor.models.local.packed import Block, Packed, PackedPass, Prefix, Rows, chunks
from advisor.models.local.padded import Beginning, PaddedRows, WholeRows, alone
from advisor.models.local.padded_reader import PaddedReader
from advisor.models.local.prefixes import common
from advisor.models.local.rope import RopeTurn, afresh, alike
from advisor.models.local.scoring import ChoiceTree, scored_in_full
from advisor.models.local.shortage import tell_shortage
from advisor.models.local.start import Start
from advisor.models.render import Encoded

SHORTEST_PREFIX = 8
ROUNDING = 0.05  # of the largest number: more than bfloat16 loses on the way, less than a wrong attention changes


class Reader:
    """Reads rows through a model, in inference mode.

    Args:
        module: the Hugging Face model, in evaluation mode, on its device.

    Attributes:
        packs: whether its rows can be read without padding, one behind the other, as far as they fit its `window`.
        window: tokens of the longest row that can; None where there is no bound.
        fused: reads its layers without Transformers around them, where they are of a known kind and packed.
        key: of the adaptation that the module computes with, by which prefixes are kept apart; empty for its own.
        start: what stands before every row's first token.
    """

    def __init__(self, module: Any) -> None:
        self.module = module
        self.key = ""
        self.start = Start()
        self.window = window(module.config)
        self.turn = RopeTurn.of(module.config)
        self._beginnings = Beginnings()
        self.fused: FusedLayers | None = None
        self.packs = may_pack(module) and agrees(self)
        if self.packs and known(module):
            self.fused = FusedLayers(module)
            if not agrees(self):
                self.fused = None
        if self.launches or not self.packs or self.window is not None or self.turn is not None:
            _ = self.padded  # tried here, not in the first call, which may be under the clock, or train an adapter

    @property
    def device(self) -> torch.device:
        return device_of(self.module)

    @cached_property
    def launches(self) -> bool:
        """Whether launching kernels is what takes time, as on a GPU: rows are then padded, and continued in place."""
        return self.device.type != "cpu"

    def forget(self) -> None:
        """Drop the prefixes kept from earlier calls."""
        self._beginnings.forget()

    def _fused(self) -> FusedLayers | None:
        return self.fused if self.fused is not None and self.fused.holds() else None

    @cached_property
    def padded(self) -> PaddedReader:
        """Reads what is not packed."""
        return PaddedReader(self.module, self.launches, self.window, self.turn is not None)

    @property
    def reads_once(self) -> bool:
        """Whether what prompts have in common is read once for all of them."""
        return (self.packs and not self.launches) or self.padded.goes_on

    @property
    def takes_start(self) -> bool:
        """Whether keys and values may be given that stand before every row's first token."""
        return self.packs_all or self.padded.takes_keys

    @property
    def packs_all(self) -> bool:
        """Whether rows of any length are read in packed form, except where frequencies change."""
        return self.packs and not self.launches and self.window is None

    def packs_rows(self, longest: int) -> bool:
        """Whether rows of at most so many tokens, what all begin with left aside, are read in packed form."""
        fits = self.window is None or self.start.length + longest <= self.window
        return self.packs and not self.launches and fits

    def turn_afresh(self) -> None:
        """Let frequencies that grow with the longest row so far be those of the rows that are read next."""
        if self.turn is not None and self.turn.each:
            afresh(self.module)

    def alike(self, lengths: Sequence[int], more: int) -> Iterator[list[int]]:
        """Numbers of the rows that may be read together; up to `more` tokens may follow each.

        Not every model can be padded, and not every one takes rows of any lengths by the same frequencies.
        """
        for numbers in alike(self.turn, [self.start.length + length for length in lengths], more):
            longest = max((lengths[number] for number in numbers), default=0) + more
            if self.packs_rows(longest) or self._pads(longest):
                yield numbers
                continue
            for length in sorted({lengths[number] for number in numbers}):
                yield [number for number in numbers if lengths[number] == length]

    def _pads(self, longest: int) -> bool:
        """Whether rows of several lengths, up to this one, are read together where they are not packed.

        A sliding window counts the padding behind what all rows begin with.
        """
        habits = self.padded.habits
        padded = habits is None or habits.pads
        return padded and (not self.start.length or self.padded.fits(self.start.length + longest))

    def scores(
        self, rows: Sequence[Encoded], tree: ChoiceTree, head: Callable[[torch.Tensor], torch.Tensor]
    ) -> torch.Tensor:
        """Log-likelihood of each choice behind each prompt, shape (rows, choices).

        Args:
            rows: that may be read together, see `alike`.
            head: from hidden states to logits over the vocabulary.
        """
        longest, deepest = max(len(row.ids) for row in rows), tree.deepest
        across = self._across(longest, deepest)
        if not across and self.packs_rows(longest + deepest):
            hidden, _ = self.read(rows, tree, 0)
        elif across or self.padded.habits is None:
            return scored_in_full(self.module, head, rows, tree)
        else:
            shared = self._shared_padded(rows, len(tree.tokens), deepest)
            beginning = self._beginning(rows[0].ids[:shared])
            own = [row.ids[shared:] for row in rows]
            with clock.span("prefill", tokens=sum(map(len, own)) + len(own) * len(tree.tokens)):
                hidden = self.padded.nodes(own, beginning, tree)
        with clock.span("score"):
            return tree.totals(hidden, head)

    def begin(self, rows: Sequence[Encoded], room: int) -> tuple[torch.Tensor, Rows | PaddedRows | WholeRows]:
        """Read prompts that `step` continues by up to `room` tokens each.

        Args:
            rows: that may be read together, see `alike`.

        Returns:
            The hidden state of each row's last token, shape (rows, size); and the rows.
        """
        longest = max(len(row.ids) for row in rows)
        across = self._across(longest, room)
        if not across and self.packs_rows(longest + room):
            hidden, packed = self.read(rows, None, room)
            return hidden[:, 0], packed
        turn = self.turn.at if across and self.turn is not None and not self.turn.each else None
        shared = self._shared_padded(rows, room, room)
        beginning = self._beginning(rows[0].ids[:shared])
        own = [row.ids[shared:] for row in rows]
        with clock.span("prefill", tokens=sum(map(len, own))):
            padded = self.padded.begin(own, beginning, room, turn)
            return padded.hidden, padded

    def read(self, rows: Sequence[Encoded], tree: ChoiceTree | None, room: int) -> tuple[torch.Tensor, Rows]:
        """Read the prompts in packed form, what they have in common only once.

        Returns:
            The hidden states of each row's last token and of the tree's nodes behind it, shape (rows, 1 + nodes,
            size); and the rows, with place for `room` tokens more, which `step` continues.
        """
        shared = self._shared_prefix(rows, room)
        prefix = self._prefix(rows[0].ids[:shared]) if shared else self.start.prefix
        own = [row.ids[shared:] for row in rows]
        kept = Rows(prefix, [len(o) for o in own], room, self.device)
        nodes = len(tree.tokens) if tree is not None else 0
        hidden, order = [], []
        parts = list(chunks(own, nodes))
        with clock.span("prefill", tokens=sum(block.tokens(own) for blocks in parts for block in blocks)):
            for blocks in parts:
                clock.alarm()
                reading = PackedPass(blocks, prefix, tree, kept if room else None)
                packed = Packed.of(blocks, own, prefix.length, tree)
                hidden.append(self._packed(packed.ids, packed.positions, reading, packed.ends))
                order += [row for block in blocks if block.ends for row in block.rows]
        found = torch.cat(hidden).view(len(rows), 1 + nodes, -1)
        if order != sorted(order):
            found = found[torch.tensor(order, device=found.device).argsort()]
        return found, kept

    def prefix_of(self, rows: Sequence[Encoded]) -> Prefix:
        """What these rows, which are packed, begin with, read once."""
        shared = self._shared_prefix(rows, 0)
        return self._prefix(rows[0].ids[:shared]) if shared else Prefix()

    def step(self, rows: Rows | PaddedRows | WholeRows, tokens: torch.Tensor) -> torch.Tensor:
        """Continue each row by one token, shape (rows,); returns its hidden state, shape (rows, size)."""
        if not isinstance(rows, Rows):
            return rows.step(tokens)
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
        with packed_attention(self.module):
            output = self.module.base_model(
                input_ids=ids[None], position_ids=positions[None], use_cache=False, attending=attending
            )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden if numbers is None else hidden[numbers]

    def _side(self, longest: int, more: int) -> str:
        return self.turn.side(longest, more) if self.turn is not None else "short"

    def _across(self, longest: int, more: int) -> bool:
        """Whether these rows cross the turn, for which frequencies are then made ready.

        Raises:
            UserError: they do not stay before it behind keys that were given, which have the frequencies of short rows.
        """
        self.turn_afresh()
        side = self._side(self.start.length + longest, more)
        if self.turn is not None and self.start.length and side != "short":
            raise self.turn.beyond(longest + more, self.start.length)
        return side == "across"

    def _shared_prefix(self, rows: Sequence[Encoded], more: int) -> int:
        """How many leading tokens are read once for all rows, which may be read together."""
        shared = min([common([row.ids for row in rows]), *(min(row.stem, len(row.ids) - 1) for row in rows)])
        # What is read by itself has to be on the same side as what it stands before.
        longest = self.start.length + max(len(row.ids) for row in rows)
        turned = self._side(longest, more) != "short" and self._side(shared, 0) != "long"
        return shared if shared >= SHORTEST_PREFIX and not turned else 0

    def _shared_padded(self, rows: Sequence[Encoded], places: int, more: int) -> int:
        shared = self._shared_prefix(rows, more)
        own, before = [row.ids[shared:] for row in rows], self.start.length + shared
        return shared if shared and self.padded.takes(own, before, places) else 0

    def _beginning(self, ids: tuple[int, ...]) -> Beginning | None:
        if not ids:
            return self.start.beginning
        found = self._beginnings.of((self.key, False, ids), lambda: self.padded.beginning(ids, self.start.beginning))
        assert isinstance(found, Beginning)
        return found

    def _prefix(self, ids: tuple[int, ...]) -> Prefix:
        def read() -> Prefix:
            start = self.start.prefix
            rows = Rows(start, [len(ids)], 0, self.device)
            blocks = [Block(0, 1, 0, len(ids), 0)]
            packed = Packed.of(blocks, [ids], start.length, None)
            self._packed(packed.ids, packed.positions, PackedPass(blocks, start, None, rows), packed.ends)
            return start.followed_by(len(ids), rows.layers)

        found = self._beginnings.of((self.key, True, ids), read)
        assert isinstance(found, Prefix)
        return found


@torch.inference_mode()
def agrees(reader: Reader) -> bool:
    """Whether packed rows say what each says alone: not every architecture passes on what packing needs."""
    start = tuple(range(5, 15))
    rows = [Encoded((*start, 15), len(start)), Encoded((*start, 16, 17, 18), len(start))]
    expected = [alone(reader.module, (*row.ids, 19))[-1] for row in rows]
    try:
        _, read = reader.read(rows, None, 1)
        found = reader.step(read, torch.tensor([19, 19], device=reader.device))
    except FOREIGN as error:
        tell_shortage(error)
        return False
    finally:
        reader.forget()
    difference = max(float((f - e).abs().max()) for f, e in zip(found, expected, strict=True))
    return difference < ROUNDING * max(float(e.abs().max()) for e in expected)
