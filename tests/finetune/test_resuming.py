"""A training or a search that was killed goes on from what it kept, and ends as if it had not been."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from advisor.approaches import TrainingExample, TrainingSet
from advisor.models import Adaptation, Prompt
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from advisor.tasks import Document
from finetune import ContinuedPretraining, Lora
from finetune.resuming import REUSED
from finetune.search import searched, varied
from finetune.session import SplitRows
from finetune.trials import REUSED as REUSED_TRIALS

ROOT = Path(__file__).parents[2]
LORA = Lora(rank=4, alpha=8, lr=1e-2, epochs=5, batch=3, dropout=0.2, schedule="cosine", decay=0.01)
ALWAYS = 0.0  # seconds between two times that something is kept


@pytest.mark.parametrize("after", [1, 4, 8])
@pytest.mark.parametrize("stop", ["loss", "metric"])
@pytest.mark.parametrize("name", ["llama", "mistral"])
def test_it_ends_bit_for_bit_as_if_it_had_not_been_killed(
    name: str,
    stop: str,
    after: int,
    request: pytest.FixtureRequest,
    lessons: Sequence[TrainingExample],
    tmp_path: Path,
    killing: Callable[[int], AbstractContextManager[None]],
) -> None:
    """In the middle of an epoch and at its end, with dropout; packed and padded."""
    model = request.getfixturevalue(name)
    lora = replace(LORA, stop=stop)  # type: ignore[arg-type]
    training = TrainingSet(tuple(lessons), tuple(lessons[:3]), ByRank())
    whole = lora.tune(training, model, seed=1)
    with killing(after), lending(Scratch(tmp_path, ALWAYS)):
        lora.tune(training, model, seed=1)
    clock.drain()
    with lending(Scratch(tmp_path, ALWAYS)):
        resumed = lora.tune(training, model, seed=1)
    ledger = clock.drain()
    assert ledger.reused[REUSED] > 0
    assert resumed.adaptation.key == whole.adaptation.key
    assert resumed.facts == whole.facts
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize("rank", [0, 4])
def test_raw_text_is_read_on_from_where_a_kill_came(
    llama: LocalModel,
    rank: int,
    curriculum: TrainingSet,
    tmp_path: Path,
    killing: Callable[[int], AbstractContextManager[None]],
) -> None:
    cpt = ContinuedPretraining(rank=rank, block=32, lr=1e-3, epochs=3, batch=2)
    library = replace(curriculum, documents=(Document("1", "Colours", "Grass is green, the sea is blue. " * 9),))
    whole = cpt.tune(library, llama, seed=1)
    with killing(4), lending(Scratch(tmp_path, ALWAYS)):
        cpt.tune(library, llama, seed=1)
    clock.drain()
    with lending(Scratch(tmp_path, ALWAYS)):
        resumed = cpt.tune(library, llama, seed=1)
    assert clock.drain().reused[REUSED] > 0
    assert resumed.adaptation.key == whole.adaptation.key
    assert resumed.facts == whole.facts


class ByRank:
    """Answers are worth the more the later they are asked for, for a while; whoever asks."""

    def __call__(self, adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        return int(adaptation.key[:4], 16) / 65536


def test_what_another_training_kept_is_not_gone_on_from(
    llama: LocalModel, curriculum: TrainingSet, tmp_path: Path, killing: Callable[[int], AbstractContextManager[None]]
) -> None:
    with killing(4), lending(Scratch(tmp_path, ALWAYS)):
        LORA.tune(curriculum, llama, seed=1)
    others = [(LORA, 2), (replace(LORA, lr=2e-2), 1), (replace(LORA, rank=8), 1)]
    for lora, seed in others:
        with lending(Scratch(tmp_path)):
            found = lora.tune(curriculum, llama, seed=seed)
        assert found.adaptation.key == lora.tune(curriculum, llama, seed=seed).adaptation.key
    fewer = TrainingSet(curriculum.examples[:6])
    with lending(Scratch(tmp_path)):
        found = LORA.tune(fewer, llama, seed=1)
    assert found.adaptation.key == LORA.tune(fewer, llama, seed=1).adaptation.key


def test_short_trainings_keep_nothing(llama: LocalModel, curriculum: TrainingSet, tmp_path: Path) -> None:
    with lending(Scratch(tmp_path / "a")):
        LORA.tune(curriculum, llama, seed=1)
    assert not (tmp_path / "a").exists()


def test_a_setback_is_remembered(
    llama: LocalModel, curriculum: TrainingSet, tmp_path: Path, killing: Callable[[int], AbstractContextManager[None]]
) -> None:
    """With the halved rate that goes with it."""
    lora = replace(LORA, lr=1e30, clip=1e30, epochs=4, dropout=0.0)
    outcomes = []
    for folder in (None, tmp_path):
        try:
            if folder:
                with killing(2), lending(Scratch(folder, ALWAYS)):
                    lora.tune(curriculum, llama, seed=1)
            with lending(Scratch(tmp_path, ALWAYS)):
                outcomes.append(str(lora.tune(curriculum, llama, seed=1).facts.notes))
        except Exception as error:  # noqa: BLE001 - whatever is said of it, it is the same
            outcomes.append(str(error))
    assert outcomes[0] == outcomes[1]


@pytest.mark.parametrize("after", [2, 5, 7])
def test_a_search_goes_on_and_ends_with_the_same_winner(
    llama: LocalModel,
    rows_of: Callable[..., list[object]],
    lessons: Sequence[TrainingExample],
    tmp_path: Path,
    killing: Callable[[int], AbstractContextManager[None]],
    after: int,
) -> None:
    rows = rows_of(llama, lessons)
    given = Lora(lr=1e-3, epochs=2, batch=4, search=6)
    split, ranges = SplitRows(rows, rows[:3]), varied(given, Lora())  # type: ignore[arg-type]
    whole = searched(given, ranges, split, llama, seed=5)
    with killing(after), lending(Scratch(tmp_path, ALWAYS)):
        searched(given, ranges, split, llama, seed=5)
    kept = Scratch(tmp_path).kept("trials")
    clock.drain()
    with lending(Scratch(tmp_path, ALWAYS)):
        resumed = searched(given, ranges, split, llama, seed=5)
    assert (clock.drain().reused[REUSED_TRIALS] > 0) == (kept is not None)
    assert kept is not None or after == 2
    assert resumed.recipe == whole.recipe
    assert resumed.trials == whole.trials
    assert resumed.history == whole.history
    assert resumed.learned.state.keys() == whole.learned.state.keys()
    assert all(bool((t == whole.learned.state[n]).all()) for n, t in resumed.learned.state.items())
    with lending(Scratch(tmp_path, ALWAYS)):  # killed behind its end, and all of it known
        again = searched(given, ranges, split, llama, seed=5)
    assert again.trials == whole.trials
    assert all(bool((t == whole.learned.state[n]).all()) for n, t in again.learned.state.items())


THINGS = tuple(TrainingExample(Prompt("Say it.", f"thing {n}"), f"number {n % 3}") for n in range(9))
RECIPE: dict[str, Any] = {"rank": 4, "alpha": 8, "lr": 1e-2, "epochs": 4, "batch": 2, "dropout": 0.1}
TRAINED = f"""
import os, signal, sys
from pathlib import Path
from advisor.approaches import TrainingExample, TrainingSet
from advisor.models import Prompt
from advisor.models.load import load_model
from advisor.scratch import Scratch, lending
from advisor.tasks import Document
from finetune import ContinuedPretraining, Lora
from finetune.trainer import Trainer

