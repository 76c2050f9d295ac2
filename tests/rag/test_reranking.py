"""Rerankers: weights of three kinds, tiny and trained or made here, and the language model itself."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from advisor.errors import UserError
from advisor.models import Adaptation, Capabilities, Decoding, Embedder, Generation, LanguageModel, Prompt, Scores
from advisor.models.load import load_reranker
from advisor.tasks import Document, Example, Query, Task
from rag import Bm25, Rag, document_chunks
from rag.reranking import EncoderScorer, ModelScorer, Rerank

QUESTIONS = {"where do visitors park": "garage", "who feeds the office cat": "porter"}
TEXTS = {
    "garage": "level two behind the blue barrier is for guests",
    "porter": "the porter looks after a cat and all other animals",
    "decoy": "where do visitors park is asked often and so is who feeds the office cat",
}
SCORES = Capabilities(score=True)
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 64,
}


@pytest.fixture(scope="session")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Writes a folder: tiny random weights of a class of Transformers', and a tokenizer of whole words."""
    import torch
    import transformers
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "yes", "no"]
    words = dict.fromkeys(special + " ".join([*QUESTIONS, *TEXTS.values()]).split())
    core = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    core.normalizer, core.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    names = {f"{one[1:-1].lower()}_token": one for one in special[:5]}
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **names)

    def save(kind: str, trained: Callable[[object, object], None] | None = None, **changed: int) -> Path:
        folder = tmp_path_factory.mktemp("rerankers") / kind
        config = getattr(transformers, "LlamaConfig" if kind.startswith("Llama") else "BertConfig")
        torch.manual_seed(0)
        model = getattr(transformers, kind)(config(vocab_size=len(words), **SMALL, **changed))
        if trained:
            trained(model, tokenizer)
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        return folder

    return save


def taught(model: object, tokenizer: object) -> None:
    """Trains a cross-encoder on who answers what."""
    import torch

    pairs = [
        (question, text, float(name == right)) for question, right in QUESTIONS.items() for name, text in TEXTS.items()
    ]
    batch = tokenizer([q for q, _, _ in pairs], [t for _, t, _ in pairs], padding=True, return_tensors="pt")  # type: ignore[operator]
    wanted = torch.tensor([label for *_, label in pairs])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)  # type: ignore[attr-defined]
    model.train()  # type: ignore[attr-defined]
    for _ in range(40):
        logits = model(**batch).logits[:, 0]  # type: ignore[operator]
        loss = torch.nn.functional.binary_cross_entropy_with_logits(logits, wanted)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    model.eval()  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def cross_encoder(saved: Callable[..., Path]) -> Path:
    return saved("BertForSequenceClassification", taught, num_labels=1)


@pytest.fixture
def house() -> Task:
    """Two questions; the document that shares their words answers neither."""
    documents = tuple(Document(name, "", text) for name, text in TEXTS.items())
    train = tuple(Example(f"t{n}", q, "x", evidence=(name,)) for n, (q, name) in enumerate(QUESTIONS.items()))
    return Task("house", "qa", "Answer.", "token_f1", train=train, documents=documents)


@dataclass
class Judge(LanguageModel):
    """Says yes where the passage mentions one of the words; costs 7 tokens read and 1 written each time."""

    embedder: Embedder
    words: tuple[str, ...] = ("level", "porter")
    can: Capabilities = SCORES
    name: str = "judge"
    context_window: int = 512
    asked: list[Prompt] = field(default_factory=list)

    def says(self, prompt: Prompt) -> str:
        self.asked.append(prompt)
        text = prompt.context.passages[0].text
        right = ("visitors" in prompt.input) == ("level" in text)
        return "yes" if right and any(word in text for word in self.words) else "no"

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        assert tuple(choices) == ("yes", "no")
        likely = {"yes": (-0.1, -2.0), "no": (-2.0, -0.1)}
        return [Scores(likely[self.says(prompt)], (1, 1), 7, 0.0, 0, 0) for prompt in prompts]

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        return [Generation(self.says(prompt), 7, 1, 0.0, 0.0) for prompt in prompts]

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        assert decoding.max_tokens <= 8
        return [Generation(f"{self.says(prompt).title()}, it does.", 7, 1, 0.0, 0.0) for prompt in prompts]


