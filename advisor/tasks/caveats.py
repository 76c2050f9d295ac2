"""What a reader of the results should know about the examples: the findings that touch what is compared."""

from __future__ import annotations

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
        "contradictory-answers",
        "label-not-in-train",
        "labels-alike",
    }
)
"""What changes who wins. The size of the test set is judged from what was measured."""


def data_caveats(task: Task) -> tuple[str, ...]:
    """The caveats that the task's examples, as they are, call for; each with the first place."""
    material = Material(task)
    found = [*balance(material), *leaks(material), *repeated_inputs(material)]
    return tuple(_sentence(finding) for finding in found if finding.code in _TOLD and finding.severity != "low")


def _sentence(finding: Finding) -> str:
    if not finding.sights:
        return finding.what
    return f"{finding.what} See {' and '.join(map(str, finding.sights[0].places[:2]))}."
