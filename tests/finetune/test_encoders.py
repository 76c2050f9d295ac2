"""Encoders trained as classifiers: `setfit` and `encoder`, with tiny encoders made here."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from torch import nn
from transformers import (
    AutoModel,
    BertConfig,
    BertForMaskedLM,
    BertModel,
    DistilBertConfig,
    ElectraConfig,
    ModernBertConfig,
    MPNetConfig,
    PreTrainedTokenizerFast,
    RobertaConfig,
)

from advisor import compare
from advisor.approaches import Lengths, parse
from advisor.errors import NotApplicable, UserError
from advisor.models.load import load_embedder
from advisor.models.local.embedder import SentenceEmbedder
from advisor.models.local.trainable import ROWS, trainable
from advisor.tasks import Example, Outline, Query, Task
from finetune.classifiers import TRAINING
from finetune.encoders.course import Course, follow
from finetune.encoders.courses import Contrasting, Labelling, Masking
from finetune.encoders.settings import LabellingSettings
from finetune.holding_out import held_out_of
from finetune.training import Schedule

FRUITS, TOOLS, PLACES = ("apple", "pear", "plum"), ("hammer", "saw", "drill"), ("hill", "lake", "wood")
KINDS = {"fruit": FRUITS, "tool": TOOLS, "place": PLACES}
AROUND = ("i saw a", "where is the", "a big", "this is my", "no")
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
EXAMPLES = tuple(
    Example(f"{label}-{word}-{n}", f"{around} {word}", label)
    for label, words in KINDS.items()
    for word in words
    for n, around in enumerate(AROUND)
)
TASK = Task(
    "things",
    "classification",
    "Which kind?",
    "accuracy",
    tuple(KINDS),
    tuple(e for n, e in enumerate(EXAMPLES) if n % 3),
)
QUERIES = [Query(e.id, e.input) for e in EXAMPLES]
FAST = {"setfit": "setfit:epochs=15,batch=8,lr=0.003", "encoder": "encoder:epochs=15,batch=8,lr=0.003"}
BOTH = pytest.mark.parametrize("spec", FAST.values(), ids=FAST)


def tokenizer(mask: bool = True) -> PreTrainedTokenizerFast:
    """Words, and what BERT puts around them; the words that no example has are many, as in any vocabulary."""
    words = sorted({word for example in EXAMPLES for word in example.input.split()})
    core = Tokenizer(
        models.WordLevel(
            {word: n for n, word in enumerate([*SPECIAL, *words, *(f"rare{n}" for n in range(200))])}, "[UNK]"
        )
    )
    core.pre_tokenizer = pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing("[CLS] $A [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    named = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return PreTrainedTokenizerFast(
        tokenizer_object=core, model_max_length=32, **named, **({"mask_token": "[MASK]"} if mask else {})
    )


@pytest.fixture(scope="module")
def folder_of_bert(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a tiny BERT, with or without a layer that tells words left out."""

    def write(kind: Any = BertModel, mask: bool = True, seed: int = 3) -> Path:
        path = tmp_path_factory.mktemp("encoders")
        words = tokenizer(mask)
        config = BertConfig(
            vocab_size=len(words),
            hidden_size=32,
            intermediate_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            max_position_embeddings=40,
            initializer_range=0.2,
        )
        torch.manual_seed(seed)
        kind(config).save_pretrained(path)
        words.save_pretrained(path)
        return path

    return write


@pytest.fixture(scope="module")
def folder(folder_of_bert: Callable[..., Path]) -> Path:
    return folder_of_bert()


@pytest.fixture
def model_on(make_model: Callable[..., Any]) -> Callable[..., Any]:
    """A scripted language model with the embedder in a folder beside it."""

    def made(folder: Path, dtype: str = "float32") -> Any:
        model = make_model()
        model.embedder = load_embedder(str(folder), device="cpu", dtype=dtype)
        return model

    return made


@pytest.fixture
def model(model_on: Callable[..., Any], folder: Path) -> Any:
    return model_on(folder)


def bits(embedder: Any) -> dict[str, torch.Tensor]:
    own: SentenceEmbedder = embedder.embedder
    return {name: tensor.clone() for name, tensor in own._model.state_dict().items()}


