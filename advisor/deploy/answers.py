"""Answers as JSON has them, whether they are printed or served."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from advisor.approaches import Prediction


def answer_line(prediction: Prediction) -> dict[str, Any]:
    """An answer with its evidence, its confidence, the passages that were found and those that it names."""
    return {
        "id": prediction.id,
        "text": prediction.text,
        "evidence": list(prediction.evidence),
        "confidence": prediction.confidence,
        "passages": [asdict(passage) for passage in prediction.passages],
        **({} if prediction.citations is None else {"citations": cited(prediction)}),
    }


def cited(prediction: Prediction) -> list[dict[str, Any]]:
    """The passages that an answer names: number, document, title and place in it."""
    found = []
    for citation in prediction.citations or ():
        passage = prediction.passages[citation.number - 1]
        found.append({**asdict(citation), "title": passage.title, "where": passage.where})
    return found
