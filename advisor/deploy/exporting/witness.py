"""Who listens while a model is asked: what it was asked, what it wrote, how likely it found what."""

from __future__ import annotations

from collections.abc import Sequence

from advisor.models import Adaptation, Decoding, Generation, LanguageModel, Prompt, Scores


class Witness(LanguageModel):
    """A model, with the adaptation that answers, of whose answers and scores a note is taken.

    Attributes:
        scored: log-likelihoods of the labels, by prompt.
        written: what was generated, by prompt.
    """

    def __init__(self, model: LanguageModel, adaptation: Adaptation | None = None) -> None:
        self._model = model
        self._adaptation = adaptation
        self.name, self.revision, self.context_window = model.name, model.revision, model.context_window
        self.embedder, self.can = model.embedder, model.can
        self.scored: dict[Prompt, tuple[float, ...]] = {}
        self.written: dict[Prompt, str] = {}

    def generate(
        self, prompts: Sequence[Prompt], decoding: Decoding, adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """As the model does, by the weights that answer."""
        return self._noted(prompts, self._model.generate(prompts, decoding, self._adaptation))

    def choose(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Generation]:
        """Likewise."""
        return self._noted(prompts, self._model.choose(prompts, choices, self._adaptation))

    def score(
        self, prompts: Sequence[Prompt], choices: Sequence[str], adaptation: Adaptation | None = None
    ) -> list[Scores]:
        """Likewise."""
        found = self._model.score(prompts, choices, self._adaptation)
        self.scored.update(zip(prompts, (one.totals for one in found), strict=True))
        return found

    def likelihood(self, prompt: Prompt, answer: str) -> float:
        """Natural log of the probability of an answer."""
        return self._model.score([prompt], [answer], self._adaptation)[0].totals[0]

    def count_tokens(self, text: str) -> int:
        """As the model does."""
        return self._model.count_tokens(text)

    def _noted(self, prompts: Sequence[Prompt], found: list[Generation]) -> list[Generation]:
        self.written.update(zip(prompts, (one.text for one in found), strict=True))
        return found


def largest_difference(measured: Witness, exported: Witness, most: int) -> float | None:
    """The largest difference of log-probabilities: of labels where these were scored, else of the measured answers to
    the first prompts; None where one side gives none.

    Args:
        most: answers that are scored for this at most.
    """
    both = [prompt for prompt in measured.scored if prompt in exported.scored]
    if both:
        pairs = [zip(measured.scored[prompt], exported.scored[prompt], strict=True) for prompt in both]
        return max(abs(one - other) for pair in pairs for one, other in pair)
    if not (measured.can.score and exported.can.score):
        return None
    told = [(prompt, text) for prompt, text in measured.written.items() if text][:most]
    return max((abs(measured.likelihood(*one) - exported.likelihood(*one)) for one in told), default=None)
