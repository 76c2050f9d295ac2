"""What `probe:unfreeze=N` does: the last layers up to the one that is read are trained together with the classifier.

The loop is that of every training; only the loss is another one, cross-entropy over the task's labels. The classifier
begins as it is for the layers as they are, so that a training which makes nothing better changes nothing.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import torch
from safetensors.torch import load_file, save_file
from torch import nn
from torch.nn.functional import cross_entropy

from advisor.approaches.asking import prompt_of
from advisor.approaches.linear import LinearClassifier
from advisor.errors import NotApplicable
from advisor.models import Context, LanguageModel, Merged
from advisor.models.local.attention import packed_attention
from advisor.models.local.engine import LocalModel
from advisor.models.local.hidden import layers_of, noted, own_tokens, padded_states, pool
from advisor.models.local.quantising import holds_numbers
from advisor.models.render import Encoded
from advisor.tasks import Example, Task
from finetune.adapter import key_of
from finetune.fused.packing import Pack, TokenRow
from finetune.layer_choice import LayerChoice, Pool, Standardised, vectors_of
from finetune.methods.contract import Inserted, State
from finetune.passes import recomputed
from finetune.session import SplitRows, keep_on
from finetune.trainer import History, Trainer
from finetune.training import Schedule, default_batch

USUAL_EPOCHS = 10  # at most, since it is stopped early
LAYERS = "layers.safetensors"
SMALLEST_SLICE = 40  # examples from which on a slice is held out where there is no dev split
HELD_OUT = 64
"""Examples held out for stopping at most; of train a fifth, since each is one label and not a row of tokens."""


@dataclass(frozen=True)
class Unfrozen:
    """Layers that were trained, and the classifier of what they say.

    Attributes:
        adaptation: the layers, in place of the model's own; in the model's number format, on the CPU.
    """

    adaptation: Merged
    classifier: LinearClassifier
    schedule: Schedule
    note: str
    tokens_seen: int

    @property
    def numbers(self) -> int:
        """Numbers that were trained in the layers."""
        return sum(tensor.numel() for tensor in _tensors(self.adaptation).values())

    @property
    def bytes(self) -> int:
        """Size of these."""
        return sum(tensor.nbytes for tensor in _tensors(self.adaptation).values())


def unfrozen(
    schedule: Schedule, layers: int, choice: LayerChoice, task: Task, model: LanguageModel, seed: int
) -> Unfrozen:
    """Train so many layers up to the chosen one with the classifier; keep the lowest loss on held-out examples.

    Raises:
        NotApplicable: the model's layers cannot be trained here.
    """
    local = _local(model, choice.layer, layers)
    train, held_out = _split(task, seed)
    start = _start(local, choice, task, train)
    labels = start.classifier.labels
    rows, held = ([_row(local, task, e, labels) for e in part if e.target in labels] for part in (train, held_out))
    epochs = schedule.epochs or USUAL_EPOCHS
    schedule = replace(schedule, epochs=epochs, batch=schedule.batch or default_batch(len(rows) * epochs))
    with _trainable(local, choice.layer, layers) as named:
        head = _LabelHead(start, local.device)
        trainer = LabelTrainer(local, Inserted.of(nn.ModuleList([head, *named.values()])), schedule)
        trainer.choice, trainer.classify = choice, head
        trainer.begin(rows, held, seed)
        trainer.examined = trainer.accuracy if schedule.stop == "metric" else None
        keep_on(trainer, schedule, SplitRows(rows, held), seed)
        if held and not trainer.history.held_out:
            trainer.note_evaluation(*trainer.evaluated())
        trainer.go_to_the_end()
        state, classifier = _kept(named), head.whole(labels)
    where = f"{len(held)} {'dev' if task.dev else 'held-out training'} examples"
    note = _note(trainer.history, layers, len(rows), where)
    return Unfrozen(Merged(key_of(state), state), classifier, schedule, note, trainer.history.tokens)


def save(folder: Path, adaptation: Merged) -> None:
    """Write the layers."""
    save_file(_tensors(adaptation), folder / LAYERS)


def load(folder: Path) -> Merged:
    """Read what `save` wrote."""
    state = load_file(folder / LAYERS)
    return Merged(key_of(state), state)


class LabelTrainer(Trainer):
    """Trains on labels: a row's answer is its label's number.

    Attributes:
        choice: what the classifier reads.
        classify: from pooled states, shape (rows, size), to logits over the labels.
    """

    choice: LayerChoice
    classify: nn.Module

    @torch.no_grad()
    def accuracy(self) -> float:
        """Share of the held-out examples whose label is the likeliest."""
        right = [(logits.argmax(dim=1) == targets).sum() for logits, targets in self._judged(self.held_out)]
        return int(torch.stack(right).sum()) / len(self.held_out)

    def _summed_loss(self, rows: Sequence[TokenRow], smoothing: float = 0.0) -> torch.Tensor:
        judged = self._judged(rows)
        return torch.stack([cross_entropy(*one, reduction="sum", label_smoothing=smoothing) for one in judged]).sum()

    def _judged(self, rows: Sequence[TokenRow]) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Logits over the labels, shape (rows, labels), and the right ones, of all rows in a few parts."""
        reader = self.model.reader
        for numbers in reader.alike([len(row.prompt) for row in rows], 0):
            part = [rows[number] for number in numbers]
            reader.turn_afresh()
            packs = reader.packs_rows(max(len(row.prompt) for row in part))
            logits = self.classify(torch.stack(self._packed_states(part) if packs else self._padded_states(part)))
            yield logits, torch.tensor([row.answer[0] for row in part], device=logits.device)

    def _packed_states(self, rows: Sequence[TokenRow]) -> list[torch.Tensor]:
        """The rows' pooled states; what they have in common is computed once."""
        pack, module, layer = Pack.of(rows, self.model.device), self.model.module, self.choice.layer
        attending = partial(packed_attention, module)
        again = recomputed(self.model, self.history.checkpointing, attending)
        with attending(), again, noted(module, [layer]) as found:
            module.base_model(input_ids=pack.ids, position_ids=pack.positions, use_cache=False, attending=pack.segments)
        ends = [int(end) + 1 for end in pack.predicting]
        return [self._pool(found[layer][0, :end], row) for end, row in zip(ends, rows, strict=True)]

    def _padded_states(self, rows: Sequence[TokenRow]) -> list[torch.Tensor]:
        with recomputed(self.model, self.history.checkpointing):
            encoded = [Encoded(row.prompt, row.stem) for row in rows]
            (states,) = padded_states(self.model.module, encoded, [self.choice.layer])
        return [self._pool(found[: len(row.prompt)], row) for found, row in zip(states, rows, strict=True)]

    def _pool(self, states: torch.Tensor, row: TokenRow) -> torch.Tensor:
        """Of states up to a row's end, shape (tokens, size)."""
        both = pool(states[None], own_tokens(Encoded(row.prompt, row.stem)))
        return both[get_args(Pool).index(self.choice.pool), 0]


