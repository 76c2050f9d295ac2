"""Rows taken elsewhere: written, loaded again by the runtime that they are for, certified; and spoiled ones refused."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import ModelCard
from safetensors.torch import load_file, save_file
from tokenizers import normalizers
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig

import advisor
from advisor.cli import main
from advisor.deploy.exporting.adapter import PeftAdapter
from advisor.deploy.exporting.bundle import Bundle
from advisor.deploy.exporting.certificate import digest_of
from advisor.deploy.exporting.compared import ReadingResult
from advisor.deploy.exporting.contract import ExportedFiles, Exporter, FittedRow
from advisor.deploy.exporting.exporting import Export
from advisor.deploy.exporting.hub import check_push
from advisor.deploy.exporting.merged import MergedWeights
from advisor.deploy.exporting.questions import questions_of
from advisor.deploy.exporting.rows import fitted_row
from advisor.deploy.predictors import chosen
from advisor.errors import UserError
from advisor.models.local.engine import LocalModel
from advisor.tasks import Task
from advisor.verdict.cells import Interval

LORA, ATTACHED, PROMPT, BOTTLENECK = (
    "lora:rank=2,epochs=1",
    "lora:rank=2,epochs=1,serve=attached",
    "prompt:tokens=4,epochs=1",
    "adapter:width=4,epochs=1",
)
WITH_PASSAGES = "rag:k=1+lora:rank=2,epochs=1"
SPECS = (
    *("majority", "nearest", "head", "probe", "zero-shot", "few-shot:k=2", "rag:k=2", LORA, WITH_PASSAGES, ATTACHED),
    *(PROMPT, "prefix:tokens=2,epochs=1", BOTTLENECK, "ia3:epochs=1", "full:epochs=1", "setfit:epochs=1"),
    "encoder:epochs=1",
)
ROOT = Path(__file__).parents[2]
Exports = Callable[..., tuple[Any, Path]]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("exports")


@pytest.fixture(scope="module")
def measured(home: Path, llama_folder: Path, light_task: Task) -> tuple[advisor.Comparison, LocalModel]:
    """A comparison of all kinds of rows on the tiny model, in float32."""
    model = advisor.load_model(str(llama_folder), embedder="embedded", device="cpu", dtype="float32")
    found = advisor.compare(light_task, model, list(SPECS), out=home / "run", texts=True)
    assert isinstance(model, LocalModel)
    return found, model


@pytest.fixture
def exported(measured: tuple[advisor.Comparison, LocalModel], tmp_path: Path) -> Exports:
    """Exports a row; returns the certificate and where the export lies."""
    comparison, model = measured

    def export(spec: str, exporter: Exporter, task: Task | None = None) -> tuple[Any, Path]:
        row = fitted_row(comparison, chosen(comparison, spec), model)
        return Export(row, exporter, tmp_path / "out", questions_of(comparison, task), 0.02).carry_out()

    return export


def document(folder: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((folder / "certificate.json").read_text(encoding="utf-8"))
    return found


@pytest.mark.parametrize("spec", ["zero-shot", "few-shot:k=2", LORA, "full:epochs=1"])
def test_merged_weights_are_those_that_were_measured(spec: str, exported: Exports, light_task: Task) -> None:
    certificate, folder = exported(spec, MergedWeights(), light_task)
    said = document(folder)
    assert (certificate.outcome, said["verdict"], said["passed"]) == ("identical", "identical", True)
    assert {one["reading"] for one in said["compared"]} == {"as measured", "generated"}
    for one in said["compared"]:
        assert (one["test"], one["more"], one["identical"]) == (2, 4, 6)
    assert said["compared"][0]["log_probability"] < 1e-3
    assert said["exact"]["tensors"] == said["exact"]["tensors_identical"] > 20
    assert said["exact"]["prompts"] == said["exact"]["prompts_of_identical_tokens"] >= 6
    assert said["recorded"] == {"identical": 2, "n": 2}
    assert said["sha256"] == digest_of(folder, tuple(said["files"]))


def test_merged_weights_load_as_any_model_folder(exported: Exports) -> None:
    _, folder = exported(LORA, MergedWeights())
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    assert model.dtype == torch.float32
    text = tokenizer.apply_chat_template([{"role": "user", "content": "x"}], tokenize=False, add_generation_prompt=True)
    assert text.endswith("<|turn|>assistant\n")
    assert not any("advisor" in str(token) for token in tokenizer.added_tokens_decoder.values())
    settings = json.loads((folder / "tokenizer_config.json").read_text(encoding="utf-8"))
    assert settings["tokenizer_class"] == "PreTrainedTokenizerFast"
    assert "<|turn|>" in settings["chat_template"]
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["rope_theta"] == config["rope_parameters"]["rope_theta"]
    assert config["torch_dtype"] == "float32"
    generation = GenerationConfig.from_pretrained(folder)
    assert generation.do_sample is False
    assert generation.max_new_tokens >= 1


def test_another_runtime_knows_what_the_weights_do_not_hold(exported: Exports) -> None:
    _, folder = exported("few-shot:k=2", MergedWeights())
    assert "puts worked examples into its prompts" in (folder / "README.md").read_text(encoding="utf-8")


NO_WEIGHTS = {
    "majority": "does not ask the language model",
    "probe": "does not ask the language model",
    ATTACHED: "beside the weights, attached",
    BOTTLENECK: "beside the weights, attached",
    PROMPT: "stands before every prompt",
    "prefix:tokens=2,epochs=1": "stands before every prompt",
}


@pytest.mark.parametrize(("spec", "why"), NO_WEIGHTS.items())
def test_what_is_no_weights_alone_is_refused(spec: str, why: str, exported: Exports, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=why):
        exported(spec, MergedWeights())
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("spec", [LORA, ATTACHED, PROMPT, "ia3:epochs=1", "prefix:tokens=2,epochs=1"])
def test_an_adapter_answers_beside_its_base_as_peft_has_it(spec: str, exported: Exports, light_task: Task) -> None:
    certificate, folder = exported(spec, PeftAdapter(), light_task)
    assert certificate.passed
    assert certificate.readings[0].log_probability < 1e-2
    assert certificate.runtime.startswith("peft ")
    said = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    assert said["base_model_name_or_path"] == "llama"
    assert (folder / "adapter_model.safetensors").is_file()


@pytest.mark.parametrize("spec", ["zero-shot", "head", "full:epochs=1", BOTTLENECK])
def test_what_is_no_adapter_of_pefts_is_refused(spec: str, exported: Exports) -> None:
    with pytest.raises(UserError, match=r"has trained nothing|no single adapter in PEFT's format"):
        exported(spec, PeftAdapter())


def test_bundles_answer_in_another_process_as_was_recorded(
    measured: tuple[advisor.Comparison, LocalModel],
    llama_folder: Path,
    light_task: Task,
    tmp_path: Path,
) -> None:
    comparison, model = measured
    for number, spec in enumerate(SPECS):
        row = fitted_row(comparison, chosen(comparison, spec), model)
        out = tmp_path / "made" / str(number)
        certificate, _ = Export(row, Bundle(), out, questions_of(comparison, None), 0.02).carry_out()
        assert (spec, certificate.outcome) == (spec, "identical")
        assert light_task.test[0].input not in "".join(
            file.read_text(encoding="utf-8") for file in out.rglob("*.jsonl") if "context" not in file.parts
        )
    shutil.move(tmp_path / "made", tmp_path / "elsewhere")
    inputs = [(one.id, one.input) for one in light_task.test]
    code = f"""
