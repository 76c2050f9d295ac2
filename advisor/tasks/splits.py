"""Seeded sampling of examples: a test split taken from train, and subsets of a task."""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from advisor.errors import UserError
from advisor.tasks.kin import Kin, kin
from advisor.tasks.task import Example, Task

SCARCE = 3
"""Examples of a label from which on one of them may be taken away: of 128 examples of 77 labels, each judged by what
the others taught, `head` named 18 % rightly, of other examples 62 %."""


def subset(task: Task, *, limit: int | None = None, train_limit: int | None = None, seed: int = 0) -> Task:
    """Take a seeded sample of a task's examples; their order stays.

    Classification keeps the share of each label, in train at least one example of each label where
    `train_limit` allows. For one seed, the examples of a smaller limit are among those of a larger one.

    Args:
        task: the task to sample from.
        limit: most test examples; None for all.
        train_limit: most training examples; None for all.
        seed: another seed takes others.

    Raises:
        UserError: a limit below 1.
    """
    for option, value in (("--limit", limit), ("--train-limit", train_limit)):
        if value is not None and value < 1:
            raise UserError(f"{option} is {value}", f"give a number above 0, or leave {option} out for all")
    stratified = task.kind == "classification"
    train, test, after = task.train, task.test, task.test_after
    notes = []
    if limit is not None and limit < len(test):
        test = _first(test, limit, sampled(test, f"test:{seed}", stratified))
        after, new = _after(task, test, seed)
        notes.append(f"measured on {limit} of {len(task.test)} test examples{new} (--limit, seed {seed})")
    if train_limit is not None and train_limit < len(train):
        train = _first(train, train_limit, sampled(train, f"train:{seed}", stratified, one_each=True))
        sizes = f"{train_limit} of {len(task.train)} training examples"
        notes.append(f"fitted on {sizes} (--train-limit, seed {seed})")
    if not notes:
        return task
    return replace(task, train=train, test=test, test_after=after, caveats=(*task.caveats, *notes))


def _after(task: Task, test: Sequence[Example], seed: int) -> tuple[tuple[Example, ...], str]:
    """Of the questions of after a change those of a sample, and the same share of those that are new then; and how many
    of these, in words."""
    after, share = task.test_after, len(test) / len(task.test)
    before, asked = {e.input for e in task.test}, {e.input for e in test}
    new = [at for at in sampled(after, f"after:{seed}", stratified=False) if after[at].input not in before]
    chosen = new[: math.ceil(share * len(new))]
    again = [at for at, example in enumerate(after) if example.input in asked]
    kept = [*again, *chosen] or list(range(len(after)))[: len(test)]
    said = f" and {len(chosen)} of {len(new)} that are new after the change" if new else ""
    return _first(after, len(kept), kept), said


def check_split(split: float | None) -> None:
    """Raise UserError unless the share is None or between 0 and 1, both excluded."""
    if split is not None and not 0 < split < 1:
        hint = "give the share of train to test on, above 0 and below 1: --split 0.3"
        raise UserError(f"--split is {split}", hint)


