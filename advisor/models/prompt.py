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
        score: how well it fits the query, as its searcher has it; higher is better, None where that is unknown.
    """

    source: str
    title: str
    text: str
    where: str = field(default="", compare=False)
    score: float | None = field(default=None, compare=False)

    @property
    def shown(self) -> str:
        """The passage as it stands in a prompt."""
        return f"{self.title}: {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Context:
    """What stands beside the query. Both tuples are ordered best first: what does not fit the context window
    is dropped from the end.

    Attributes:
        fixed: whether the shots are the same for every query, so that their computation can be shared.
        instruction: takes the place of the task's; empty where the task's own stands.
        numbered: whether passages are numbered from 1, so that an answer can name them.
    """

    shots: tuple[Shot, ...] = ()
    passages: tuple[Passage, ...] = ()
    fixed: bool = True
    instruction: str = ""
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
        own = self.input if self.reasoning is None else f"{self.input}\n{THINK}"
        if not self.context.passages:
            return own
        texts = [passage.shown for passage in self.context.passages]
        if self.context.numbered:
            texts = [f"[{number}] {text}" for number, text in enumerate(texts, start=1)]
        return "\n\n".join(["Documents:", *texts, f"Query: {own}"])

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
