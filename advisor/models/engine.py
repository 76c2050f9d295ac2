"""The local engine: scoring and greedy generation with a Hugging Face causal model in this process."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from transformers.cache_utils import Cache

from advisor.models.device import device_name, peak_memory, reset_peak_memory
from advisor.models.head import Head
from advisor.models.kv import keep_rows, new_cache, only_full_attention, places_tokens, spread
from advisor.models.language_model import Decoding, Embedder, Generation, Scores, Weights
from advisor.models.prompt import Prompt
from advisor.models.render import Encoded, Renderer
from advisor.models.scoring import ChoiceTree
from advisor.models.source import Source

ROWS_AT_ONCE = 32
TOKENS_AT_ONCE = 24_576  # of one batch, padding included: bounds memory
SHORTEST_PREFIX = 8
PREFIXES_KEPT = 4


class LocalModel:
    """A causal language model in this process, the only implementation of `LanguageModel` that can be trained.

    Args:
        module: the Hugging Face model, in evaluation mode, on its device.
        renderer: of its tokenizer.
        source: where the weights came from.
        embedder: the sentence embedder that goes with it.
    """

    def __init__(self, module: Any, renderer: Renderer, source: Source, embedder: Embedder) -> None:
        self.module = module
        self.renderer = renderer
        self.source = source
        self.embedder = embedder
        self._head = Head(module)
        self._shares_prefixes = only_full_attention(module.config) and places_tokens(module)
        self._prefixes: OrderedDict[tuple[str, tuple[int, ...]], Cache] = OrderedDict()
        self._active: Weights | None = None
        self._originals: dict[str, torch.Tensor] = {}

    @property
    def name(self) -> str:
        return self.source.id

    @property
    def revision(self) -> str:
        return self.source.revision

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
        """Tokens of `text` alone, without special tokens."""
        return len(self.renderer.tokenizer(text, add_special_tokens=False)["input_ids"])

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
        for batch in _batches(encoded, extra=decoding.max_tokens):
            rows = _Decoding(self, [encoded[i] for i in batch], decoding, started)
            answers.update(zip(batch, rows.run(), strict=True))
        return [answers[i] for i in range(len(prompts))]

    @torch.inference_mode()
    def score(self, prompts: Sequence[Prompt], choices: Sequence[str], weights: Weights | None = None) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`."""
        started = time.perf_counter()
        self.activate(weights)
        tree = ChoiceTree.of([self.renderer.encode_answer(c) for c in choices], self.renderer.end_id)
        encoded = [self.renderer.encode(prompt, max(tree.lengths)) for prompt in prompts]
        scores: dict[int, Scores] = {}
        for batch in _batches(encoded, extra=len(tree.tokens)):
            totals = self._score_batch([encoded[i] for i in batch], tree).tolist()
            seconds = time.perf_counter() - started
            for i, row in zip(batch, totals, strict=True):
                e = encoded[i]
                scores[i] = Scores(tuple(row), tree.lengths, len(e.ids), seconds, e.dropped, e.cut)
        return [scores[i] for i in range(len(prompts))]

    def prefill(self, rows: Sequence[Encoded], room: int) -> tuple[torch.Tensor, Cache, torch.Tensor]:
        """Read the prompts, what they have in common only once.

        Returns:
            The last hidden state of each row, shape (rows, size); the cache, with `room` tokens in reserve; the
            attention mask of what was read, shape (rows, longest).
        """
        shared = self._shared_prefix(rows)
        suffixes = [row.ids[shared:] for row in rows]
        longest = max(map(len, suffixes))
        ids = torch.zeros(len(rows), longest, dtype=torch.long)
        mask = torch.zeros(len(rows), shared + longest, dtype=torch.long)
        mask[:, :shared] = 1
        for i, suffix in enumerate(suffixes):
            ids[i, longest - len(suffix) :] = torch.tensor(suffix)
            mask[i, shared + longest - len(suffix) :] = 1
        mask = mask.to(self.device)
        if shared:
            cache = spread(self._prefix(rows[0].ids[:shared]), len(rows), longest + room)
        else:
            cache = new_cache(self.module.config, longest + room)
        positions = (mask.cumsum(1) - 1).clamp(min=0)[:, shared:]
        hidden = self.hidden(ids.to(self.device), mask, positions, cache)
        return hidden[:, -1], cache, mask

    def hidden(
        self, ids: torch.Tensor, mask: torch.Tensor, positions: torch.Tensor, cache: Cache | None
    ) -> torch.Tensor:
        """Last hidden states of `ids`, shape (batch, tokens, size)."""
        # A mask of nothing but ones says nothing, and without it attention takes its fastest path.
        plain = mask.dim() == 2 and bool(mask.all())
        output = self.module.base_model(
            input_ids=ids,
            attention_mask=None if plain else mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=cache is not None,
        )
        hidden: torch.Tensor = output.last_hidden_state
        return hidden

    def head(self, hidden: torch.Tensor) -> torch.Tensor:
        """Logits over the vocabulary."""
        return self._head(hidden)

    def _shared_prefix(self, rows: Sequence[Encoded]) -> int:
        if not self._shares_prefixes:
            return 0
        shared = min(min(row.stem, len(row.ids) - 1) for row in rows)
        first = rows[0].ids
        for row in rows[1:]:
            while row.ids[:shared] != first[:shared]:
                shared -= 1
        return shared if shared >= SHORTEST_PREFIX else 0

    def _prefix(self, ids: tuple[int, ...]) -> Cache:
        key = (self._active.key if self._active else "", ids)
        if key not in self._prefixes:
            cache = new_cache(self.module.config, 0)
            self.module.base_model(
                input_ids=torch.tensor([ids], device=self.device), past_key_values=cache, use_cache=True
            )
            self._prefixes[key] = cache
            while len(self._prefixes) > PREFIXES_KEPT:
                self._prefixes.popitem(last=False)
        self._prefixes.move_to_end(key)
        return self._prefixes[key]

    def forget(self) -> None:
        """Start cold: drop the prefixes kept from earlier calls, and begin to watch memory anew."""
        self._prefixes.clear()
        reset_peak_memory(self.device)

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
            "parameters": sum(p.numel() for p in self.module.parameters()),
            "context_window": self.context_window,
            "embedder": f"{self.embedder.name}@{self.embedder.revision}",
            "caveats": list(self.source.caveats),
        }

    def _score_batch(self, rows: Sequence[Encoded], tree: ChoiceTree) -> torch.Tensor:
        nodes = len(tree.tokens)
        if nodes and not self._shares_prefixes:
            return self._score_in_full(rows, tree)
        last, cache, mask = self.prefill(rows, nodes)
        hidden = last[:, None]
        if nodes:
            size = (len(rows), 1, nodes)
            before = mask.bool()[:, None, None, :].expand(*size, mask.shape[1])
            own = tree.ancestors.to(self.device).expand(*size, nodes)
            positions = mask.sum(1, keepdim=True) + tree.depths.to(self.device)
            ids = tree.tokens.to(self.device).expand(len(rows), nodes)
            seen = torch.cat([before, own], dim=-1)
            if self.module.config._attn_implementation != "sdpa":  # plain attention adds its mask
                seen = torch.zeros_like(seen, dtype=self.dtype).masked_fill_(~seen, torch.finfo(self.dtype).min)
            branches = self.hidden(ids, seen, positions, cache)
            hidden = torch.cat([hidden, branches], dim=1)
        return tree.totals(hidden, self.head)

    def _score_in_full(self, rows: Sequence[Encoded], tree: ChoiceTree) -> torch.Tensor:
        """For models whose layers do not all attend to everything: each choice in a row of its own."""
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
            positions = (mask.cumsum(1) - 1).clamp(min=0)
            hidden = self.hidden(ids.to(self.device), mask.to(self.device), positions.to(self.device), None)
            hidden = hidden[:, len(row.ids) - 1 :]
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
        yield


