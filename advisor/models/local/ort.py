"""ONNX graphs run by ONNX Runtime on the processor: the one home of that runtime.

Nothing of the engine computes here, nor does torch: what was exported is tried as others will run it, with the folder's
own tokenizer and chat template.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from transformers import AutoConfig, AutoTokenizer, GenerationConfig

from advisor.errors import UserError
from advisor.extras import needed
from advisor.models.adaptation import Adaptation
from advisor.models.embedder import Embedder, Vectors
from advisor.models.language_model import Capabilities, Decoding, Generation, LanguageModel, Scores
from advisor.models.local.batches import ROWS_AT_ONCE
from advisor.models.local.choosing import Tokens, sequences
from advisor.models.local.graphs import EXTRA, GRAPH, READING
from advisor.models.local.loading import window_of
from advisor.models.local.plain import as_it_is
from advisor.models.prompt import Prompt
from advisor.models.render import Encoded, Renderer

Array = NDArray[Any]
READ = ("input_ids", "attention_mask")  # every other input holds what stands before


def runtime() -> str:
    """ONNX Runtime and its version."""
    return f"onnxruntime {version('onnxruntime')}"


def session_of(file: Path) -> Any:
    """A graph, ready to be run on the processor, on as many threads as the runtime chooses.

    Raises:
        UserError: ONNX Runtime is not installed, or does not take the graph.
    """
    with needed(f"{file}: running it", EXTRA):
        import onnxruntime
    try:
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # its errors have no class in common
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise UserError(f"{file}: ONNX Runtime does not load it: {reason}", "export it again") from error


@dataclass(frozen=True, eq=False)
class SentenceGraph:
    """An embedder and the linear map behind it, in one graph.

    Attributes:
        labels: one a score.
        before: stands before every text.
        probable: whether scores are probabilities.
    """

    session: Any
    tokenizer: Any
    labels: tuple[str, ...]
    before: str
    probable: bool

    @classmethod
    def load(cls, folder: Path) -> SentenceGraph:
        """Read what `advisor.models.local.graphs.write_sentence` wrote.

        Raises:
            UserError: as `session_of`.
        """
        reading = json.loads((folder / READING).read_text(encoding="utf-8"))
        session, tokenizer = session_of(folder / GRAPH), AutoTokenizer.from_pretrained(folder)
        probable = reading["scored"] == "probabilities"
        return cls(session, tokenizer, tuple(reading["labels"]), reading["before"], probable)

    def read(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        """Vectors, shape (len(texts), dimension), and scores, shape (len(texts), len(labels)). Texts beyond the model's
        window are cut."""
        parts = [self._read(texts[start : start + ROWS_AT_ONCE]) for start in range(0, len(texts), ROWS_AT_ONCE)]
        vectors, scores = zip(*parts, strict=True)
        return np.concatenate(vectors), np.concatenate(scores)

    def _read(self, texts: Sequence[str]) -> tuple[Vectors, Vectors]:
        given = self.tokenizer([self.before + text for text in texts], padding=True, truncation=True)
        names = [one.name for one in self.session.get_inputs()]
        vectors, scores = self.session.run(None, {name: np.asarray(given[name], dtype=np.int64) for name in names})
        return vectors, scores


class LayerGraph:
    """A language model up to a layer, and the linear map behind it, in one graph; read prompt by prompt.

    Args:
        folder: as `advisor.models.local.graphs.write_layer` wrote it.

    Attributes:
        labels: one a score.
        probable: whether scores are probabilities.

    Raises:
        UserError: as `session_of`.
    """

    def __init__(self, folder: Path) -> None:
        reading = json.loads((folder / READING).read_text(encoding="utf-8"))
        self.labels, self.probable = tuple(reading["labels"]), reading["scored"] == "probabilities"
        self._last = reading["pool"] == "last"
        self._session, self._words = session_of(folder / GRAPH), _Words(folder)

    def read(self, prompts: Sequence[Prompt]) -> tuple[Vectors, Vectors]:
        """Pooled states, shape (len(prompts), size), and scores, shape (len(prompts), len(labels))."""
        vectors, scores = zip(*map(self._read, prompts), strict=True)
        return np.concatenate(vectors), np.concatenate(scores)

    def _read(self, prompt: Prompt) -> tuple[Vectors, Vectors]:
        encoded = self._words.encoded(prompt, 0)
        ids = np.asarray([encoded.ids], dtype=np.int64)
        own = 1 if self._last else len(encoded.ids) - min(encoded.stem, len(encoded.ids) - 1)
        counted = np.zeros(ids.shape, dtype=np.float32)
        counted[:, -own:] = 1 / own
        given = {"input_ids": ids, "attention_mask": np.ones_like(ids), "counted": counted}
        vectors, scores = self._session.run(None, given)
        return vectors, scores


class _Words:
    """Prompts as a folder's own tokenizer and chat template read them."""

    def __init__(self, folder: Path) -> None:
        self.tokenizer: Any = AutoTokenizer.from_pretrained(folder)
        learning = AutoTokenizer.from_pretrained(folder)  # by which prompts are made to fit; it may learn a token
        ends: Any = GenerationConfig.from_pretrained(folder).eos_token_id
        self.ends = frozenset([ends] if isinstance(ends, int) else ends or [])
        window = window_of(AutoConfig.from_pretrained(folder), self.tokenizer)
        self.renderer = Renderer(learning, window, sorted(self.ends))

    def encoded(self, prompt: Prompt, room: int) -> Encoded:
        """A prompt as tokens, with `room` for the answer."""
        return as_it_is(self.tokenizer, self.renderer, prompt, room)


