"""The features that qualities are predicted from: a task's description and the probe readings."""

from __future__ import annotations

import math
from collections.abc import Mapping

from advisor.forecast.observed import FEWEST
from advisor.pilot.readings import Probes
from advisor.tasks.description import Description, Spread

Features = Mapping[str, float | None]
"""Features by name; None where a number has no meaning for the task or was not measured."""

PROBED = ("zero-shot", "few-shot:k=4", "nearest", "head", "oracle", "rag", "recall@3")
"""Readings that are features under their own names."""
OF_SIZE = ("train", "train if labels", "train per answer")
"""Features that only the size of the training set decides."""
ASKED = "examples probed"
"""The least number of examples behind the readings: no feature, but a test whether readings tell approaches apart."""
PERPLEXITY = "perplexity of inputs"


def features(description: Description, kind: str, metric: str, probes: Probes | None) -> dict[str, float | None]:
    """The features of a task with its training set; those of probes only where there are some.

    Counts and lengths as base-2 logarithms, so that doubling counts the same at any size.
    """
    found = {**_size(description, kind), **_form(description, kind, metric), **_documents(description)}
    return found | _probed(probes) if probes else found


def _size(task: Description, kind: str) -> dict[str, float | None]:
    train = math.log2(1 + task.train)
    labelled = kind == "classification" and task.labels
    return {
        "train": train,
        "train if labels": train if labelled else 0.0,
        "train per answer": math.log2(1 + task.train / task.labels) if labelled else 0.0,
        "labels": math.log2(task.labels) if labelled else 0.0,
    }


def _form(task: Description, kind: str, metric: str) -> dict[str, float | None]:
    return {
        "classification": float(kind == "classification"),
        "extraction": float(kind == "extraction"),
        "graded": float(metric in ("token_f1", "squad_f1", "rouge_l", "chrf", "code_f1", "json_f1")),
        "majority": task.majority,
        "input words": _log(task.input_words),
        "answer words": _log(task.target_words),
        "rigidity": task.rigidity,
        "answers seen": task.answers_seen,
        "answer in input": task.in_input,
        "digits in answers": task.digits_in_answers,
    }


def _documents(task: Description) -> dict[str, float | None]:
    return {
        "documents": float(task.documents > 0),
        "answer in documents": task.in_documents if task.documents else 0.0,
        "question overlap": task.question_overlap if task.documents else 0.0,
    }


def _log(lengths: Spread | None) -> float | None:
    return math.log2(1 + lengths.mean) if lengths else None


def _probed(probes: Probes) -> dict[str, float | None]:
    found = {name: probes.value(name) for name in PROBED}
    cheap = [value for name in PROBED[:4] if (value := found[name]) is not None]
    perplexity = probes.value(PERPLEXITY)
    asked = [one.n for one in probes.readings if one.name in PROBED]
    return {
        **found,
        ASKED: math.log2(1 + min(asked, default=0)),
        "best of cheap": max(cheap, default=None),
        PERPLEXITY: math.log2(max(perplexity, 1.0)) if perplexity is not None else None,
    }


def of_profile(found: Features) -> dict[str, float | None]:
    """The features that need no probe."""
    return {name: value for name, value in found.items() if name not in _OF_PROBES}


def telling(found: Features) -> dict[str, float | None]:
    """The features that differences between approaches are predicted from: readings of fewer than `FEWEST` examples are
    left out.
    """
    few = (found.get(ASKED) or 0.0) < math.log2(1 + FEWEST)
    return {name: None if few and name in _READ else value for name, value in found.items()}


_READ = {*PROBED, "best of cheap"}
_OF_PROBES = {*_READ, ASKED, PERPLEXITY}
