"""What `setfit` and `encoder` do: hold some examples out, train a copy of the encoder and a classifier on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from advisor.approaches import Predictor
from advisor.approaches.curation import Curated
from advisor.approaches.linear import LinearClassifier
from advisor.models import LanguageModel, note_of_cut
from advisor.models.load import embedder_beside
from advisor.models.local.shortage import telling
from advisor.models.local.trainable import State, TrainableEmbedder, trainable
from advisor.tasks import Example, Outline
from finetune.encoders.course import follow
from finetune.encoders.courses import Contrasting, Labelling, Masking
from finetune.encoders.kept import TunedClassifier, read
from finetune.encoders.settings import ContrastSettings, EncoderSettings, LabellingSettings
from finetune.holding_out import held_out_of
from finetune.overfitting import warnings
from finetune.trainer import History
from finetune.tuning import history_note

TOLD = 5  # steps whose mean loss is told


@dataclass(frozen=True)
class _Lessons:
    """The examples that are trained on, those held out, and the seed."""

    train: Sequence[Example]
    held_out: Sequence[Example]
    seed: int


@dataclass(frozen=True)
class _Learned:
    """A classifier, what its training came to, what a reader must know of it, and of how it went where that is told in
    nats."""

    classifier: LinearClassifier
    history: History
    state: State
    notes: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def fit(settings: EncoderSettings, curated: Curated, model: LanguageModel, seed: int) -> Predictor:
    """Train a copy of the encoder, and a classifier on it; the embedder itself stays as it is.

    Raises:
        NotApplicable: the encoder's weights are not here, or cannot be trained.
    """
    task = curated.task
    train, held = held_out_of(task, seed)
    lessons = _Lessons(curated.taught(train), held, seed)
    words = Outline.of(replace(task, train=tuple(lessons.train))).train.mean()
    epochs, batch = settings.planned(len(lessons.train), words)
    settings = replace(settings, epochs=epochs, batch=batch)
    encoder = _untrained(settings, model)
    with _seeded(seed, encoder.device), telling(f"training {encoder.name}", encoder.device):
        learned = _learned(settings, encoder, curated.taught(task.train), lessons)
    found = TunedClassifier(learned.classifier, encoder, learned.state, unit=_unit(settings))
    scaling: tuple[str, ...] = ()
    if settings.calibrate:
        vectors = found.embedder.embed([example.input for example in task.dev])
        found.classifier, note = found.classifier.calibrated(vectors, [example.target for example in task.dev])
        scaling = (note,)
    held_out = f"{len(lessons.held_out)} held-out {'dev' if task.dev else 'training'} examples"
    found.facts = replace(
        found.facts,
        notes=(
            *((f"Texts are read by {encoder.name}, as the approach says.",) if settings.model else ()),
            *curated.notes,
            *learned.notes,
            *note_of_cut(encoder, [example.input for example in task.train], "training inputs"),
            history_note(learned.history, epochs, len(lessons.train), held_out),
            *scaling,
            *learned.warnings,
        ),
        resolved={settings.name: {"epochs": epochs, "batch": batch}},
        tokens_seen=encoder.learned,
    )
    return found


def restore(settings: EncoderSettings, folder: Path, model: LanguageModel) -> Predictor:
    """Read what was trained, and lay it onto the encoder that it was trained from.

    Raises:
        NotApplicable: that is another one now.
    """
    return read(folder, _untrained(settings, model), unit=_unit(settings))


def _learned(
    settings: EncoderSettings, encoder: TrainableEmbedder, train: Sequence[Example], lessons: _Lessons
) -> _Learned:
    """The classifier, of all of train, once the encoder has learned from what is not held out."""
    if isinstance(settings, LabellingSettings):
        return _labelled(settings, encoder, lessons)
    if not isinstance(settings, ContrastSettings):
        raise TypeError(f"{type(settings).__name__} says nothing of how an encoder is trained")
    course = Contrasting(encoder, lessons.train, lessons.held_out, settings.batch)
    history = follow(course, settings, lessons.seed)
    state = encoder.changed()
    encoder.serve()
    vectors = encoder.embed([example.input for example in train])
    targets = [example.target for example in train]
    return _Learned(LinearClassifier.fitted(vectors, targets, settings.c), history, state)


def _labelled(settings: LabellingSettings, encoder: TrainableEmbedder, lessons: _Lessons) -> _Learned:
    notes: tuple[str, ...] = ()
    if settings.mlm:
        masking = Masking(encoder, [example.input for example in lessons.train], settings.batch)
        losses = follow(masking, settings, lessons.seed).losses
        notes = (_of_words(losses, masking.fresh_head, settings.epochs),)
    course = Labelling(settings, encoder, lessons.train, lessons.held_out)
    history = follow(course, settings, lessons.seed)
    state = encoder.changed()
    encoder.serve()
    weights, biases = (p.detach().float().cpu().numpy() for p in course.head.parameters())
    classifier = LinearClassifier(tuple(course.labels), weights, biases)
    return _Learned(classifier, history, state, notes, warnings(history.losses, history.held_out))


def _of_words(losses: Sequence[float], fresh: bool, epochs: int) -> str:
    begun, ended = (sum(part) / len(part) for part in (losses[:TOLD], losses[-TOLD:]))
    head = ", by a layer that began at random, tied to the embedding of its tokens, since the checkpoint has none"
    return (
        f"Before that it learned to fill in words left out of the training inputs (mlm, "
        f"{epochs} {'epoch' if epochs == 1 else 'epochs'}"
        f"{head * fresh}): the loss went from {begun:.2f} to {ended:.2f}."
    )


def _untrained(settings: EncoderSettings, model: LanguageModel) -> TrainableEmbedder:
    base = embedder_beside(model, settings.model) if settings.model else model.embedder
    return trainable(base, settings.pooling if isinstance(settings, LabellingSettings) else "own")


def _unit(settings: EncoderSettings) -> bool:
    """Whether the classifier reads vectors of length 1, as logistic regression on an embedder does."""
    return isinstance(settings, ContrastSettings)


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """While the block runs, torch draws by this seed; afterwards it goes on as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
