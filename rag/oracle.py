"""`oracle`: the control that is told where the answer is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from advisor.approaches import ContextSource, Shows
from advisor.models import LanguageModel
from advisor.tasks import Document, Task, TaskBrief, TaskShape
from rag.builders import HYBRID, Retrieving, size_of
from rag.index import PassageIndex
from rag.sources import OracleSource


@dataclass(frozen=True)
class Oracle(Retrieving):
    """A control: shows what a perfect retriever would, the passages of the documents that hold the answer.

    Of a document longer than `chunk` words it shows the passages that fit the query best, since all of it
    may fit no prompt; so for long documents it is a little less than perfect. A query without evidence (an
    unanswerable one) gets what `rag` would show: a perfect retriever cannot know that nothing holds the
    answer, and an empty context would give it away.

    Attributes:
        k: most passages shown; the best of each document that holds the answer come first.
        chunk, overlap, split, parent, context, retriever: as in `rag`.
    """

    name: ClassVar[str] = "oracle"
    control: ClassVar[bool] = True
    shows: ClassVar[Shows] = "documents"
    follows_query: ClassVar[bool] = True
    learns: ClassVar[bool] = False
    unasked: ClassVar[bool] = True
    probed_as: ClassVar[str] = "oracle"

    retriever: str = HYBRID

    @property
    def searched_by(self) -> str:
        """The name of its searcher."""
        return self.retriever

    def unsuited(self, task: TaskShape) -> str:
        """There have to be documents, and it has to be known which of them hold the answers."""
        if not task.documents:
            return "there are no documents"
        return "" if task.has_evidence else 'no example says which documents hold its answer ("evidence")'

    def build(self, task: Task, model: LanguageModel, seed: int) -> ContextSource:
        """Chunk and index all documents; the same for every seed."""
        return self._of_documents(self.refined(self.index_of(task, model), model), task.brief)

    def restore(self, folder: Path, task: TaskBrief, model: LanguageModel) -> ContextSource:
        """Bring the index back; of passages no vector is computed again."""
        return self._of_documents(self.index_in(folder, model), task)

    def _of_documents(self, index: PassageIndex, task: TaskBrief) -> ContextSource:
        def renew(documents: Sequence[Document], model: LanguageModel) -> ContextSource:
            return self._of_documents(self.index_after(index, documents, task, model), task)

        return OracleSource(index, self.k, size_of(index), renew)
