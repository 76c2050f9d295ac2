"""The language model: prompts, scoring and generation, names to weights, embedders."""

from advisor.models.embedder import Embedder, Vectors
from advisor.models.language_model import Decoding, Generation, LanguageModel, Scores, Weights
from advisor.models.prompt import Context, Passage, Prompt, Shot

__all__ = [
    "Context",
    "Decoding",
    "Embedder",
    "Generation",
    "LanguageModel",
    "Passage",
    "Prompt",
    "Scores",
    "Shot",
    "Vectors",
    "Weights",
]
