"""The table of claims: one home, and the documents say the same."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

from advisor.verdict.claims import CLAIMS
from advisor.verdict.decision import Decision, DiagnosisItem, Recommendation, Row, Versus

DOCS = Path(__file__).parents[2] / "docs" / "statistics.md"


def test_the_documents_hold_the_table() -> None:
    rows = [line for line in DOCS.read_text().splitlines() if line.startswith("| ")][1:]
    assert rows == [f"| {c.name} | {c.test} | {c.level} | `{c.field}` | {c.words} |" for c in CLAIMS]


def test_each_claim_names_fields_that_exist() -> None:
    owners = (Decision, DiagnosisItem, Recommendation, Row, Versus)
    known = {f.name for owner in owners for f in dataclasses.fields(owner)}
    known |= {"approaches", "low", "high", "guarantee"}
    for claim in CLAIMS:
        assert set(re.findall(r"[a-z_]+", claim.field)) <= known, claim.field
