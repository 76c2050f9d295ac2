"""A metered model: it caches answers, stops in time, and measures its own speed.

Approaches are fitted anew on every slice and every number of examples. What they ask is mostly the same, so what a
prompt or a text gave once is remembered; how many texts stood in one batch changes no more than the last bits.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import numpy as np

from advisor.models import (
    Adaptation,
    Decoding,
    Embedder,
    Generation,
    LabelsBy,
    LanguageModel,
    Prompt,
    Scores,
    Vectors,
)
from advisor.models.clock import Ledger, clock
from advisor.models.embedder import EmbedderBehind
from advisor.pilot.deadline import Allowance
from advisor.tasks.words import count_words

T = TypeVar("T")
Told = TypeVar("Told", Scores, Generation)
SIZES = (32, 16, 8, 4, 2, 1)
LONGEST_BATCH = 0.06
"""A batch is to take no more than this share of all the time, since only between batches can it be stopped."""
FEW = 4  # rows from which on a batch counts as many together
ROW = 0.15  # how much longer a step of decoding lasts for each further row, until it was measured


@dataclass
class Pace:
    """Seconds per unit of work; recent work counts most."""

    seconds: float = 0.0
    units: float = 0.0

    def add(self, seconds: float, units: float) -> None:
        """Count some work."""
        self.seconds = self.seconds / 2 + seconds
        self.units = self.units / 2 + units

    def of(self, units: float) -> float:
        """The expected seconds for a number of units; zero while nothing was measured."""
        return units * self.seconds / self.units if self.units else 0.0


@dataclass
class Tally:
    """The total of one kind of work, for a rate."""

    seconds: float = 0.0
    units: float = 0.0

    def add(self, seconds: float, units: float) -> None:
        """Count some work."""
        self.seconds += seconds
        self.units += units

    @property
    def rate(self) -> float | None:
        """Units per second; None without any."""
        return self.units / self.seconds if self.units and self.seconds > 0 else None


class MeteredEmbedder(EmbedderBehind):
    """An embedder that embeds each text once, in batches, while there is time.

    Attributes:
        words: words embedded, many texts together.
    """

    def __init__(self, embedder: Embedder, allowance: Allowance) -> None:
        super().__init__(embedder)
        self.allowance = allowance
        self.words = Tally()
        self._pace = Pace()
        self._known: dict[str, Vectors] = {}

    def embed(self, texts: Sequence[str]) -> Vectors:
        """Unit vectors, float32, shape (len(texts), dimension).

        Raises:
            OutOfTime: embedding those not yet cached would take too long.
        """
        fresh = sorted((text for text in dict.fromkeys(texts) if text not in self._known), key=_words, reverse=True)
        if self._pace.units:
            self.allowance.require(self.seconds(fresh))
        for batch in self._batches(fresh):
            began = clock.now()
            vectors = self.embedder.embed(batch)
            took, words = clock.now() - began, sum(map(_words, batch))
            self._pace.add(took, words)
            if len(batch) >= FEW:
                self.words.add(took, words)
            self._known.update(zip(batch, vectors, strict=True))
        if not len(texts):
            return np.zeros((0, self.dimension), dtype=np.float32)
        return np.stack([self._known[text] for text in texts])

    def seconds(self, texts: Sequence[str]) -> float:
        """The expected seconds for embedding the texts; zero before anything was embedded."""
        return self._pace.of(sum(map(_words, texts)))

    def words_in(self, seconds: float) -> float:
        """The number of words that can be embedded in a time, by the measured rate."""
        return seconds * self._pace.units / self._pace.seconds if self._pace.seconds else 0.0

    def _batches(self, fresh: Sequence[str]) -> Iterator[Sequence[str]]:
        at = 0
        while at < len(fresh):
            size = FEW if not self._pace.units else _largest(fresh[at:], self.seconds, self.allowance)
            batch = fresh[at : at + size]
            self.allowance.require(self.seconds(batch))
            yield batch
            at += size


class MeteredModel(LanguageModel):
    """A language model whose answers are cached and whose speed is measured.

    Attributes:
        prefill: tokens read, many prompts together; what they have in common once, where the model says so.
        decode: tokens generated, many answers together.
        prefill_alone, decode_alone: the same, filled by `time_alone`.
    """

    embedder: MeteredEmbedder

    def __init__(self, model: LanguageModel, allowance: Allowance) -> None:
        self.model = model
        self.name, self.revision = model.name, model.revision
        self.context_window, self.can = model.context_window, model.can
        self.labels_by = model.labels_by
        self.allowance = allowance
        self.embedder = MeteredEmbedder(model.embedder, allowance)
        self.prefill, self.decode = Tally(), Tally()
        self.prefill_alone, self.decode_alone = Tally(), Tally()
        self._reading = Pace()  # characters of prompts
        self._text = Pace()  # characters of plain texts
        self._steps = (0.0, ROW)  # seconds of a step of decoding for one row, and its share for each further row
        self._longest: dict[Decoding, int] = {}
        self._known: defaultdict[Hashable, dict[Any, Any]] = defaultdict(dict)

    def count_tokens(self, text: str) -> int:
        """Tokens of `text` alone, without special tokens."""
        known: dict[str, int] = self._known["tokens"]
        if text not in known:
            known[text] = self.model.count_tokens(text)
        return known[text]

    def most_tokens(self, text: str) -> int:
        """Tokens that `text` alone takes at most."""
        return self.model.most_tokens(text)

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt greedily, in the order of `prompts`; raises `OutOfTime`."""

        def ask(batch: Sequence[Prompt]) -> list[Generation]:
            found, ledger, seconds = _timed(lambda: self.model.generate(batch, decoding, adaptation))
            self._count_generated(batch, found, ledger, seconds, decoding)
            return found

        def reading(batch: Sequence[Prompt]) -> float:
            return self._reading.of(_characters(batch))

        known = self._known["generate", decoding, adaptation and adaptation.key]
        return self._answers(prompts, known, ask, reading, lambda rows: self._decoding(rows, decoding))

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Log-likelihood of every choice after every prompt, in the order of `prompts`; raises `OutOfTime`."""
        return self._of_choices(self.model.score, prompts, choices, adaptation, reads=True)

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Answer each prompt with one of the choices, in the order of `prompts`; raises `OutOfTime`."""
        return self._of_choices(self.model.choose, prompts, choices, adaptation, reads=False)

    def tells_labels_by(self, labels: Sequence[str]) -> LabelsBy:
        """How the model tells labels; one that is served is tried."""
        return self.model.tells_labels_by(labels)

    def scoring_seconds(self, prompts: Sequence[Prompt], choices: Sequence[str]) -> float:
        """The expected seconds for scoring; zero before anything was scored."""
        return self._reading.of(_characters(prompts, choices))

    def log_likelihoods(self, texts: Sequence[str], adaptation: Adaptation | None = None) -> list[float]:
        """Natural log-likelihood of each text; raises `OutOfTime`."""

        def ask(batch: Sequence[str]) -> list[float]:
            found, _, seconds = _timed(lambda: self.model.log_likelihoods(batch, adaptation))
            self._text.add(seconds, sum(map(len, batch)))
            return found

        def cost(batch: Sequence[str]) -> float:
            pace = self._text if self._text.units else self._reading
            return pace.of(sum(map(len, batch)))

        return self._answers(texts, self._known["text", adaptation and adaptation.key], ask, cost)

    def time_alone(self, prompt: Prompt, tokens: int) -> None:
        """Send one prompt alone to a model without its caches, and measure its speed."""
        self.model.forget()
        self.allowance.require(self._reading.of(_characters([prompt])) + tokens * self._steps[0])
        (found,), _, seconds = _timed(lambda: self.model.generate([prompt], Decoding(tokens)))
        first = found.ttft_seconds or seconds
        self._reading.add(first, _characters([prompt]))
        self.prefill_alone.add(first, found.prompt_tokens)
        if found.completion_tokens > 1:
            rest = found.seconds - found.ttft_seconds
            self.decode_alone.add(rest, found.completion_tokens - 1)
            self._steps = (rest / (found.completion_tokens - 1), self._steps[1])

    def forget_rates_alone(self) -> None:
        """Reset the speed of prompts sent alone, since the first one warms up."""
        self.prefill_alone, self.decode_alone = Tally(), Tally()

    def describe(self) -> dict[str, Any]:
        """The description of the model for a record."""
        return self.model.describe()

    def forget(self) -> None:
        """Clear the model's own caches; the answers cached here stay."""
        self.model.forget()

    def peak_memory_bytes(self) -> int | None:
        """Highest memory since `forget`."""
        return self.model.peak_memory_bytes()

    def training_seconds(self, texts: Sequence[str]) -> float:
        """The approximate time of one training pass over the texts: two to five times reading, plus the start."""
        return 6 * self._reading.of(sum(map(len, texts)))

    def _of_choices(
        self,
        ask: Callable[[Sequence[Prompt], Sequence[str], Adaptation | None], list[Told]],
        prompts: Sequence[Prompt],
        choices: Sequence[str],
        adaptation: Adaptation | None,
        reads: bool,
    ) -> list[Told]:
        """What `ask` makes of these choices after every prompt.

        Args:
            reads: whether the model does nothing but read for it, so that its speed in that is told.
        """

        def timed(batch: Sequence[Prompt]) -> list[Told]:
            found, ledger, seconds = _timed(lambda: ask(batch, choices, adaptation))
            self._reading.add(seconds, _characters(batch, choices))
            if reads:
                self._count_read(ledger, sum(one.prompt_tokens for one in found), seconds, len(batch))
            return found

        known = self._known["score" if reads else "choose", tuple(choices), adaptation and adaptation.key]
        return self._answers(prompts, known, timed, lambda batch: self.scoring_seconds(batch, choices))

    def _answers(
        self,
        asked: Sequence[Any],
        known: dict[Any, T],
        ask: Callable[[Sequence[Any]], list[T]],
        cost: Callable[[Sequence[Any]], float],
        fixed: Callable[[int], float] = lambda rows: 0.0,
    ) -> list[T]:
        """Ask for uncached answers, longest prompts first, in batches that end in time.

        Args:
            cost: seconds that reading some of it takes.
            fixed: seconds that so many rows take beside it. Smaller batches hardly lessen them, so that it is only
                split where reading takes much longer.
        """
        fresh = sorted((one for one in dict.fromkeys(asked) if one not in known), key=_length, reverse=True)
        self.allowance.require(cost(fresh) + fixed(len(fresh)))
        while fresh:
            size = _largest(fresh, lambda some: max(0.0, cost(some) - fixed(len(some))), self.allowance)
            batch, fresh = fresh[:size], fresh[size:]
            self.allowance.require(cost(batch) + fixed(len(batch)))
            known.update(zip(batch, ask(batch), strict=True))
        return [known[one] for one in asked]

    def _decoding(self, rows: int, decoding: Decoding) -> float:
        """Upper bound on the expected seconds of generating: twice the longest answer so far, or the cap."""
        alone, further = self._steps
        longest = min(decoding.max_tokens, 2 * self._longest.get(decoding, decoding.max_tokens))
        return longest * alone * (1 + further * (rows - 1)) if rows else 0.0

    def _count_generated(
        self, batch: Sequence[Prompt], found: Sequence[Generation], ledger: Ledger, seconds: float, decoding: Decoding
    ) -> None:
        longest = max(one.completion_tokens for one in found)
        generated = ledger.spans["generate"].seconds if "generate" in ledger.spans else None
        if generated is None:
            generated = max(one.seconds for one in found) - min(one.ttft_seconds for one in found)
        read = max(seconds - generated, 0.0)
        self._reading.add(read, _characters(batch))
        self._count_read(ledger, sum(one.prompt_tokens for one in found), read, len(batch))
        if len(batch) < FEW or not longest or generated <= 0:
            return
        self.decode.add(generated, sum(one.completion_tokens for one in found))
        self._longest[decoding] = max(longest, self._longest.get(decoding, 0))
        alone = self._steps[0] or generated / longest
        self._steps = (alone, max(0.0, (generated / longest / alone - 1) / (len(batch) - 1)))

    def _count_read(self, ledger: Ledger, tokens: int, seconds: float, rows: int) -> None:
        if rows < FEW:
            return
        read = ledger.spans.get("prefill")
        if read is not None and read.tokens:
            scored = ledger.spans["score"].seconds if "score" in ledger.spans else 0.0
            tokens, seconds = read.tokens, read.seconds + scored
        self.prefill.add(seconds, tokens)


