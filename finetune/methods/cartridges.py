"""Cartridges: a task's documents trained into keys and values in front of every prompt."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from advisor.models.local.engine import LocalModel
from advisor.tasks import Document
from finetune.fused.packing import TokenRow
from finetune.methods.contract import Inserted
from finetune.methods.starts import PrefixMethod
from finetune.raw_text import ids_of, lead, text_of
from finetune.trainer import Trainer
from finetune.training import MOST_EPOCHS, Schedule

PIECE = 256  # tokens of a document that are read in one row
READING = Schedule(epochs=1, batch=4)
SINK = 1  # first tokens that stay as they are, as the authors have it


@dataclass(frozen=True)
class CartridgeMethod(PrefixMethod):
    """Keys and values that begin as those of the documents' first tokens, then learn to say the documents, and are then
    trained on the examples (Eyuboglu et al. 2025, who have a model ask itself about the documents instead).

    Attributes:
        documents: of the task; none where nothing is trained.
        read: tokens of them that are read at most, several times where they are few.
        reading: how they are read.
        known: what they made of it, by the seed by which they were read; they are not read again where training is
            taken out of the model and put back.
    """

    documents: tuple[Document, ...] = ()
    read: int = 0
    reading: Schedule = READING
    known: dict[int, torch.Tensor] = field(default_factory=dict, compare=False, repr=False)

    def begun(self, model: LocalModel) -> Inserted:
        """What the documents made of it."""
        begin = lead(model.renderer)
        texts = list(_first(self.read, _pieces(model, self.documents)))
        ids = (*begin, *(token for text in texts for token in text))[: self.tokens]
        inserted = super(CartridgeMethod, replace(self, ids=ids)).begun(model)
        seed, weight = torch.initial_seed(), inserted.named["weight"]
        if seed not in self.known:
            rows = [TokenRow(begin, 0, text) for text in texts]
            schedule = replace(self.reading, epochs=self._times(sum(map(len, texts))))
            Trainer(model, inserted, schedule).train(rows, (), seed=seed % 2**32)
            self.known[seed] = weight.detach().clone()
        with torch.no_grad():
            weight.copy_(self.known[seed])
        return inserted

    def _times(self, tokens: int) -> int:
        return max(1, min(MOST_EPOCHS, self.read // tokens))

    def notes(self, model: LocalModel) -> tuple[str, ...]:
        """How much was read before the examples."""
        found = sum(map(len, _pieces(model, self.documents)))
        if not found:
            return ()
        much = f"The documents' {found:,} tokens"
        if found > self.read:
            much = f"The first {self.read:,} of the documents' {found:,} tokens"
        times = self._times(found)
        often = "once" if times == 1 else f"{times} times"
        return (f"{much} were read {often}, to learn to say them, before the examples.",)


def _first(tokens: int, pieces: Iterable[tuple[int, ...]]) -> Iterator[tuple[int, ...]]:
    """Pieces of so many tokens together, the last cut short, or all of them."""
    for piece in pieces:
        yield piece[:tokens]
        tokens -= len(piece)
        if tokens <= 0:
            return


def _pieces(model: LocalModel, documents: Sequence[Document]) -> Iterator[tuple[int, ...]]:
    """The documents as tokens, cut where they are long."""
    for document in documents:
        ids = ids_of(model.renderer, text_of(document))
        for start in range(0, len(ids), PIECE):
            yield ids[start : start + PIECE]
