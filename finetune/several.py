"""Training on several tasks at once, in words."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.approaches import OtherTraining
from finetune.fused.packing import TokenRow
from finetune.minibatches import by_task, in_a_pass
from finetune.training import TrainingSettings

_ORDERS = {
    "length": "The first pass went from the shortest to the longest example (curriculum=length).",
    "loss": "The first pass went from the example on which the untrained model had the least loss to that with the "
    "most (curriculum=loss); finding that read each once.",
}
_SURGERY = {
    "pcgrad": "PCGrad (Yu et al. 2020)",
    "upgrad": "UPGrad (Quinton and Rey 2024)",
}


def notes(settings: TrainingSettings, others: Sequence[OtherTraining], rows: Sequence[TokenRow]) -> Iterator[str]:
    """What a reader of the report has to know of the other tasks and of the order of the examples.

    Args:
        rows: all that were trained on.
    """
    tasks = by_task(rows)
    counts = in_a_pass(tasks, settings.mix)
    for other, count in zip(others, counts[1:], strict=True):
        whole = len(other.examples)
        drawn = f"{count:,} of {whole:,}" if count < whole else f"{count:,}, drawn from {whole:,},"
        yield f"It was trained on {other.name} too: {drawn} examples in each pass (mix={settings.mix})."
        if other.left_out:
            what = "example of it was" if other.left_out == 1 else "examples of it were"
            yield (
                f"{other.left_out:,} training {what} left out, since this task's test set has the same input, word for "
                "word or nearly."
            )
    if settings.conflicts in _SURGERY:
        yield f"What tasks' gradients do against each other was taken out by {_SURGERY[settings.conflicts]}."
    if settings.curriculum in _ORDERS:
        yield _ORDERS[settings.curriculum]
