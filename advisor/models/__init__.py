"""The language model: prompts, scoring and generation, names to weights, embedders."""

from advisor.models.language_model import (
    AnswersMany,
    Decoding,
    Embedder,
    Generation,
    LanguageModel,
    ReadsInPart,
    ReadsText,
    Scores,
    SetsThreads,
    Vectors,
    Weights,
    asked_at_once,
    cut_by,
    note_of_cut,
    shares_of,
    window_of,
)
from advisor.models.local.allocator import keep_memory
from advisor.models.prompt import Context, Passage, Prompt, Shot

__all__ = [
    "AnswersMany",
    "Context",
    "Decoding",
    "Embedder",
    "Generation",
    "LanguageModel",
    "Passage",
    "Prompt",
    "ReadsInPart",
    "ReadsText",
    "Scores",
    "SetsThreads",
    "Shot",
    "Vectors",
    "Weights",
    "asked_at_once",
    "cut_by",
    "note_of_cut",
    "shares_of",
    "window_of",
]

keep_memory()  # here, since this package is imported before torch is