@pytest.fixture
def judge(embedder: Embedder) -> Judge:
    return Judge(embedder)


def queries() -> list[Query]:
    return [Query(f"q{n}", question) for n, question in enumerate(QUESTIONS)]


def test_a_cross_encoder_finds_the_answer_where_shared_words_mislead(
    house: Task, judge: Judge, cross_encoder: Path
) -> None:
    plain = Rag(k=1, retriever="bm25").build(house, judge, 0)
    assert [c.passages[0].source for c in plain.contexts(queries())] == ["decoy", "decoy"]
    better = Rag(k=1, retriever="dense", rerank=str(cross_encoder)).build(house, judge, 0)
    found = better.contexts(queries())
    assert [c.passages[0].source for c in found] == ["garage", "porter"]
    assert all((c.passages[0].score or 0) > 0.5 for c in found)  # the reranker's own, after its sigmoid
    assert any(str(cross_encoder) in note for note in better.facts.notes)
    assert not judge.asked


def test_only_so_many_candidates_are_read(house: Task, embedder: Embedder, cross_encoder: Path, judge: Judge) -> None:
    searcher = Bm25(list(document_chunks(house.documents, 100, 0)), embedder)
    two = Rerank(searcher, EncoderScorer(str(cross_encoder), judge), fetch=1)
    assert [row[0].source for row in two.search(list(QUESTIONS), 1)] == ["decoy", "decoy"]  # nothing else was looked at
    three = two.search(list(QUESTIONS), 3)  # as many as are asked for, where that is more
    assert three[1][0].source == "porter"
    assert [p.score for p in three[1]] == sorted((p.score for p in three[1]), reverse=True)
    hidden = two.search(["who feeds the office cat"], 3, without=[["porter"]])
    assert "porter" not in [p.source for p in hidden[0]]


def test_a_reranker_is_loaded_once_for_a_model(cross_encoder: Path, house: Task, judge: Judge) -> None:
    first, second = (Rag(rerank=str(cross_encoder), k=k).build(house, judge, 0) for k in (1, 2))
    scorers: list[Any] = [source.index.searcher.scorer for source in (first, second)]  # type: ignore[attr-defined]
    assert scorers[0].reranker is scorers[1].reranker
    assert EncoderScorer(str(cross_encoder), Judge(judge.embedder)).reranker is not scorers[0].reranker


def test_a_reranker_is_told_by_its_folder(saved: Callable[..., Path], tmp_path: Path, judge: Judge) -> None:
    from sentence_transformers import CrossEncoder, MultiVectorEncoder, SparseEncoder

    sparse, bert = saved("BertForMaskedLM"), saved("BertModel")
    MultiVectorEncoder(str(bert), device="cpu").save_pretrained(str(tmp_path / "late"))
    SparseEncoder(str(sparse), device="cpu").save_pretrained(str(tmp_path / "splade"))
    CrossEncoder(str(saved("LlamaForCausalLM")), device="cpu").save_pretrained(str(tmp_path / "causal"))
    folders = [sparse, tmp_path / "late", tmp_path / "splade", tmp_path / "causal", saved("LlamaForCausalLM")]
    pairs = [(question, text) for question in QUESTIONS for text in TEXTS.values()]
    for folder in folders:
        reranker = load_reranker(str(folder), judge)
        scores = reranker.scores(pairs)
        assert scores.shape == (6,) and scores.dtype == "float32"
        again = reranker.scores(pairs[::-1])[::-1]
        assert scores == pytest.approx(again, abs=1e-4)  # whatever stands beside
        assert len(reranker.revision) == 16


def test_late_interaction_prefers_what_shares_tokens(saved: Callable[..., Path], tmp_path: Path, judge: Judge) -> None:
    """Even random weights give a token the vector that is most like its own."""
    from sentence_transformers import MultiVectorEncoder

    MultiVectorEncoder(str(saved("BertModel")), device="cpu").save_pretrained(str(tmp_path / "late"))
    reranker = load_reranker(str(tmp_path / "late"), judge)
    question = "where do visitors park"
    same, other = reranker.scores([(question, TEXTS["decoy"]), (question, TEXTS["porter"])])
    assert same > other