class OnnxModel(LanguageModel):
    """A language model whose graph passes on the keys and values of every token, read prompt by prompt.

    Args:
        folder: holds the graph, its configuration, tokenizer and chat template.
    """

    can = Capabilities(score=True, choose=True, rows_at_once=8)

    def __init__(self, folder: Path, embedder: Embedder) -> None:
        self.name, self.embedder = str(folder), embedder
        self._session = session_of(folder / GRAPH)
        self._empty = {one.name: one for one in self._session.get_inputs() if one.name not in READ}
        self._words = _Words(folder)
        self._renderer, self._tokenizer = self._words.renderer, self._words.tokenizer
        self.context_window = self._renderer.window

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Greedy answers, token by token."""
        return [self._answer(prompt, decoding) for prompt in prompts]

    def _answer(self, prompt: Prompt, decoding: Decoding) -> Generation:
        started = time.perf_counter()
        encoded = self._words.encoded(prompt, decoding.max_tokens)
        logits, past = self._run([encoded.ids], None)
        first, written, text = time.perf_counter() - started, [int(logits[0, -1].argmax())], ""
        while written[-1] not in self._words.ends:
            text = self._tokenizer.decode(written, skip_special_tokens=True)
            if len(written) == decoding.max_tokens or any(stop in text.lstrip() for stop in decoding.stop):
                break
            logits, past = self._run([written[-1:]], past)
            written.append(int(logits[0, -1].argmax()))
        text = decoding.ended(self._tokenizer.decode(written, skip_special_tokens=True))
        return _generation(text, encoded, len(written), (first, time.perf_counter() - started))

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Greedy answers that are held to the choices token by token."""
        rows, tree = sequences(self._renderer, choices)
        found = []
        for prompt in prompts:
            started = time.perf_counter()
            encoded = self._words.encoded(prompt, max(tree.lengths))
            logits, past = self._run([encoded.ids], None)
            first = time.perf_counter() - started
            at: Tokens = ()
            while True:
                allowed = sorted({row[len(at)] for row in rows if row[: len(at)] == at})
                at = (*at, max(allowed, key=lambda token: logits[0, -1, token]))
                if at in rows:
                    break
                logits, past = self._run([at[-1:]], past)
            seconds = (first, time.perf_counter() - started)
            found.append(_generation(choices[rows.index(at)], encoded, len(at), seconds))
        return found

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice, each read behind its whole prompt."""
        rows, tree = sequences(self._renderer, choices)
        found = []
        for prompt in prompts:
            started = time.perf_counter()
            encoded = self._words.encoded(prompt, max(tree.lengths))
            totals = self._totals(encoded.ids, rows)
            seconds = time.perf_counter() - started
            found.append(Scores(totals, tree.lengths, len(encoded.ids), seconds, encoded.dropped, encoded.cut))
        return found

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone."""
        return self._renderer.count(text)

    def logits(self, rows: Sequence[Sequence[int]]) -> Vectors:
        """Of rows of equal length, read from their beginning; float32, shape (rows, tokens, vocabulary)."""
        return self._run(rows, None)[0]

    def _totals(self, ids: Tokens, rows: Sequence[Tokens]) -> tuple[float, ...]:
        """Log-likelihood of each row behind a prompt; what is behind a row's end is not looked at."""
        first, past = self._run([ids], None)
        logits = np.repeat(first[:, -1:], len(rows), axis=0)
        width = max(map(len, rows)) - 1
        if width:
            read = [(*row[:-1], *[row[0]] * (width - len(row) + 1)) for row in rows]
            behind, _ = self._run(read, {name: np.repeat(one, len(rows), axis=0) for name, one in past.items()})
            logits = np.concatenate([logits, behind], axis=1)
        most = logits.max(axis=-1, keepdims=True)
        likely = logits - most - np.log(np.exp(logits - most).sum(axis=-1, keepdims=True))
        return tuple(sum(float(likely[n, p, token]) for p, token in enumerate(row)) for n, row in enumerate(rows))

    def _run(self, rows: Sequence[Sequence[int]], past: dict[str, Array] | None) -> tuple[Vectors, dict[str, Array]]:
        """Logits of rows of tokens behind those before them, and the keys and values of all of these."""
        ids = np.asarray([list(row) for row in rows], dtype=np.int64)
        before = past or {name: _none(one.shape, len(ids)) for name, one in self._empty.items()}
        length = next(iter(before.values())).shape[2]
        mask = np.ones((len(ids), length + ids.shape[1]), dtype=np.int64)
        logits, *kept = self._session.run(None, {"input_ids": ids, "attention_mask": mask, **before})
        return logits, dict(zip(self._empty, kept, strict=True))


def _none(shape: Sequence[Any], rows: int) -> Array:
    """Keys or values of no token; `shape` is (rows, heads, tokens, size), of which the graph fixes heads and size."""
    return np.zeros((rows, int(shape[1]), 0, int(shape[3])), dtype=np.float32)


def _generation(text: str, encoded: Encoded, written: int, seconds: tuple[float, float]) -> Generation:
    return Generation(text, len(encoded.ids), written, *seconds, encoded.dropped, encoded.cut)
