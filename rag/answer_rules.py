"""Rules of answering from passages: whether answers name their sources, and when none is given."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from advisor.approaches import Asks, Prediction, Usage
from advisor.models import Context, Decoding, LanguageModel, Prompt
from advisor.tasks import UNANSWERABLE, Example, Query, Task, TaskShape
from rag import abstaining, citing
from rag.abstaining import THRESHOLDS, Abstain, Threshold, Trials
from rag.index import PassageIndex

SAVED = "rules.json"


def unsuited(task: TaskShape, abstain: Abstain, cite: bool) -> str:
    """Why answers to the task cannot be given by such rules; empty where they can."""
    named = [name for name, wanted in (("cite=true", cite), (f"abstain={abstain}", abstain != "none")) if wanted]
    if not named:
        return ""
    if not task.documents:
        return f"{named[0]} is about documents, and there are none"
    if task.kind in ("classification", "extraction"):
        kind = "a label" if task.kind == "classification" else "a record"
        return f"{named[0]} is for answers in words, and {kind} is nothing else than that"
    if abstain == "trained" and not task.has_evidence:
        return 'abstain=trained needs examples that name the documents that hold their answers ("evidence")'
    return ""


@dataclass
class AnswerRules:
    """How a source of passages has its queries answered.

    Args:
        instruction: the task's.
        k: passages shown.

    Attributes:
        threshold: below which no answer is given; chosen by `settle`.
    """

    instruction: str
    k: int
    abstain: Abstain = "none"
    cite: bool = False
    threshold: Threshold = field(default_factory=Threshold)

    def shown(self, context: Context) -> Context:
        """The context as the prompt has it."""
        return citing.with_numbers(context, self.instruction) if self.cite else context

    def to_learn(self, index: PassageIndex, example: Example, context: Context) -> str:
        """The answer to learn behind a context: where it lacks the evidence that there is, "unanswerable", if that is
        what is trained (as Zhang et al. 2024, "R-Tuning", teach a model to decline what it cannot know)."""
        answer = example.target
        if self.abstain == "trained" and index.knows(example.evidence):
            found = any(passage.source in example.evidence for passage in context.passages)
            answer = answer if found else UNANSWERABLE
        return citing.to_learn(example, context, answer) if self.cite else answer

    def decoding(self, usual: Decoding, model: LanguageModel) -> Decoding:
        """Where an answer ends, with room for what is added to it."""
        if self.abstain == "trained":
            usual = replace(usual, max_tokens=max(usual.max_tokens, model.most_tokens(UNANSWERABLE) + 1))
        return citing.with_room(usual, model, self.k) if self.cite else usual

    def answers(
        self, asks: Asks, queries: Sequence[Query], contexts: Sequence[Context], called: float
    ) -> list[Prediction]:
        """The answer to each query, as `ContextSource.answers` has it; the model is not asked where no passage fits
        well enough."""
        found = [_nothing(called)] * len(queries)
        asked = [at for at, context in enumerate(contexts) if not self._declines(context)]
        some = [queries[at] for at in asked], [contexts[at] for at in asked]
        for at, answer in zip(asked, self._asked(asks, *some, called), strict=True):
            found[at] = answer
        return [replace(a, citations=a.citations or ()) for a in found] if self.cite else found

    def settle(self, task: Task, index: PassageIndex, asks: Asks, seed: int) -> None:
        """Choose the threshold on examples of train or dev."""
        if self.abstain not in THRESHOLDS:
            return
        if self.abstain == "probability":
            abstaining.need_likelihoods(asks)
        trials = abstaining.trials(task, index, seed)
        examples = [*trials.answerable, *trials.unanswerable]
        contexts = self._tried(index, trials)
        prompts = [asks.prompt(example.input, context) for example, context in zip(examples, contexts, strict=True)]
        answers = self._read(asks, prompts, contexts, 0.0)
        if self.abstain == "score":
            values = [abstaining.best_score(context) for context in contexts]
        else:
            values = [value for value, _ in abstaining.margins(asks, prompts, answers)]
        texts = ["" if answer.failure else answer.text for answer in answers]
        self.threshold = abstaining.chosen(self.abstain, task.kind, trials, values, texts)

    @property
    def notes(self) -> tuple[str, ...]:
        """For the report."""
        return (self.threshold.note,) if self.threshold.note else ()

    @property
    def resolved(self) -> dict[str, float | None]:
        """What was chosen."""
        return {"abstain_below": self.threshold.least} if self.threshold.note else {}

    def save(self, folder: Path) -> None:
        """Write what was chosen, if anything was."""
        if self.threshold.note:
            (folder / SAVED).write_text(json.dumps(asdict(self.threshold)), encoding="utf-8")

    def restored(self, folder: Path) -> AnswerRules:
        """The same with what was chosen then."""
        path = folder / SAVED
        if not path.exists():
            return self
        return replace(self, threshold=Threshold(**json.loads(path.read_text(encoding="utf-8"))))

    def _tried(self, index: PassageIndex, trials: Trials) -> list[Context]:
        inputs, hidden = [e.input for e in trials.answerable], [() for _ in trials.answerable]
        inputs += [e.input for e in trials.unanswerable]
        found = index.search(
            inputs, self.k, without=[*hidden, *(e.evidence if trials.made else () for e in trials.unanswerable)]
        )
        return [self.shown(Context(passages=tuple(passages), fixed=False)) for passages in found]

    def _declines(self, context: Context) -> bool:
        if self.abstain != "score" or self.threshold.least is None:
            return False
        return self.threshold.withholds(abstaining.best_score(context))

    def _read(
        self, asks: Asks, prompts: Sequence[Prompt], contexts: Sequence[Context], called: float
    ) -> list[Prediction]:
        if not prompts:
            return []
        answers = asks.answers(prompts, called)
        return [citing.read(a, c) for a, c in zip(answers, contexts, strict=True)] if self.cite else answers

    def _asked(
        self, asks: Asks, queries: Sequence[Query], contexts: Sequence[Context], called: float
    ) -> list[Prediction]:
        prompts = [asks.prompt(query.input, context) for query, context in zip(queries, contexts, strict=True)]
        answers = self._read(asks, prompts, contexts, called)
        if self.abstain != "probability" or self.threshold.least is None:
            return answers
        compared = abstaining.margins(asks, prompts, answers)
        return [self._kept(abstaining.with_cost(a, s), v) for a, (v, s) in zip(answers, compared, strict=True)]

    def _kept(self, answer: Prediction, value: float) -> Prediction:
        if not self.threshold.withholds(value):
            return answer
        return replace(answer, text=UNANSWERABLE, citations=None, miscited=0)


def _nothing(called: float) -> Prediction:
    """The answer for which no model is asked."""
    return Prediction("", UNANSWERABLE, usage=Usage(shown=0, ttft_seconds=called))
