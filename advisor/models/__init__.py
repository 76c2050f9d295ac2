"""The language model: prompts, scoring and generation, names to weights, embedders."""

from advisor.models.adaptation import Adaptation, Attached, Merged, Prefixed, Stacked
from advisor.models.embedder import Embedder, Vectors, cut_by, embedded_queries, note_of_cut, shares_of, window_of
from advisor.models.language_model import (
    Capabilities,
    Decided,
    Decoding,
    Generation,
    HiddenStates,
    LabelsBy,
    LanguageModel,
    Scores,
)
from advisor.models.local.allocator import keep_memory
from advisor.models.prompt import Context, Passage, Prompt, Shot, Spent
from advisor.models.reranker import Reranker

__all__ = [
    "Adaptation",
    "Attached",
    "Capabilities",
    "Context",
    "Decided",
    "Decoding",
    "Embedder",
    "Generation",
    "HiddenStates",
    "LabelsBy",
    "LanguageModel",
    "Merged",
    "Passage",
    "Prefixed",
    "Prompt",
    "Reranker",
    "Scores",
    "Shot",
    "Spent",
    "Stacked",
    "Vectors",
    "cut_by",
    "embedded_queries",
    "note_of_cut",
    "shares_of",
    "window_of",
]

keep_memory()  # here, since this package is imported before torch is