def split_test(task: Task, split: float, seed: int, train: Path, keep_groups: bool = True) -> Task:
    """Set the share `split` of a task's training examples aside as its test split, and add a caveat that says so.

    Classification keeps the share of each label, and at least one example of each in train. Examples of one group, and
    those with equal or nearly equal inputs (`advisor.tasks.kin`), stay on one side, so that shares are met as nearly as
    the sizes of these clusters allow.

    Args:
        task: a task without a test split.
        split: the share of test, above 0 and below 1.
        seed: another seed takes others.
        train: the file of the training examples, for messages.
        keep_groups: whether that holds for groups that look like slices to report apart too.

    Raises:
        UserError: there are too few examples, or too few clusters.
    """
    stratified = task.kind == "classification"
    examples = task.train
    order = sampled(examples, f"split:{seed}", stratified)
    last = {examples[at].target if stratified else "": at for at in order}
    kept = set(last.values())
    spare = [at for at in order if at not in kept]
    size = min(max(1, int(len(examples) * split + 0.5)), len(spare))
    if size == 0:
        what = f"{train}: {len(examples)} training examples are too few for --split {split:g}"
        raise UserError(what, "add examples" + "; each label keeps one for training" * stratified)
    found = kin(task, keep_groups)
    classes = [example.target if stratified else "" for example in examples]
    chosen = whole_clusters(found.clusters, order, Counter(classes[at] for at in spare[:size]), classes)
    if not chosen:
        what = f"{train}: nothing can be set aside without parting what belongs together"
        why = f"{found.groups} groups" if found.groups else f"{found.examples} examples with nearly equal inputs"
        raise UserError(f"{what} ({why} in {len(examples)} examples)", "add examples, or give a test file")
    test = tuple(example for at, example in enumerate(examples) if at in chosen)
    rest = tuple(example for at, example in enumerate(examples) if at not in chosen)
    sizes = f"seed {seed}, {len(test)} of {len(examples)} examples"
    caveat = f"test is a seeded split: {100 * split:g} % of {train.name} ({sizes}){_together(found)}"
    return replace(task, train=rest, test=test, caveats=(*task.caveats, caveat))


def whole_clusters(
    clusters: Sequence[tuple[int, ...]], order: Sequence[int], wanted: Counter[str], classes: Sequence[str]
) -> set[int]:
    """Choose whole clusters, in the order of their first members, so that each class comes near its wanted number and
    keeps one example. Clusters of one example give exactly the wanted numbers.
    """
    cluster_of = {at: cluster for cluster in clusters for at in cluster}
    left = Counter(classes)
    missing = Counter(wanted)
    chosen: set[int] = set()
    for at in order:
        if len(chosen) >= wanted.total():
            break
        if at in chosen:
            continue
        held = Counter(classes[member] for member in cluster_of[at])
        useful = sum(min(count, max(0, missing[name])) for name, count in held.items())
        if 2 * useful >= held.total() and all(left[name] > count for name, count in held.items()):
            chosen.update(cluster_of[at])
            missing.subtract(held)
            left.subtract(held)
    return chosen


def _together(found: Kin) -> str:
    """The end of a caveat that says what a split kept together; empty where nothing."""
    parts = []
    if found.groups:
        parts.append(f"{found.groups:,} groups")
    if found.alike:
        clusters = "1 cluster" if found.alike == 1 else f"{found.alike:,} clusters"
        parts.append(f"{clusters} of equal or nearly equal inputs ({found.examples:,} examples)")
    return f"; kept on one side each: {' and '.join(parts)}" if parts else ""


def _first(examples: tuple[Example, ...], size: int, order: Sequence[int]) -> tuple[Example, ...]:
    return tuple(examples[at] for at in sorted(order[:size]))


def sampled(examples: Sequence[Example], salt: str, stratified: bool, one_each: bool = False) -> list[int]:
    """A seeded order of positions in which every prefix is a fair sample.

    Random by a digest of salt and id, so the same on every machine; stratified, in the order of `fair_order` by label.
    """
    ranks = [hashlib.sha256(f"{salt}:{example.id}".encode()).digest() for example in examples]
    by_rank = sorted(range(len(examples)), key=ranks.__getitem__)
    if not stratified:
        return by_rank
    return [by_rank[at] for at in fair_order([examples[at].target for at in by_rank], one_each)]


def fair_order(classes: Sequence[str], one_each: bool = False) -> list[int]:
    """An order of positions in which every prefix holds each class in proportion; those of one class keep theirs.

    The r-th of a class with n of them (r from 0) stands at (r + 0.5) / n, which is Webster's method of rounding. With
    `one_each`, the first of every class come before all others, those of frequent classes first.
    """
    sizes = Counter(classes)
    taken: defaultdict[str, int] = defaultdict(int)
    places: list[tuple[bool, float]] = []
    for name in classes:
        places.append((one_each and taken[name] > 0, (taken[name] + 0.5) / sizes[name]))
        taken[name] += 1
    return sorted(range(len(classes)), key=places.__getitem__)


def scarce(train: int, labels: int) -> bool:
    """Whether a typical label has hardly any training examples."""
    return train < SCARCE * labels
