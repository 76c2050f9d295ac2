"""What retrieval may ask of a reranker, wherever it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Relevances = NDArray[np.float32]


class Reranker(Protocol):
    """Tells how well texts answer queries, reading both together; slower than comparing vectors, and better."""

    @property
    def name(self) -> str: ...
    @property
    def revision(self) -> str: ...

    def scores(self, pairs: Sequence[tuple[str, str]]) -> Relevances:
        """One number for each pair of a query and a text, float32, shape (len(pairs),); higher is better."""
        ...