class _LabelHead(nn.Module):
    """A classifier of standardised states that goes on learning."""

    def __init__(self, start: Standardised, device: torch.device) -> None:
        super().__init__()
        self.means, self.scales = (torch.from_numpy(x).to(device) for x in (start.means, start.scales))
        labels, size = start.classifier.weights.shape
        self.linear = nn.Linear(size, labels, device=device)
        with torch.no_grad():
            self.linear.weight.copy_(torch.from_numpy(start.classifier.weights))
            self.linear.bias.copy_(torch.from_numpy(start.classifier.biases))

    def forward(self, pooled: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.linear((pooled - self.means) / self.scales)
        return logits

    def whole(self, labels: tuple[str, ...]) -> LinearClassifier:
        """As it stands, of states as they are."""
        means, scales = (x.cpu().numpy() for x in (self.means, self.scales))
        weights, biases = (p.detach().cpu().numpy().copy() for p in (self.linear.weight, self.linear.bias))
        return Standardised(means, scales, LinearClassifier(labels, weights, biases)).whole


@contextmanager
def _trainable(model: LocalModel, top: int, count: int) -> Iterator[dict[str, nn.Module]]:
    """The last layers up to number `top`, by name, with gradients; afterwards they are bit for bit what they were."""
    named = dict(layers_of(model.module)[top - count : top])
    parameters = [parameter for layer in named.values() for parameter in layer.parameters()]
    with model.own_weights():
        before = [parameter.detach().clone() for parameter in parameters]
        try:
            for parameter in parameters:
                parameter.requires_grad_(True)
            yield named
        finally:
            with torch.no_grad():
                for parameter, own in zip(parameters, before, strict=True):
                    parameter.requires_grad_(False)
                    parameter.grad = None
                    parameter.copy_(own)


def _kept(named: dict[str, nn.Module]) -> State:
    """The layers' tensors as they are now, by their names in the model."""
    return {
        f"{name}.{own}": parameter.detach().cpu().clone()
        for name, layer in named.items()
        for own, parameter in layer.named_parameters()
    }


def _local(model: LanguageModel, top: int, count: int) -> LocalModel:
    if not (isinstance(model, LocalModel) and model.can.train):
        raise NotApplicable(f"the layers of {model.name} cannot be trained here; probe without unfreeze reads them")
    if count > top:
        raise NotApplicable(f"unfreeze is {count}, and there are {top} layers up to the one that is read")
    for _, layer in layers_of(model.module)[top - count : top]:
        if not all(holds_numbers(parameter) for parameter in layer.parameters()):
            raise NotApplicable(
                "quantised layers are codes, which cannot be trained; probe without unfreeze reads them"
            )
    return model


def _split(task: Task, seed: int) -> tuple[Sequence[Example], Sequence[Example]]:
    """Training examples and those held out: of dev, else a fifth of train where train is large enough."""
    rng = random.Random(seed)
    if task.dev:
        return task.train, rng.sample(task.dev, min(HELD_OUT, len(task.dev)))
    if len(task.train) < SMALLEST_SLICE:
        return task.train, ()
    shuffled = rng.sample(task.train, len(task.train))
    size = min(HELD_OUT, len(shuffled) // 5)
    return shuffled[size:], shuffled[:size]


def _start(model: LocalModel, choice: LayerChoice, task: Task, train: Sequence[Example]) -> Standardised:
    """The classifier of the layers as they are; it has not seen what is held out."""
    states = model.hidden_states([prompt_of(task.brief, e.input, Context()) for e in train], [choice.layer])
    return Standardised.fitted(vectors_of(states, 0, choice.pool), [e.target for e in train], choice.c)


def _row(model: LocalModel, task: Task, example: Example, labels: Sequence[str]) -> TokenRow:
    encoded = model.renderer.encode(prompt_of(task.brief, example.input, Context()), 0)
    return TokenRow(encoded.ids, encoded.stem, (labels.index(example.target),))


def _tensors(adaptation: Merged) -> State:
    return {name: tensor for name, tensor in adaptation.tensors.items() if isinstance(tensor, torch.Tensor)}


def _note(history: History, layers: int, examples: int, where: str) -> str:
    """What the training came to, for the report."""
    note = f"The last {layers} layers up to it were trained with the classifier: {len(history.losses)} steps on "
    note += f"{examples} examples"
    if not history.held_out:
        return note + "; none held out for stopping early."
    first, best = history.held_out[0][1], dict(history.held_out)[history.best_step]
    if history.answered:
        before, now = history.answered[0][1], dict(history.answered)[history.best_step]
        return note + f"; kept step {history.best_step}, accuracy {now:.3f} on {where}, {before:.3f} before."
    if not history.best_step:
        return note + f"; the loss on {where} was lowest before ({first:.3f}), so that the layers stay as they were."
    return note + f"; kept step {history.best_step}, loss {best:.3f} on {where}, {first:.3f} before."
