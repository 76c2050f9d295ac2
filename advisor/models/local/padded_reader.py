"""Prompts read in padded rows, the choices behind them in one pass or as steps on the cache, as the model allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from typing import Any

import torch

from advisor.models.clock import clock
from advisor.models.local.attention import FOREIGN
from advisor.models.local.device import device_of
from advisor.models.local.kv import only_attention
from advisor.models.local.padded import (
    TOKENS_AT_ONCE,
    Beginning,
    Habits,
    Manner,
    PaddedRows,
    WholeRows,
    alone,
    hiding,
    laid_out,
    looks,
    seen,
)
from advisor.models.local.scoring import ChoiceTree
from advisor.models.local.shortage import tell_shortage
from advisor.models.local.start import Start, keys_of

ON_CPU = 4096  # tokens of one forward pass that scores
UNEVEN = 1 / 4  # of the longest row of a pass that another may be shorter by
FEW = 16  # tokens that it may be shorter by in any case
ALONG = 16_384  # tokens in the caches of the paths that are taken at once
TRIED = (
    Habits(goes_on=True, pads=True, masks=True),
    Habits(goes_on=True, pads=True, masks=False),
    Habits(goes_on=False, pads=True, masks=False),
    Habits(goes_on=False, pads=False, masks=False),
)

Own = Sequence[tuple[int, ...]]


class PaddedReader:
    """Reads padded rows through a model, in inference mode.

    Args:
        module: the Hugging Face model, in evaluation mode, on its device.
        launches: as of `Reader`.
        window: tokens that a sliding window shows; None where there is none.
        turns: whether frequencies depend on the length of a row.

    Attributes:
        habits: what its cache allows; None where it allows nothing, and rows are read as a whole.
    """

    def __init__(self, module: Any, launches: bool, window: int | None, turns: bool) -> None:
        self.module = module
        self.launches = launches
        self.window = window
        self.turns = turns
        self.habits: Habits | None = None
        self.habits = self._tried()

    def begin(
        self, own: Own, beginning: Beginning | None, room: int, turn: int | None = None
    ) -> PaddedRows | WholeRows:
        """Read rows to be continued by up to `room` tokens each, as in `PaddedRows`."""
        if self.habits is None:
            return WholeRows(self.module, own)
        size = max(map(len, own)) + room + (beginning.length if beginning else 0)
        place = room if self.launches and self.habits.masks and self.fits(size) else None
        return PaddedRows(self.module, own, beginning, Manner(self._in_pieces, turn, place))

    def beginning(self, ids: tuple[int, ...], start: Beginning | None = None) -> Beginning:
        """Read what several rows begin with; `start` is what all rows do."""
        read = PaddedRows(self.module, [ids], start, Manner(self._in_pieces))
        return Beginning(read.width, read.cache)

    def takes(self, own: Own, shared: int, more: int) -> bool:
        """Whether so many shared tokens may be read before the rows' own, behind which up to `more` come.

        Between both there may be padding, which a sliding window would count.
        """
        return self.goes_on and (_even(own) or self.fits(shared + max(map(len, own)) + more))

    def nodes(self, own: Own, beginning: Beginning | None, tree: ChoiceTree) -> torch.Tensor:
        """Hidden states of each row's last token and of the tree's nodes behind it, shape (rows, 1 + nodes, size)."""
        found: list[torch.Tensor] = []
        order: list[int] = []
        most = TOKENS_AT_ONCE if self.launches else ON_CPU
        for chunk in self._chunks(own, len(tree.tokens), most):
            clock.alarm()
            found.append(self._nodes([own[row] for row in chunk], beginning, tree))
            order += chunk
        return torch.cat(found)[torch.tensor(order, device=found[0].device).argsort()]

    def _nodes(self, own: Own, beginning: Beginning | None, tree: ChoiceTree) -> torch.Tensor:
        first, nodes = beginning.length if beginning else 0, len(tree.tokens)
        longest = max(map(len, own))
        masks = self.habits is not None and self.habits.masks and self.fits(first + longest + nodes)
        wanted = len(own) * (longest + nodes) * (first + longest + nodes)
        if masks and nodes and wanted <= looks(self.module):
            return self._at_once(own, beginning, tree)
        rows = PaddedRows(self.module, own, beginning, Manner(self._in_pieces))
        if masks and nodes:
            return torch.cat([rows.hidden[:, None], rows.spread(tree)], dim=1)
        return self._by_steps(rows, tree)

    def _at_once(self, own: Own, beginning: Beginning | None, tree: ChoiceTree) -> torch.Tensor:
        """Prompts and nodes in one pass."""
        first = beginning.length if beginning else 0
        device = device_of(self.module)
        ids, mask = laid_out(own, first)
        longest = ids.shape[1]
        ids = torch.cat([ids, tree.tokens.expand(len(own), -1)], dim=1).to(device)
        ends = mask.sum(1, keepdim=True) + tree.depths
        positions = torch.cat([(mask.cumsum(1) - 1).clamp(min=0)[:, first:], ends], dim=1).to(device)
        bias = hiding(seen(mask.to(device), longest, tree), self.module.dtype)
        cached = {"past_key_values": beginning.of(len(own))} if beginning else {}
        output = self.module.base_model(
            input_ids=ids, attention_mask=bias, position_ids=positions, use_cache=bool(cached), **cached
        )
        hidden: torch.Tensor = output.last_hidden_state[:, longest - 1 :]
        return hidden

    def _by_steps(self, rows: PaddedRows, tree: ChoiceTree) -> torch.Tensor:
        """The nodes behind rows that were read, each path of the tree behind a copy of each row, token by token."""
        count, nodes = len(rows.lengths), len(tree.tokens)
        hidden = rows.hidden.new_empty(count, 1 + nodes, rows.hidden.shape[-1])
        hidden[:, 0] = rows.hidden
        pairs = [(row, path) for path in tree.paths() for row in range(count)]
        most = max(count, ALONG // rows.width)
        for start in range(0, len(pairs), most):
            clock.alarm()
            some = pairs[start : start + most]
            for depth, states in enumerate(rows.along(tree, [row for row, _ in some], [path for _, path in some])):
                there = [place for place, (_, path) in enumerate(some) if depth < len(path)]
                of_rows = [some[place][0] for place in there]
                hidden[of_rows, [1 + some[place][1][depth] for place in there]] = states[there]
        return hidden

    @property
    def goes_on(self) -> bool:
        """Whether rows stand behind what they have in common, which is read by itself."""
        return self.habits is not None and self.habits.goes_on

    @property
    def _in_pieces(self) -> bool:
        """Whether a row may be read so: its beginning is not to have the frequencies of a short one."""
        return self.goes_on and not self.turns

    def fits(self, tokens: int) -> bool:
        """Whether a sliding window hides nothing of so many places; its cache keeps one less than it sees."""
        return self.window is None or tokens < self.window

    def _chunks(self, own: Own, nodes: int, most: int) -> Iterator[list[int]]:
        """Numbers of the rows of each forward pass: of about one length, or of exactly one."""
        assert self.habits is not None
        chunk: list[int] = []
        for row in sorted(range(len(own)), key=lambda row: -len(own[row])):
            longest = len(own[chunk[0]]) if chunk else 0
            apart = longest - len(own[row])
            uneven = apart > max(FEW, UNEVEN * longest) if self.habits.pads else apart > 0
            if chunk and (uneven or (longest + nodes) * (len(chunk) + 1) > most):
                yield chunk
                chunk = []
            chunk.append(row)
        if chunk:
            yield chunk

    @cached_property
    def takes_keys(self) -> bool:
        """Whether rows may stand behind keys and values that are given, which is tried by giving it some of its own."""
        if not self.goes_on or not only_attention(self.module.config):
            return False
        start, rows, tree = tuple(range(5, 15)), [(15,), (16, 17, 18)], ChoiceTree.of([(19, 20, 21), (22, 21)], 0)
        with torch.inference_mode():
            try:
                layers = keys_of(self.module, input_ids=torch.tensor([start], device=device_of(self.module)))
                found = self.nodes(rows, Start.of(self.module, layers, cached=True).beginning, tree)
                expected = self.nodes(rows, self.beginning(start), tree)
            except FOREIGN as error:
                tell_shortage(error)
                return False
        return float((found - expected).abs().max()) < 1e-3 * float(expected.abs().max())

    @torch.inference_mode()
    def _tried(self) -> Habits | None:
        """The first of those to be tried by which rows say what each says alone."""
        start = tuple(range(5, 15))
        rows = [(15,), (16, 17, 18)]
        tree = ChoiceTree.of([(19, 20, 21), (22, 21)], 0)
        expected = []
        for row in rows:
            first, second = (alone(self.module, (*start, *row, *path)) for path in ((19, 20), (22,)))
            expected.append(torch.cat([first[-3:], second[-1:]]))
        for habits in TRIED:
            self.habits = habits
            try:
                found, stepped = self._read_in_trial(start, rows, tree)
            except FOREIGN as error:
                tell_shortage(error)
                continue
            wanted = torch.stack(expected)
            near = (2e-3 if self.module.dtype == torch.float32 else 0.05) * float(wanted.abs().max())
            if max(float((found - wanted).abs().max()), float((stepped - wanted[:, 1]).abs().max())) < near:
                return habits
        return None

    def _read_in_trial(self, start: tuple[int, ...], rows: Own, tree: ChoiceTree) -> tuple[torch.Tensor, torch.Tensor]:
        """States as of `nodes`, and those behind one step."""
        assert self.habits is not None
        beginning = self.beginning(start) if self.goes_on else None
        own = rows if beginning else [(*start, *row) for row in rows]
        found = self.nodes(own, beginning, tree)
        parts = [own] if self.habits.pads else [[row] for row in own]
        token = tree.tokens[:1].to(device_of(self.module))
        stepped = [self.begin(part, beginning, 1).step(token.expand(len(part))) for part in parts]
        return found, torch.cat(stepped)


def _even(own: Own) -> bool:
    return len(set(map(len, own))) == 1