class _Decoding:
    """One batch of greedy decoding; rows leave as they finish."""

    def __init__(self, model: LocalModel, rows: Sequence[Encoded], decoding: Decoding, started: float) -> None:
        self.model = model
        self.rows = rows
        self.decoding = decoding
        self.started = started
        self.tokens: list[list[int]] = [[] for _ in rows]
        self.first = [0.0] * len(rows)
        self.last = [0.0] * len(rows)

    def run(self) -> list[Generation]:
        hidden, cache, mask = self.model.prefill(self.rows, self.decoding.max_tokens)
        alive = list(range(len(self.rows)))
        for _ in range(self.decoding.max_tokens):
            chosen = self.model.head(hidden).argmax(-1)
            kept = self._take(alive, chosen.tolist())
            if not kept:
                break
            if len(kept) < len(alive):
                index = torch.tensor(kept, device=chosen.device)
                alive = [alive[i] for i in kept]
                chosen, mask = chosen[index], mask[index]
                keep_rows(cache, index)
            mask = torch.cat([mask, mask.new_ones(len(alive), 1)], dim=1)
            positions = mask.sum(1, keepdim=True) - 1
            hidden = self.model.hidden(chosen[:, None], mask, positions, cache)[:, -1]
        return [self._answer(i) for i in range(len(self.rows))]

    def _take(self, alive: Sequence[int], chosen: Sequence[int]) -> list[int]:
        """Note the chosen tokens; returns which of the rows alive go on."""
        now = time.perf_counter() - self.started
        kept = []
        for position, (row, token) in enumerate(zip(alive, chosen, strict=True)):
            self.first[row] = self.first[row] or now
            self.last[row] = now
            if token in self.model.renderer.stop_ids:
                continue
            self.tokens[row].append(token)
            if not self._stopped(self.tokens[row]):
                kept.append(position)
        return kept

    def _stopped(self, tokens: Sequence[int]) -> bool:
        if len(tokens) >= self.decoding.max_tokens:
            return True
        text = self.model.renderer.tokenizer.decode(tokens).lstrip()
        return any(stop in text for stop in self.decoding.stop)

    def _answer(self, row: int) -> Generation:
        text = self.model.renderer.tokenizer.decode(self.tokens[row], skip_special_tokens=True).strip()
        for stop in self.decoding.stop:
            text = text.split(stop)[0]
        encoded = self.rows[row]
        return Generation(
            text.strip(),
            len(encoded.ids),
            len(self.tokens[row]),
            self.first[row],
            self.last[row],
            encoded.dropped,
            encoded.cut,
        )


def _batches(rows: Sequence[Encoded], extra: int) -> Iterator[list[int]]:
    """Numbers of the rows in batches of similar length, longest first."""
    order = sorted(range(len(rows)), key=lambda i: (-len(rows[i].ids), i))
    batch: list[int] = []
    for i in order:
        longest = len(rows[batch[0]].ids) if batch else 0
        if batch and (len(batch) == ROWS_AT_ONCE or (longest + extra) * (len(batch) + 1) > TOKENS_AT_ONCE):
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch
