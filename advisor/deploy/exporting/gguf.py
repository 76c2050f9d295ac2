"""GGUF: one file with weights, tokenizer and chat template, as llama.cpp and what is built on it load it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import ClassVar

from advisor.deploy.exporting.asked import prompted, read_as
from advisor.deploy.exporting.contract import ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.deploy.exporting.merged import weights_refusal, write_weights
from advisor.errors import NotApplicable, UserError
from advisor.models.hosted.llama_cpp import CONTEXT, llama_cpp, version
from advisor.models.hosted.served import ServedModel
from advisor.models.local.engine import LocalModel
from advisor.models.local.gguf_tokenizer import cannot_tokenize
from advisor.models.local.gguf_writing import KINDS, cannot_write, write_gguf
from advisor.models.local.saving import base_folder
from advisor.plugins import unknown

FILE = "model.gguf"
USUAL = "Q8_0"


class GgufFile(Exporter):
    """A GGUF file of a row that is weights and an instruction.

    Args:
        type: how numbers are written, of `KINDS`.

    Raises:
        UserError: there is no such type.
    """

    name: ClassVar[str] = "gguf"
    library: ClassVar[str] = "gguf"
    lossy: ClassVar[bool] = True
    takes: ClassVar[tuple[str, ...]] = ("type",)

    def __init__(self, type: str = USUAL) -> None:
        if type.upper() not in KINDS:
            raise unknown("type", type, list(KINDS))
        self.kind = type.upper()

    def refusal(self, row: FittedRow) -> str:
        """Where more than weights and an instruction answers, or the family or the tokenizer is not one that is
        written."""
        if why := weights_refusal(row):
            return why
        if row.approach.shows != "nothing":
            return f"{row.run.spec} puts more than the query into its prompts, and a GGUF file holds weights alone"
        assert isinstance(row.model, LocalModel)
        return cannot_write(row.model.module.config.to_dict()) or cannot_tokenize(base_folder(row.model))

    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        """By way of a model folder, which does not stay."""
        with TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}.weights-") as between:
            write_weights(row, Path(between))
            try:
                write_gguf(Path(between), folder / FILE, self.kind, f"{row.brief.name} {row.run.spec}")
            except ValueError as error:
                raise UserError(f"{row.run.spec} as gguf: {error}", "advisor export ... --as merged") from error
        facts = {"format": "GGUF", "precision": self.kind, "runtime": "llama.cpp", "context_tried": self._context(row)}
        start = f"llama-server -m {FILE} --jinja, with the task's instruction (above) as the system message."
        notes = (start, *([] if row.brief.kind == "classification" else [_ending(row)]))
        return ExportedFiles((FILE,), notes, facts)

    @contextmanager
    def reloaded(self, row: FittedRow, folder: Path) -> Iterator[Reloaded]:
        """By llama.cpp's server, asked as any server is; labels by the likelihoods that it tells, and generated under a
        grammar."""
        threads = int(row.model.describe().get("threads") or 1)
        with llama_cpp(folder / FILE, row.model.embedder, row.model.context_window, threads) as model:
            yield _asked(row, model)

    @staticmethod
    def _context(row: FittedRow) -> int:
        return min(row.model.context_window, CONTEXT)


def _ending(row: FittedRow) -> str:
    decoding = prompted(row.predictor).asker.decoding
    stops = f", at {' or '.join(map(repr, decoding.stop))}" if decoding.stop else ""
    return f"Answers were taken greedily, and end at the end of the turn{stops}, or after {decoding.max_tokens} tokens."


def _asked(row: FittedRow, model: ServedModel) -> Reloaded:
    predictor, labels = prompted(row.predictor), row.brief.labels
    if row.brief.kind != "classification":
        return Reloaded(read_as(predictor, model, predictor.asker.labels_by), version())
    held = read_as(predictor, model, "constraint")
    model.labels_by = "likelihood"
    try:
        model.tells_labels_by(labels)
    except NotApplicable:
        return Reloaded(held, version())
    return Reloaded(read_as(predictor, model, "likelihood"), version(), held)
