"""The data audit: all checks of a task that need no model."""

from __future__ import annotations

from collections.abc import Iterable

from advisor.tasks.balance import balance
from advisor.tasks.duplicates import repeated_documents, repeated_inputs
from advisor.tasks.findings import Finding, Severity
from advisor.tasks.leaks import leaks
from advisor.tasks.material import Material
from advisor.tasks.outliers import language_outliers, length_outliers
from advisor.tasks.privacy import privacy

_ORDER: dict[Severity, int] = {"high": 0, "medium": 1, "low": 2}


def audit(material: Material) -> tuple[Finding, ...]:
    """Run all checks and return their findings, most severe first."""
    checks = (repeated_inputs, repeated_documents, leaks, balance, length_outliers, language_outliers, privacy)
    return ranked(finding for check in checks for finding in check(material))


def ranked(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings by severity; those of equal severity keep the order of the checks."""
    return tuple(sorted(findings, key=lambda finding: _ORDER[finding.severity]))
