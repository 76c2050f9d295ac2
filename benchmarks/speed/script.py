"""A script with the stock libraries that compares the same approaches, in two degrees of care."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM
from peft import LoraConfig
from sentence_transformers import SentenceTransformer, util
from transformers import GenerationConfig

from advisor.approaches.answering import decoding_for
from advisor.approaches.shots import draw
from advisor.models import Context, Passage, Prompt, Shot
from advisor.models.local.packages import MINILM
from advisor.models.local.source import find
from advisor.models.render import Renderer
from advisor.tasks import Task
from benchmarks.speed.material import row_of
from benchmarks.speed.stock import SftSettings, sft_trainer
from rag import Chunk, Rag, document_chunks, example_chunks

ALONE, WARM_UPS = 16, 2  # queries sent alone for their latency, as Advisor sends them
SHOTS = 8


@dataclass(frozen=True)
class Care:
    """The degree of care of the script.

    Attributes:
        batch: sequences at once; 1 takes the queries one by one, as they come. Larger batches are sorted by length.
        checkpointing, sampling: of training, as in `SftSettings`.
        merged: whether a trained adapter is merged before it is used.
    """

    name: str
    batch: int
    checkpointing: bool
    sampling: str
    merged: bool


B0 = Care("B0, a script with the libraries' defaults", 1, True, "random", False)
B1 = Care("B1, a competent script", 16, False, "group_by_length", True)


@dataclass
class Found:
    """The results of the script.

    Attributes:
        texts: by approach, the answers in the order of the test examples.
        latencies: by approach, seconds of queries sent alone.
        trained_tokens: of the training rows, over all epochs.
    """

    texts: dict[str, list[str]] = field(default_factory=dict)
    latencies: dict[str, list[float]] = field(default_factory=dict)
    trained_tokens: int = 0


@dataclass(frozen=True)
class Training:
    """The hyper-parameters of `lora`, equal on both sides."""

    config: LoraConfig
    rate: float
    epochs: int
    batch: int


class Script:
    """Zero-shot, few-shot, rag and lora on one task.

    Args:
        model: Advisor's, of which only the renderer is used: both sides ask with the same text.
        module: the same weights, the script's own.
    """

    def __init__(self, care: Care, task: Task, model: Any, module: Any) -> None:
        self.care = care
        self.task = task
        self.model = model
        self.renderer: Renderer = model.renderer
        self.module = module
        self.decoding = decoding_for(task, model)
        self.found = Found()

    def run(self, training: Training) -> Found:
        """Run all four approaches, with answers and latencies."""
        inputs = [example.input for example in self.task.test]
        self._ask("zero-shot", self._prompts(inputs, [Context()] * len(inputs)))
        shots = tuple(Shot(e.input, e.target) for e in draw(self.task, SHOTS, 0))
        self._ask("few-shot", self._prompts(inputs, [Context(shots)] * len(inputs)))
        self._ask("rag", self._prompts(inputs, self._retrieved(inputs)))
        self._train(training)
        self._ask("lora", self._prompts(inputs, [Context()] * len(inputs)))
        return self.found

    def _prompts(self, inputs: Sequence[str], contexts: Sequence[Context]) -> list[Prompt]:
        labels = self.task.labels if self.task.kind == "classification" else ()
        return [Prompt(self.task.instruction, text, labels, c) for text, c in zip(inputs, contexts, strict=True)]

    def _retrieved(self, inputs: Sequence[str]) -> list[Context]:
        """The passages that `rag` shows, retrieved as in sentence-transformers' documentation."""
        rag = Rag()
        documents = document_chunks(self.task.documents, rag.chunk, rag.overlap)
        chunks: list[Chunk] = list(documents) or list(example_chunks(self.task.train))
        embedder = SentenceTransformer(str(find("embedded", MINILM).path), local_files_only=True)
        corpus = embedder.encode([chunk.embedded for chunk in chunks], convert_to_tensor=True)
        hits = util.semantic_search(embedder.encode(list(inputs), convert_to_tensor=True), corpus, top_k=rag.k)
        rows = [[chunks[int(hit["corpus_id"])] for hit in row] for row in hits]
        return [Context(passages=tuple(Passage(c.source, c.title, c.text) for c in r), fixed=False) for r in rows]

    def _train(self, training: Training) -> None:
        prompts = self._prompts([e.input for e in self.task.train], [Context()] * len(self.task.train))
        rows = [row_of(self.model, prompt, e.target) for prompt, e in zip(prompts, self.task.train, strict=True)]
        self.found.trained_tokens = training.epochs * sum(row.tokens for row in rows)
        with tempfile.TemporaryDirectory() as folder:
            settings = SftSettings(
                rows,
                folder,
                training.rate,
                training.epochs,
                training.batch,
                checkpointing=self.care.checkpointing,
                sampling=self.care.sampling,
            )
            trainer = sft_trainer(self.module, self.renderer.tokenizer, training.config, settings)
            trainer.train()
        self.module = trainer.model.merge_and_unload() if self.care.merged else trainer.model
        self.module.eval()

    def _ask(self, approach: str, prompts: list[Prompt]) -> None:
        """Ask every prompt once, and 16 alone; where prompts are sent one by one, the former tells the latter."""
        answers = _Labels(self) if self.task.kind == "classification" else _Texts(self)
        if self.care.batch > 1:
            self.found.texts[approach] = answers.of(prompts)
            chosen = [prompts[i * len(prompts) // ALONE] for i in range(min(ALONE, len(prompts)))]
            for prompt in chosen[:WARM_UPS]:
                answers.of([prompt])
            self.found.latencies[approach] = _timed(answers, chosen)[1]
        else:
            self.found.texts[approach], self.found.latencies[approach] = _timed(answers, prompts)


class _Labels:
    """The most likely label by length-normalised likelihood, from lm-evaluation-harness, which sorts and batches by
    itself.
    """

    def __init__(self, script: Script) -> None:
        self.labels = script.task.labels
        self.renderer = script.renderer
        tokenizer = script.renderer.tokenizer
        self.harness = HFLM(pretrained=script.module, tokenizer=tokenizer, batch_size=script.care.batch)

    def of(self, prompts: Sequence[Prompt]) -> list[str]:
        """The label of each prompt."""
        requests = [
            Instance("loglikelihood", {}, (self.renderer.text(prompt)[0], " " + label), place, ("labels", number, 1))
            for number, prompt in enumerate(prompts)
            for place, label in enumerate(self.labels)
        ]
        found = [value for value, _ in self.harness.loglikelihood(requests, disable_tqdm=True)]
        lengths = [len(self.renderer.encode_answer(label)) for label in self.labels]
        size = len(self.labels)
        rows = [found[i * size : (i + 1) * size] for i in range(len(prompts))]
        return [self.labels[max(range(size), key=lambda j, row=row: row[j] / lengths[j])] for row in rows]


class _Texts:
    """Greedy answers by Transformers' `generate`."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.decoding = script.decoding
        ends = sorted(script.renderer.stop_ids)
        self.pad = ends[0]
        self.settings = GenerationConfig(
            max_new_tokens=self.decoding.max_tokens,
            do_sample=False,
            eos_token_id=ends,
            pad_token_id=self.pad,
            stop_strings=list(self.decoding.stop) or None,
        )

    def of(self, prompts: Sequence[Prompt]) -> list[str]:
        """The answer to each prompt."""
        ids = [list(self.script.renderer.encode(p, self.decoding.max_tokens).ids) for p in prompts]
        order = sorted(range(len(ids)), key=lambda i: len(ids[i])) if self.script.care.batch > 1 else range(len(ids))
        answers = [""] * len(ids)
        for first in range(0, len(ids), self.script.care.batch):
            batch = list(order)[first : first + self.script.care.batch]
            for number, text in zip(batch, self._generated([ids[i] for i in batch]), strict=True):
                answers[number] = text
        return answers

    def _generated(self, rows: list[list[int]]) -> list[str]:
        longest = max(map(len, rows))
        padded = [[self.pad] * (longest - len(row)) + row for row in rows]
        masks = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        module, tokenizer = self.script.module, self.script.renderer.tokenizer
        output = module.generate(
            input_ids=torch.tensor(padded, device=module.device),
            attention_mask=torch.tensor(masks, device=module.device),
            generation_config=self.settings,
            tokenizer=tokenizer,
        )
        texts = tokenizer.batch_decode(output[:, longest:], skip_special_tokens=True)
        return [self._cut(text) for text in texts]

    def _cut(self, text: str) -> str:
        text = text.lstrip()
        for stop in self.decoding.stop:
            text = text.split(stop)[0]
        return text.strip()


def _timed(answers: _Labels | _Texts, prompts: Sequence[Prompt]) -> tuple[list[str], list[float]]:
    """Ask one prompt at a time, with its seconds."""
    texts, seconds = [], []
    for prompt in prompts:
        began = time.perf_counter()
        texts += answers.of([prompt])
        seconds.append(time.perf_counter() - began)
    return texts, seconds