def test_what_is_no_reranker_is_said(saved: Callable[..., Path], tmp_path: Path, judge: Judge) -> None:
    def refused(name: str) -> UserError:
        with pytest.raises(UserError) as caught:
            load_reranker(name, judge).scores([("a", "b"), ("a", "c")])
        return caught.value

    assert "BertModel" in refused(str(saved("BertModel"))).what
    assert "no reranker comes" in refused("embedded").what
    assert "no such model folder" in refused("./nowhere").what
    assert "3 scores to a pair" in refused(str(saved("BertForSequenceClassification", num_labels=3))).what
    embedder = saved("BertModel")
    (embedder / "modules.json").write_text(json.dumps([{"type": "sentence_transformers.models.Transformer"}]))
    assert "is a sentence embedder" in refused(str(embedder)).what
    broken = saved("BertForSequenceClassification", num_labels=1)
    (broken / "model.safetensors").write_bytes(b"nothing of the kind")
    assert "cannot be loaded as a reranker" in refused(str(broken)).what
    (broken / "config_sentence_transformers.json").write_text("[]")
    assert "config_sentence_transformers.json holds no object" in refused(str(broken)).what


@pytest.mark.parametrize(
    ("can", "written"),
    [(Capabilities(score=True), 0), (Capabilities(choose=True), 1), (Capabilities(), 1)],
    ids=["by likelihood", "held to yes or no", "by what it writes"],
)
def test_the_model_itself_reranks_by_whatever_it_can(
    house: Task, judge: Judge, can: Capabilities, written: int
) -> None:
    judge.can = can
    source = Rag(k=2, retriever="dense", rerank="llm").build(house, judge, 0)
    found = source.contexts(queries())
    assert [c.passages[0].source for c in found] == ["garage", "porter"]
    assert all(c.passages[0].score > 0.8 > 0.2 > c.passages[1].score for c in found)  # type: ignore[operator]
    assert [c.spent.calls for c in found] == [3, 3]  # one for each candidate
    assert [c.spent.prompt_tokens for c in found] == [21, 21]
    assert [c.spent.completion_tokens for c in found] == [3 * written, 3 * written]
    assert any("judge itself" in note for note in source.facts.notes)


def test_what_a_query_took_is_told_apart_from_its_neighbours(house: Task, judge: Judge) -> None:
    source = Rag(k=1, retriever="bm25", rerank="llm").build(house, judge, 0)
    asked = [Query("1", "where do visitors park"), Query("2", "nothing known"), Query("3", "where do visitors park")]
    assert [c.spent.calls for c in source.contexts(asked)] == [1, 0, 1]  # what bm25 finds is judged


def test_where_the_model_says_neither_the_searcher_decides(
    house: Task, judge: Judge, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge.can = Capabilities()
    monkeypatch.setattr(judge, "says", lambda prompt: "hm")
    scored = ModelScorer(judge).scores([("a", p) for p in passages(house)])
    assert scored == [0.5, 0.5, 0.5]


def test_a_fitted_reranking_is_brought_back(house: Task, judge: Judge, cross_encoder: Path, tmp_path: Path) -> None:
    for name, builder in (("a", Rag(k=2, rerank=str(cross_encoder))), ("b", Rag(k=2, rerank="llm", fetch=3))):
        source = builder.build(house, judge, 0)
        (tmp_path / name).mkdir()
        source.save(tmp_path / name)
        again = builder.restore(tmp_path / name, house.brief, judge)
        assert again.contexts(queries()) == source.contexts(queries())
        assert again.facts.notes == source.facts.notes


def test_training_contexts_are_reranked_too(house: Task, judge: Judge, cross_encoder: Path) -> None:
    source = Rag(k=1, miss=0.0, rerank=str(cross_encoder)).build(house, judge, 0)
    shown = source.training_contexts(house.train, 0)
    assert [c.passages[0].source for c in shown] == ["garage", "porter"]


def test_wrong_parameters_are_named() -> None:
    with pytest.raises(UserError, match="fetch=0"):
        Rag(fetch=0)
    with pytest.raises(UserError, match="rerank names nothing"):
        Rag(rerank=" ")


def passages(task: Task) -> list:  # type: ignore[type-arg]
    return [chunk.passage for chunk in document_chunks(task.documents, 100, 0)]
