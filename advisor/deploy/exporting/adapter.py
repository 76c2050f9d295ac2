"""An adapter in PEFT's format, to be laid beside its base model."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import ClassVar

from advisor.approaches.adapted import AdaptedPredictor
from advisor.deploy.exporting.asked import asked_through
from advisor.deploy.exporting.card import base_name
from advisor.deploy.exporting.contract import ExportedFiles, Exporter, FittedRow, Reloaded
from advisor.deploy.exporting.merged import beside_weights, files_in
from advisor.models.load import ADAPTER
from advisor.models.local.engine import LocalModel
from advisor.models.local.folder import ADAPTER_WEIGHTS
from advisor.models.local.onto import PEFT
from advisor.models.local.plain import RUNTIME, plain
from advisor.models.local.quantising import quantised
from advisor.models.local.saving import base_folder, save_tokenizer

WEIGHTS = "weights"  # what a tuner saved, in a fitted folder


class PeftAdapter(Exporter):
    """What was learned beside the base model: LoRA and its family, IA3, a prompt, a prefix.

    Judged by the margin: merged into the weights it was rounded to their number format, beside them it is not.
    """

    name: ClassVar[str] = "adapter"
    library: ClassVar[str] = "peft"
    lossy: ClassVar[bool] = True

    def refusal(self, row: FittedRow) -> str:
        """Where nothing was trained beside the weights, or PEFT has no format for it."""
        if not isinstance(row.predictor, AdaptedPredictor) or row.predictor.tuned is None:
            return f"{row.run.spec} has trained nothing that lies beside a language model"
        if not isinstance(row.model, LocalModel):
            return f"the weights of {row.model.name} are not in this process"
        saved = row.place / WEIGHTS
        if not (saved / ADAPTER).is_file() or not (saved / ADAPTER_WEIGHTS).is_file():
            return f"what {row.run.spec} has trained is no single adapter in PEFT's format"
        if quantised(row.model.module):
            return f"the weights of {row.model.name} are codes (--quantize), beside which it is not tried here"
        return ""

    def write(self, row: FittedRow, folder: Path) -> ExportedFiles:
        """The adapter as it was saved, its base model named, with the tokenizer and chat template."""
        assert isinstance(row.model, LocalModel)
        save_tokenizer(row.model, folder)
        shutil.copyfile(row.place / WEIGHTS / ADAPTER_WEIGHTS, folder / ADAPTER_WEIGHTS)
        config = json.loads((row.place / WEIGHTS / ADAPTER).read_text(encoding="utf-8"))
        member = row.comparison.model_of(row.run)
        base = base_name(member.facts if member else row.comparison.model)
        config |= {"base_model_name_or_path": base, "inference_mode": True}
        (folder / ADAPTER).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        kind = str(config.get("peft_type", "")).lower()
        facts = {"format": "peft", "kind": kind, "precision": "float32", "base": base, "runtime": PEFT}
        return ExportedFiles(files_in(folder), beside_weights(row), facts)

    @contextmanager
    def reloaded(self, row: FittedRow, folder: Path) -> Iterator[Reloaded]:
        """By PEFT and Transformers, beside the base model as it was loaded, in the number format that was measured."""
        assert isinstance(row.model, LocalModel)
        trusted = bool((row.model.loaded_from or {}).get("trust_remote_code"))
        here, number_format = row.model.device, row.model.dtype
        there = plain(folder, row.model.embedder, here, trusted, base=(base_folder(row.model), number_format))
        yield asked_through(row, there, f"{PEFT}, {RUNTIME}")

    def usage(self, row: FittedRow) -> str:
        """By PEFT."""
        return (
            "```python\nfrom peft import AutoPeftModelForCausalLM\nfrom transformers import AutoTokenizer\n\n"
            'model = AutoPeftModelForCausalLM.from_pretrained("FOLDER", dtype="auto")\n'
            'tokenizer = AutoTokenizer.from_pretrained("FOLDER")\n```'
        )
