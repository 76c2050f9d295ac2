"""What follows from the confidences of answers, and from questions that are left without one: calibration, coverage."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from advisor.measuring.records import Comparison
from advisor.verdict.calibration import calibration
from advisor.verdict.coverage import checked, coverage
from advisor.verdict.decision import Row
from advisor.verdict.rows import complete_runs
from advisor.verdict.sample import Sample
from advisor.verdict.sources import abstains, may_abstain


def with_confidences(rows: Sequence[Row], comparison: Comparison, judged: Sequence[Sample], share: float) -> list[Row]:
    """The rows with how far their confidences can be believed, and how good the answers are that they are surest of.

    Args:
        judged: samples of the complete runs.
        share: of the questions that are answered, above 0.

    Raises:
        UserError: it is no share.
    """
    checked(share)
    leaves, runs = may_abstain(comparison), complete_runs(comparison)
    of = {sample.spec: sample for sample in judged}
    found = []
    for row in rows:
        own = [{p.id: p for p in run.predictions} for run in runs if run.spec == row.spec]
        if row.spec not in of or not any(leaves or p.confidence is not None for seed in own for p in seed.values()):
            found.append(row)
            continue
        answers = [[seed[i] for i in comparison.answers] for seed in own]
        sure = np.array([[np.nan if p.confidence is None else p.confidence for p in seed] for seed in answers])
        left = np.array([[leaves and abstains(p) for p in seed] for seed in answers])
        scores = of[row.spec].scores
        found.append(replace(row, calibration=calibration(sure, scores), coverage=coverage(sure, scores, left, share)))
    return found
