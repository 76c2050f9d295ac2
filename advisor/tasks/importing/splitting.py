"""Which rows are train, dev and test: as given, by share, by time; what belongs together stays together.

Of a row only digests are kept.
"""

from __future__ import annotations

from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from advisor.errors import UserError
from advisor.tasks.forms import normalised
from advisor.tasks.importing.times import Times, shown
from advisor.tasks.splits import fair_order, whole_clusters

PARTS = ("train", "dev", "test")
TRAIN, DEV, TEST, UNSPLIT = range(4)
_CODES = {"train": TRAIN, "dev": DEV, "test": TEST, "": UNSPLIT}


@dataclass(frozen=True)
class SplitRule:
    """How rows are split that the source does not split itself.

    Attributes:
        test, dev: shares of all rows, above 0, below 1; dev may be 0.
        by_time: whether the newest are test.
    """

    test: float = 0.2
    dev: float = 0.0
    seed: int = 0
    by_time: bool = False

    def check(self) -> None:
        """Raise UserError where the shares are none."""
        if not 0 < self.test < 1:
            raise UserError(f"--split is {self.test:g}", "the share to test on, above 0 and below 1: --split 0.2")
        if not 0 <= self.dev < 1 or self.test + self.dev >= 1:
            hint = "a share of all rows, which leaves some for training: --dev-share 0.1"
            raise UserError(f"--dev-share is {self.dev:g}", hint)


@dataclass
class Marks:
    """What the splitting needs of each row: 25 bytes, and 17 more for a time."""

    times: Times | None = None
    given: bytearray = field(default_factory=bytearray)
    inputs: array[int] = field(default_factory=lambda: array("Q"))
    groups: array[int] = field(default_factory=lambda: array("Q"))
    labels: array[int] = field(default_factory=lambda: array("Q"))

    def add(self, values: dict[str, object], split: str) -> bool:
        """Take the next row; False where its time is needed and cannot be read."""
        if self.times is not None and not self.times.add(values.get("time")):
            return False
        group = values.get("group")
        self.given.append(_CODES[split])
        self.inputs.append(digest(normalised(str(values["input"]))))
        self.groups.append(digest(str(group)) if group not in (None, "") else 0)
        self.labels.append(digest(str(values["target"])))
        return True

    def __len__(self) -> int:
        return len(self.given)


@dataclass(frozen=True)
class Assigned:
    """The split of each row, as a position in `PARTS`, and how it came about, in sentences."""

    sides: bytearray
    how: str


def digest(text: str, salt: bytes = b"") -> int:
    """A digest of 64 bits, above 0."""
    return int.from_bytes(blake2b(text.encode("utf-8", "replace"), digest_size=8, salt=salt).digest()) or 1


def assign(marks: Marks, rule: SplitRule, *, stratified: bool, asked: bool) -> Assigned:
    """Give every row its split.

    Equal inputs and rows of one group stay in one split. Of equal rows the same ones are chosen on every machine, in
    whatever order they stand.

    Args:
        stratified: whether each split gets every answer in proportion.
        asked: whether the user asked for shares; without them, and unless it is to be by time, what the source gives
            is enough.

    Raises:
        UserError: the split cannot be made.
    """
    sides = bytearray(marks.given)
    has = {part: code in sides for part, code in zip(PARTS, range(3), strict=True)}
    asked = asked or rule.by_time
    if has["test"] and asked:
        option = "--time" if rule.by_time else "--split"
        raise UserError(f"the source has test rows, but {option} was given too", f"leave {option} out")
    if not has["test"] and has["dev"] and not asked and not rule.dev:
        found = bytes(TEST if code == DEV else TRAIN for code in sides)
        return Assigned(bytearray(found), "given; what the source calls dev is the test, since it has no other")
    free = [at for at, code in enumerate(sides) if code in (UNSPLIT, TRAIN)]
    clusters, joined = _clusters(marks, free)
    said = []
    test, dev = (0.0 if has["test"] else rule.test), (0.0 if has["dev"] else rule.dev)
    if not (test or dev):
        for at in free:
            sides[at] = TRAIN
        return Assigned(sides, "given by the source")
    if rule.by_time and test:
        times, how = _times_of(marks)
        chosen, span = _newest(clusters, times, test * len(free))
        said.append(f"the newest {100 * test:.0f} % are the test, from {span}" + (f"; {how}" if how else ""))
        later = [cluster for cluster in clusters if cluster[0] not in chosen]
        dev_rows = _newest(later, times, dev * len(free))[0] if dev else set()
        said += [f"the newest {100 * dev:.0f} % before them are dev"] if dev else []
    else:
        names: dict[int, str] = {}
        named = [names.setdefault(label, str(label)) if stratified else "" for label in marks.labels]
        chosen = _sampled(clusters, marks, named, (test, len(free), f"test:{rule.seed}")) if test else set()
        rest = [cluster for cluster in clusters if cluster[0] not in chosen]
        dev_rows = _sampled(rest, marks, named, (dev, len(free), f"dev:{rule.seed}")) if dev else set()
        shares = " and ".join([f"{100 * test:.0f} % test"] * bool(test) + [f"{100 * dev:.0f} % dev"] * bool(dev))
        even = ", each answer in proportion" if stratified else ""
        said.append(f"by share: {shares}, seed {rule.seed}{even}")
    for at in free:
        sides[at] = TEST if at in chosen else DEV if at in dev_rows else TRAIN
    if not any(code == TRAIN for code in sides):
        raise UserError("no row is left for training", "ask for a smaller --split, or give more rows")
    if joined:
        said.append(f"kept together: {joined}")
    return Assigned(sides, "; ".join(said))