@BOTH
def test_confidences_are_calibrated_on_dev(spec: str, model: Any, tmp_path: Path) -> None:
    approach = parse(f"{spec},calibrate=true")
    assert "calibrate needs dev examples" in approach.unsuited(TASK)
    dev = tuple(replace(e, target="tool" if n % 3 == 0 else e.target) for n, e in enumerate(EXAMPLES))
    task = replace(TASK, dev=dev)  # of other answers, so that none can be sure
    plain = parse(spec).fit(task, model, 0).predict(QUERIES)
    fitted = approach.fit(task, model, 0)
    found = fitted.predict(QUERIES)
    assert [p.text for p in found] == [p.text for p in plain]
    assert [p.confidence for p in found] != pytest.approx([p.confidence for p in plain], rel=1e-3)
    assert "(Guo et al. 2017), chosen on 45 dev examples" in " ".join(fitted.facts.notes)
    fitted.save(tmp_path)
    assert [p.confidence for p in approach.restore(tmp_path, task.brief, model).predict(QUERIES)] == pytest.approx(
        [p.confidence for p in found]
    )


@BOTH
def test_it_learns_and_says_how_sure_it_is(spec: str, model: Any) -> None:
    found = parse(spec).fit(TASK, model, 0).predict(QUERIES)
    right = [p.text == e.target for p, e in zip(found, EXAMPLES, strict=True)]
    assert sum(right) / len(right) > 0.9
    assert [p.id for p in found] == [q.id for q in QUERIES]
    assert all(p.confidence is not None and 1 / 3 <= p.confidence <= 1 for p in found)
    assert model.prompts == []


@BOTH
def test_the_embedder_stays_bit_for_bit_what_it_was(spec: str, model: Any) -> None:
    texts = [e.input for e in EXAMPLES]
    vectors, before = model.embedder.embed(texts), bits(model.embedder)
    fitted = parse(spec).fit(TASK, model, 0)
    fitted.predict(QUERIES)
    after = bits(model.embedder)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert np.array_equal(model.embedder.embed(texts), vectors)
    assert not np.array_equal(fitted.embedder.embed(texts), vectors)  # type: ignore[attr-defined]


@BOTH
def test_a_seed_decides_everything_and_nothing_else_is_drawn(spec: str, model: Any) -> None:
    drawn = torch.random.get_rng_state()
    one, same, other = (parse(spec).fit(TASK, model, seed) for seed in (1, 1, 2))
    assert torch.equal(torch.random.get_rng_state(), drawn)
    assert one.predict(QUERIES[:1])[0].confidence == same.predict(QUERIES[:1])[0].confidence
    assert one.predict(QUERIES[:1])[0].confidence != other.predict(QUERIES[:1])[0].confidence
    assert one.facts.tokens_seen == same.facts.tokens_seen > sum(len(e.input.split()) for e in TASK.train) / 2


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_was_saved_is_enough_elsewhere(
    spec: str, dtype: str, folder: Path, model_on: Callable[..., Any], tmp_path: Path
) -> None:
    fitted = parse(spec).fit(TASK, model_on(folder, dtype), 0)
    fitted.save(tmp_path)
    again = parse(spec).restore(tmp_path, replace(TASK, train=()).brief, model_on(folder, dtype))
    told = [(p.text, p.confidence) for p in fitted.predict(QUERIES)]
    assert [(p.text, p.confidence) for p in again.predict(QUERIES)] == told
    assert again.facts.artifact_bytes == fitted.facts.artifact_bytes
    assert again.facts.trainable_parameters == fitted.facts.trainable_parameters
    size = sum(path.stat().st_size for path in tmp_path.iterdir() if path.suffix != ".json")
    assert fitted.facts.artifact_bytes <= size < fitted.facts.artifact_bytes + 20_000  # names and headers
    assert not list(tmp_path.glob("*.pkl")) and (tmp_path / "encoder.safetensors").is_file()


