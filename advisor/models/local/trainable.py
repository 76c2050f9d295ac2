"""A sentence embedder with weights of its own, which can be trained; the embedder that it comes from stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any, Literal

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling
from torch import nn

from advisor.errors import NotApplicable
from advisor.models.embedder import Embedder, EmbedderBehind, Vectors
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.linear import arrange

Pooled = Literal["own", "mean", "cls"]
ROWS = ":rows"  # behind a tensor's name: which of its rows the tensor beside it holds
State = dict[str, torch.Tensor]


class TrainableEmbedder(SentenceEmbedder):
    """The same transformer, tokenizer and pooling as `base`, read anew in float32, in which it is trained.

    Behind `serve` it computes in the number format of `base`, and without padding where that may be.

    Args:
        pooling: how a text's vector is made of its tokens', where the embedder's own way is not to be kept.

    Attributes:
        learned: tokens that it has read in training.
    """

    def __init__(self, base: SentenceEmbedder, pooling: Pooled = "own") -> None:
        super().__init__(base.source, base.device, base.dtype)
        self.pooling = pooling
        self.learned = 0

    @property
    def module(self) -> nn.Module:
        """All that can be trained."""
        return self._model

    @property
    def transformer(self) -> Any:
        """The transformer alone, a model of Transformers'."""
        return self._model[0].auto_model

    @property
    def tokenizer(self) -> Any:
        """The tokenizer, of Transformers'."""
        return self._model.tokenizer

    def features(self, texts: Sequence[str]) -> dict[str, torch.Tensor]:
        """A padded batch on the device: `input_ids` and `attention_mask`, of shape (len(texts), tokens)."""
        found = self._model.preprocess(list(texts), prompt=self.before or None)
        if self.transformer.training:
            self.learned += int(found["attention_mask"].sum())
        return {name: value.to(self.device) for name, value in found.items() if isinstance(value, torch.Tensor)}

    def read(self, texts: Sequence[str]) -> torch.Tensor:
        """Vectors before they are brought to length 1, float32, shape (len(texts), dimension), through which gradients
        flow; bfloat16 multiplies where the embedder itself computes in it."""
        with self.computing():
            found = self._model(self.features(texts))
        vectors: torch.Tensor = found["sentence_embedding"]
        return vectors.float()

    def computing(self) -> torch.autocast:
        """While the block runs, float32 weights are multiplied in bfloat16 where the embedder computes in that."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.dtype == torch.bfloat16)

    def pooled(self, texts: Sequence[str]) -> Vectors:
        """The same vectors as `read` gives, without gradients."""
        return np.asarray(self._vectors(texts, "document").cpu().numpy(), dtype=np.float32)

    def changed(self) -> State:
        """What training has changed, in float32 on the CPU, by its name in `module`: whole tensors, and of embeddings
        only the rows, where most are what they were."""
        before = dict(self._own().named_parameters())
        tables = {f"{name}.weight" for name, part in self.module.named_modules() if isinstance(part, nn.Embedding)}
        found: State = {}
        for name, parameter in self.module.named_parameters():
            now, was = parameter.detach(), before[name].detach()
            if torch.equal(now, was):
                continue
            rows = (now != was).flatten(1).any(1).nonzero()[:, 0] if name in tables else None
            if rows is not None and 2 * len(rows) < len(now):
                found[name + ROWS], now = rows.cpu(), now[rows]
            found[name] = now.cpu().clone()
        return found

    @torch.no_grad()
    def put(self, state: State) -> None:
        """Bring back what `changed` gave; the weights are those of the folder, or what is to be replaced of them.

        Raises:
            NotApplicable: it was trained from another embedder.
        """
        own = dict(self.module.named_parameters())
        for name, tensor in state.items():
            if name.endswith(ROWS):
                continue
            rows, there = state.get(name + ROWS), own.get(name)
            shape = None if there is None else (len(rows), *there.shape[1:]) if rows is not None else tuple(there.shape)
            if there is None or shape != tuple(tensor.shape):
                raise NotApplicable(f"what was saved of a tuned encoder does not fit {self.name}: {name}")
            if rows is None:
                there.copy_(tensor)
            else:
                there[rows.to(there.device)] = tensor.to(there.device)

    def serve(self) -> None:
        """Answer from now on, in the number format of the embedder; nothing more is learned."""
        self.module.eval().requires_grad_(False).to(self.dtype)
        arrange(self.module)
        vars(self).pop("_packed", None)  # whether texts may be read without padding is seen anew

    def once_more(self) -> SentenceTransformer:
        """A copy in float32, of what was learned too."""
        copy = self._own()
        copy.load_state_dict(self.module.state_dict())
        return copy.eval()

    @cached_property
    def _model(self) -> SentenceTransformer:
        return self._own()

    def _own(self) -> SentenceTransformer:
        """The model in float32, without the modules behind its pooling that bring vectors to length 1.

        Raises:
            NotApplicable: it has no transformer and pooling of the usual kind.
        """
        with torch.random.fork_rng([]):
            torch.manual_seed(0)  # layers that the folder lacks, as BERT's pooler, begin alike each time
            model = SentenceEmbedder(self.source, self.device, torch.float32)._model
        transformer = getattr(model[0], "auto_model", None)
        if transformer is None or len(model) < 2 or not isinstance(model[1], Pooling):
            kinds = ", ".join(type(part).__name__ for part in model)
            raise NotApplicable(f"{self.name} is no transformer with pooling that can be trained here (it is: {kinds})")
        if self.pooling != "own":
            model[1] = Pooling(int(model[1].embedding_dimension), self.pooling)
        model.set_pooling_include_prompt(True)
        for place in reversed(range(len(model))):
            if isinstance(model[place], Normalize):
                del model[place]
        return model


def trainable(embedder: Embedder, pooling: Pooled = "own") -> TrainableEmbedder:
    """A copy of an embedder that can be trained.

    Raises:
        NotApplicable: its weights are not here, or are none of a transformer with pooling.
    """
    while isinstance(embedder, EmbedderBehind):
        embedder = embedder.embedder
    if not isinstance(embedder, SentenceEmbedder):
        raise NotApplicable(f"the weights of the embedder {embedder.name} are not here to be trained")
    found = TrainableEmbedder(embedder, pooling)
    found.module.requires_grad_(True)
    return found
