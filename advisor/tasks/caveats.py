"""The findings of the data audit that a report on results repeats as caveats."""

from __future__ import annotations

from dataclasses import dataclass

from advisor.tasks.balance import balance
from advisor.tasks.duplicates import repeated_inputs
from advisor.tasks.findings import Finding
from advisor.tasks.leaks import leaks
from advisor.tasks.material import Material
from advisor.tasks.task import Task

_TOLD = frozenset(
    {
        "test-input-in-train",
        "near-test-input-in-train",
        "test-input-inside-train-input",
        "test-example-in-instruction",
        "test-group-in-train",
        "test-after-input-in-train",
        "contradictory-answers",
        "label-not-in-train",
        "labels-alike",
        "labels-look-alike",
    }
)
"""Findings that may change which approach wins. The size of the test set is judged from what was measured."""


_LEAKED = frozenset({"test-input-in-train", "near-test-input-in-train", "test-example-in-instruction"})
"""Findings of test examples that an approach may answer from memory."""


@dataclass(frozen=True, slots=True)
class DataFacts:
    """The results of the data audit that a comparison's record keeps.

    Attributes:
        caveats: sentences for a report, each with the first place.
        leaked: share of the test examples, from 0 to 1, whose input also stands in train, dev or the instruction, word
            for word or nearly.
    """

    caveats: tuple[str, ...]
    leaked: float


def data_facts(task: Task) -> DataFacts:
    """Audit a task's examples for what affects a comparison."""
    material = Material(task)
    found = [*balance(material), *leaks(material), *repeated_inputs(material)]
    leaked = {sight.places[0] for finding in found if finding.code in _LEAKED for sight in finding.sights}
    told = (finding for finding in found if finding.code in _TOLD and finding.severity != "low")
    return DataFacts(tuple(map(_sentence, told)), len(leaked) / max(1, len(task.test)))


def data_caveats(task: Task) -> tuple[str, ...]:
    """The caveats of `data_facts` alone."""
    return data_facts(task).caveats


def _sentence(finding: Finding) -> str:
    if not finding.sights:
        return finding.what
    return f"{finding.what} See {' and '.join(map(str, finding.sights[0].places[:2]))}."
