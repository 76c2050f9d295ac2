"""What `probe:unfreeze=N` does: the last layers up to the one that is read are trained together with the classifier.

The loop is that of every training; only the loss is another one, cross-entropy over the task's labels. The classifier
begins as it is for the layers as they are, so that a training which makes nothing better changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import get_args

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from advisor.approaches import Tuned
from advisor.approaches.asking import prompt_of
from advisor.approaches.curation import Curated
from advisor.approaches.linear import LinearClassifier, Pool
from advisor.errors import NotApplicable
from advisor.models import Context, LanguageModel
from advisor.models.local.attention import packed_attention
from advisor.models.local.engine import LocalModel
from advisor.models.local.hidden import layers_of, noted, own_tokens, padded_states, pool
from advisor.models.local.quantising import holds_numbers
from advisor.models.render import Encoded
from advisor.tasks import Example, Task
from finetune.fused.packing import Pack, TokenRow
from finetune.holding_out import held_out_of
from finetune.layer_choice import LayerChoice, Standardised, vectors_of
from finetune.methods.contract import Inserted, State
from finetune.methods.weights import TunedWeights, WeightsMethod, in_place
from finetune.passes import recomputed
from finetune.session import SplitRows, keep_on, local_of
from finetune.trainer import History, Trainer
from finetune.training import Schedule, default_batch

USUAL_EPOCHS = 10  # at most, since it is stopped early
SHARE = 5  # of train one in five is held out at most, since each is one label and not a row of tokens


@dataclass(frozen=True)
class Unfrozen:
    """Layers that were trained, how, and the classifier of what they say."""

    layers: Tuned
    classifier: LinearClassifier
    schedule: Schedule


def unfrozen(
    schedule: Schedule, layers: int, choice: LayerChoice, curated: Curated, model: LanguageModel, seed: int
) -> Unfrozen:
    """Train so many layers up to the chosen one with the classifier; keep the lowest loss on held-out examples.

    Raises:
        NotApplicable: the model's layers cannot be trained here.
    """
    local, task = local_of(model), curated.task
    _check(local, choice.layer, layers)
    own, held_out = held_out_of(task, seed, SHARE)
    train = curated.taught(own)
    start = _start(local, choice, task, train)
    labels = start.classifier.labels
    rows, held = ([_row(local, task, e, labels) for e in part if e.target in labels] for part in (train, held_out))
    epochs = schedule.epochs or USUAL_EPOCHS
    schedule = replace(schedule, epochs=epochs, batch=schedule.batch or default_batch(len(rows) * epochs))
    top = dict(layers_of(local.module)[choice.layer - layers : choice.layer])
    named = {f"{name}.{own}": p for name, layer in top.items() for own, p in layer.named_parameters()}
    with in_place(local, named):
        head = _LabelHead(start, local.device)
        trainer = LabelTrainer(local, Inserted.of(nn.ModuleList([head, *top.values()])), schedule)
        trainer.choice, trainer.classify = choice, head
        trainer.begin(rows, held, seed)
        trainer.examined = trainer.accuracy if schedule.stop == "metric" else None
        keep_on(trainer, schedule, SplitRows(rows, held), seed)
        if held and not trainer.history.held_out:
            trainer.note_evaluation(*trainer.evaluated())
        trainer.go_to_the_end()
        state: State = {name: parameter.detach().cpu().clone() for name, parameter in named.items()}
        classifier = head.whole(labels)
    where = f"{len(held)} {'dev' if task.dev else 'held-out training'} examples"
    note = _note(trainer.history, layers, len(rows), where)
    tuned = TunedWeights(local, state)
    seen, form = trainer.history.tokens, tuned.adaptation.form
    tuned.facts = replace(tuned.facts, notes=(*tuned.facts.notes, note), tokens_seen=seen, served=form)
    return Unfrozen(tuned, classifier, schedule)


def restored(folder: Path, model: LanguageModel) -> Tuned:
    """Layers that were trained, as they were saved.

    Raises:
        NotApplicable: the model's weights are not here to be replaced.
        UserError: the layers are of another model.
    """
    return WeightsMethod().restore(folder, local_of(model))


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


def _check(model: LocalModel, top: int, count: int) -> None:
    """See that so many layers up to number `top` can be trained.

    Raises:
        NotApplicable: they cannot.
    """
    if count > top:
        raise NotApplicable(f"unfreeze is {count}, and there are {top} layers up to the one that is read")
    for _, layer in layers_of(model.module)[top - count : top]:
        if not all(holds_numbers(parameter) for parameter in layer.parameters()):
            raise NotApplicable(
                "quantised layers are codes, which cannot be trained; probe without unfreeze reads them"
            )


def _start(model: LocalModel, choice: LayerChoice, task: Task, train: Sequence[Example]) -> Standardised:
    """The classifier of the layers as they are; it has not seen what is held out."""
    states = model.hidden_states([prompt_of(task.brief, e.input, Context()) for e in train], [choice.layer])
    return Standardised.fitted(vectors_of(states, 0, choice.pool), [e.target for e in train], choice.c)


def _row(model: LocalModel, task: Task, example: Example, labels: Sequence[str]) -> TokenRow:
    encoded = model.renderer.encode(prompt_of(task.brief, example.input, Context()), 0)
    return TokenRow(encoded.ids, encoded.stem, (labels.index(example.target),))


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