def _times_of(marks: Marks) -> tuple[array[float], str]:
    assert marks.times is not None
    return marks.times.settled()


def _clusters(marks: Marks, free: Iterable[int]) -> tuple[list[tuple[int, ...]], str]:
    """The positions that belong together, and what holds them together, in words."""
    root: dict[int, int] = {}  # digests of inputs that a group joins, each to the next

    def find(key: int) -> int:
        while (above := root.get(key, key)) != key:
            root[key] = key = root.get(above, above)
        return key

    of_group: dict[int, int] = {}
    for at in free:
        if group := marks.groups[at]:
            first = find(of_group.setdefault(group, marks.inputs[at]))
            own = find(marks.inputs[at])
            if own != first:
                root[own] = first
    members: defaultdict[int, list[int]] = defaultdict(list)
    for at in free:
        members[find(marks.inputs[at]) if root else marks.inputs[at]].append(at)
    found = [tuple(members.pop(key)) for key in list(members)]
    equal = sum(_equal(cluster, marks) for cluster in found if len(cluster) > 1)
    parts = [f"{len(of_group):,} groups"] * bool(of_group)
    parts += [f"{equal:,} rows whose input another row has too"] * bool(equal)
    return found, " and ".join(parts)


def _equal(cluster: Sequence[int], marks: Marks) -> int:
    """How many rows of a cluster have an input that another one has too."""
    counts = Counter(marks.inputs[at] for at in cluster)
    return sum(count for count in counts.values() if count > 1)


def _sampled(
    clusters: Sequence[tuple[int, ...]], marks: Marks, classes: Sequence[str], wanted: tuple[float, int, str]
) -> set[int]:
    """A seeded share of the rows in whole clusters, each class in proportion; each class keeps a row."""
    share, total, salt = wanted
    salted = salt.encode()[:16]
    ordered = sorted(clusters, key=lambda one: digest(str(min(marks.inputs[at] for at in one)), salted))
    positions = [at for cluster in ordered for at in cluster]
    order = [positions[at] for at in fair_order([classes[at] for at in positions])]
    kept = {classes[at]: at for at in order}
    spare = [at for at in order if kept[classes[at]] != at]
    size = min(max(1, round(total * share)), len(spare))
    if not size:
        raise UserError(f"{total} rows are too few to split", "add rows; each answer keeps one for training")
    chosen = whole_clusters(ordered, order, Counter(classes[at] for at in spare[:size]), classes)
    if not chosen:
        what = "nothing can be set aside without parting what belongs together"
        raise UserError(f"{what} ({len(clusters):,} clusters in {total:,} rows)", "add rows, or give a test file")
    return chosen


def _newest(clusters: Sequence[tuple[int, ...]], times: array[float], wanted: float) -> tuple[set[int], str]:
    """The rows of the clusters that are newer than all others, as a whole; and from when on, in words.

    The cut is where as many rows as are wanted are newer, rows of one time on one side. A cluster that began before it
    stays behind it, so that there may be fewer.
    """
    moments = Counter(times[at] for cluster in clusters for at in cluster)
    newest = sorted(moments, reverse=True)
    if len(newest) < 2:
        raise UserError("all rows are of one time", "split by share (leave --time out), or name another column")
    cut, rows = newest[0], moments[newest[0]]
    for moment in newest[1:-1]:
        if abs(rows + moments[moment] - wanted) > abs(rows - wanted):
            break
        cut, rows = moment, rows + moments[moment]
    chosen = {at for cluster in clusters if min(times[at] for at in cluster) >= cut for at in cluster}
    if not chosen:
        what = f"every row from {shown(cut)} on belongs to a group, or has an input, that is older too"
        raise UserError(what, "leave --time out, or keep other rows together, not so far apart: --group COLUMN")
    behind = rows - len(chosen)
    late = f" ({behind:,} later rows belong to what began before and stay in train)" if behind else ""
    return chosen, f"{shown(cut)} on{late}"
