"""A rule tree as baseline for the advice."""

from __future__ import annotations

from advisor.forecast.rules import FEW_LABELS, KNOWN, RIGID
from advisor.tasks.description import Description

MANY_LABELS = 20
"""Classes that a prompt hardly explains: with more, training comes out ahead of prompts (Milios et al. 2023)."""


def advised_by_tree(description: Description, documents_change: bool) -> str:
    """What a decision tree as guides publish it names: documents with changing facts or answers in them -> `rag`, and
    `rag+lora` where there are many labels as well; behaviour, format or many classes -> `lora`; few labels ->
    `few-shot`; else `zero-shot`.

    Source: the common core of the vendors' guides to RAG against fine-tuning (OpenAI's "Optimizing LLM accuracy",
    2024; Google Cloud's and IBM's comparisons of 2024).
    """
    enough = description.train >= FEW_LABELS
    if description.documents and (documents_change or (description.in_documents or 0.0) >= KNOWN):
        return "rag+lora" if enough and description.rigidity >= RIGID else "rag"
    if enough and (description.labels >= MANY_LABELS or description.rigidity >= RIGID):
        return "lora"
    if description.train:
        return "few-shot" if not enough or description.labels else "lora"
    return "zero-shot"
