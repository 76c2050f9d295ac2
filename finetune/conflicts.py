"""What becomes of the gradients of several tasks in a step: their sum, or what is left where they work against each
other, by torchjd."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch

from advisor.extras import needed
from finetune.training import Conflicts

Gradients = list[torch.Tensor | None]
"""One for each parameter; None where there is none."""
Weighting = Callable[[torch.Tensor], torch.Tensor]


def weighting(how: Conflicts) -> Weighting | None:
    """What the gradients of tasks are multiplied with before they are added up, shape (tasks), told by their inner
    products, shape (tasks, tasks), as its float64 tensor; None where it is always 1.

    Without conflicts it is 1 for either: PCGrad adds up what it has projected, and UPGrad, which takes a mean, is
    weighted so that it does.

    Raises:
        UserError: the library is not installed.
    """
    if how == "none":
        return None
    with needed(f"conflicts={how}: gradient surgery", "several"):
        from torchjd.aggregation import PCGradWeighting, UPGradWeighting
    if how == "pcgrad":
        return PCGradWeighting()
    with needed(f"conflicts={how}: gradient surgery", "several"):
        import qpsolvers  # noqa: F401 - torchjd asks for them in its first step alone
        import quadprog  # noqa: F401
    return lambda products: UPGradWeighting(torch.ones(len(products), dtype=products.dtype))(products)


def combined(tasks: Sequence[Gradients], weigh: Weighting | None) -> Gradients:
    """One gradient for each parameter of those of the tasks.

    Where one of them is no number, they are added up: whoever takes the step sees it then.
    """
    weights = [1.0] * len(tasks)
    if weigh is not None:
        products = _products(tasks)
        if torch.isfinite(products).all():
            weights = weigh(products).tolist()
    return [_weighted(found, weights) for found in zip(*tasks, strict=True)]


def _weighted(found: Sequence[torch.Tensor | None], weights: Sequence[float]) -> torch.Tensor | None:
    there = [(one, weight) for one, weight in zip(found, weights, strict=True) if one is not None]
    if not there:
        return None
    total = there[0][0] * there[0][1]
    for one, weight in there[1:]:
        total.add_(one, alpha=weight)
    return total


def _products(tasks: Sequence[Gradients]) -> torch.Tensor:
    """The inner products of the tasks' gradients, summed in float64."""
    found = torch.zeros(len(tasks), len(tasks), dtype=torch.float64)
    for one in zip(*tasks, strict=True):
        there = [number for number, gradient in enumerate(one) if gradient is not None]
        if there:
            flat = torch.stack([one[number].float().flatten() for number in there])
            at = torch.tensor(there)
            found[at[:, None], at] += (flat @ flat.T).double().cpu()
    return found
