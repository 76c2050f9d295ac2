"""Scoring labels behind a shared prefix, against lm-evaluation-harness with its defaults."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from lm_eval.api.instance import Instance
from lm_eval.models.huggingface import HFLM

from advisor.models import Prompt, Scores
from advisor.models.local.engine import LocalModel
from advisor.tasks import load_task
from benchmarks.speed.gates import every, same_scores
from benchmarks.speed.harness import Peer, Side, compare
from benchmarks.speed.material import ROOM, advisor_model, peer_model, prompts_with_prefix, shared_tokens, weights_facts
from benchmarks.speed.options import Options, Role
from benchmarks.speed.record import Gate, Record

SHORT, LONG, FEW = 24, 8, 3  # prompts: the harness reads those with long labels once for each label
MOST_LABELS = 6
CLOSE = 1e-4  # nats between the log-likelihoods of a label

CASES: tuple[tuple[str, Role, int, float], ...] = (
    ("labels of one token", "short labels", SHORT, 6.0),
    ("labels of several tokens", "long labels", LONG, 20.0),
)

Answers = list[tuple[float, bool]]


@dataclass(frozen=True)
class Labelling:
    """The prompts and labels shared by both sides.

    Attributes:
        requests: of the harness, one for each prompt and label.
    """

    prompts: list[Prompt]
    labels: list[str]
    requests: list[Instance]

    @classmethod
    def of(cls, model: LocalModel, prompts: list[Prompt], labels: list[str]) -> Labelling:
        """Render the prompts once for the harness, which takes text."""
        requests = []
        for number, prompt in enumerate(prompts):
            text, _ = model.renderer.text(prompt)
            for place, label in enumerate(labels):
                requests.append(Instance("loglikelihood", {}, (text, " " + label), place, ("labels", number, 1)))
        return cls(prompts, labels, requests)

    def same_tokens(self, model: LocalModel, harness: HFLM) -> bool:
        """Whether both sides read the same tokens."""
        read = [harness._encode_pair(*request.args) for request in self.requests]
        rows = [
            (list(model.renderer.encode(prompt, ROOM).ids), model.renderer.encode_answer(label))
            for prompt in self.prompts
            for label in self.labels
        ]
        return rows == [(list(context), list(answer)) for context, answer in read]


def run(options: Options, record: Record) -> None:
    """Time single-token labels, which the harness reads from one pass, and longer ones, each a pass of its own."""
    model = advisor_model(options, "float32")
    harness = HFLM(pretrained=peer_model(options, "float32"), tokenizer=model.renderer.tokenizer)
    record.note(model=weights_facts(model), lm_eval_batch_size=harness.batch_size)
    for case, role, count, goal in CASES:
        task = load_task(options.task_folder(role))
        labels = _labels(model, task.labels, several=role == "long labels")
        prompts = prompts_with_prefix(task, model, FEW if options.smoke else count, labels)
        work = Labelling.of(model, prompts, labels)
        same = work.same_tokens(model, harness)
        shared = shared_tokens(prompts, model)
        record.note(**{case: {"task": task.name, "labels": labels, "prompts": len(prompts), "shared_tokens": shared}})
        ours = Side.of("advisor", lambda w=work: model.score(w.prompts, w.labels), model.forget)
        theirs = Side.of(
            "lm-evaluation-harness, its defaults",
            lambda w=work: harness.loglikelihood(w.requests, disable_tqdm=True),
        )
        gate = lambda mine, found, same=same: agreement(mine, found, same)  # noqa: E731
        compare(case, ours, [Peer(theirs, goal, every(gate))], options, record)


def agreement(mine: Sequence[Scores], found: Answers, same_tokens: bool) -> Gate:
    """Whether every prompt has the same best label and every label the same log-likelihood.

    Args:
        found: what the harness gives: (log-likelihood, whether greedy), label after label, prompt after prompt.
    """
    size = len(mine[0].totals)
    rows = [[value for value, _ in found[i * size : (i + 1) * size]] for i in range(len(mine))]
    close = same_scores([scores.totals for scores in mine], rows, CLOSE)
    same = sum(_best(s.totals) == _best(row) for s, row in zip(mine, rows, strict=True))
    return Gate(
        f"same tokens, same best label, {close.what}",
        same_tokens and same == len(mine) and bool(close.holds),
        {"same_tokens": same_tokens, "same_best": same, "of": len(mine), **close.seen},
    )


def _best(values: Sequence[float]) -> int:
    return max(range(len(values)), key=values.__getitem__)


def _labels(model: LocalModel, labels: Sequence[str], several: bool) -> list[str]:
    """Up to `MOST_LABELS` labels of one token, or of two to four; made from the short ones where there are too few."""

    def size(label: str) -> int:
        return len(model.renderer.encode_answer(label))

    if not several:
        return [label for label in labels if size(label) == 1][:MOST_LABELS]
    long = [label for label in labels if 1 < size(label) < 5]
    return (long + [f"{label} team" for label in labels if label not in long])[:MOST_LABELS]
