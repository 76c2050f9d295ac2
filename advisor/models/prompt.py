"""What stands in a prompt. One structure and one renderer for all approaches."""

from __future__ import annotations

from dataclasses import dataclass, replace


@dataclass(frozen=True, slots=True)
class Shot:
    """A worked example shown in the prompt."""

    input: str
    answer: str


@dataclass(frozen=True, slots=True)
class Passage:
    """A piece of a document shown in the prompt; `source` is the document's id."""

    source: str
    title: str
    text: str

    @property
    def shown(self) -> str:
        """As it stands in a prompt."""
        return f"{self.title}: {self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Context:
    """What stands beside the query. Both tuples are ordered best first: what does not fit the context window
    is dropped from the end.

    Attributes:
        fixed: whether the shots are the same for every query, so that their computation can be shared.
    """

    shots: tuple[Shot, ...] = ()
    passages: tuple[Passage, ...] = ()
    fixed: bool = True

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
    """

    instruction: str
    input: str
    labels: tuple[str, ...] = ()
    context: Context = Context()
