"""Continued pre-training: what is read and how, what it leaves behind, and that a kill costs nothing."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from advisor.approaches import TrainingExample, TrainingSet, registry
from advisor.approaches.trained import REUSED as DONE_BEFORE
from advisor.errors import NotApplicable, UserError
from advisor.measuring.comparing import compare
from advisor.models import Adaptation
from advisor.models.clock import clock
from advisor.models.local.engine import LocalModel
from advisor.scratch import Scratch, lending
from advisor.tasks import Document, Example, Task
from finetune import ContinuedPretraining, Full, Lora, PrefixTuning
from finetune.checkpointing import within_logits
from finetune.pretraining import tune
from finetune.raw_text import blocks, ids_of, lead, perplexity
from finetune.resuming import REUSED as STEPS_REUSED
from finetune.session import SplitRows, beginning

Bits = Callable[[LocalModel], dict[str, torch.Tensor]]
Check = Callable[[LocalModel, dict[str, torch.Tensor]], None]

DOCUMENTS = (
    Document("1", "Plants", "Grass and leaves are green, and so is moss. " * 6),
    Document("2", "Water", "The sea is dark blue, and so is the clear sky."),
    Document("3", "", "Fire engines are red."),
)
TEXTS = [f"{d.title}\n{d.text}" if d.title else d.text for d in DOCUMENTS]
CPT = ContinuedPretraining(block=48, lr=1e-2, epochs=6, batch=2)


@pytest.fixture
def library(lessons: tuple[TrainingExample, ...]) -> TrainingSet:
    return TrainingSet(lessons, documents=DOCUMENTS)


def test_every_token_of_the_text_is_learned_once_and_rows_have_a_bounded_length(llama: LocalModel) -> None:
    renderer = llama.renderer
    rows = blocks(renderer, TEXTS, 48)
    first, gap = lead(renderer), tuple(renderer.tokens.ids("\n\n"))
    assert all(row.prompt == first and row.stem == 0 and row.tokens <= 48 for row in rows)
    assert renderer.end_id not in {token for row in rows for token in row.answer}
    learned = [token for row in rows for token in row.answer]
    for text in TEXTS:
        ids = ids_of(renderer, text.strip())
        at = next(i for i in range(len(learned)) if tuple(learned[i : i + len(ids)]) == ids)
        del learned[at : at + len(ids)]
    assert tuple(learned) == gap * (len(learned) // len(gap))


def test_a_text_is_cut_evenly_and_short_ones_share_a_block(llama: LocalModel) -> None:
    renderer = llama.renderer
    long = TEXTS[0]
    parts = [len(row.answer) for row in blocks(renderer, [long], 48)]
    assert len(parts) > 2 and max(parts) - min(parts) <= 1
    short = ["red is red"] * 5
    assert len(blocks(renderer, short, 200)) == 1
    each = max(len(ids_of(renderer, text)) for text in short)
    assert [len(row.answer) for row in blocks(renderer, short, each + 1)] == [each] * 5
    assert blocks(renderer, ["", "  "], 48) == []


@pytest.mark.parametrize("rank", [0, 4])
def test_it_knows_the_text_is_kept_and_leaves_the_model_as_it_was(
    llama: LocalModel, rank: int, library: TrainingSet, tmp_path: Path, bits_of: Bits, assert_untouched: Check
) -> None:
    before, bare = bits_of(llama), llama.log_likelihoods(TEXTS)
    tuner = replace(CPT, rank=rank)
    tuned = tuner.tune(library, llama, seed=0)
    assert_untouched(llama, before)
    known = llama.log_likelihoods(TEXTS, tuned.adaptation)
    assert all(now > then for now, then in zip(known, bare, strict=True))
    assert tuned.facts.perplexity == (
        perplexity(llama, TEXTS, None),
        perplexity(llama, TEXTS, tuned.adaptation),
    )
    assert tuned.facts.perplexity[1] < tuned.facts.perplexity[0] / 2
    read = sum(row.tokens for row in blocks(llama.renderer, TEXTS, 48))
    assert tuned.facts.tokens_seen == 6 * read
    tuned.save(tmp_path)
    restored = tuner.restore(tmp_path, llama)
    assert llama.log_likelihoods(TEXTS, restored.adaptation) == known
    assert restored.adaptation.key == tuned.adaptation.key
    assert_untouched(llama, before)


def test_the_loss_is_the_models_own_on_every_token_behind_the_first(llama: LocalModel) -> None:
    rows = blocks(llama.renderer, TEXTS, 48)
    total = 0.0
    with torch.inference_mode():
        for row in rows:
            ids = torch.tensor([[*row.prompt, *row.answer]])
            total += float(llama.module(input_ids=ids, labels=ids).loss) * (row.tokens - 1)
    with beginning(replace(CPT, epochs=1), SplitRows(rows, ()), llama, 0) as trainer:
        assert trainer.loss(rows) == pytest.approx(total / sum(len(row.answer) for row in rows), abs=1e-4)


def test_logits_of_all_tokens_bound_what_is_read_at_once(llama: LocalModel) -> None:
    assert within_logits(llama, 1.0, 4096) == 4096  # 400 words: nothing
    config = llama.module.config
    with patch.object(config, "vocab_size", 100_000):
        assert within_logits(llama, 1.0, 4096) == 2**30 // 1_200_000
        assert within_logits(llama, 0.05, 4096) == 4096  # answers behind long prompts


def test_perplexity_is_that_of_the_texts_themselves_where_they_are_few(llama: LocalModel) -> None:
    short = TEXTS[1:]
    encoded = [llama.renderer.encode_text(text) for text in short]
    tokens = sum(len(one.ids) - one.stem for one in encoded)
    assert perplexity(llama, short, None) == pytest.approx(math.exp(-sum(llama.log_likelihoods(short)) / tokens))
    assert perplexity(llama, ["", " "], None) is None


@pytest.mark.parametrize(("on", "learned", "not_learned"), [("documents", 0, 1), ("inputs", 1, 0)])
def test_only_what_it_is_asked_to_read_is_read(
    llama: LocalModel, library: TrainingSet, on: str, learned: int, not_learned: int
) -> None:
    """And no answer to a training question is."""
    both = [TEXTS, [example.prompt.input for example in library.examples]]
    spies = [blocks(llama.renderer, texts, 48) for texts in both]
    tuner: ContinuedPretraining = replace(CPT, on=on, epochs=1)  # type: ignore[arg-type]
    tuned = tuner.tune(library, llama, seed=0)
    read = tuned.facts.tokens_seen
    assert read == sum(row.tokens for row in spies[learned]) != sum(row.tokens for row in spies[not_learned])
    whole = replace(tuner, on="both").tune(library, llama, seed=0).facts.tokens_seen
    assert whole == sum(row.tokens for row in blocks(llama.renderer, both[0] + both[1], 48))


def test_it_ends_within_its_budget_and_says_what_was_not_read(llama: LocalModel, library: TrainingSet) -> None:
    whole = sum(row.tokens for row in blocks(llama.renderer, TEXTS, 48))
    tuned = ContinuedPretraining(block=48, lr=1e-3, budget=whole // 2, batch=1).tune(library, llama, seed=0)
    assert whole // 2 <= tuned.facts.tokens_seen < whole // 2 + 48
    assert any("which is the budget: the rest is not known" in note for note in tuned.facts.notes)
    often = ContinuedPretraining(block=48, lr=1e-3, budget=3 * whole, batch=2).tune(library, llama, seed=0)
    assert often.facts.resolved["cpt"] == {"epochs": 3, "batch": 2}
    assert often.facts.tokens_seen == 3 * whole
    chosen = ContinuedPretraining(block=48, epochs=1).tune(library, llama, seed=0).facts.resolved["cpt"]
    assert chosen["lr"] == ContinuedPretraining().rate


class Strict:
    """Counts how often it is asked; answers are never worth anything."""

    asked = 0

    def __call__(self, adaptation: Adaptation, examples: Sequence[TrainingExample]) -> float:
        self.asked += 1
        return 0.0


def test_nothing_is_held_out_unless_asked_for_and_then_answers_judge(llama: LocalModel, library: TrainingSet) -> None:
    judge = Strict()
    judged = replace(library, judge=judge)
    plain = tune(replace(CPT, epochs=2), judged, llama, 0)
    assert not judge.asked
    assert any("2 epochs at most); none held out for stopping early." in note for note in plain.facts.notes)
    by_answers = tune(replace(CPT, epochs=2, stop="metric"), judged, llama, 0)
    assert judge.asked == 2
    assert any("8 held-out training examples" in note for note in by_answers.facts.notes)
    assert by_answers.facts.tokens_seen == plain.facts.tokens_seen
    found = tune(replace(CPT, lr=0.0, epochs=1, stop="loss", search=3), library, llama, 0)
    assert any(note.startswith("Searched 3 configurations") for note in found.facts.notes)


def test_what_it_accepts() -> None:
    for spec, seen in {
        "cpt:search=4": "stop=loss",
        "cpt:lr=-1": "lr",
        "lora:lr=0": "lr",
        "cpt:block=4": "block",
        "cpt:rank=-1": "rank",
        "cpt:on=answers": "documents, inputs, both",
    }.items():
        with pytest.raises(UserError, match=seen):
            registry.parse(spec)
    assert registry.spec_of(registry.parse("cpt:on=both,rank=64")) == "cpt:on=both,rank=64"
    assert registry.family("rag:k=3+cpt:rank=8,on=inputs+lora") == "rag+cpt:on=inputs+lora"


def test_without_text_it_is_no_approach(llama: LocalModel, curriculum: TrainingSet) -> None:
    train = (Example("t", "a rose", "red"),)
    task = Task("things", "qa", "Say which.", "token_f1", (), train, (), train)
    assert registry.parse("cpt").unsuited(task) == (
        "there are no documents to read; cpt:on=inputs reads the training inputs"
    )
    assert not registry.parse("cpt:on=inputs").unsuited(task)
    with pytest.raises(NotApplicable, match="no text to read"):
        CPT.tune(replace(curriculum, documents=(Document("1", "", " "),)), llama, seed=0)


def test_what_it_will_take_is_foreseen_of_the_documents() -> None:
    short, long = (ContinuedPretraining().reads_documents(tokens) for tokens in (6_000, 4_000_000))
    assert short == pytest.approx(10 * 6_000 * 1.9)
    assert long == pytest.approx(400_000 * 1.9)
    assert ContinuedPretraining().reads(100, 20, 50) == 0
    assert ContinuedPretraining(on="inputs", rank=8).reads(100, 20, 50) == pytest.approx(10 * 2_000 * 1.2)
    assert ContinuedPretraining(on="inputs").reads_documents(6_000) == 0
    assert ContinuedPretraining(epochs=2, budget=0).reads_documents(1e6) == pytest.approx(2e6 * 1.9)


CHAINS = ("cpt+lora", "rag+cpt+lora", "cpt+prefix", "cpt+full", "rag+cpt", "cpt+prompt+lora", "cpt+cartridge")


@pytest.mark.parametrize("spec", CHAINS)
def test_what_learns_the_examples_goes_behind_it(spec: str) -> None:
    assert registry.spec_of(registry.parse(spec)) == spec


@pytest.mark.parametrize("spec", ["lora+cpt", "prefix+cpt", "rag+full+cpt"])
def test_what_is_read_first_stands_first(spec: str) -> None:
    other = spec.split("+")[-2]
    with pytest.raises(UserError, match=rf"cpt does not go behind {other}(?s:.)*write cpt\+{other}"):
        registry.parse(spec)


SECOND = {
    "lora": Lora(rank=4, lr=1e-2, epochs=4, batch=2),
    "prefix": PrefixTuning(tokens=4, lr=1e-2, epochs=4, batch=2),
    "full": Full(lr=1e-3, epochs=4, batch=2),
}


@pytest.mark.parametrize("name", SECOND)
def test_stages_are_kept_go_on_behind_a_kill_and_tell_what_was_read(
    llama: LocalModel,
    name: str,
    library: TrainingSet,
    tmp_path: Path,
    killing: Callable[[int], AbstractContextManager[None]],
    bits_of: Bits,
    assert_untouched: Check,
) -> None:
    """Killed in the first stage, then in the second."""
    before = bits_of(llama)
    chain = replace(CPT, epochs=2).followed_by(SECOND[name])
    assert chain is not None
    whole = chain.tune(library, llama, seed=3)
    assert_untouched(llama, before)
    first = 2 * math.ceil(len(blocks(llama.renderer, TEXTS, 48)) / 2)  # steps
    for after in (2, first, 3):  # in the first stage, where the second begins, in the second
        with killing(after), lending(Scratch(tmp_path / "kept", 0.0)):
            chain.tune(library, llama, seed=3)
        assert_untouched(llama, before)
    clock.drain()
    with lending(Scratch(tmp_path / "kept", 0.0)):
        resumed = chain.tune(library, llama, seed=3)
    reused = clock.drain().reused
    assert reused[DONE_BEFORE] > 0 and reused[STEPS_REUSED] > 0
    assert resumed.adaptation.key == whole.adaptation.key
    assert resumed.facts == whole.facts
    assert whole.facts.perplexity is not None and whole.facts.perplexity[1] < whole.facts.perplexity[0]
    assert any(note.startswith("cpt: The perplexity") for note in whole.facts.notes)
    saved = tmp_path / "saved"
    saved.mkdir()
    whole.save(saved)
    restored = chain.restore(saved, llama)
    assert llama.log_likelihoods(TEXTS, restored.adaptation) == llama.log_likelihoods(TEXTS, whole.adaptation)
    assert_untouched(llama, before)


def test_rows_that_read_the_same_documents_read_them_once(llama: LocalModel, tmp_path: Path) -> None:
    """What it took counts in each row, and no row answers otherwise than by itself."""
    colours = ("red", "green", "dark blue")
    rows = tuple(Example(f"t{n}", f"What is {n}?", colours[n % 3]) for n in range(6))
    test = tuple(Example(f"q{n}", f"And {n}?", colours[n % 3]) for n in range(3))
    task = Task("things", "qa", "Say which.", "token_f1", train=rows, test=test, documents=DOCUMENTS)
    teach = "lora:rank=4,lr=0.01,epochs=1,batch=4"
    read = "cpt:lr=0.001,epochs=2,block=48"
    found = compare(task, llama, [read, f"{read}+{teach}", f"rag:retriever=bm25+{read}+{teach}"], out=tmp_path / "all")
    reused = [run.reused.get(DONE_BEFORE, 0.0) for run in found.runs]
    assert not [run.error for run in found.runs if run.error]
    assert reused[0] == 0 < min(reused[1:])
    assert all((run.fit_seconds or 0) > spared for run, spared in zip(found.runs, reused, strict=True))
    alone = compare(task, llama, [f"{read}+{teach}"], out=tmp_path / "alone").runs[0]
    assert [p.text for p in alone.predictions] == [p.text for p in found.runs[1].predictions]
    assert alone.notes == found.runs[1].notes
    other = compare(task, llama, [read.replace("2", "3", 1), f"{read}+{teach}"], seeds=2, out=tmp_path / "other").runs
    assert not any(DONE_BEFORE in run.reused for run in other)