take = Trainer.take
def dying(self, until):
    if self.steps == 11:
        os.kill(os.getpid(), signal.SIGKILL)
    return take(self, until)
Trainer.take = dying
model = load_model(sys.argv[1], embedder=sys.argv[1], device="cpu", dtype="float32")
lessons = tuple(TrainingExample(Prompt("Say it.", f"thing {{n}}"), f"number {{n % 3}}") for n in range(9))
with lending(Scratch(Path(sys.argv[2]), 0.0)):
    Lora(**{RECIPE}).tune(TrainingSet(lessons, lessons[:3]), model, seed=2)
"""


def test_a_process_that_the_system_kills_costs_nothing_but_the_last_step(
    llama: LocalModel, llama_folder: Path, tmp_path: Path
) -> None:
    """What another process kept is gone on from in this one."""
    killed = subprocess.run(
        [sys.executable, "-c", TRAINED, str(llama_folder), str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    lora, training = Lora(**RECIPE), TrainingSet(THINGS, THINGS[:3])
    whole = lora.tune(training, llama, seed=2)
    clock.drain()
    with lending(Scratch(tmp_path)):
        resumed = lora.tune(training, llama, seed=2)
    assert clock.drain().reused[REUSED] > 0
    assert resumed.adaptation.key == whole.adaptation.key