def _timed(work: Callable[[], list[T]]) -> tuple[list[T], Ledger, float]:
    """Run `work` and return its result, what the clock counted meanwhile, and the seconds."""
    clock.drain()
    began = clock.now()
    found = work()
    seconds = clock.now() - began
    return found, clock.drain(), seconds


def _largest(some: Sequence[T], cost: Callable[[Sequence[T]], float], allowance: Allowance) -> int:
    """The largest batch that is expected to end in good time."""
    longest = LONGEST_BATCH * allowance.seconds
    return next((size for size in SIZES if cost(some[:size]) <= longest), 1)


def _words(text: str) -> int:
    return count_words(text) + 1


def _length(asked: Prompt | str) -> int:
    return len(asked) if isinstance(asked, str) else _characters([asked])


def _characters(prompts: Sequence[Prompt], choices: Sequence[str] = ()) -> int:
    """The number of characters to read: the shared prefix once, the rest of each prompt, and the choices of each."""
    common = {(prompt.instruction, prompt.labels) for prompt in prompts}
    total = sum(len(prompt.input) for prompt in prompts) + sum(map(len, choices)) * len(prompts)
    total += sum(len(instruction) + sum(map(len, labels)) for instruction, labels in common)
    return total + sum(map(_context, {prompt.context for prompt in prompts}))


def _context(context: Any) -> int:
    shots = sum(len(shot.input) + len(shot.answer) for shot in context.shots)
    return shots + sum(len(passage.title) + len(passage.text) for passage in context.passages)
