"""The hyper-parameters of `setfit` and `encoder`, and what is chosen where the user leaves one open; no torch."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from advisor.approaches.curation import Curation
from advisor.approaches.workload import TOKENS_A_WORD
from finetune.training import Descent

LONGEST = 190  # words of a text, beyond which usual encoders read no further
LARGEST_BATCH = 32
AT_ONCE = 6_144  # tokens of a step, where the user does not say how many texts
STEPS = 60  # fewer would be too few to learn in
TEXTS_SEEN, TOKENS_SEEN = 2_400, 120_000
MOST_EPOCHS = 20


@dataclass(frozen=True)
class EncoderSettings(Descent, Curation):
    """What both have in common.

    Attributes:
        model: name of the encoder, as `--embedder` takes it: a folder, a name in the hub's cache. Empty for the
            embedder that goes with the language model, of which a copy is trained.
        calibrate: whether confidences are scaled by one temperature (`advisor.approaches.temperature`), chosen on dev;
            the answers stay the same.
    """

    model: str = field(default="", kw_only=True)
    calibrate: bool = field(default=False, kw_only=True)

    name: ClassVar[str]

    def __post_init__(self) -> None:
        super().__post_init__()
        Curation.__post_init__(self)

    def planned(self, examples: int, words: float) -> tuple[int, int]:
        """Epochs, and texts a step, where the user leaves them open.

        Args:
            examples: to train on.
            words: of a usual one.
        """
        each = max(1.0, TOKENS_A_WORD * min(words, LONGEST))
        needed = min(MOST_EPOCHS, max(2, round(TEXTS_SEEN / examples)))
        epochs = self.epochs or max(1, min(needed, int(TOKENS_SEEN // (examples * each))))
        batch = max(4, min(LARGEST_BATCH, examples * epochs // STEPS, int(AT_ONCE // each)))
        return epochs, self.batch or batch


@dataclass(frozen=True)
class ContrastSettings(EncoderSettings):
    """Of an encoder that is tuned by contrast.

    Attributes:
        c: inverse of the strength of the classifier's regularisation.
    """

    c: float = 10.0
    lr: float = field(default=1e-4, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.c > 0:
            raise ValueError(f"c is {self.c:g}, and has to be above 0")
        if self.smoothing:
            raise ValueError("pairs have no labels to be smoothed")


@dataclass(frozen=True)
class LabellingSettings(EncoderSettings):
    """Of an encoder that is trained as a classifier.

    Attributes:
        pooling: of the tokens' vectors: the encoder's own way, their mean, or the first token's alone.
        dropout: on the pooled vector; within the encoder it is as its configuration has it.
        mlm: whether it first learns to fill in words left out of the training inputs (masked language modelling,
            task-adaptive: Gururangan et al. 2020).
    """

    pooling: Literal["own", "mean", "cls"] = "own"
    dropout: float = 0.1
    mlm: bool = False
    lr: float = field(default=1e-4, kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.dropout < 1:
            raise ValueError("dropout must lie between 0 and 1")
