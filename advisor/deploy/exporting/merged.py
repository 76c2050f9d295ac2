"""Merged weights: a model folder as Transformers, vLLM and Text Generation Inference load it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from advisor.approaches.adapted import AdaptedPredictor
from advisor.approaches.asking import Asker
from advisor.deploy.exporting.asked import asked_through, prompted
from advisor.deploy.exporting.contract import Exactness, ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.models import LanguageModel, Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.plain import RUNTIME, plain
from advisor.models.local.saving import (
    asked_plainly,
    cannot_save,
    differing_prompts,
    differing_weights,
    save_whole,
)

ASKED = 48
"""Prompts that the measured weights and the exported ones are asked by the same runtime."""


class MergedWeights(Exporter):
    """Safetensors with tokenizer, chat template and generation config; the base model's own of a row that trains none.

    What stands in the row's prompts beside the query is not in the weights: whoever asks them puts it there.
    """

    name: ClassVar[str] = "merged"

    def refusal(self, row: FittedRow) -> str:
        """Where the row asks no language model by prompts, or its weights are not all that answers."""
        return weights_refusal(row)

    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        """The weights in the number format in which they were measured."""
        write_weights(row, folder)
        precision = str(row.model.describe()["dtype"])
        facts = {"format": "safetensors", "precision": precision, "runtime": "transformers, vLLM, TGI"}
        return ExportedFiles(files_in(folder), beside_weights(row), facts)

    @contextmanager
    def reloaded(self, row: FittedRow, folder: Path) -> Iterator[Reloaded]:
        """By plain Transformers, with the exported tokenizer and chat template."""
        assert isinstance(row.model, LocalModel)
        yield asked_through(row, plain(folder, row.model.embedder, row.model.device, _trusted(row)), RUNTIME)

    def exactness(self, row: FittedRow, folder: Path, prompts: Sequence[Prompt]) -> Exactness:
        """Whether every tensor is the one that answered, every prompt comes to the same tokens, and Transformers makes
        the same of both."""
        assert isinstance(row.model, LocalModel)
        asker = prompted(row.predictor).asker
        tensors, other = differing_weights(row.model, asker.adaptation, folder)
        read, unlike = differing_prompts(row.model, folder, prompts, asker.decoding.max_tokens)
        facts = {"tensors": tensors, "tensors_identical": tensors - len(other)}
        facts |= {"prompts": read, "prompts_of_identical_tokens": read - len(unlike)}
        if other:
            return Exactness(facts, f"{len(other)} of {tensors} tensors are not those that were measured ({other[0]})")
        if unlike:
            said = f"{len(unlike)} of {read} prompts come to other tokens by the exported tokenizer and chat template"
            return Exactness(facts, said)
        some = [prompt for prompt in prompts if prompt.input not in unlike][:ASKED]
        with asked_plainly(row.model, asker.adaptation) as measured:
            before = _answers(measured, some, asker)
        there = plain(folder, row.model.embedder, row.model.device, _trusted(row))
        same = sum(one == two for one, two in zip(before, _answers(there, some, asker), strict=True))
        facts |= {"asked_alike": len(some), "answers_identical": same}
        if same < len(some):
            return Exactness(
                facts,
                f"{RUNTIME} gives the measured weights other answers than the exported ones: "
                f"{len(some) - same} of {len(some)}",
            )
        alike = f"asked by {RUNTIME} alike, the measured weights and the exported ones give the same answers to"
        return Exactness(facts, same=f"{alike} {same} of {len(some)} prompts")


def _answers(model: LanguageModel, prompts: Sequence[Prompt], asker: Asker) -> list[object]:
    """What a model makes of prompts: log-likelihoods of the labels, else what it writes."""
    if asker.labels_by == "likelihood":
        return [one.totals for one in model.score(prompts, asker.task.labels)]
    return [one.text for one in model.generate(prompts, asker.decoding)]


def _trusted(row: FittedRow) -> bool:
    return bool((row.model.loaded_from or {}).get("trust_remote_code"))


def weights_refusal(row: FittedRow) -> str:
    """Why a row is not weights alone, as a sentence without a full stop; empty where it is."""
    if not isinstance(row.predictor, AdaptedPredictor):
        return f"{row.run.spec} does not ask the language model by prompts, so its weights alone answer nothing"
    return cannot_save(row.model, row.predictor.adaptation)


def write_weights(row: FittedRow, folder: Path) -> None:
    """The row's weights as a model folder of Transformers; other formats are made of it."""
    assert isinstance(row.model, LocalModel)
    predictor = prompted(row.predictor)
    save_whole(row.model, predictor.adaptation, predictor.asker.decoding, folder)


def beside_weights(row: FittedRow) -> tuple[str, ...]:
    """What belongs to the row and is not in its weights, in sentences."""
    if row.approach.shows == "nothing":
        return ()
    shown = {"examples": "worked examples", "documents": "passages of documents"}
    what = shown.get(row.approach.shows, "more than the query")
    return (
        f"{row.run.spec} puts {what} into its prompts, which these weights do not hold; whoever asks them has to put "
        "them there (advisor export --as bundle has all of it).",
    )


def files_in(folder: Path) -> tuple[str, ...]:
    """All files of a folder, relative to it, in order."""
    return tuple(sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()))
