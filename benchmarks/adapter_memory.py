"""How much memory adapters take beside the weights: each way of serving and training, in a process of its own.

    python -m benchmarks.adapter_memory

Three models in bfloat16 on the CPU: a tiny one, whose peak is what Python, torch and the libraries take themselves, the
embedded one, and a random Llama of a billion weights that is made on the way (2.0 GB in a temporary folder). Each step
runs with `ADVISOR_MEMORY_GB` at what the bound allows, by which Advisor chooses what it keeps twice; the peak is what
was resident at most, as the system counts it. Writes `benchmarks/results/adapter-memory.md`. Needs Linux.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import torch

import advisor
from advisor.approaches import TrainingExample, TrainingSet, Tuned
from advisor.models import Decoding, Prompt
from advisor.models.local.allocator import LIMIT
from advisor.models.local.device import peak_memory, reset_peak_memory
from advisor.models.local.engine import LocalModel
from benchmarks.comparisons import RESULTS
from benchmarks.memory import WORDS
from benchmarks.speed.material import random_folder
from finetune import Lora, adapter

FOR_ANSWERS, FOR_TRAINING = 1.3, 1.6  # times the weights, at most
STEPS = {
    "base": ("loaded, scores and writes", FOR_ANSWERS),
    "attached": ("an adapter attached", FOR_ANSWERS),
    "merged": ("an adapter merged in place, originals on disk", FOR_ANSWERS),
    "training": ("trained with checkpointing, then merged", FOR_TRAINING),
}
NAMES = {"tiny": "tiny Llama", "embedded": "SmolLM2-135M-Instruct", "billion": "random Llama"}
AMPLE = 64  # GB; a limit, under which freed memory is given back, but none that is felt
LABELS = ["red", "blue"]
LONG = 600  # words of a training example
TUNED = Lora(epochs=1, batch=1)


@dataclass(frozen=True)
class Measured:
    """What a process of one step says of itself.

    Attributes:
        loading: bytes resident at most while the model was loaded, pages of the files that are read among them, which
            the system may have back.
        peak: bytes resident at most from then on.
        weights: bytes of the model's weights.
        seconds: of the step, loading included.
        notes: on the adapter, as the report has them.
    """

    loading: int
    peak: int
    weights: int
    seconds: float
    notes: tuple[str, ...]


def main() -> None:
    """Run every step of every model and write what it took."""
    lines = [
        "| model | step | weights, MB | peak, MB | of libraries | times the weights | bound | seconds | loading, MB |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|",
    ]
    with tempfile.TemporaryDirectory() as folder:
        _alone(folder, "make")
        weights = {model: _alone(folder, "adapt", model).weights for model in NAMES}
        fixed = {step: _alone(folder, "tiny", step, limit=AMPLE).peak for step in STEPS}
        for model in list(NAMES)[1:]:
            for step, (_, bound) in STEPS.items():
                limit = (fixed[step] + bound * weights[model]) / 1e9
                lines.append(_row(model, step, _alone(folder, model, step, limit=limit), fixed[step]))
    (RESULTS / "adapter-memory.md").write_text(_HEAD + "\n".join(lines) + "\n", encoding="utf-8")


def _row(model: str, step: str, found: Measured, fixed: int) -> str:
    what, bound = STEPS[step]
    times = (found.peak - fixed) / found.weights
    *sizes, loading = (f"{size / 1e6:,.0f}" for size in (found.weights, found.peak, fixed, found.loading))
    cells = [NAMES[model], what, *sizes, f"{times:.2f}", f"{bound:g}", f"{found.seconds:.0f}", loading]
    row = f"| {' | '.join(cells)} |"
    print(row, *found.notes, sep="\n  ", flush=True)
    return row


def _alone(folder: str, *step: str, limit: float | None = None) -> Measured:
    """What a process of its own measured; `limit` is what it is told to keep to, in GB."""
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks.adapter_memory", folder, *step],
        env={**os.environ, **({LIMIT: f"{limit:.3f}"} if limit else {})},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return Measured(**json.loads(done.stdout.splitlines()[-1]))


def _child(folder: Path, step: list[str]) -> None:
    """One step in this process: `make`, `adapt MODEL`, or `MODEL STEP`; prints what was measured."""
    began = time.perf_counter()
    if step == ["make"]:
        _make(folder)
        loading, weights, peak = 0, 0, 0
        notes: tuple[str, ...] = ()
    else:
        name = step[-1] if step[0] == "adapt" else step[0]
        model = advisor.load_model(
            "embedded" if name == "embedded" else str(folder / name), device="cpu", dtype="bfloat16"
        )
        assert isinstance(model, LocalModel)
        loading = _resident(model.module)
        reset_peak_memory(model.module)
        weights = sum(p.nbytes for p in model.module.parameters())
        notes = (
            _adapt(model, folder / f"{name}-adapter")
            if step[0] == "adapt"
            else _do(model, step[1], folder / f"{name}-adapter")
        )
        peak = _resident(model.module)
    print(json.dumps(asdict(Measured(loading, peak, weights, time.perf_counter() - began, notes))))


def _resident(module: torch.nn.Module) -> int:
    """Bytes that were resident at most, since that was last reset."""
    return peak_memory(module) or 0


def _make(folder: Path) -> None:
    """Random models with the embedded one's tokenizer."""
    shapes = {"tiny": (64, 128, 2, 2), "billion": (2048, 8192, 15, 32)}
    for name, (size, inner, layers, heads) in shapes.items():
        shape = {
            "hidden_size": size,
            "intermediate_size": inner,
            "num_hidden_layers": layers,
            "num_attention_heads": heads,
            "num_key_value_heads": max(1, heads // 4),
            "max_position_embeddings": 4096,
        }
        random_folder(folder / name, shape, torch.bfloat16)


def _adapt(model: LocalModel, folder: Path) -> tuple[str, ...]:
    """Write an adapter of random numbers."""
    config = adapter.configuration(TUNED.rank, TUNED.strength)
    with adapter.inserted(model, config) as wrapped:
        state = {name: torch.randn_like(t) * 0.01 for name, t in adapter.state_of(wrapped).items()}
    folder.mkdir()
    adapter.save(folder, config, state, sum(t.numel() for t in state.values()))
    return ()


def _do(model: LocalModel, step: str, saved: Path) -> tuple[str, ...]:
    """A step, with the adapter that is saved, and what is told of it."""
    chance = random.Random(0)

    def prompt(words: int) -> Prompt:
        return Prompt("Name the colour.", " ".join(chance.choices(WORDS, k=words)), tuple(LABELS))

    tuned: Tuned | None = None
    if step == "training":
        lessons = tuple(TrainingExample(prompt(LONG), label) for label in LABELS)
        tuned = TUNED.tune(TrainingSet(lessons), model, seed=0)
    elif step != "base":
        tuned = replace(TUNED, serve=step).restore(saved, model)  # type: ignore[arg-type] # each is a form's name
    adaptation = tuned.adaptation if tuned else None
    prompts = [prompt(100) for _ in range(8)]
    model.score(prompts, LABELS, adaptation)
    model.generate(prompts[:2], Decoding(8), adaptation)
    return tuned.facts.notes if tuned else ()


_HEAD = f"""# Memory of adapters

Models in bfloat16 on a CPU, LoRA of rank {TUNED.rank}; each step in a process of its own that is told by `{LIMIT}`
to keep to its bound; `python -m benchmarks.adapter_memory`. *Peak* is what was resident at most once the model was
loaded, *of libraries* what the same step takes with a tiny model, and *times the weights* the rest. While a model is
loaded, pages of the files that are read count too, which the system has back when it needs them. Eight prompts of 100
words are scored and two answered; training sees {len(LABELS)} examples of {LONG} words.

"""

if __name__ == "__main__":
    if len(sys.argv) > 1:
        _child(Path(sys.argv[1]), sys.argv[2:])
    else:
        main()