def test_of_an_embedding_only_the_rows_that_were_read_are_kept(model: Any) -> None:
    encoder = trainable(model.embedder)
    optimiser = torch.optim.SGD(encoder.module.parameters(), lr=0.1)
    encoder.read(["apple pear"]).square().sum().backward()
    optimiser.step()
    state = encoder.changed()
    (table,) = (name for name in state if name.endswith("word_embeddings.weight"))
    ids = encoder.tokenizer("apple pear")["input_ids"]
    assert sorted(state[table + ROWS].tolist()) == sorted(ids)
    assert state[table].shape == (len(ids), 32)
    again = trainable(model.embedder)
    again.put(state)
    ours, theirs = encoder.module.state_dict(), again.module.state_dict()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_an_encoder_that_was_not_trained_changes_nothing(model: Any) -> None:
    assert trainable(model.embedder).changed() == {}


@BOTH
def test_another_encoder_than_the_one_that_was_trained_is_refused(
    spec: str, model: Any, model_on: Callable[..., Any], folder_of_bert: Callable[..., Path], tmp_path: Path
) -> None:
    parse(spec).fit(TASK, model, 0).save(tmp_path)
    with pytest.raises(NotApplicable, match="was trained from"):
        parse(spec).restore(tmp_path, TASK.brief, model_on(folder_of_bert(seed=4)))


@BOTH
def test_an_embedder_whose_weights_are_elsewhere_is_not_trained(spec: str, make_model: Callable[..., Any]) -> None:
    with pytest.raises(NotApplicable, match="weights of the embedder words are not here"):
        parse(spec).fit(TASK, make_model(), 0)


@pytest.mark.parametrize("name", FAST)
def test_the_encoder_can_be_another_one(name: str, make_model: Callable[..., Any], folder: Path) -> None:
    found = parse(f"{FAST[name]},model={folder}").fit(TASK, make_model(), 0)
    assert sum(p.text == e.target for p, e in zip(found.predict(QUERIES), EXAMPLES, strict=True)) > 0.9 * len(EXAMPLES)
    assert str(folder) in found.facts.notes[0]


def test_pooling_takes_the_first_token_or_all(model: Any) -> None:
    own, mean, cls = (trainable(model.embedder, pooling) for pooling in ("own", "mean", "cls"))
    texts = ["apple", "where is the lake"]
    assert np.allclose(own.pooled(texts), mean.pooled(texts))
    with torch.no_grad():
        hidden = cls.transformer(**cls.features(texts)).last_hidden_state
    assert np.allclose(cls.pooled(texts), hidden[:, 0].numpy(), atol=1e-5)
    assert np.allclose(cls.read(texts).detach().numpy(), cls.pooled(texts), atol=1e-5)


@pytest.mark.parametrize(("kind", "random_head"), [(BertModel, True), (BertForMaskedLM, False)])
def test_words_are_filled_in_first(
    kind: Any,
    random_head: bool,
    folder_of_bert: Callable[..., Path],
    model_on: Callable[..., Any],
) -> None:
    found = parse(FAST["encoder"] + ",mlm=true").fit(TASK, model_on(folder_of_bert(kind)), 0)
    (note,) = (note for note in found.facts.notes if "mlm" in note)
    assert ("began at random" in note) == random_head
    begun, ended = (float(text.rstrip(".")) for text in note.split("the loss went from ")[1].split(" to "))
    assert ended < begun
    assert sum(p.text == e.target for p, e in zip(found.predict(QUERIES), EXAMPLES, strict=True)) > 0.9 * len(EXAMPLES)


FAMILIES = {
    "roberta": RobertaConfig,
    "distilbert": DistilBertConfig,
    "mpnet": MPNetConfig,
    "electra": ElectraConfig,
    "modernbert": ModernBertConfig,
}


@pytest.mark.parametrize("family", FAMILIES)
def test_encoders_of_other_families_are_trained_and_brought_back(
    family: str, make_model: Callable[..., Any], tmp_path: Path
) -> None:
    words = tokenizer()
    common = {"vocab_size": len(words), "pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    sizes: dict[str, Any] = dict(zip(("n_layers", "n_heads", "dim", "hidden_dim"), (2, 4, 32, 48), strict=True))
    if family != "distilbert":
        sizes = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 32, "intermediate_size": 48}
    more = {"cls_token_id": 2, "sep_token_id": 3} if family == "modernbert" else {}
    torch.manual_seed(5)
    AutoModel.from_config(FAMILIES[family](**common, **sizes, **more)).save_pretrained(tmp_path / "encoder")
    words.save_pretrained(tmp_path / "encoder")
    approach = parse(f"encoder:epochs=1,batch=8,mlm=true,model={tmp_path / 'encoder'}")
    fitted = approach.fit(TASK, make_model(), 0)
    (tmp_path / "kept").mkdir()
    fitted.save(tmp_path / "kept")
    again = approach.restore(tmp_path / "kept", TASK.brief, make_model())
    told = [p.confidence for p in fitted.predict(QUERIES)]
    assert [p.confidence for p in again.predict(QUERIES)] == told
    assert len(set(told)) > 9


