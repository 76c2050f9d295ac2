"""The local engine: scoring and greedy generation with a Hugging Face causal model in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, get_args

import torch

from advisor import progress
from advisor.errors import UserError
from advisor.models.adaptation import Adaptation, Form
from advisor.models.embedder import Embedder
from advisor.models.hearing import hearer
from advisor.models.language_model import (
    Capabilities,
    Conversation,
    Decoding,
    Generation,
    HiddenStates,
    LanguageModel,
    Scores,
)
from advisor.models.local import hidden, threads
from advisor.models.local.activation import Activation
from advisor.models.local.batches import Bounds, batches, halving
from advisor.models.local.device import device_of, devices_of, peak_memory, reset_peak_memory
from advisor.models.local.facts import described
from advisor.models.local.greedy import Greedy, Told
from advisor.models.local.kv import passing_bytes
from advisor.models.local.linear import arrange, let_go, prepare_to_learn
from advisor.models.local.originals import Originals
from advisor.models.local.output_layer import OutputLayer
from advisor.models.local.perplexity import likelihoods
from advisor.models.local.reader import Reader
from advisor.models.local.scoring import ChoiceTree
from advisor.models.local.shortage import not_enough
from advisor.models.local.source import Source
from advisor.models.local.thinking import thought_first
from advisor.models.prompt import Prompt
from advisor.models.render import Encoded, Renderer

TREES_KEPT = 4  # one of 151 labels takes 30 ms, which every query sent alone would pay
TEXTS = Bounds()  # of plain texts at once, which are read in full: more would not be faster


class LocalModel(LanguageModel):
    """A causal language model in this process: scores, generates, and can be trained.

    Args:
        module: the Hugging Face model, in evaluation mode, on its device.
        renderer: of its tokenizer.
        source: where the weights came from.
        embedder: the sentence embedder that goes with it.
        thinking: renders so that the model thinks before it answers, where it is to. An adapted model does not: it was
            trained on answers alone.

    Attributes:
        bounds: how much it does at once.
        reader: reads rows through the module.
    """

    def __init__(
        self, module: Any, renderer: Renderer, source: Source, embedder: Embedder, thinking: Renderer | None = None
    ) -> None:
        self.module = module
        self.renderer = renderer
        self.thinking = thinking
        self.source = source
        self.embedder = embedder
        arrange(module)
        self._output = OutputLayer(module)
        self.bounds = Bounds.of(module)
        self._tree = lru_cache(TREES_KEPT)(self._tree_of)
        self.reader = Reader(module)
        self._activation = Activation(module, self.reader, renderer.window)
        self.name, self.revision, self.context_window = source.id, source.revision, renderer.window

    @property
    def can(self) -> Capabilities:  # type: ignore[override] # its bounds may be lowered later
        """All that the approaches here ask for; a label that is thought about is written.

        A model that is spread over several devices is not trained here: its tensors are moved about as it computes.
        """
        whole, score = len(devices_of(self.module)) == 1, self.thinking is None
        forms = frozenset(get_args(Form)) if whole else frozenset[Form]()
        layers, rows = len(hidden.layers_of(self.module)), self.bounds.rows
        return Capabilities(score, text_likelihood=True, layers=layers, train=whole, adapt=forms, rows_at_once=rows)

    @property
    def originals(self) -> Originals:
        """Its own weights, while others stand in their place."""
        return self._activation.originals

    @property
    def device(self) -> torch.device:
        return device_of(self.module)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.module.dtype
        return dtype

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without special tokens: what looks like one is text."""
        return self.renderer.count(text)

    def activate(self, adaptation: Adaptation | None) -> None:
        """Run with an adaptation from now on, or with the model's own weights, which come back bit for bit.

        Raises:
            NotApplicable: keys and values are to stand before every prompt, which the model does not allow.
            UserError: these leave no place for a prompt.
        """
        self._activation.activate(adaptation)

    @contextmanager
    def standing_on(self, ground: Adaptation) -> Iterator[None]:
        """An adaptation passes for the model's own weights while the block runs: what is trained there is trained upon
        it, and what is activated goes onto it (`Stacked` outside of the block).

        Raises:
            UserError: as `activate`.
        """
        revision = self.revision
        self.revision = f"{revision}>{ground.key}"  # what was kept of a training is none of another ground's
        try:
            with self._activation.standing_on(ground):
                yield
        finally:
            self.revision = revision

    def restoring(self) -> Callable[[], None]:
        """Makes it compute with what it computes with now, whatever is active then."""
        return self._activation.restoring()

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily, in the order of `prompts`."""
        started = time.perf_counter()
        self.activate(adaptation)
        if self.thinking is not None and adaptation is None:
            return thought_first(self.continued, self.thinking, prompts, decoding, started)
        room = decoding.max_tokens + self.reader.start.length
        return self.continued([self.renderer.encode(p, room) for p in prompts], decoding, started, prompts)

    @torch.inference_mode()
    def converse(
        self, conversations: Sequence[Conversation], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Go on with each conversation greedily, in the order of `conversations`."""
        started = time.perf_counter()
        self.activate(adaptation)
        room = decoding.max_tokens + self.reader.start.length
        rows = [self.renderer.encode_conversation(one, room) for one in conversations]
        return self.continued(rows, decoding, started, conversations)

    def continued(
        self, rows: Sequence[Encoded], decoding: Decoding, started: float, asked: Sequence[object] = ()
    ) -> list[Generation]:
        """Go on from each row greedily, in the order of `rows`, by whichever weights are active.

        Args:
            started: when the call began, by `time.perf_counter`.
            asked: what each row is, for whoever hears the answers; nothing where they are none.
        """
        answers: dict[int, Generation] = {}

        def answer(batch: Sequence[int]) -> None:
            told = _telling([asked[i] for i in batch]) if asked else None
            found = Greedy(self, [rows[i] for i in batch], decoding, started, told).run()
            answers.update(zip(batch, found, strict=True))

        for batch in _batches(self, rows, decoding.max_tokens, self.bounds):
            halving(batch, answer, _too_large(self, rows, decoding.max_tokens))
        return [answers[i] for i in range(len(rows))]

    @torch.inference_mode()
    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`."""
        started = time.perf_counter()
        self.activate(adaptation)
        tree = self._tree(tuple(choices))
        room = max(tree.lengths) + self.reader.start.length
        encoded = [self.renderer.encode(prompt, room) for prompt in prompts]
        scores: dict[int, Scores] = {}

        def score(batch: Sequence[int]) -> None:
            totals = self.reader.scores([encoded[i] for i in batch], tree, self.head)
            self.check(totals)
            seconds = time.perf_counter() - started
            for i, row in zip(batch, totals.tolist(), strict=True):
                e = encoded[i]
                scores[i] = Scores(tuple(row), tree.lengths, len(e.ids), seconds, e.dropped, e.cut)
            progress.answered(len(batch))

        for batch in _batches(self, encoded, len(tree.tokens), self.bounds, tree.deepest):
            halving(batch, score, _too_large(self, encoded, len(tree.tokens)))
        return [scores[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def log_likelihoods(self, texts: Sequence[str], adaptation: Adaptation | None = None) -> list[float]:
        """Natural log of the probability of each text on its own, behind a line break and without a template."""
        self.activate(adaptation)
        rows = [self.renderer.encode_text(text) for text in texts]
        found: dict[int, float] = {}

        def read(batch: Sequence[int]) -> None:
            self.reader.turn_afresh()
            totals = likelihoods(self.module, self.head, [rows[i] for i in batch], self.reader.start)
            self.check(torch.tensor(totals))
            found.update(zip(batch, totals, strict=True))

        for batch in _batches(self, rows, 0, TEXTS):
            halving(batch, read, _too_large(self, rows, 0))
        return [found[i] for i in range(len(texts))]

    @torch.inference_mode()
    def hidden_states(
        self, prompts: Sequence[Prompt], layers: Sequence[int], adaptation: Adaptation | None = None
    ) -> list[HiddenStates]:
        """What these layers, counted from 1, make of each prompt, in the order of `prompts`."""
        self.activate(adaptation)
        return hidden.read(self, prompts, layers)

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary."""
        return self._output(hidden).to(hidden.device)  # where a model is spread, its last layer may lie elsewhere

    def check(self, scores: torch.Tensor) -> None:
        """See that what is judged by are numbers.

        Raises:
            UserError: they are not: a number format was exceeded, or a training diverged.
        """
        if bool(torch.isfinite(scores).all()):
            return
        called = str(self.dtype).removeprefix("torch.")
        if self._activation.adapted:
            hint = "a lower learning rate, such as lora:lr=3e-4"
            raise UserError("the tuned model's scores are not numbers: its training diverged", hint)
        hint = "" if self.dtype == torch.float32 else "--dtype float32"
        raise UserError(f"the model's scores are not numbers in {called}", hint)

    def forget(self) -> None:
        """Start cold: drop the prefixes, texts and choices kept from earlier calls, and begin to watch memory anew."""
        self.activate(None)
        self.reader.forget()
        self._tree.cache_clear()
        self.renderer.forget()
        if self.thinking is not None:
            self.thinking.forget()
        reset_peak_memory(self.module)

    def use_threads(self, number: int) -> None:
        """Compute on so many threads of the processor from now on, unless the user said how many there are to be."""
        threads.use(number)

    def peak_memory_bytes(self) -> int | None:
        """Highest memory since `forget`: allocated on the GPUs, resident in the process on a CPU."""
        return peak_memory(self.module)

    def describe(self) -> dict[str, Any]:
        """What a record says of the model: the weights that ran, how and where."""
        self.activate(None)  # an adapter beside them is none of its own
        return {
            **described(self.module, self.source, self.bounds),
            "context_window": self.context_window,
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
            "labels_by": self.labels_by,
            "reasoning": self.thinking is not None,
            "reads_once": self.reader.reads_once,
        }

    def _tree_of(self, choices: tuple[str, ...]) -> ChoiceTree:
        return ChoiceTree.of([self.renderer.encode_answer(choice) for choice in choices], self.renderer.end_id)

    @contextmanager
    def own_weights(self) -> Iterator[None]:
        """The model's own weights while the block runs, for a trainer that works on the module itself."""
        self.activate(None)
        self.reader.forget()
        prepare_to_learn(self.module)
        try:
            yield
        finally:
            let_go(self.module)


def _telling(asked: Sequence[object]) -> Told | None:
    """Tells whoever hears answers of each row, by what it is."""
    hears = hearer()
    return None if hears is None else lambda row, text, tokens: hears.wrote(asked[row], text, tokens)


def _batches(
    model: LocalModel, rows: Sequence[Encoded], extra: int, bounds: Bounds, deep: int | None = None
) -> Iterator[list[int]]:
    """Numbers of the rows in batches, each of rows that may be read together.

    Args:
        extra: tokens that may follow each.
        deep: how many of them follow one another; all where None.
    """
    for numbers in model.reader.alike([len(row.ids) for row in rows], extra if deep is None else deep):
        for batch in batches([rows[number] for number in numbers], model.reader.start.length + extra, bounds):
            yield [numbers[place] for place in batch]


def _too_large(model: LocalModel, rows: Sequence[Encoded], more: int) -> Callable[[Exception, int], Exception]:
    """What is said of a row that does not fit alone; so many tokens may follow each."""

    def alone(error: Exception, row: int) -> Exception:
        tokens = len(rows[row].ids) + more
        what = f"a prompt of {tokens:,} tokens, answer included,"
        return not_enough(error, what, model.device, tokens * passing_bytes(model.module))

    return alone
