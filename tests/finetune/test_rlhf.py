"""A reward model, and training against it: what is drawn is rewarded more, and a kill changes nothing."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingPreference, TrainingSet, parse
from advisor.errors import NotApplicable, UserError
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from advisor.tasks import Example, Preference, Task
from finetune import Rlhf
from finetune.policy import advantages
from finetune.preferring import in_tokens
from finetune.reinforcing import REUSED
from finetune.rewards import RewardModel, RewardRecipe, RewardTrainer
from finetune.session import SplitRows, beginning

RLHF = Rlhf(rank=4, alpha=8, lr=1e-2, epochs=2, samples=4, prompts=8)


@pytest.fixture(scope="module")
def pairs(lessons: Sequence[TrainingExample]) -> TrainingSet:
    """Short answers are better than long ones, whatever they say."""
    long = "red green dark blue red green"
    found = [TrainingPreference(one.prompt, answer, long) for one in lessons for answer in ("red", "green")]
    return TrainingSet(tuple(lessons), preferences=tuple(found))


def told(notes: Sequence[str]) -> tuple[float, float, float]:
    """Mean reward before and after, and the divergence."""
    found = re.search(r": (\S+) before, (\S+) after; the KL divergence from the start was (\S+) nats", "".join(notes))
    assert found
    return float(found[1]), float(found[2]), float(found[3])


@pytest.mark.parametrize("by", ["rloo", "grpo"])
def test_what_is_drawn_is_rewarded_more(
    by: str,
    llama: LocalModel,
    pairs: TrainingSet,
    bits_of: Callable[[LocalModel], dict[str, torch.Tensor]],
    assert_untouched: Callable[[LocalModel, dict[str, torch.Tensor]], None],
) -> None:
    before = bits_of(llama)
    tuned = replace(RLHF, by=by, beta=0.0, epochs=4).tune(pairs, llama, seed=0)  # type: ignore[arg-type]
    assert_untouched(llama, before)
    first, last, far = told(tuned.facts.notes)
    assert last > first + 0.1
    assert far > 0
    notes = "".join(tuned.facts.notes)
    assert re.search(r"it gave the chosen answer more in \d+% of \d held-out pairs", notes)
    assert tuned.facts.resolved["rlhf"]["batch"] == 4


def test_the_reward_model_tells_chosen_from_rejected_and_is_read_back(
    llama: LocalModel, pairs: TrainingSet, tmp_path: Path
) -> None:
    """Asked for by itself, outside of its training, it says the same."""
    rows, _ = in_tokens(pairs.preferences, llama, 0)
    recipe = RewardRecipe(4, 8, lr=1e-2, epochs=4, batch=4)
    with beginning(recipe, SplitRows(rows, ()), llama, 0) as trainer:
        assert isinstance(trainer, RewardTrainer)
        trainer.go_to_the_end()
        assert trainer.accuracy(rows) == 1.0
        with torch.no_grad():
            ahead = trainer._ahead(rows).tolist()
        found = RewardModel(trainer.learned(), 1.0, 0)
    singles = [row for pair in rows for row in pair.rows]
    rewards = found.rewards(llama, singles)
    assert [one - two for one, two in zip(rewards[::2], rewards[1::2], strict=True)] == pytest.approx(ahead, abs=1e-3)
    found.save(tmp_path)
    assert RewardModel.load(tmp_path, 1.0, 0).rewards(llama, singles) == rewards


def test_a_killed_training_ends_as_if_it_had_not_been(
    llama: LocalModel, pairs: TrainingSet, tmp_path: Path, breaking_off: Callable[[], AbstractContextManager[None]]
) -> None:
    """The reward model is not trained again, and the same answers are drawn."""
    whole = RLHF.tune(pairs, llama, seed=1)
    with pytest.raises(KeyboardInterrupt), lending(Scratch(tmp_path, 0.0)), killed_in_the_policy():
        RLHF.tune(pairs, llama, seed=1)
    clock.drain()
    with lending(Scratch(tmp_path, 0.0)):
        resumed = RLHF.tune(pairs, llama, seed=1)
    assert clock.drain().reused[REUSED] > 0
    assert resumed.adaptation.key == whole.adaptation.key
    assert resumed.facts == whole.facts


def killed_in_the_policy() -> AbstractContextManager[None]:
    from contextlib import contextmanager

    from finetune.policy import PolicyTrainer

    @contextmanager
    def inside():
        with pytest.MonkeyPatch.context() as patch:
            update = PolicyTrainer.update

            def dying(self: PolicyTrainer, loss: float, batch: Sequence[object]) -> None:
                update(self, loss, batch)  # type: ignore[arg-type]
                if self.steps == 2:
                    raise KeyboardInterrupt

            patch.setattr(PolicyTrainer, "update", dying)
            yield

    return inside()


def test_advantages() -> None:
    """As TRL has them: RLOO against the others, GRPO in units of the sample's standard deviation."""
    assert advantages([1.0, 2.0, 6.0], "rloo") == pytest.approx([-3.0, -1.5, 4.5])
    spread = torch.tensor([1.0, 2.0, 6.0]).std().item()
    assert advantages([1.0, 2.0, 6.0], "grpo") == pytest.approx([x / (spread + 1e-4) for x in (-2.0, -1.0, 3.0)])
    assert advantages([1.0, 1.0], "grpo") == [0.0, 0.0]


def test_where_it_does_not_apply(llama: LocalModel, pairs: TrainingSet) -> None:
    task = Task("t", "qa", "Answer.", "token_f1", train=(Example("1", "a", "b"),))
    assert "no preferences" in parse("rlhf").unsuited(task)
    assert not parse("lora+rlhf").unsuited(replace(task, preferences=(Preference("a", "b", "c"),)))
    for spec in ("rlhf:samples=1", "rlhf:search=4", "rlhf:beta=-1", "rlhf+lora", "prefix+rlhf", "dpo+rlhf"):
        with pytest.raises(UserError):
            parse(spec)
    with pytest.raises(NotApplicable, match="3 preferences are too few"):
        RLHF.tune(replace(pairs, preferences=pairs.preferences[:3]), llama, seed=0)


def test_what_it_reads_is_foreseen() -> None:
    """Drawn answers of so many prompts, and the preferences by the reward model."""
    assert Rlhf(prompts=10, samples=2).reads(100, 40, 20) == 4 * 20 * 60
    assert Rlhf().reads_preferences(0, 40, 20) == 0
    assert Rlhf().reads_preferences(8, 40, 20) == pytest.approx((3 + 1 / 3) * 2 * 8 * 60)
