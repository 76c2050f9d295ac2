"""A tuned encoder and its classifier: how they answer, and how they are written and read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import cast

from safetensors.torch import load_file, save_file

from advisor.approaches import Facts
from advisor.approaches.head import Linear
from advisor.approaches.linear import LinearClassifier
from advisor.errors import NotApplicable
from advisor.models import Vectors
from advisor.models.embedder import EmbedderBehind
from advisor.models.local.trainable import State, TrainableEmbedder

WEIGHTS, BASE = "encoder.safetensors", "base.json"


class AsPooled(EmbedderBehind):
    """An encoder whose vectors are left as long as its pooling makes them."""

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Vectors of any length, float32, shape (len(texts), dimension)."""
        return cast("TrainableEmbedder", self.embedder).pooled(texts)


class TunedClassifier(Linear):
    """A linear classifier on an encoder that was tuned for it.

    Args:
        encoder: the encoder, as it answers.
        state: what training changed in it.
        unit: whether the classifier reads vectors of length 1.
    """

    def __init__(self, classifier: LinearClassifier, encoder: TrainableEmbedder, state: State, *, unit: bool) -> None:
        super().__init__(classifier, encoder if unit else AsPooled(encoder))
        self.encoder = encoder
        self.state = state
        trained = sum(parameter.numel() for parameter in encoder.module.parameters())
        self.facts = Facts(
            artifact_bytes=self.facts.artifact_bytes + sum(t.numel() * t.element_size() for t in state.values()),
            trainable_parameters=self.facts.trainable_parameters + trained,
        )

    def save(self, folder: Path) -> None:
        """Write the classifier, what training changed in the encoder, and which encoder that was."""
        super().save(folder)
        save_file(self.state, folder / WEIGHTS)
        base = {"name": self.encoder.name, "revision": self.encoder.revision}
        (folder / BASE).write_text(json.dumps(base), encoding="utf-8")


def read(folder: Path, encoder: TrainableEmbedder, unit: bool) -> TunedClassifier:
    """Lay what was saved onto an encoder.

    Args:
        encoder: untrained.
        unit: as in `TunedClassifier`.

    Raises:
        NotApplicable: it is not the encoder that was trained.
    """
    base = json.loads((folder / BASE).read_text(encoding="utf-8"))
    if base["revision"] != encoder.revision:
        raise NotApplicable(
            f"it was trained from {base['name']} ({base['revision']}), and the embedder is {encoder.name} "
            f"({encoder.revision})"
        )
    state = load_file(folder / WEIGHTS)
    encoder.put(state)
    encoder.serve()
    return TunedClassifier(LinearClassifier.load(folder), encoder, state, unit=unit)
