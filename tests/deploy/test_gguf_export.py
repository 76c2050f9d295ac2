"""Rows as GGUF from the command's own door: certified by llama.cpp, spoiled ones found, others refused."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
import torch
from gguf import GGUFReader
from transformers import AutoModelForCausalLM, AutoTokenizer

import advisor
from advisor.deploy.exporting.contract import ExportedFiles, FittedRow
from advisor.deploy.exporting.exporting import Export
from advisor.deploy.exporting.gguf import FILE, GgufFile
from advisor.deploy.exporting.questions import questions_of
from advisor.deploy.exporting.registry import exporter_of
from advisor.deploy.exporting.rows import fitted_row
from advisor.deploy.predictors import chosen
from advisor.errors import UserError
from advisor.tasks import Task

needs_llama_cpp = pytest.mark.skipif(
    find_spec("xllamacpp") is None or find_spec("openai") is None,
    reason="llama.cpp is not installed: pip install 'adaptation-advisor[gguf,api]'",
)
LORA, ATTACHED = "lora:rank=2,epochs=1", "lora:rank=2,epochs=1,serve=attached"
SPECS = ("majority", "head", "zero-shot", "few-shot:k=2", LORA, ATTACHED)
Exports = Callable[..., tuple[Any, Path]]


@pytest.fixture(scope="module")
def measured(
    tmp_path_factory: pytest.TempPathFactory, llama_folder: Path, light_task: Task
) -> tuple[advisor.Comparison, Any]:
    """Measured in float32, so that llama.cpp's arithmetic is all that differs, by a model that never writes a part of
    a character: of those llama.cpp's server tells no likelihoods."""
    home = tmp_path_factory.mktemp("gguf")
    shutil.copytree(llama_folder, whole := home / "model")
    module = AutoModelForCausalLM.from_pretrained(whole, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(whole)
    with torch.no_grad():
        for number in range(module.lm_head.weight.shape[0]):
            if "\ufffd" in tokenizer.decode([number]):
                module.lm_head.weight[number] = 0.0
    module.save_pretrained(whole)
    model = advisor.load_model(str(whole), embedder="embedded", device="cpu", dtype="float32")
    run = home / "run"
    return advisor.compare(light_task, model, list(SPECS), out=run, texts=True), model


@pytest.fixture
def exported(measured: tuple[advisor.Comparison, Any], tmp_path: Path, light_task: Task) -> Exports:
    """Exports a row; returns the certificate and where the export lies."""
    comparison, model = measured

    def export(spec: str, exporter: GgufFile) -> tuple[Any, Path]:
        row = fitted_row(comparison, chosen(comparison, spec), model)
        return Export(row, exporter, tmp_path / "out", questions_of(comparison, light_task), 0.02).carry_out()

    return export


@needs_llama_cpp
def test_a_lora_answers_as_measured_and_is_asked_in_both_readings(exported: Exports) -> None:
    certificate, _ = exported(LORA, GgufFile("F32"))
    # Not the generated labels: under a grammar of letters a random model takes other tokens of a label than its own.
    assert (certificate.readings[0].identical, certificate.readings[0].agreement) == (6, 1.0)
    assert certificate.runtime.startswith("llama.cpp (xllamacpp ")
    assert [one.reading for one in certificate.readings] == ["as measured", "generated"]
    assert [one.labels_by for one in certificate.readings] == ["likelihood", "constraint"]
    assert certificate.readings[0].log_probability < 0.05
    assert certificate.facts["precision"] == "F32"


class Spoiled(GgufFile):
    """Writes the weights of another layer's place: a file that loads and answers otherwise."""

    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        found = super().write(row, folder)
        reader = GGUFReader(folder / FILE, "r+")
        for tensor in reader.tensors:
            if tensor.name.endswith("ffn_down.weight"):
                tensor.data[:] = -30 * tensor.data[:]
        reader.data.flush()
        return found


@needs_llama_cpp
def test_a_spoiled_file_is_told_by_how_likely_labels_are(exported: Exports) -> None:
    certificate, _ = exported(LORA, Spoiled("F32"))
    assert certificate.readings[0].log_probability > 0.3


@pytest.mark.parametrize("spec", ["majority", "head", "few-shot:k=2", ATTACHED])
def test_rows_that_are_not_weights_and_an_instruction_are_refused(spec: str, exported: Exports) -> None:
    with pytest.raises(UserError, match="as gguf: ") as caught:
        exported(spec, GgufFile())
    assert "--as bundle" in str(caught.value)


def test_the_type_is_given_behind_the_name() -> None:
    found = exporter_of("gguf:type=q4_0")
    assert isinstance(found, GgufFile)
    assert found.kind == "Q4_0"
    assert isinstance(usual := exporter_of("gguf"), GgufFile)
    assert usual.kind == "Q8_0"
    for wrong in ("gguf:type=Q4_K", "gguf:bits=4", "gguf:type", "merged:type=F16"):
        with pytest.raises(UserError):
            exporter_of(wrong)
