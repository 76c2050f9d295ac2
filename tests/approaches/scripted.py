"""A language model that answers by rules: deterministic, without weights, and it remembers what it was asked.

A plain module rather than a fixture, because scripts that tests start in processes of their own use it too.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from advisor.models import Adaptation, Capabilities, Decoding, Generation, LanguageModel, Prompt, Scores, Vectors

SCORES = Capabilities(score=True)
Rule = Callable[[Prompt, str], float]


def words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def overlap(left: str, right: str) -> int:
    return len(set(words(left)) & set(words(right)))


def by_overlap(prompt: Prompt, choice: str) -> float:
    """Log-likelihood of a label: likelier the more words it and its shots share with the input."""
    alike = [overlap(shot.input, prompt.input) for shot in prompt.context.shots if shot.answer == choice]
    said = sum(overlap(p.text, prompt.input) for p in prompt.context.passages if choice in p.text)
    return len(words(choice)) * (-4.0 + 2.0 * overlap(choice, prompt.input) + 0.5 * max(alike, default=0) + 0.1 * said)


def best_passage_or_shot(prompt: Prompt) -> str:
    """The sentence in view that shares most words with the input, else the answer of the most similar shot."""
    sentences = [s for p in prompt.context.passages for s in p.text.split(". ")]
    if sentences:
        return max(sentences, key=lambda s: overlap(s, prompt.input))
    if prompt.context.shots:
        return max(prompt.context.shots, key=lambda s: overlap(s.input, prompt.input)).answer
    return "unknown " + prompt.input


@dataclass
class WordEmbedder:
    """Hashed bags of words; texts that share words are similar. `told` hears of every call."""

    told: Callable[[str, list[str], int], None]
    name: str = "words"
    revision: str = "1"
    dimension: int = 256

    def embed(self, texts: Sequence[str]) -> Vectors:
        self.told("embed", list(texts), 0)
        vectors = np.zeros((len(texts), self.dimension), dtype=np.float32)
        for row, text in enumerate(texts):
            for word in words(text):
                vectors[row, zlib.crc32(word.encode()) % self.dimension] += 1
        norms = np.linalg.norm(vectors, axis=1, keepdims=True)
        return np.asarray(vectors / np.where(norms > 0, norms, 1), dtype=np.float32)


@dataclass
class ScriptedModel(LanguageModel):
    """Answers by `scoring` and `writing`.

    Attributes:
        prompts: every prompt that it was asked, in order; `decodings` likewise.
        told: hears of every call: what was called, the inputs, pieces of context of the first prompt.
    """

    scoring: Rule = by_overlap
    writing: Callable[[Prompt], str] = best_passage_or_shot
    told: Callable[[str, list[str], int], None] = lambda *call: None
    name: str = "scripted"
    revision: str = "r1"
    context_window: int = 512
    facts: dict[str, Any] = field(default_factory=dict)
    prompts: list[Prompt] = field(default_factory=list)
    decodings: list[Decoding] = field(default_factory=list)
    can: Capabilities = SCORES

    def __post_init__(self) -> None:
        self.embedder = WordEmbedder(lambda *call: self.told(*call))

    def count_tokens(self, text: str) -> int:
        return len(words(text))

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        self._hear("generate", prompts)
        self.decodings.append(decoding)
        return [self._answer(prompt, decoding) for prompt in prompts]

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        self._hear("score", prompts)
        lengths = tuple(max(1, self.count_tokens(choice)) for choice in choices)
        return [
            Scores(tuple(self.scoring(p, c) for c in choices), lengths, self._size(p), 0.001, 0, 0) for p in prompts
        ]

    def describe(self) -> dict[str, Any]:
        return {
            "id": self.name,
            "revision": self.revision,
            "quantisation": None,
            "source": "script",
            "dtype": "float32",
            "device": "cpu",
            "device_name": "a script",
            "parameters": 0,
            "context_window": self.context_window,
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
            "caveats": [],
        } | self.facts

    def forget(self) -> None:
        pass

    def peak_memory_bytes(self) -> int | None:
        return 1_000_000

    def _hear(self, call: str, prompts: Sequence[Prompt]) -> None:
        self.prompts += prompts
        self.told(call, [p.input for p in prompts], prompts[0].context.size if prompts else 0)

    def _size(self, prompt: Prompt) -> int:
        texts = [s.input + " " + s.answer for s in prompt.context.shots] + [p.text for p in prompt.context.passages]
        return self.count_tokens(" ".join([prompt.instruction, prompt.input, *texts]))

    def _answer(self, prompt: Prompt, decoding: Decoding) -> Generation:
        text = self.writing(prompt)
        for stop in decoding.stop:
            text = text.split(stop)[0]
        kept = text.split(" ")[: decoding.max_tokens]
        return Generation(" ".join(kept).strip(), self._size(prompt), len(kept), 0.0005, 0.001, 0, 0)
