"""By what passages are embedded, and how and where their vectors are kept: as a builder's parameters say it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

from advisor.errors import UserError
from advisor.models import Embedder, LanguageModel
from advisor.models.hosted.address import Address
from advisor.models.load import embedder_beside
from advisor.tasks import Task
from rag.flat import Precision
from rag.registry import searcher
from rag.stores.addresses import check_name, place_of
from rag.stores.contract import LOCAL, Keeping

WITHOUT_VECTORS = {"store": LOCAL, "embedder": "", "dimensions": 0, "vectors": "float"}
"""What these parameters are where nothing is embedded."""
ASKED = 200  # training questions by which it is told what is lost by keeping less


@dataclass(frozen=True, slots=True)
class Vectoring:
    """The parameters `store`, `embedder`, `dimensions` and `vectors` of `Rag`.

    Attributes:
        name: of the builder, for errors.
    """

    name: str
    store: str
    embedder: str
    dimensions: int
    vectors: Precision

    def check(self, retriever: str) -> None:
        """Whether they are known and go together.

        Raises:
            UserError: they are not, or the retriever has no vectors.
        """
        if "://" in self.embedder:
            Address.of(self.embedder)  # which refuses an address with a secret, before it stands in a record
        check_name(self.store)
        if self.vectors not in get_args(Precision):
            raise UserError(f"{self.name}: vectors={self.vectors} is unknown", "choose float, int8 or binary")
        if self.dimensions < 0:
            what = f"{self.name}: dimensions={self.dimensions} is less than none"
            raise UserError(what, f"choose how many numbers of a vector are kept, e.g. {self.name}:dimensions=128")
        if self.store != LOCAL and self.vectors != "float":
            raise UserError(
                f"{self.name}: vectors={self.vectors} is for store={LOCAL}; others quantise as they are set up",
                "leave out one of them",
            )
        said = any(getattr(self, parameter) != value for parameter, value in WITHOUT_VECTORS.items())
        if said and not searcher(retriever).embeds:
            raise UserError(
                f"{self.name}: retriever={retriever} has no vectors, so that store, embedder, dimensions and vectors "
                "say nothing",
                f"leave them out, or search by vectors too: {self.name}:retriever=hybrid",
            )

    def embedder_of(self, model: LanguageModel, local_only: bool = False) -> Embedder:
        """The embedder: the model's unless another one is named.

        Args:
            local_only: whether no text may leave the machine, if the model was not loaded so already.

        Raises:
            UserError: it cannot be had, or a text would leave the machine, to it or to the store.
        """
        offline = local_only or bool((model.loaded_from or {}).get("offline"))
        if self.store != LOCAL:
            place_of(self.store).check(offline)
        return embedder_beside(model, self.embedder, offline) if self.embedder else model.embedder

    def keeping(self, task: Task) -> Keeping:
        """How vectors are kept."""
        asked = tuple(example.input for example in task.train[:ASKED])
        return Keeping(self.store, self.vectors, self.dimensions, asked)

    def notes(self, embedder: Embedder) -> tuple[str, ...]:
        """What a reader of the report must know."""
        return (f"Passages are embedded by {embedder.name}, as the approach says.",) if self.embedder else ()
