"""Texts read by a sentence embedder's encoder without padding, one behind the other in a single row.

The library knows how to read such rows too, but only with a GPU's kernels for attention. What comes before the encoder
and behind it, tokenising and pooling, is the library's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any

import torch
from torch.nn.functional import cosine_similarity, scaled_dot_product_attention

from advisor.models.clock import clock
from advisor.models.local.attention import FOREIGN, by_products, packed_attention
from advisor.models.local.batches import ROWS_AT_ONCE, gathered, halving
from advisor.models.local.kv import may_pack, passing_bytes, window
from advisor.models.local.shortage import give_back, not_enough, out_of_memory, tell_shortage

TOKENS_AT_ONCE = 8192  # of a batch
TEXTS_AT_ONCE = 1024  # that are tokenised together
SHORT = 100  # tokens; shorter texts of one length are attended in one call, of longer ones each is worth its own
APART = 1e-3  # of the cosine of a text's two vectors; a wrong position moves it further, bfloat16 by 1e-4
LONGEST = 2048  # tokens; of a longer text the logits of all tokens together would take too much memory
TRIED = ("A short text.", "A second one, which is somewhat longer than the first, so that it has to be padded.")


class PackedEncoder:
    """Embeds texts as sentence-transformers' `encode` does, in fewer operations.

    Args:
        model: a `SentenceTransformer` for which `reads_packed` is true.
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self.module = model[0].auto_model
        self._first = _first_position(self.module)

    @torch.inference_mode()
    def encode(self, texts: Sequence[str]) -> torch.Tensor:
        """Vectors in the model's dtype, shape (len(texts), dimension). Texts beyond the model's window are cut."""
        starts = range(0, len(texts), TEXTS_AT_ONCE)
        return torch.cat([self._encode(list(texts[start : start + TEXTS_AT_ONCE])) for start in starts])

    def _encode(self, texts: list[str]) -> torch.Tensor:
        features = self.model.preprocess(texts)
        kept = features["attention_mask"].bool()
        rows = [ids[mask] for ids, mask in zip(features["input_ids"], kept, strict=True)]
        if not all(map(len, rows)):
            return padded(self.model, texts)
        order = sorted(range(len(rows)), key=lambda i: (-len(rows[i]), i))
        vectors: dict[int, torch.Tensor] = {}

        def read(batch: Sequence[int]) -> None:
            numbers = [order[place] for place in batch]
            vectors.update(zip(numbers, self._read([rows[i] for i in numbers]), strict=True))

        def alone(error: Exception, place: int) -> Exception:
            tokens = len(rows[order[place]])
            needs = tokens * passing_bytes(self.module)
            return not_enough(error, f"embedding a text of {tokens:,} tokens", self.model.device, needs)

        for batch in gathered([len(rows[i]) for i in order], TOKENS_AT_ONCE):
            clock.alarm()
            halving(batch, read, alone)
        return torch.stack([vectors[i] for i in range(len(texts))])

    def _read(self, rows: Sequence[torch.Tensor]) -> torch.Tensor:
        """Vectors of the rows of token ids, which are sorted by length; shape (rows, dimension)."""
        lengths = [len(row) for row in rows]
        ids = torch.cat(list(rows))[None]
        positions = torch.cat([torch.arange(length) for length in lengths])[None] + self._first
        with packed_attention(self.module):
            output = self.module(input_ids=ids, position_ids=positions, attending=_Texts(lengths))
        ends = torch.tensor([0, *lengths]).cumsum(0)
        features = {"input_ids": ids, "token_embeddings": output.last_hidden_state, "cu_seq_lens_q": ends}
        for after in list(self.model)[1:]:
            features = after(features)
        vectors: torch.Tensor = features["sentence_embedding"]
        return vectors


def reads_packed(model: Any) -> bool:
    """Whether the encoder of a `SentenceTransformer` says of texts in one row what it says of each; seen by trying."""
    first = model[0]
    module = getattr(first, "auto_model", None)
    if model.device.type != "cpu" or module is None or getattr(first, "transformer_task", "") != "feature-extraction":
        return False
    causal = any(getattr(part, "is_causal", False) for part in module.modules())
    if model.default_prompt_name is not None or causal or not may_pack(module) or window(module.config):
        return False
    expected = padded(model, TRIED).float()
    try:
        found = PackedEncoder(model).encode(TRIED).float()
    except FOREIGN as error:
        tell_shortage(error)
        return False
    return found.shape == expected.shape and bool((cosine_similarity(found, expected) > 1 - APART).all())


def padded(model: Any, texts: Sequence[str], encode: Any = None) -> torch.Tensor:
    """What a `SentenceTransformer` itself says; shape (len(texts), dimension).

    Args:
        encode: its method that is asked; `encode` where None.
    """
    encode = encode or model.encode
    at_once = ROWS_AT_ONCE
    while True:
        try:
            found: torch.Tensor = encode(
                list(texts), batch_size=at_once, show_progress_bar=False, convert_to_tensor=True
            )
            return found
        except Exception as error:
            if not out_of_memory(error):
                raise
            if at_once == 1:
                raise not_enough(error, "embedding a single text", model.device) from error
        at_once //= 2
        give_back()


class _Texts:
    """Attention within each text of a packed row, in both directions.

    Args:
        lengths: of the texts as they lie in the row, sorted.
    """

    def __init__(self, lengths: Sequence[int]) -> None:
        self.groups = list(_groups(lengths))

    def attend(
        self, layer: int, query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float
    ) -> torch.Tensor:
        served = query.shape[0] // key.shape[0]
        if served > 1:
            key, value = (part.repeat_interleave(served, dim=0) for part in (key, value))
        attended = query.new_empty(query.shape[1], query.shape[0], value.shape[-1])
        start = 0
        for length, count in self.groups:
            place = slice(start, start + length * count)
            start = place.stop
            rows, keys, values = (part[:, place].unflatten(1, (count, length)) for part in (query, key, value))
            found = _attention(rows, keys, values, scale)
            attended[place].unflatten(0, (count, length)).copy_(found.permute(1, 2, 0, 3))
        return attended


def _attention(query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, scale: float) -> torch.Tensor:
    """Attention of texts of one length; shapes (heads, texts, tokens, size)."""
    if not by_products(query, query.shape[2]) or query.shape[2] > LONGEST:
        return scaled_dot_product_attention(query, key, value, scale=scale)
    rows, keys, values = (part.flatten(0, 1) for part in (query, key, value))
    logits = torch.baddbmm(query.new_empty(()), rows, keys.transpose(1, 2), beta=0, alpha=scale)
    attended: torch.Tensor = torch.bmm(torch.softmax(logits, -1, out=logits), values)
    return attended.view(*query.shape[:3], -1)


def _groups(lengths: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Lengths, and how many texts of each are attended together."""
    for length, texts in groupby(lengths):
        count = sum(1 for _ in texts)
        yield from [(length, count)] if length < SHORT else [(length, 1)] * count


def _first_position(module: Any) -> int:
    """Where positions begin: with RoBERTa and its family behind the number that stands for padding."""
    for part in module.modules():
        padding = getattr(part, "padding_idx", None)
        if isinstance(padding, int) and isinstance(getattr(part, "position_embeddings", None), torch.nn.Embedding):
            return padding + 1
    return 0
