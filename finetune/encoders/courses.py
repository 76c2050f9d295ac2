"""What an encoder is trained for: labels, the likeness of texts of one label, words left out."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import torch
from torch import nn
from torch.nn.functional import cross_entropy, normalize
from transformers import AutoModelForMaskedLM, DataCollatorForLanguageModeling

from advisor.errors import NotApplicable
from advisor.models.local.trainable import TrainableEmbedder
from advisor.tasks import Example
from finetune.encoders.course import Course
from finetune.encoders.settings import LabellingSettings

HIDDEN = 0.15  # share of the tokens that are to be told from the others (Devlin et al. 2019)
TOGETHER = 4  # texts of a label in a step at least, where it has so many
AT_ONCE = 128  # held-out texts that are read together


class Contrasting(Course[list[int]]):
    """Texts of one label become alike, of different ones unlike: the cosine of each pair in a step against 1 or 0, both
    kinds counting equally (Tunstall et al. 2022 draw as many pairs of each; here a text that is read meets all others
    of its step).
    """

    def __init__(
        self, encoder: TrainableEmbedder, train: Sequence[Example], held_out: Sequence[Example], batch: int
    ) -> None:
        self.encoder = encoder
        self.module = encoder.module
        self.train = train
        self.judging = held_out if len({e.target for e in held_out}) > 1 else ()
        self.batch = batch

    def epoch(self, rng: random.Random) -> list[list[int]]:
        """Every example once, those of a label in groups, so that there are pairs of both kinds in every step."""
        by_label: dict[str, list[int]] = defaultdict(list)
        for number, example in enumerate(self.train):
            by_label[example.target].append(number)
        together = max(2, min(TOGETHER, self.batch // 2))
        groups = []
        for numbers in by_label.values():
            rng.shuffle(numbers)
            groups += [numbers[at : at + together] for at in range(0, len(numbers), together)]
        rng.shuffle(groups)
        order = [number for group in groups for number in group]
        batches = [order[at : at + self.batch] for at in range(0, len(order), self.batch)]
        if len(batches) > 1 and len(batches[-1]) < self.batch // 2:
            batches[-2:] = [batches[-2] + batches[-1]]
        return batches

    def loss(self, batch: list[int]) -> torch.Tensor:
        """Mean of what pairs of one label miss and what pairs of two miss."""
        return self._apart([self.train[number] for number in batch])

    def held_out(self) -> float | None:
        """The same of all pairs held out."""
        return self._apart(self.judging).item() if self.judging else None

    def _apart(self, examples: Sequence[Example]) -> torch.Tensor:
        vectors = normalize(self.encoder.read([e.input for e in examples]), dim=-1)
        labels = [e.target for e in examples]
        number = {label: i for i, label in enumerate(dict.fromkeys(labels))}
        kinds = torch.tensor([number[label] for label in labels], device=vectors.device)
        above = torch.ones(len(labels), len(labels), dtype=torch.bool, device=vectors.device).triu(1)
        same = (kinds[:, None] == kinds) & above
        missed = (vectors @ vectors.T - same.to(vectors.dtype)).square()
        parts = [missed[pairs].mean() for pairs in (same, above & ~same) if bool(pairs.any())]
        return torch.stack(parts).mean() if parts else missed.sum() * 0.0


class Labelling(Course[list[int]]):
    """The label of each text, by a linear layer on its vector.

    Attributes:
        labels: that train has, sorted.
        head: the layer, of shape (labels, dimension).
    """

    def __init__(
        self,
        settings: LabellingSettings,
        encoder: TrainableEmbedder,
        train: Sequence[Example],
        held_out: Sequence[Example],
    ) -> None:
        self.encoder = encoder
        self.labels = sorted({example.target for example in train})
        self.number = {label: i for i, label in enumerate(self.labels)}
        self.train = train
        self.judging = [example for example in held_out if example.target in self.number]
        self.batch = settings.batch
        self.smoothing = settings.smoothing
        self.dropout = nn.Dropout(settings.dropout)
        self.head = nn.Linear(encoder.dimension, len(self.labels), device=encoder.device)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)
        self.module = nn.ModuleList([encoder.module, self.head, self.dropout])
        self.fresh = list(self.head.parameters())

    def epoch(self, rng: random.Random) -> list[list[int]]:
        """Every example once."""
        order = list(range(len(self.train)))
        rng.shuffle(order)
        return [order[at : at + self.batch] for at in range(0, len(order), self.batch)]

    def loss(self, batch: list[int]) -> torch.Tensor:
        """Cross-entropy."""
        return self._missed([self.train[number] for number in batch], self.smoothing) / len(batch)

    def held_out(self) -> float | None:
        """Mean cross-entropy."""
        if not self.judging:
            return None
        parts = [self.judging[at : at + AT_ONCE] for at in range(0, len(self.judging), AT_ONCE)]
        return sum(self._missed(part, 0.0).item() for part in parts) / len(self.judging)

    def _missed(self, examples: Sequence[Example], smoothing: float) -> torch.Tensor:
        logits = self.head(self.dropout(self.encoder.read([e.input for e in examples])))
        right = torch.tensor([self.number[e.target] for e in examples], device=logits.device)
        return cross_entropy(logits, right, reduction="sum", label_smoothing=smoothing)


class Masking(Course[list[int]]):
    """The tokens that were left out of texts (masked language modelling).

    Attributes:
        module: the encoder's transformer below a layer that tells tokens.
        fresh_head: whether the checkpoint has no layer that tells them, so that one begins at random, tied to the
            embedding of the tokens.

    Raises:
        NotApplicable: the encoder is of a kind that never filled in words.
    """

    def __init__(self, encoder: TrainableEmbedder, texts: Sequence[str], batch: int) -> None:
        self.encoder = encoder
        self.texts = texts
        self.batch = batch
        self.module, self.fresh_head = _with_words(encoder)
        own = {id(p) for p in encoder.module.parameters()}
        self.fresh = [p for p in self.module.parameters() if id(p) not in own] if self.fresh_head else []
        self.hide = DataCollatorForLanguageModeling(encoder.tokenizer, mlm_probability=HIDDEN)

    def epoch(self, rng: random.Random) -> list[list[int]]:
        """Every text once."""
        order = list(range(len(self.texts)))
        rng.shuffle(order)
        return [order[at : at + self.batch] for at in range(0, len(order), self.batch)]

    def loss(self, batch: list[int]) -> torch.Tensor:
        """Cross-entropy of the tokens left out, of which there is one at least."""
        features = self.encoder.features([self.texts[number] for number in batch])
        ids = features["input_ids"].cpu()
        fixed = [self.encoder.tokenizer.get_special_tokens_mask(row, already_has_special_tokens=True) for row in ids]
        given, right = self.hide.torch_mask_tokens(ids.clone(), torch.tensor(fixed))
        if not bool((right >= 0).any()):
            right = torch.where(torch.tensor(fixed).bool(), right, ids)
        with self.encoder.computing():
            said: Any = self.module(input_ids=given.to(self.encoder.device), attention_mask=features["attention_mask"])
        wanted = right.to(self.encoder.device) >= 0
        return cross_entropy(said.logits[wanted].float(), right.to(self.encoder.device)[wanted])

    def held_out(self) -> float | None:
        """None are held out: what is learned here is judged by the labels afterwards."""
        return None


def _with_words(encoder: TrainableEmbedder) -> tuple[nn.Module, bool]:
    """The encoder's transformer below a layer that tells tokens, and whether that begins at random."""
    if encoder.tokenizer.mask_token is None:
        raise NotApplicable(f"the tokenizer of {encoder.name} has no token that stands for a word left out; mlm=false")
    folder = encoder.transformer.name_or_path
    try:
        loaded: Any = AutoModelForMaskedLM.from_pretrained(
            folder, dtype=torch.float32, output_loading_info=True, local_files_only=True
        )
    except (OSError, ValueError) as error:  # a kind of model that Transformers has no such layer for, above all
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise NotApplicable(f"{encoder.name} cannot fill in words left out (mlm): {reason}") from error
    module, found = loaded
    inside = f"{module.base_model_prefix}."
    fresh = any(not name.startswith(inside) for name in found["missing_keys"])
    setattr(module, module.base_model_prefix, encoder.transformer)
    module.to(encoder.device)
    module.tie_weights()
    return module, fresh
