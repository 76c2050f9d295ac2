"""Rules of thumb from the literature, with wide intervals, for tasks unlike any measured one.

Each rule is an ordering, not a figure: the numbers below only place approaches above and below each other, around what
probes measured or, without them, around what the task's form lets expect.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from advisor.approaches import family, known
from advisor.forecast.expected import Expected
from advisor.forecast.observed import unfair
from advisor.forecast.scale import around
from advisor.pilot.readings import Probes
from advisor.tasks.description import Description

HALF = 0.35  # half the width of an interval that rests on a rule alone, on the arcsine scale
PROBED_HALF = 0.3  # the same where a probe has at least placed the model
FEW_LABELS = 50
"""Training examples below which examples in the prompt are preferred to training: the sizes at which Le Scao and Rush
(2021) and Mosbach et al. (2023) see fine-tuning and prompting change places are a few dozens to a few hundreds."""
A_DOUBLING = 0.02  # what twice as many labelled examples are taken to add to an approach that was probed with fewer
KNOWN = 0.5  # share of answers in the documents from which on these are what the questions are about
SOME = 0.3  # share of the answers that occur in train, where nobody knows
BEHIND_HEAD = 0.08  # what one neighbour knows less than a classifier of all
AHEAD_OF_HEAD = 0.05  # what one of hidden states, behind the instruction, knows more
TUNING_ADDS = 0.4  # of what a classifier on frozen vectors misses, what one misses no more whose encoder is tuned
TUNED_LABELS = 16  # of each class, from which on tuning for labels is as good as tuning by contrast
READ_BEFORE = 0.03  # what facts are taken to come to that were read as raw text, where answers stand in the documents
RIGID = 0.6  # `rigidity` from which on the form of the answers is what has to be learned


@dataclass(frozen=True)
class _Facts:
    """The inputs of the rules."""

    task: Description
    kind: str
    start: float
    grounded: bool

    @property
    def labels_each(self) -> float:
        """Training examples per class, or in all without classes."""
        return self.task.train / max(self.task.labels, 1)

    @property
    def covered(self) -> float:
        """The share of classes that may have a training example."""
        return min(1.0, self.labels_each)

    @property
    def learned(self) -> float:
        """A saturating measure of the training set: 0 with hardly any labels, 1 with thousands."""
        return self.covered * min(1.0, math.log2(1 + self.task.train) / 12)

    def up(self, gain: float) -> float:
        """The start plus a share `gain` of what is left to gain."""
        return self.start + gain * (1 - self.start if gain > 0 else 1.0)


_Rule = tuple[Callable[[_Facts], float], str]
_RULES: dict[str, _Rule] = {
    "zero-shot": (lambda f: f.start, "the model as it is"),
    "few-shot": (
        lambda f: f.up(0.1 * min(1.0, f.task.train / 8)),
        "a few examples show form and labels (Brown et al. 2020)",
    ),
    "few-shot:select=nearest": (
        lambda f: f.up(0.1 * min(1.0, f.task.train / 8) + 0.15 * f.learned),
        "similar examples in the prompt help more than fixed ones (Liu et al. 2022)",
    ),
    "many-shot": (
        lambda f: f.up(0.1 * min(1.0, f.task.train / 8) + 0.12 * f.learned),
        "hundreds of examples in the prompt help more than a few (Agarwal et al. 2024)",
    ),
    "long-context": (
        lambda f: f.up(0.2 if f.grounded else 0.02),
        "with the documents themselves in a long prompt models answer about as well as with passages (Li et al. 2024)",
    ),
    "rag": (
        lambda f: f.up(0.2 if f.grounded else 0.02),
        "facts come from documents rather than from weights (Lewis et al. 2020; Ovadia et al. 2024)",
    ),
    "lora": (
        lambda f: _tuned(f, 0.45),
        "training teaches form and behaviour once there are enough labels, not facts (Mosbach et al. 2023)",
    ),
    "prompt": (
        lambda f: _tuned(f, 0.3),
        "a learnt prompt moves a small model less than trained weights do (Lester et al. 2021)",
    ),
    "ptuning": (
        lambda f: _tuned(f, 0.3),
        "a learnt prompt moves a small model less than trained weights do (Liu et al. 2021)",
    ),
    "prefix": (
        lambda f: _tuned(f, 0.35),
        "learnt keys and values come near trained weights, with far fewer numbers (Li and Liang 2021)",
    ),
    "cartridge": (
        lambda f: f.up(0.3 * f.learned + (0.05 if f.grounded else -0.02)),
        "documents as learnt keys and values hold less of them than passages do (Eyuboglu et al. 2025)",
    ),
    "ia3": (
        lambda f: f.up(0.3 * f.learned - (0.1 if f.grounded else 0)),
        "a factor for each output learns less than low-rank products, and needs fewer labels (Liu et al. 2022)",
    ),
    "ln": (
        lambda f: f.up(0.25 * f.learned - (0.1 if f.grounded else 0)),
        "the norms alone learn less than low-rank products (Zhao et al. 2023)",
    ),
    "cpt": (
        lambda f: f.up(0.05 if f.grounded else -0.02),
        "documents that are read before add a fraction of what passages in the prompt do (Ovadia et al. 2024)",
    ),
    "cpt+lora": (
        lambda f: _tuned(f, 0.45) + (READ_BEFORE if f.grounded else 0.0),
        "training teaches form and behaviour, and reading the documents before a part of their facts (Gururangan et "
        "al. 2020; Ovadia et al. 2024)",
    ),
    "rag+cpt": (
        lambda f: f.up(0.2 if f.grounded else 0.0),
        "with passages in the prompt, having read the documents before adds nothing (Ovadia et al. 2024)",
    ),
    "rag+lora": (
        lambda f: f.up(0.45 * f.learned + (0.15 if f.grounded else -0.02) - (0.1 if f.task.train < FEW_LABELS else 0)),
        "a model trained to read retrieved passages beats either alone (RAFT, Zhang et al. 2024)",
    ),
    "rag+cpt+lora": (
        lambda f: f.up(0.45 * f.learned + (0.15 if f.grounded else -0.02) - (0.1 if f.task.train < FEW_LABELS else 0)),
        "a model trained to read retrieved passages needs little of them in its weights (RAFT, Zhang et al. 2024; "
        "Ovadia et al. 2024)",
    ),
    "few-shot+lora": (
        lambda f: f.up(0.45 * f.learned - (0.05 if f.task.train < FEW_LABELS else 0)),
        "training on prompts with examples is about as good as training without (Mosbach et al. 2023)",
    ),
    "full": (
        lambda f: _tuned(f, 0.44),
        "all weights learn no less than a low-rank adapter, and forget more (Biderman et al. 2024)",
    ),
    "freeze": (
        lambda f: _tuned(f, 0.38),
        "a quarter of the layers, the last, reach nine tenths of what all do (Lee et al. 2019)",
    ),
    "adapter": (
        lambda f: _tuned(f, 0.43),
        "adapter layers come within half a point of all weights (Houlsby et al. 2019; Pfeiffer et al. 2021)",
    ),
    "dpo": (
        lambda f: f.up(0.05),
        "preferences teach which of two answers is liked, and little of the task itself (Rafailov et al. 2023)",
    ),
    "rlhf": (
        lambda f: f.up(0.03),
        "a reward learned from preferences moves manners more than knowledge (Ouyang et al. 2022)",
    ),
    "lora+dpo": (
        lambda f: _tuned(f, 0.43),
        "preferences behind supervised tuning change manners and cost a little of the task (Ouyang et al. 2022)",
    ),
    "head": (
        lambda f: _head(f),
        "a linear classifier on embeddings is strong from a few labels of each class on (SetFit, Tunstall et al. 2022)",
    ),
    "probe": (
        lambda f: max(_head(f) + AHEAD_OF_HEAD, f.up(0.4 * f.learned)),
        "the hidden states of a model tell more than it says (Alain and Bengio 2017; Azaria and Mitchell 2023)",
    ),
    "setfit": (
        lambda f: _tuned_encoder(f, 1.0),
        "an embedder tuned by contrast beats the same one frozen from a few labels of each class on (SetFit, Tunstall "
        "et al. 2022)",
    ),
    "encoder": (
        lambda f: _tuned_encoder(f, min(1.0, f.labels_each / TUNED_LABELS)),
        "an encoder tuned as a classifier beats a frozen one once there are some dozen labels of each class (Devlin et "
        "al. 2019; Tunstall et al. 2022)",
    ),
    "nearest": (
        lambda f: _head(f) - BEHIND_HEAD if f.kind == "classification" else _copied(f),
        "the answer of the most similar example: good where answers repeat",
    ),
    "majority": (lambda f: f.task.majority or 0.0, "the most frequent answer"),
    "oracle": (lambda f: f.up(0.25), "the right documents in the prompt"),
    "oracle+lora": (lambda f: f.up(0.25 + 0.45 * f.learned), "the right documents, and training to read them"),
}


def expect_by_rules(
    description: Description,
    kind: str,
    metric: str,
    probes: Probes | None,
    specs: Sequence[str],
    start: float | None = None,
) -> dict[str, Expected]:
    """The expected quality of each approach by the rules alone, by spec.

    Where a probe measured the very approach, its reading stands in for the rule, widened to what the test set may add.

    Args:
        start: the model's quality without help, where known; None takes the probe's reading, or an estimate from the
            task's form.
    """
    if start is None:
        start = _start(description, kind, metric, probes)
    facts = _Facts(description, kind, start, _grounded(description, kind))
    half = PROBED_HALF if probes else HALF
    found = {}
    for spec in specs:
        measured = _counted(spec, description, metric) or _measured(spec, description, probes)
        if measured:
            found[spec] = measured
            continue
        grown = _grown(spec, description, probes)
        if grown:
            found[spec] = grown
            continue
        rule, source = _RULES.get(family(spec)) or _of_its_kind(spec)
        value = min(0.98, max(0.0, rule(facts)))
        found[spec] = Expected(spec, value, *around(value, half), "rule", f"rule of thumb: {source}")
    return found


def _counted(spec: str, description: Description, metric: str) -> Expected | None:
    """The expectation of the control `majority`, which follows from counting."""
    if spec != "majority":
        return None
    value = description.majority_macro_f1 if metric == "macro_f1" else description.majority
    return None if value is None else Expected(spec, value, value, value, "measured", "counted")


def _measured(spec: str, description: Description, probes: Probes | None) -> Expected | None:
    approach = known(spec)
    learns = approach is None or approach.learns
    for reading in probes.readings if probes else ():
        if reading.name == spec and (reading.train >= description.train or not learns):
            widened = [(end - reading.value) * math.sqrt(2) for end in (reading.low, reading.high)]
            low, high = max(0.0, reading.value + widened[0]), min(1.0, reading.value + widened[1])
            return Expected(spec, reading.value, low, high, "measured", f"probed on {reading.n} examples")
    return None


def _grown(spec: str, description: Description, probes: Probes | None) -> Expected | None:
    """An expectation from a probe of the same approach with fewer examples, plus a little for each doubling since."""
    name = _probed_as(spec)
    reading = next((one for one in probes.readings if one.name == name), None) if probes else None
    if reading is None or unfair(reading, description):
        return None
    more = max(0.0, math.log2(description.train / reading.train)) if reading.train and name == spec else 1.0
    value = min(0.98, reading.value + A_DOUBLING * more)
    half = max(reading.high - reading.value, reading.value - reading.low) * math.sqrt(2) + A_DOUBLING * more
    why = (
        f"measured at {reading.value:.2f} on {reading.n} examples as {reading.name} with {reading.train} to learn from"
    )
    return Expected(spec, value, max(0.0, value - half), min(1.0, value + half), "rule", why)


def _probed_as(spec: str) -> str:
    """The spec under which a learning approach was probed; empty where there is none."""
    approach = known(spec)
    return approach.probed_as if approach and approach.learns and spec == approach.name else ""


def _start(task: Description, kind: str, metric: str, probes: Probes | None) -> float:
    """The expected quality of the model without help."""
    known = probes.value("zero-shot") if probes else None
    if known is not None:
        return known
    if kind == "classification":
        return min(0.6, 1.5 / max(task.labels, 2))
    return {"exact_match": 0.05, "json_f1": 0.1, "token_f1": 0.15, "rouge_l": 0.15, "chrf": 0.25}.get(metric, 0.15)


def _grounded(task: Description, kind: str) -> bool:
    return kind != "classification" and task.documents > 0 and (task.in_documents or 0.0) >= KNOWN


def _tuned(facts: _Facts, gain: float) -> float:
    """The quality of trained weights without a context, that gain so much where there are thousands of labels."""
    few, grounded = facts.task.train < FEW_LABELS, facts.grounded
    return facts.up(gain * facts.learned - (0.1 if few else 0) - (0.1 if grounded else 0))


def _head(facts: _Facts) -> float:
    return max(facts.task.majority or 0.0, 0.3 * facts.covered) + 0.1 * min(4.0, math.log2(1 + facts.labels_each))


def _tuned_encoder(facts: _Facts, share: float) -> float:
    """What training all layers adds to a classifier on them, of which so much is to be had."""
    return _head(facts) + TUNING_ADDS * share * (1 - _head(facts))


def _copied(facts: _Facts) -> float:
    """The quality that copying answers from train may reach; numbers that happen to be equal do not count."""
    seen = facts.task.answers_seen
    return 0.3 * (SOME if seen is None else seen) * (1 - facts.task.numeric_answers)


def _of_its_kind(spec: str) -> _Rule:
    """The rule for an approach without one of its own: that of the same context and weights."""
    approach = known(spec)
    like = None
    if approach is not None:
        like = approach.name if approach.name in _RULES else _LIKE.get((approach.shows, approach.trains_model))
    if like is None:
        return _rest, "no rule of the literature is known for it"
    rule, source = _RULES[like]
    return rule, f"of approaches of its kind, {source}"


_LIKE = {
    ("nothing", False): "zero-shot",
    ("examples", False): "few-shot",
    ("documents", False): "rag",
    ("nothing", True): "lora",
    ("examples", True): "few-shot+lora",
    ("documents", True): "rag+lora",
}


def _rest(facts: _Facts) -> float:
    return facts.start
