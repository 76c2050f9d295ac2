"""Rankings against evidence, beside scikit-learn where it has the measure."""

from __future__ import annotations

import random

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from advisor.tasks.ranking import ndcg, ranked, recall, reciprocal_rank


@pytest.mark.parametrize("k", [1, 3, 5, 10])
def test_ndcg_is_that_of_scikit_learn(k: int) -> None:
    rng = random.Random(k)
    documents = [f"d{n}" for n in range(12)]
    for _ in range(50):
        found = rng.sample(documents, 10)
        evidence = rng.sample(documents, rng.randint(1, 4))
        true = np.array([[float(one in evidence) for one in documents]])
        given = np.array([[float(len(found) - found.index(one)) if one in found else 0.0 for one in documents]])
        if sum(one not in found for one in documents) and k == 10:
            given += np.array([[-0.001 * (one not in found) for one in documents]])
        assert ndcg(found, evidence, k) == pytest.approx(float(ndcg_score(true, given, k=k, ignore_ties=True)))


def test_a_document_counts_once_at_its_best_passage() -> None:
    assert ranked(["a", "a", "b", "a"]) == ["a", "b"]
    assert reciprocal_rank(["a", "a", "b"], ["b"]) == 0.5
    assert ndcg(["a", "a", "b"], ["b"], 3) == ndcg(["a", "b"], ["b"], 3)


def test_nothing_found() -> None:
    assert (recall([], ["a"]), reciprocal_rank([], ["a"]), ndcg([], ["a"], 3)) == (0.0, 0.0, 0.0)
    assert recall(["b", "a"], ["a", "a", "c"]) == 0.5