def test_the_layer_that_tells_words_is_tied_to_the_embedding_that_is_trained(model: Any) -> None:
    encoder = trainable(model.embedder)
    masking: Any = Masking(encoder, [e.input for e in EXAMPLES], 8)
    told = masking.module.get_output_embeddings().weight
    assert told is encoder.transformer.get_input_embeddings().weight
    masking.loss([0, 1, 2]).backward()
    assert all(p.grad is not None for p in encoder.transformer.encoder.parameters())


def test_words_cannot_be_left_out_without_a_token_for_that(
    folder_of_bert: Callable[..., Path], model_on: Callable[..., Any]
) -> None:
    with pytest.raises(NotApplicable, match="stands for a word left out"):
        parse("encoder:mlm=true").fit(TASK, model_on(folder_of_bert(mask=False)), 0)


@BOTH
def test_a_rate_too_high_is_told(spec: str, model: Any) -> None:
    with pytest.raises(UserError, match="diverged"):
        parse(spec.replace("lr=0.003", "lr=1e30")).fit(TASK, model, 0)


@pytest.mark.parametrize("name", FAST)
def test_it_answers_with_two_labels_at_least(name: str) -> None:
    approach = parse(name)
    assert approach.unsuited(TASK) == ""
    assert "train has fewer than two" in approach.unsuited(replace(TASK, train=EXAMPLES[:3]))
    assert "the task has none" in approach.unsuited(Task("t", "qa", "Answer.", "token_f1", train=EXAMPLES))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("setfit:c=0", "c is 0"),
        ("setfit:smoothing=0.1", "pairs have no labels"),
        ("encoder:dropout=1", "dropout"),
        ("encoder:lr=0", "lr must be positive"),
        ("encoder:pooling=max", "own, mean, cls"),
    ],
)
def test_parameters_that_mean_nothing_are_refused(spec: str, said: str) -> None:
    with pytest.raises(UserError) as error:
        parse(spec)
    assert said in f"{error.value.what} {error.value.hint}"


def test_in_a_comparison_an_embedder_elsewhere_is_a_skipped_row(make_model: Callable[..., Any], tmp_path: Path) -> None:
    task = replace(TASK, test=EXAMPLES[:4])
    runs = compare(task, make_model(), ["setfit", "encoder", "head"], out=tmp_path).runs
    assert [run.status for run in runs] == ["skipped", "skipped", "ok"]
    assert all("weights of the embedder words are not here" in run.error for run in runs[:2])


@pytest.mark.parametrize("name", FAST)
def test_what_it_takes_is_foreseen_by_what_it_then_does(name: str, model: Any) -> None:
    task = replace(TASK, train=EXAMPLES)
    approach = parse(name)
    load = approach.load(Outline.of(task), Lengths.of(task, None))
    fitted = approach.fit(task, model, 0)
    epochs = fitted.facts.resolved[name]["epochs"]
    words = sum(len(e.input.split()) for e in EXAMPLES)
    assert load is not None and load.trains and load.prompt == 0
    assert load.embedded_to_fit / words == pytest.approx(1 + TRAINING * epochs, rel=0.2)
    longer = parse(f"{name}:epochs=40").load(Outline.of(task), Lengths.of(task, None))
    assert longer is not None and longer.embedded_to_fit > load.embedded_to_fit


def test_long_texts_get_fewer_epochs_and_smaller_steps() -> None:
    settings = LabellingSettings()
    (few, small), (many, large) = settings.planned(200, 180), settings.planned(200, 10)
    assert few < many and small < large
    assert settings.planned(8, 10)[0] > settings.planned(1_000, 10)[0] >= 2
    assert LabellingSettings(epochs=3, batch=5).planned(200, 10) == (3, 5)


