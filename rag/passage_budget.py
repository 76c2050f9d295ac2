"""How much a passage may take: of what the embedder reads, and of the prompt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from advisor.approaches.workload import room_beside
from advisor.models import Embedder, LanguageModel, Passage, shares_of
from rag.chunking import Chunk

LEAST = 16  # tokens of a passage, however small the window is


@dataclass(frozen=True)
class Room:
    """The room for one of `k` passages that are shown together, behind an instruction.

    Attributes:
        embeds: whether an embedder reads the chunks too.
        embedder: which one; the model's where None.
    """

    model: LanguageModel
    k: int
    instruction: str
    embeds: bool = True
    embedder: Embedder | None = None

    @property
    def reader(self) -> Embedder:
        """The embedder that reads the chunks."""
        return self.embedder or self.model.embedder

    def shares(self, chunks: Sequence[Chunk]) -> list[float]:
        """How much of it each chunk takes, with its title, by embedder or prompt, whichever is more."""
        most = max(room_beside(self.instruction, self.model) / self.k, LEAST)
        shown = [self._of_prompt(chunk, most) for chunk in chunks]
        if not self.embeds:
            return shown
        return list(map(max, shown, self.read(chunks)))

    def read(self, chunks: Sequence[Chunk]) -> list[float]:
        """How much each chunk takes of what the embedder reads."""
        return shares_of(self.reader, [chunk.embedded for chunk in chunks])

    def _of_prompt(self, chunk: Chunk, most: float) -> float:
        shown = Passage(chunk.source, chunk.title, chunk.text).shown
        size = len(shown.encode("utf-8", "surrogatepass"))  # no token is shorter than a byte
        return size / most if size <= most else self.model.count_tokens(shown) / most
