"""Rerankers of the sentence-transformers kind: cross-encoders, late interaction, sparse encoders."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.local.sentence_model import MODULES, SETTINGS, SentenceModel
from advisor.models.local.source import Source
from advisor.models.reranker import Relevances

if TYPE_CHECKING:
    from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder

PAIRS_AT_ONCE = 32
HINT = "pass a cross-encoder, or an encoder for late interaction or sparse vectors, as sentence-transformers saves them"
_CROSS, _LATE, _SPARSE = "CrossEncoder", "MultiVectorEncoder", "SparseEncoder"
_BY_ARCHITECTURE = {
    "ForSequenceClassification": _CROSS,
    "ForCausalLM": _CROSS,  # by the log-odds of "yes" and "no"
    "HF_ColBERT": _LATE,
    "ForMaskedLM": _SPARSE,  # SPLADE
}


class LocalReranker(SentenceModel):
    """A reranker whose weights run in this process; they are loaded when it is first asked.

    What it is, its folder says: a cross-encoder reads query and text together (a causal language model among them, by
    the log-odds of "yes" and "no"); an encoder for late interaction compares each token of a query with each of a text
    (ColBERT); a sparse encoder weighs the words of both (SPLADE). The last two read each text once for all queries of
    a call.

    Raises:
        UserError: the folder holds none of these.
    """

    called = read_as = "a reranker"
    readable = HINT

    def __init__(self, source: Source, device: torch.device, dtype: torch.dtype) -> None:
        if source.adapter is not None:
            raise UserError(f"{source.id}: is an adapter, and rerankers are taken whole", "pass a merged folder")
        super().__init__(source, device, dtype)
        self.kind = kind_of(source.id, Path(source.path))

    def scores(self, pairs: Sequence[tuple[str, str]]) -> Relevances:
        """As `Reranker.scores`. Texts beyond the model's window are cut.

        Raises:
            UserError: the weights cannot be read, or their scores are not numbers.
        """
        if not pairs:
            return np.zeros(0, dtype=np.float32)
        with clock.stopped():  # loading is not what reranking takes
            model = self._model
        with clock.span("rerank"), torch.inference_mode():
            found = np.asarray(_SCORING[self.kind](model, pairs), dtype=np.float32)
        if found.shape != (len(pairs),):
            raise UserError(f"{self.name}: gives {found[0].size} scores to a pair, and a reranker gives one", HINT)
        if not np.isfinite(found).all():
            called = str(self.dtype).removeprefix("torch.")
            hint = "pass another reranker" if self.dtype == torch.float32 else "--dtype float32"
            raise UserError(f"{self.name}: the reranker's scores are not numbers in {called}", hint)
        return found

    @cached_property
    def _model(self) -> Any:
        import sentence_transformers  # takes seconds, which who ranks nothing anew need not wait

        return self._loaded(getattr(sentence_transformers, self.kind))


def kind_of(name: str, folder: Path) -> str:
    """Which of sentence-transformers' classes reads a folder.

    Args:
        name: of the model, as messages call it.

    Raises:
        UserError: none of those that rerank.
    """
    said = _json(name, folder / SETTINGS).get("model_type") if (folder / SETTINGS).is_file() else None
    named = [str(one) for one in _json(name, folder / "config.json").get("architectures") or ()]
    if said == "ColBERT" or "HF_ColBERT" in named:  # as PyLate and its authors save it
        return _LATE
    if said in _SCORING:
        return str(said)
    if (folder / MODULES).is_file():
        modules = (folder / MODULES).read_text(encoding="utf-8")
        if "sparse_encoder" in modules or "SpladePooling" in modules:
            return _SPARSE
        what = f"{name}: is a sentence embedder, which compares vectors as the retriever does already"
        raise UserError(what, f"--embedder {name}, or {HINT}")
    found = [kind for end, kind in _BY_ARCHITECTURE.items() if any(one.endswith(end) for one in named)]
    if not found:
        raise UserError(f"{name}: is no reranker: its config.json names {', '.join(named) or 'nothing'}", HINT)
    return found[0]


def _json(name: str, path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{name}: {path.name} cannot be read ({type(error).__name__})", "copy it anew") from error
    if not isinstance(found, dict):
        raise UserError(f"{name}: {path.name} holds no object", "copy it anew")
    return found


def _crossed(model: CrossEncoder, pairs: Sequence[tuple[str, str]]) -> Any:
    return model.predict(list(pairs), batch_size=PAIRS_AT_ONCE, show_progress_bar=False)


def _late(model: MultiVectorEncoder, pairs: Sequence[tuple[str, str]]) -> Any:
    queries, texts, places = _apart(pairs)
    asked = model.encode_query(queries, show_progress_bar=False)
    read = model.encode_document(texts, show_progress_bar=False)
    scores = model.similarity_pairwise([asked[q] for q, _ in places], [read[t] for _, t in places])
    return scores.float().cpu().numpy()


def _sparse(model: SparseEncoder, pairs: Sequence[tuple[str, str]]) -> Any:
    queries, texts, places = _apart(pairs)
    asked = model.encode_query(queries, show_progress_bar=False, convert_to_tensor=True)
    read = model.encode_document(texts, show_progress_bar=False, convert_to_tensor=True)
    scores = model.similarity(asked, read)
    whole = (scores.to_dense() if scores.is_sparse else scores).float().cpu().numpy()
    return [whole[place] for place in places]


def _apart(pairs: Sequence[tuple[str, str]]) -> tuple[list[str], list[str], list[tuple[int, int]]]:
    """Each query and each text once, and which of them each pair is."""
    queries, texts = (list(dict.fromkeys(part)) for part in zip(*pairs, strict=True))
    query, text = ({one: at for at, one in enumerate(part)} for part in (queries, texts))
    return queries, texts, [(query[asked], text[read]) for asked, read in pairs]


_SCORING: dict[str, Callable[..., Any]] = {_CROSS: _crossed, _LATE: _late, _SPARSE: _sparse}
