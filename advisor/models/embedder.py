"""Sentence embedders: texts to unit vectors. The one home of sentence-transformers."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from sentence_transformers import SentenceTransformer

from advisor.errors import UserError
from advisor.models.language_model import Vectors
from advisor.models.source import Source

BATCH = 32


class SentenceEmbedder:
    """An embedder of the sentence-transformers kind, loaded when it is first asked."""

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        self.source = source
        self._device = device
        self._dtype = dtype

    @property
    def name(self) -> str:
        return self.source.id

    @property
    def revision(self) -> str:
        return self.source.revision

    @property
    def dimension(self) -> int:
        return int(self._model.get_embedding_dimension() or 0)

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension). Texts beyond the model's window are cut."""
        vectors = self._model.encode(
            list(texts),
            batch_size=BATCH,
            show_progress_bar=False,
            convert_to_tensor=True,
        )
        if not len(texts):
            return np.zeros((0, self.dimension), dtype=np.float32)
        unit = torch.nn.functional.normalize(vectors.float(), dim=-1)
        return np.asarray(unit.cpu().numpy(), dtype=np.float32)

    @cached_property
    def _model(self) -> SentenceTransformer:
        try:
            return SentenceTransformer(
                str(self.source.path),
                device=str(self._device),
                model_kwargs={"dtype": self._dtype},
                local_files_only=True,
            )
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"{self.source.id}: cannot be loaded as a sentence embedder: {reason}") from error
