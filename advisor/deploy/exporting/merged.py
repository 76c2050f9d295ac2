"""Merged weights: a model folder as Transformers, vLLM and Text Generation Inference load it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from advisor.approaches.adapted import AdaptedPredictor
from advisor.deploy.exporting.asked import asked_through, prompted
from advisor.deploy.exporting.contract import Exactness, ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.models import Prompt
from advisor.models.local.engine import LocalModel
from advisor.models.local.plain import RUNTIME, plain
from advisor.models.local.saving import cannot_save, differing_prompts, differing_weights, save_whole


class MergedWeights(Exporter):
    """Safetensors with tokenizer, chat template and generation config; of a row whose weights are the base model's, those.

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
        trusted = bool((row.model.loaded_from or {}).get("trust_remote_code"))
        yield asked_through(row, plain(folder, row.model.embedder, row.model.device, trusted), RUNTIME)

    def exactness(self, row: FittedRow, folder: Path, prompts: Sequence[Prompt]) -> Exactness:
        """Whether every tensor is the one that answered, and every prompt comes to the same tokens."""
        assert isinstance(row.model, LocalModel)
        predictor = prompted(row.predictor)
        tensors, other = differing_weights(row.model, predictor.adaptation, folder)
        read, unlike = differing_prompts(row.model, folder, prompts, predictor.asker.decoding.max_tokens)
        facts = {"tensors": tensors, "tensors_identical": tensors - len(other)}
        facts |= {"prompts": read, "prompts_of_identical_tokens": read - len(unlike)}
        if other:
            return Exactness(facts, f"{len(other)} of {tensors} tensors are not those that were measured ({other[0]})")
        if unlike:
            return Exactness(
                facts,
                f"{len(unlike)} of {read} prompts come to other tokens by the exported tokenizer and chat template",
            )
        return Exactness(facts)


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