def test_a_tenth_is_held_out_and_of_every_label_two_are_left() -> None:
    train, held_out = held_out_of(replace(TASK, train=EXAMPLES), 0)
    assert len(held_out) == len(EXAMPLES) // 10
    assert sorted(e.id for e in (*train, *held_out)) == sorted(e.id for e in EXAMPLES)
    assert not held_out_of(replace(TASK, train=EXAMPLES[:2] + EXAMPLES[15:17] + EXAMPLES[30:]), 0)[1]
    rare = replace(TASK, train=(*EXAMPLES[:2], *EXAMPLES[15:], *(replace(e, id=f"{e.id}b") for e in EXAMPLES[15:])))
    for share in (10, 5):
        train, held_out = held_out_of(rare, 0, share)
        assert len(held_out) == len(rare.train) // share
        assert "fruit" not in {e.target for e in held_out}
    assert held_out_of(replace(TASK, dev=EXAMPLES[:4]), 0)[0] == TASK.train


def test_a_label_that_only_dev_has_is_left_out_of_judging(model: Any) -> None:
    course = Labelling(
        LabellingSettings(batch=4), trainable(model.embedder), EXAMPLES[:30], EXAMPLES[:3] + EXAMPLES[40:]
    )
    assert [e.target for e in course.judging] == ["fruit"] * 3
    assert course.held_out() == pytest.approx(np.log(2))  # a classifier that begins without a preference


def test_steps_of_contrast_hold_pairs_of_both_kinds(model: Any) -> None:
    course = Contrasting(trainable(model.embedder), EXAMPLES, (), 12)
    batches = course.epoch(random.Random(0))
    assert sorted(number for batch in batches for number in batch) == list(range(len(EXAMPLES)))
    for batch in batches:
        labels = [EXAMPLES[number].target for number in batch]
        assert len(set(labels)) > 1 and len(labels) > len(set(labels))


def test_contrast_brings_texts_of_a_label_together(model: Any) -> None:
    def apart(embedder: Any) -> float:
        vectors = embedder.embed([e.input for e in EXAMPLES])
        same = np.array([[a.target == b.target for b in EXAMPLES] for a in EXAMPLES])
        cosines = vectors @ vectors.T
        return float(cosines[same].mean() - cosines[~same].mean())

    fitted: Any = parse(FAST["setfit"]).fit(TASK, model, 0)
    assert apart(fitted.embedder) > apart(model.embedder) + 0.3


class Falling(Course[list[int]]):
    """A number that is counted up by one a step, and whose held-out losses are given."""

    def __init__(self, losses: list[float]) -> None:
        self.weight = nn.Parameter(torch.zeros(1))
        self.module = nn.ParameterList([self.weight])
        self.losses = losses
        self.seen: list[float] = []

    def epoch(self, rng: random.Random) -> list[list[int]]:
        return [[0]]

    def loss(self, batch: list[int]) -> torch.Tensor:
        return -self.weight.sum()

    def held_out(self) -> float | None:
        self.seen.append(self.weight.item())
        return self.losses.pop(0) if self.losses else None


def test_training_stops_early_and_keeps_the_best() -> None:
    course = Falling([1.0, 0.5, 0.6, 0.7, 0.1])
    history = follow(course, Schedule(lr=1.0, epochs=10, schedule="constant", patience=2), 0)
    assert (history.best_step, len(history.losses)) == (1, 3)
    assert course.losses == [0.1]
    assert course.weight.item() == course.seen[1] != course.seen[-1]


def test_an_encoder_that_training_makes_worse_stays_as_it_was() -> None:
    course = Falling([0.1, 0.5, 0.6])
    assert follow(course, Schedule(lr=1.0, epochs=10, patience=2), 0).best_step == 0
    assert course.weight.item() == 0


def test_without_held_out_examples_the_last_step_is_kept() -> None:
    course = Falling([])
    history = follow(course, Schedule(lr=1.0, epochs=4, schedule="constant"), 0)
    assert history.best_step == 4 and course.weight.item() == pytest.approx(4, rel=1e-3)
