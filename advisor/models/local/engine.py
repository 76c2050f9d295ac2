"""The local engine: scoring and greedy generation with a Hugging Face causal model in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict
from functools import lru_cache
from typing import Any

import torch

from advisor.errors import UserError
from advisor.models.clock import clock
from advisor.models.language_model import Decoding, Embedder, Generation, Scores, Weights
from advisor.models.local import threads
from advisor.models.local.attention import NotPassedOn, packed_attention
from advisor.models.local.batches import Bounds, batches, halving
from advisor.models.local.ceiling import ceiling
from advisor.models.local.device import device_name, peak_memory, reset_peak_memory
from advisor.models.local.fused import Lean, known
from advisor.models.local.greedy import Greedy
from advisor.models.local.kv import may_pack, passing_bytes, token_bytes
from advisor.models.local.linear import arrange, let_go
from advisor.models.local.output_layer import Head
from advisor.models.local.packed import Block, Packed, PackedPass, Prefix, Rows, chunks
from advisor.models.local.perplexity import likelihoods
from advisor.models.local.prefixes import common
from advisor.models.local.scoring import ChoiceTree
from advisor.models.local.shortage import not_enough
from advisor.models.local.source import Source
from advisor.models.prompt import Prompt
from advisor.models.render import Encoded, Renderer

SHORTEST_PREFIX = 8
PREFIXES_KEPT = 4
TREES_KEPT = 4  # one of 151 labels takes 30 ms, which every query sent alone would pay
TEXTS = Bounds()  # of plain texts at once, which are read in full: more would not be faster
ROUNDING = 0.05  # of the largest number: more than bfloat16 loses on the way, less than a wrong attention changes


class LocalModel:
    """A causal language model in this process, the only implementation of `LanguageModel` that can be trained.

    Args:
        module: the Hugging Face model, in evaluation mode, on its device.
        renderer: of its tokenizer.
        source: where the weights came from.
        embedder: the sentence embedder that goes with it.

    Attributes:
        bounds: how much it does at once.
        packs: whether its rows can be read without padding, one behind the other; else they are padded.
        lean: reads its layers without Transformers around them, where they are of a known kind and packed.
    """

    def __init__(self, module: Any, renderer: Renderer, source: Source, embedder: Embedder) -> None:
        self.module = module
        self.renderer = renderer
        self.source = source
        self.embedder = embedder
        arrange(module)
        self._head = Head(module)
        self.bounds = Bounds.of(module)
        self._prefixes: OrderedDict[tuple[str, tuple[int, ...]], Prefix] = OrderedDict()
        self._tree = lru_cache(TREES_KEPT)(self._tree_of)
        self._active: Weights | None = None
        self._originals: dict[str, torch.Tensor] = {}
        self.lean: Lean | None = None
        self.packs = may_pack(module) and self._packing_agrees()
        if self.packs and known(module):
            self.lean = Lean(module)
            if not self._packing_agrees():
                self.lean = None

    @property
    def name(self) -> str:
        return self.source.id

    @property
    def revision(self) -> str:
        return self.source.revision

    @property
    def rows_at_once(self) -> int:
        """Prompts that it answers together at most."""
        return self.bounds.rows

    @property
    def context_window(self) -> int:
        return self.renderer.window

    @property
    def device(self) -> torch.device:
        return torch.device(self.module.device)

    @property
    def dtype(self) -> torch.dtype:
        dtype: torch.dtype = self.module.dtype
        return dtype

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without special tokens: what looks like one is text."""
        return self.renderer.count(text)

    def activate(self, weights: Weights | None) -> None:
        """Run with `weights` from now on, or with the model's own.

        The originals are kept and put back as they were: adding and subtracting an adapter in bfloat16 does not
        give the same bits again.
        """
        if (weights.key if weights else None) == (self._active.key if self._active else None):
            return
        parameters = dict(self.module.named_parameters())
        for name, original in self._originals.items():
            parameters[name].data = original
        self._originals = {}
        if weights:
            for name, merged in weights.merged.items():
                self._originals[name] = parameters[name].data
                parameters[name].data = merged.to(self.device)  # type: ignore[attr-defined]
        self._active = weights

    @torch.inference_mode()
    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, weights: Weights | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily, in the order of `prompts`."""
        started = time.perf_counter()
        self.activate(weights)
        encoded = [self.renderer.encode(prompt, decoding.max_tokens) for prompt in prompts]
        answers: dict[int, Generation] = {}

        def answer(batch: Sequence[int]) -> None:
            found = Greedy(self, [encoded[i] for i in batch], decoding, started).run()
            answers.update(zip(batch, found, strict=True))

        for batch in batches(encoded, decoding.max_tokens, self.bounds):
            halving(batch, answer, self._too_large(encoded, decoding.max_tokens))
        return [answers[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def score(self, prompts: Sequence[Prompt], choices: Sequence[str], weights: Weights | None = None) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`."""
        started = time.perf_counter()
        self.activate(weights)
        tree = self._tree(tuple(choices))
        encoded = [self.renderer.encode(prompt, max(tree.lengths)) for prompt in prompts]
        scores: dict[int, Scores] = {}

        def score(batch: Sequence[int]) -> None:
            totals = self._score_batch([encoded[i] for i in batch], tree)
            self.check(totals)
            seconds = time.perf_counter() - started
            for i, row in zip(batch, totals.tolist(), strict=True):
                e = encoded[i]
                scores[i] = Scores(tuple(row), tree.lengths, len(e.ids), seconds, e.dropped, e.cut)
            clock.answered(len(batch))

        for batch in batches(encoded, len(tree.tokens), self.bounds):
            halving(batch, score, self._too_large(encoded, len(tree.tokens)))
        return [scores[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def log_likelihoods(self, texts: Sequence[str]) -> list[float]:
        """Natural log of the probability of each text on its own, behind a line break and without a template."""
        self.activate(None)
        rows = [self.renderer.encode_text(text) for text in texts]
        found: dict[int, float] = {}

        def read(batch: Sequence[int]) -> None:
            totals = likelihoods(self.module, self.head, [rows[i] for i in batch])
            self.check(torch.tensor(totals))
            found.update(zip(batch, totals, strict=True))

        for batch in batches(rows, 0, TEXTS):
            halving(batch, read, self._too_large(rows, 0))
        return [found[i] for i in range(len(texts))]

    def packed(self) -> AbstractContextManager[None]:
        """While the block runs, packed rows can be read: lean layers need not be told, a module's attention is."""
        return nullcontext() if self._lean() else packed_attention(self.module)

    def _lean(self) -> Lean | None:
        return self.lean if self.lean is not None and self.lean.holds() else None

    def read(self, rows: Sequence[Encoded], tree: ChoiceTree | None, room: int) -> tuple[torch.Tensor, Rows]:
        """Read the prompts in packed form, what they have in common only once.

        Returns:
            The hidden states of each row's last token and of the tree's nodes behind it, shape (rows, 1 + nodes,
            size); and the rows, with place for `room` tokens more, which `step` continues.
        """
        shared = self._shared_prefix(rows)
        prefix = self._prefix(rows[0].ids[:shared]) if shared else Prefix()
        own = [row.ids[shared:] for row in rows]
        kept = Rows(prefix, [len(o) for o in own], room, self.device)
        nodes = len(tree.tokens) if tree is not None else 0
        hidden, order = [], []
        parts = list(chunks(own, nodes, self.device))
        with clock.span("prefill", tokens=sum(block.tokens(own) for blocks in parts for block in blocks)):
            for blocks in parts:
                clock.alarm()
                reading = PackedPass(blocks, prefix, tree, kept if room else None)
                packed = Packed.of(blocks, own, shared, tree)
                hidden.append(self._packed(packed.ids, packed.positions, reading, packed.ends))
                order += [row for block in blocks if block.ends for row in block.rows]
        found = torch.cat(hidden).view(len(rows), 1 + nodes, -1)
        if order != sorted(order):
            found = found[torch.tensor(order, device=found.device).argsort()]
        return found, kept

    def step(self, rows: Rows, tokens: torch.Tensor) -> torch.Tensor:
        """Continue each row by one token, shape (rows,); returns its hidden state, shape (rows, size)."""
        positions = rows.begin_step()
        return self._packed(tokens, positions, rows)

    def _packed(
        self,
        ids: torch.Tensor,
        positions: torch.Tensor,
        attending: PackedPass | Rows,
        wanted: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Last hidden states of the wanted tokens of a packed row, or of all, shape (tokens, size)."""
        ids, positions = ids.to(self.device), positions.to(self.device)
        numbers = wanted.to(self.device) if wanted is not None else None
        if lean := self._lean():
            return lean.read(ids, positions, attending, numbers)
        output = self.module.base_model(
            input_ids=ids[None], position_ids=positions[None], use_cache=False, attending=attending
        )
        hidden: torch.Tensor = output.last_hidden_state[0]
        return hidden if numbers is None else hidden[numbers]

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary."""
        return self._head(hidden)

    def check(self, scores: torch.Tensor) -> None:
        """See that what is judged by are numbers.

        Raises:
            UserError: they are not: a number format was exceeded, or a training diverged.
        """
        if bool(torch.isfinite(scores).all()):
            return
        called = str(self.dtype).removeprefix("torch.")
        if self._active is not None:
            mend = "a lower learning rate, such as lora:lr=3e-4"
            raise UserError("the tuned model's scores are not numbers: its training diverged", mend)
        mend = "" if self.dtype == torch.float32 else "--dtype float32"
        raise UserError(f"the model's scores are not numbers in {called}", mend)

    def _too_large(self, rows: Sequence[Encoded], more: int) -> Callable[[Exception, int], Exception]:
        """What is said of a row that does not fit alone; so many tokens may follow each."""

        def alone(error: Exception, row: int) -> Exception:
            tokens = len(rows[row].ids) + more
            what = f"a prompt of {tokens:,} tokens, answer included,"
            return not_enough(error, what, self.device, tokens * passing_bytes(self.module))

        return alone

    def _shared_prefix(self, rows: Sequence[Encoded]) -> int:
        shared = min([common([row.ids for row in rows]), *(min(row.stem, len(row.ids) - 1) for row in rows)])
        return shared if shared >= SHORTEST_PREFIX else 0

    def _prefix(self, ids: tuple[int, ...]) -> Prefix:
        key = (self._active.key if self._active else "", ids)
        if key not in self._prefixes:
            rows = Rows(Prefix(), [len(ids)], 0, self.device)
            blocks = [Block(0, 1, 0, len(ids), 0)]
            packed = Packed.of(blocks, [ids], 0, None)
            with clock.span("prefill", tokens=len(ids)):
                self._packed(packed.ids, packed.positions, PackedPass(blocks, Prefix(), None, rows), packed.ends)
            self._prefixes[key] = Prefix(len(ids), rows.layers)
            while len(self._prefixes) > PREFIXES_KEPT:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    @torch.inference_mode()
    def _packing_agrees(self) -> bool:
        """Whether packed rows say what each says alone: not every architecture passes on what packing needs."""
        start = tuple(range(5, 15))
        rows = [Encoded((*start, 15), len(start)), Encoded((*start, 16, 17, 18), len(start))]
        expected = [self._alone((*row.ids, 19)) for row in rows]
        try:
            with self.packed():
                _, read = self.read(rows, None, 1)
                found = self.step(read, torch.tensor([19, 19], device=self.device))
        except NotPassedOn:
            return False
        finally:
            self._prefixes.clear()
        difference = max(float((f - e).abs().max()) for f, e in zip(found, expected, strict=True))
        return difference < ROUNDING * max(float(e.abs().max()) for e in expected)

    def _alone(self, ids: Sequence[int]) -> torch.Tensor:
        """Last hidden state of a text as the model itself reads it, shape (size,)."""
        output = self.module.base_model(input_ids=torch.tensor([ids], device=self.device), use_cache=False)
        hidden: torch.Tensor = output.last_hidden_state[0, -1]
        return hidden

    def forget(self) -> None:
        """Start cold: drop the prefixes, texts and choices kept from earlier calls, and begin to watch memory anew."""
        self._prefixes.clear()
        self._tree.cache_clear()
        self.renderer.forget()
        reset_peak_memory(self.device)

    def use_threads(self, number: int) -> None:
        """Compute on so many threads of the processor from now on, unless the user said how many there are to be."""
        threads.use(number)

    def peak_memory_bytes(self) -> int | None:
        """Highest memory since `forget`: allocated on a GPU, resident in the process on a CPU."""
        return peak_memory(self.device)

    def describe(self) -> dict[str, Any]:
        """What a record says of the model: the weights that ran, how and where."""
        return {
            "id": self.source.id,
            "revision": self.source.revision,
            "quantisation": self.source.quantisation,
            "source": self.source.origin,
            "dtype": str(self.dtype).removeprefix("torch."),
            "device": str(self.device),
            "device_name": device_name(self.device),
            "threads": torch.get_num_threads(),
            "threads_alone": threads.whole(),
            "parameters": sum(p.numel() for p in self.module.parameters()),
            **asdict(ceiling(self.module)),
            "token_bytes": token_bytes(self.module),
            "rows_at_once": self.bounds.rows,
            "tokens_at_once": self.bounds.tokens,
            "context_window": self.context_window,
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
            "caveats": list(self.source.caveats),
        }

    def _tree_of(self, choices: tuple[str, ...]) -> ChoiceTree:
        return ChoiceTree.of([self.renderer.encode_answer(choice) for choice in choices], self.renderer.end_id)

    def _score_batch(self, rows: Sequence[Encoded], tree: ChoiceTree) -> torch.Tensor:
        if not self.packs:
            return self._score_in_full(rows, tree)
        with self.packed():
            hidden, _ = self.read(rows, tree, 0)
        with clock.span("score"):
            return tree.totals(hidden, self.head)

    def _score_in_full(self, rows: Sequence[Encoded], tree: ChoiceTree) -> torch.Tensor:
        """For models that cannot be packed: each choice in a row of its own."""
        totals = []
        for row in rows:
            choices = [tuple(token for _, token in path) for path in tree.steps]
            whole = [Encoded(row.ids + choice[:-1], 0) for choice in choices]
            longest = max(len(w.ids) for w in whole)
            ids = torch.zeros(len(whole), longest, dtype=torch.long)
            mask = torch.zeros_like(ids)
            for i, w in enumerate(whole):
                ids[i, : len(w.ids)] = torch.tensor(w.ids)
                mask[i, : len(w.ids)] = 1
            output = self.module.base_model(
                input_ids=ids.to(self.device), attention_mask=mask.to(self.device), use_cache=False
            )
            hidden = output.last_hidden_state[:, len(row.ids) - 1 :]
            for i, choice in enumerate(choices):
                logits = self.head(hidden[i, : len(choice)]).float()
                picked = logits.log_softmax(-1)[torch.arange(len(choice)), torch.tensor(choice)]
                totals.append(picked.sum())
        return torch.stack(totals).view(len(rows), -1)

    @contextmanager
    def own_weights(self) -> Iterator[None]:
        """The model's own weights while the block runs, for a trainer that works on the module itself."""
        self.activate(None)
        self._prefixes.clear()
        try:
            yield
        finally:
            let_go(self.module)
