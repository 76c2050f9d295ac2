"""Sentence embedders: texts to unit vectors. Beside rerankers the one home of sentence-transformers."""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import cache, cached_property, partial
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
import transformers

from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.embedder import Vectors
from advisor.models.local.batches import ROWS_AT_ONCE
from advisor.models.local.device import device_name
from advisor.models.local.encoder import TEXTS_AT_ONCE, PackedEncoder, padded, reads_packed
from advisor.models.local.linear import arrange
from advisor.models.local.packages import file_sha256
from advisor.models.local.sentence_model import MODULES, SETTINGS, SentenceModel

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

WORTH_A_WORD = 10.0  # seconds of waiting
log = logging.getLogger(__name__)


class SentenceEmbedder(SentenceModel):
    """An embedder of the sentence-transformers kind, loaded when it is first asked."""

    called = "an embedder"
    read_as = "a sentence embedder"
    readable = "pass a folder or a name that sentence-transformers reads"

    @property
    def dimension(self) -> int:
        return int(self._model.get_embedding_dimension() or 0)

    @property
    def window(self) -> int | None:
        """Tokens of a text that it reads, special tokens included; None where all of it is read."""
        return self._model.max_seq_length

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens of each text, special tokens included, whether they are read or not."""
        if not len(texts):
            return []
        prefix, whole = self.before, self._model.tokenizer  # a slow one counts as well
        lengths: list[int] = []
        for start in range(0, len(texts), TEXTS_AT_ONCE):  # of all at once a fast tokenizer keeps 30 KB a text
            part = [prefix + text for text in texts[start : start + TEXTS_AT_ONCE]]
            found: Any = whole(part, truncation=False, padding=False, verbose=False)
            lengths += [len(ids) for ids in found["input_ids"]]
        return lengths

    @property
    def before(self) -> str:
        """What stands before every text that is no query; empty where nothing does."""
        default = self._model.prompts.get(self._model.default_prompt_name or "")
        return (self._told["document"] if self._apart["document"] else default) or ""

    def once_more(self) -> SentenceTransformer:
        """The model read anew in float32, beside the one that answers."""
        return SentenceEmbedder(self.source, self.device, torch.float32)._model

    @property
    def has_own_queries(self) -> bool:
        """Whether the folder says that queries have an instruction of their own, or go through modules of their own."""
        return self._apart["query"]

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension). Texts beyond the model's window are cut."""
        return self._embedded(texts, "document")

    def embed_queries(self, texts: Sequence[str]) -> Vectors:
        """The same of queries, behind the model's instruction for them."""
        return self._embedded(texts, "query")

    def embed_tokens(self, texts: Sequence[str]) -> list[Vectors]:
        """Unit vectors of each text's own tokens, special ones left out, in the last layer; float32, shape (tokens,
        width). Texts beyond the model's window are cut."""
        with clock.stopped():
            model = self._model
        found: list[Vectors] = []
        for start in range(0, len(texts), ROWS_AT_ONCE):
            found += self._token_vectors(model, list(texts[start : start + ROWS_AT_ONCE]))
        return found

    @torch.inference_mode()
    def _token_vectors(self, model: SentenceTransformer, texts: list[str]) -> list[Vectors]:
        with clock.span("embed"):
            features = model.preprocess(texts)
            features = {name: one.to(model.device) if hasattr(one, "to") else one for name, one in features.items()}
            vectors = model[0](features)["token_embeddings"].float()
            unit = torch.nn.functional.normalize(vectors, dim=-1).cpu()
        special = torch.tensor([one for one in _ends_of(model.tokenizer) if one is not None])
        ids, mask = features["input_ids"].cpu(), features["attention_mask"].bool().cpu()
        own = mask & ~torch.isin(ids, special)
        return [np.asarray(row[kept].numpy(), dtype=np.float32) for row, kept in zip(unit, own, strict=True)]

    def _embedded(self, texts: Sequence[str], what: str) -> Vectors:
        unit = torch.nn.functional.normalize(self._vectors(texts, what), dim=-1)
        return np.asarray(unit.cpu().numpy(), dtype=np.float32)

    def _vectors(self, texts: Sequence[str], what: str) -> torch.Tensor:
        """The vectors as the model's modules give them, in float32, shape (len(texts), dimension)."""
        with clock.stopped():  # loading is not what embedding takes, and only the first call would pay for it
            model = self._model
            apart = partial(getattr(model, f"encode_{what}"), prompt=self._told[what])
            read = partial(padded, model, encode=apart) if self._apart[what] else self._read
        if not len(texts):
            return torch.zeros(0, self.dimension)
        vectors = torch.cat(list(self._parts(read, texts)))
        if not bool(torch.isfinite(vectors).all()):
            called = str(self.dtype).removeprefix("torch.")
            hint = "pass another embedder" if self.dtype == torch.float32 else "--dtype float32"
            raise UserError(f"{self.source.id}: the embedder's vectors are not numbers in {called}", hint)
        return vectors.float()

    def _parts(self, read: Callable[[Sequence[str]], torch.Tensor], texts: Sequence[str]) -> Iterator[torch.Tensor]:
        """The vectors part by part; after the first it is said how long the others will take, where that is long."""
        told = False
        began = time.perf_counter()
        for start in range(0, len(texts), TEXTS_AT_ONCE):
            if start:
                left = (time.perf_counter() - began) / start * (len(texts) - start)
                if not told and left > WORTH_A_WORD:
                    log.warning("note: embedding %s texts takes about %.0f s more", f"{len(texts):,}", left)
                    told = True
            with clock.span("embed"):
                yield read(texts[start : start + TEXTS_AT_ONCE])

    def recipe(self) -> dict[str, str]:
        """What besides the weights decides the bits of a vector and the time that it takes."""
        return {
            "dtype": str(self.dtype),
            "device": f"{self.device} ({device_name(self.device)})",
            "threads": str(torch.get_num_threads()),
            "torch": torch.__version__,
            "transformers": transformers.__version__,
            "sentence-transformers": version("sentence-transformers"),
            "code": _code(),
            **({"instructions": json.dumps(self._told)} if any(self._told.values()) else {}),
        }

    @cached_property
    def _told(self) -> dict[str, str]:
        """The instructions before queries and before documents, as the folder gives them; without loading the model."""
        kept = _json_in(Path(self.source.path) / SETTINGS).get("prompts") or {}
        names = {"query": ("query",), "document": ("document", "passage", "corpus")}
        return {what: next((str(kept[name]) for name in of if kept.get(name)), "") for what, of in names.items()}

    @cached_property
    def _apart(self) -> dict[str, bool]:
        """What is embedded otherwise than a text that is neither query nor document."""
        folder = Path(self.source.path)
        default = _json_in(folder / SETTINGS).get("default_prompt_name")
        modules = _json_in(folder / MODULES).get("modules", ())
        routed = any(str(module.get("type", "")).endswith("Router") for module in modules)
        document = routed or bool(self._told["document"]) or bool(default and self._told["query"])
        return {"document": document, "query": document or bool(self._told["query"])}

    @cached_property
    def _model(self) -> SentenceTransformer:
        if self.source.adapter is not None:
            raise UserError(f"{self.source.id}: is an adapter, and embedders are taken whole", "pass a merged folder")
        found: SentenceTransformer = self._loaded(_ready)
        return found

    @property
    def _read(self) -> Callable[[Sequence[str]], torch.Tensor]:
        return self._packed.encode if self._packed else partial(padded, self._model)

    @cached_property
    def _packed(self) -> PackedEncoder | None:
        """The model, read without padding, where this gives the same."""
        model = self._model
        with clock.span("load"):
            return PackedEncoder(model) if reads_packed(model) else None


def _ready(*place: Any, **how: Any) -> SentenceTransformer:
    from sentence_transformers import SentenceTransformer  # seconds, which whoever embeds nothing need not wait for

    model = SentenceTransformer(*place, **how)
    arrange(model)
    model.encode(["a first call readies the device"], show_progress_bar=False)
    return model


def _ends_of(tokenizer: Any) -> tuple[int | None, ...]:
    """The ids of the tokens that a tokenizer puts around a text; that for unknown words is the text's own."""
    names = ("cls_token_id", "sep_token_id", "bos_token_id", "eos_token_id", "pad_token_id")
    return tuple(getattr(tokenizer, name, None) for name in names)


def _json_in(path: Path) -> dict[str, Any]:
    """What a file of a model's folder says; nothing where there is none. A list stands under `modules`."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):  # loading the model will say what is wrong with it
        return {}
    return {"modules": [one for one in found if isinstance(one, dict)]} if isinstance(found, list) else dict(found)


@cache
def _code() -> str:
    """What this room consists of: much of it decides how a text is read."""
    return " ".join(file_sha256(file) for file in sorted(Path(__file__).parent.glob("*.py")))
