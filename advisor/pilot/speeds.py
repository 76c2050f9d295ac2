"""The probes of speed: a prompt sent alone, and a pass of training."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.approaches import TrainingExample, TrainingSet, Tuner
from advisor.models import Context, Passage, Prompt
from advisor.models.clock import clock
from advisor.pilot.deadline import OutOfTime
from advisor.pilot.trials import SEED, Bench, Probe, ladder
from advisor.tasks.words import first_words

EXAMPLES = 8  # trained on
ALONE_TOKENS = 12  # generated behind a prompt that is sent alone
PASSAGES, PASSAGE_WORDS = 3, 160  # as `rag` shows them


class Alone(Probe):
    """The speed of a prompt sent alone. Later probes plan by it."""

    def sizes(self) -> Sequence[int]:
        """One step."""
        return [1]

    def measure(self, size: int) -> None:
        """Send one prompt to warm up and to see what there is time for, then one or two that count."""
        model, (first, *others) = self.bench.model, self._prompts()
        tokens = 1 if self.bench.task.kind == "classification" else ALONE_TOKENS
        model.time_alone(first, min(tokens, 4))
        warm_up = model.prefill_alone, model.decode_alone
        model.forget_rates_alone()
        try:
            for prompt in others:
                model.time_alone(prompt, tokens)
        except OutOfTime:
            if model.prefill_alone.rate is None:
                model.prefill_alone, model.decode_alone = warm_up
        self.note(size)

    def _prompts(self) -> list[Prompt]:
        """Prompts as `zero-shot` asks them, and one with passages where there are documents."""
        judged = self.bench.slices.judged
        prompts = [self.bench.prompt(judged[at % len(judged)]) for at in range(3)]
        documents = self.bench.task.documents[:PASSAGES]
        if documents:
            passages = (Passage(d.id, d.title, first_words(d.text, PASSAGE_WORDS)) for d in documents)
            prompts[2] = self.bench.prompt(judged[0], Context(passages=tuple(passages), fixed=False))
        return prompts


class Training(Probe):
    """The training speed of a tuner: one pass over a few examples, whose result is discarded.

    Args:
        tuner: passes over them once.

    Attributes:
        rate: tokens of training rows a second.
    """

    late = True

    def __init__(self, bench: Bench, tuner: Tuner) -> None:
        super().__init__(bench, "the speed of training")
        self.tuner = tuner
        self.rate: float | None = None

    def sizes(self) -> Sequence[int]:
        """One step over a fixed number of examples."""
        return ladder((), min(EXAMPLES, len(self.bench.slices.train)))

    def measure(self, size: int) -> None:
        """One pass over the examples."""
        bench = self.bench
        examples = [TrainingExample(bench.prompt(example), example.target) for example in bench.slices.train[:size]]
        task_length = len(bench.task.instruction) + sum(map(len, bench.prompt(bench.slices.train[0]).labels))
        texts = [example.prompt.input + example.answer for example in examples]
        bench.allowance.require(bench.model.training_seconds(texts) + bench.model.training_seconds(["x" * task_length]))
        clock.drain()
        self.tuner.tune(TrainingSet(tuple(examples)), bench.model.model, SEED)
        span = clock.drain().spans.get("train")
        if span is not None and span.tokens and span.seconds > 0:
            self.rate = span.tokens / span.seconds
        self.note(size)