import advisor, json
from advisor.measuring.batches import batches
from advisor.tasks import Query
model = advisor.load_model({str(llama_folder)!r}, embedder="embedded", device="cpu", dtype="float32")
queries = [Query(*one) for one in {inputs!r}]
for number in range({len(SPECS)}):
    predictor = advisor.load_predictor(f"elsewhere/{{number}}", None, model)
    found = [one for batch in batches(queries, {comparison.settings["batch"]}) for one in predictor.predict(batch)]
    print(json.dumps({{one.id: [one.text, one.evidence, one.confidence] for one in found}}))
"""
    told = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
        capture_output=True,
        text=True,
        timeout=300,
        check=True,
    ).stdout
    for spec, line in zip(SPECS, told.splitlines(), strict=True):
        recorded = {p.id: [p.text, list(p.evidence), p.confidence] for p in chosen(comparison, spec).predictions}
        assert (spec, json.loads(line)) == (spec, recorded)


class _WrongTemplate(MergedWeights):
    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        written = super().write(row, folder)
        file = folder / "tokenizer_config.json"
        settings = json.loads(file.read_text(encoding="utf-8"))
        settings["chat_template"] = (
            "{% for m in messages %}[{{ m['role'] }}] {{ m['content'] }}\n{% endfor %}[assistant] "
        )
        file.write_text(json.dumps(settings), encoding="utf-8")
        return written


class _TwoBits(MergedWeights):
    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        written = super().write(row, folder)
        tensors = load_file(folder / "model.safetensors")
        name = next(name for name in tensors if name.endswith("layers.1.mlp.up_proj.weight"))
        step = tensors[name].abs().max() / 2
        tensors[name] = (tensors[name] / step).round().clamp(-2, 1) * step
        save_file(tensors, folder / "model.safetensors", {"format": "pt"})
        return written


class _OtherNormaliser(MergedWeights):
    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        written = super().write(row, folder)
        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokenizer.backend_tokenizer.normalizer = normalizers.Replace("the", "a")
        tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
        return written


SPOILED = {_WrongTemplate: "prompts come to other tokens", _TwoBits: "tensors are not those that were measured"}


@pytest.mark.parametrize(("spoiled", "why"), [*SPOILED.items(), (_OtherNormaliser, "prompts come to other tokens")])
def test_a_spoiled_export_fails_and_is_kept_aside(
    spoiled: type[Exporter], why: str, exported: Exports, tmp_path: Path
) -> None:
    certificate, folder = exported("zero-shot", spoiled())
    assert certificate.outcome == document(folder)["verdict"] == "failed"
    assert why in certificate.reasons[0]
    assert [path.name for path in tmp_path.iterdir()] == [folder.name] == ["out.failed"]
    assert "Do not use it" in (folder / "README.md").read_text(encoding="utf-8")


def test_a_lossy_format_is_judged_by_its_answers(exported: Exports) -> None:
    class Rounded(_WrongTemplate):
        lossy = True

    certificate, _ = exported(LORA, Rounded())
    agreed = min(one.agreement for one in certificate.readings)
    assert certificate.passed is (agreed >= 0.9)
    assert not certificate.exact.facts


def _reading(identical: int, low: float, high: float) -> ReadingResult:
    return ReadingResult("as measured", None, 100, 0, identical, difference=Interval((low + high) / 2, low, high))


@pytest.mark.parametrize(
    ("reading", "outcome"),
    [
        (_reading(100, -0.03, 0.03), "identical"),
        (_reading(97, -0.019, 0.01), "equivalent within the margin"),
        (_reading(97, -0.021, 0.01), "not shown to be as good at this n"),
        (_reading(97, -0.05, -0.021), "failed"),
        (_reading(90, -0.01, 0.01), "equivalent within the margin"),
        (_reading(89, -0.01, 0.01), "failed"),
    ],
)
def test_the_outcome_follows_the_margin_and_the_agreement(reading: ReadingResult, outcome: str) -> None:
    assert reading.outcome(0.02)[0] == outcome


def test_the_card_is_the_hubs_and_holds_no_text_of_the_task(exported: Exports, light_task: Task) -> None:
    certificate, folder = exported(LORA, MergedWeights())
    text = (folder / "README.md").read_text(encoding="utf-8")
    card = ModelCard(text)
    assert card.data.library_name == "transformers"
    assert card.data.eval_results[0].metric_value == certificate.readings[0].exported.value
    assert card.data.license == "unknown"
    assert light_task.instruction in text
    assert light_task.fingerprint in text
    assert not any(one.input in text for one in (*light_task.test, *light_task.train))


def test_the_command_line_says_what_does_not_fit(
    measured: tuple[advisor.Comparison, LocalModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder, taken = measured[0].folder, tmp_path / "taken"
    taken.mkdir()
    (taken / "mine.txt").write_text("kept", encoding="utf-8")
    wrong: Mapping[str, list[str]] = {
        "format 'mergd' is unknown": ["--as", "mergd", "--out", str(tmp_path / "new")],
        "is there already, and not empty": ["--as", "bundle", "--out", str(taken)],
        "majority as merged: majority does not ask": ["majority", "--as", "merged", "--out", str(tmp_path / "new")],
        "has no row 'few-shot:k=9'": ["few-shot:k=9", "--as", "merged", "--out", str(tmp_path / "new")],
    }
    for said, arguments in wrong.items():
        assert main(["export", folder, *arguments]) == 2
        assert said in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]
    assert (taken / "mine.txt").read_text(encoding="utf-8") == "kept"


def test_the_command_line_exports_and_says_what_is_proven(
    measured: tuple[advisor.Comparison, LocalModel], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "bundle"
    assert main(["export", measured[0].folder, WITH_PASSAGES, "--as", "bundle", "--out", str(out)]) == 0
    assert "certificate: identical" in capsys.readouterr().out
    assert main(["answer", str(out), "--json", "the sea"]) == 0
    said = json.loads(capsys.readouterr().out)
    assert len(said["evidence"]) == 1
    assert 0 < said["confidence"] <= 1


def test_a_failed_certificate_is_exit_code_one(
    measured: tuple[advisor.Comparison, LocalModel],
    tmp_path: Path,
    install: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    code = """
