"""What stands in a prompt. One structure and one renderer for all approaches."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

# The answer's cue, in the model's turn. Without it a small chat model talks about the answer instead of giving it:
# with SmolLM2-135M-Instruct zero-shot accuracy on trec6 rose from 0.20 to 0.43, few-shot from 0.43 to 0.55.
CUE = "Answer:"
THOUGHT, THOUGHT_OVER = "<think>", "</think>"
"""What a model that thinks before it answers puts around its thought."""
# What asks for reasoning before the answer, in the query's turn, and what it begins with, in the model's turn.
THINK, THOUGHTS = "Think step by step.", "Reasoning:"


@dataclass(frozen=True, slots=True)
class Shot:
    """A worked example shown in the prompt."""

    input: str
    answer: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document shown in the prompt.

    Attributes:
        source: the document's id.
        where: in which part of the document it stands, for people: a page, a path of headings; not shown to the model.
        score: how well it fits the query beside the others, as its searcher has it; higher is better, None where that
            is unknown.
        fit: how well it fits on a scale that is the same for every query; None where the score says so itself.
    """

    source: str
    title: str
    text: str
    where: str = field(default="", compare=False)
    score: float | None = field(default=None, compare=False)
    fit: float | None = field(default=None, compare=False)

    @property
    def absolute(self) -> float | None:
        """How well it fits, to be held against a threshold; None where that is unknown."""
        return self.score if self.fit is None else self.fit

    @property
    def shown(self) -> str:
        """The passage as it stands in a prompt."""
        return f"{self.title}: {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Spent:
    """What the language model read and wrote to find what stands beside a query. Facts, never money.

    Attributes:
        calls: of the model; one for each prompt.
        prompt_tokens, completion_tokens: read and written in them.
        cached_tokens, reasoning_tokens, estimated: as in `advisor.models.Generation`.
    """

    calls: int = 0
    prompt_tokens: int = 0
    completion_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    estimated: bool = False

    def __add__(self, other: Spent) -> Spent:
        return Spent(
            self.calls + other.calls,
            self.prompt_tokens + other.prompt_tokens,
            self.completion_tokens + other.completion_tokens,
            self.cached_tokens + other.cached_tokens,
            self.reasoning_tokens + other.reasoning_tokens,
            self.estimated or other.estimated,
        )


@dataclass(frozen=True, slots=True)
class Context:
    """What stands beside the query. Both tuples are ordered best first: what does not fit the context window
    is dropped from the end.

    Attributes:
        fixed: whether shots and passages are the same for every query, so that their computation can be shared.
        instruction: takes the place of the task's; empty where the task's own stands.
        spent: what the language model read and wrote to find it; part of what the query takes.
        numbered: whether passages are numbered from 1, so that an answer can name them.
    """

    shots: tuple[Shot, ...] = ()
    passages: tuple[Passage, ...] = ()
    fixed: bool = True
    instruction: str = ""
    spent: Spent = field(default=Spent(), compare=False)
    numbered: bool = False

    @property
    def size(self) -> int:
        return len(self.shots) + len(self.passages)

    def without_last(self) -> Context:
        """One piece less: passages go first, then shots."""
        if self.passages:
            return replace(self, passages=self.passages[:-1])
        return replace(self, shots=self.shots[:-1])


@dataclass(frozen=True, slots=True)
class Prompt:
    """All that a model is asked: the task's instruction and labels, the context and the query's input.

    Attributes:
        labels: named in the prompt where they are few enough; empty for tasks without labels.
        reasoning: None where the answer comes at once. Empty, the prompt asks for reasoning; else this is what was
            reasoned, and the prompt asks for the answer behind it. Worked examples show their answers alone.
    """

    instruction: str
    input: str
    labels: tuple[str, ...] = ()
    context: Context = Context()
    reasoning: str | None = None

    @property
    def task(self) -> str:
        """The instruction, with the labels named where there are some."""
        return f"{self.instruction}\nLabels: {', '.join(self.labels)}" if self.labels else self.instruction

    @property
    def asked(self) -> str:
        """The query's own part: passages, if any, then the input, then that it is to be thought about, if it is."""
        return self.documents + (self.input if self.reasoning is None else f"{self.input}\n{THINK}")

    @property
    def documents(self) -> str:
        """The passages as they stand before the input; empty without any."""
        if not self.context.passages:
            return ""
        texts = [passage.shown for passage in self.context.passages]
        if self.context.numbered:
            texts = [f"[{number}] {text}" for number, text in enumerate(texts, start=1)]
        return "\n\n".join(["Documents:", *texts, "Query: "])

    @property
    def cue(self) -> str:
        """Of what is asked for: the reasoning, else the answer."""
        return THOUGHTS if self.reasoning == "" else CUE

    @property
    def begun(self) -> str:
        """What the model's turn begins with, which it goes on from: the cue of what it is asked for, behind what it
        has reasoned already."""
        return f"{THOUGHTS} {self.reasoning}\n{self.cue}" if self.reasoning else self.cue

    def messages(self, begun: bool = False) -> list[dict[str, str]]:
        """The prompt as a conversation, for models with a chat interface: the task as system message, worked
        examples as turns, the most relevant last, then the query.

        Args:
            begun: whether the model's turn is begun for it, so that the conversation ends with the query. Else the
                query asks for it, and what was reasoned is a turn of the model's, behind which the answer is asked for.
        """
        said = [{"role": "system", "content": self.task}]
        for shot in reversed(self.context.shots):
            said += [{"role": "user", "content": shot.input}, {"role": "assistant", "content": f"{CUE} {shot.answer}"}]
        if begun:
            return [*said, {"role": "user", "content": self.asked}]
        if self.reasoning:
            said += [{"role": "user", "content": self.asked}, {"role": "assistant", "content": self.reasoning}]
            return [*said, {"role": "user", "content": CUE}]
        return [*said, {"role": "user", "content": f"{self.asked}\n{self.cue}"}]