from advisor.deploy.exporting.merged import MergedWeights
class Spoiled(MergedWeights):
    def write(self, row, folder):
        written = super().write(row, folder)
        file = folder / "tokenizer_config.json"
        file.write_text(file.read_text().replace("<|turn|>", "<turn>"))
        return written
"""
    install("spoiling", code, {"spoiled": "spoiling:Spoiled"}, "advisor.exporters")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["export", measured[0].folder, LORA, "--as", "spoiled", "--out", str(tmp_path / "out")]) == 1
    assert "certificate: failed" in capsys.readouterr().out
    assert not (tmp_path / "out").exists()
    assert (tmp_path / "out.failed" / "certificate.json").is_file()


def test_what_breaks_off_leaves_nothing_behind(exported: Exports, tmp_path: Path) -> None:
    class Breaking(MergedWeights):
        def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
            super().write(row, folder)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        exported("zero-shot", Breaking())
    assert not list(tmp_path.iterdir())


def test_records_without_texts_need_the_task(light_task: Task, model: Any, tmp_path: Path) -> None:
    found = advisor.compare(light_task, model, ["majority"], out=tmp_path, texts=False)
    with pytest.raises(UserError, match="hold no inputs") as caught:
        questions_of(found, None)
    assert "--task" in caught.value.hint
    asked = questions_of(found, light_task)
    assert [one.input for one in asked.test] == [one.input for one in light_task.test]
    assert len(asked.more) == len(light_task.train)


@pytest.mark.parametrize(
    ("name", "offline", "token", "why"),
    [
        ("me/it", True, "x", "may leave"),
        ("it", False, "x", "is no repository"),
        ("me/it", False, "", "has no HF_TOKEN"),
    ],
)
def test_nothing_is_pushed_unasked(
    name: str, offline: bool, token: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_TOKEN", token)
    with pytest.raises(UserError, match=why):
        check_push(name, offline)
