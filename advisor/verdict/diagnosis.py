"""The diagnosis: differences between approaches that vary in one thing show where quality comes from and is lost."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

from advisor.approaches.registry import pieces
from advisor.measuring.records import TaskFacts
from advisor.verdict import words
from advisor.verdict.decision import DiagnosisItem, Row
from advisor.verdict.other_tasks import beside_alone
from advisor.verdict.paired import rounded
from advisor.verdict.rows import PRETRAINING
from advisor.verdict.statistics import Contrast, Contrasts


def diagnose(rows: Sequence[Row], contrasts: Contrasts, task: TaskFacts, margin: float) -> tuple[DiagnosisItem, ...]:
    """The findings whose approaches were measured, in a fixed order.

    Of several approaches that show the same (`rag:k=3`, `rag:k=8`) the best one speaks; combinations such as
    `rag+lora` do not, nor do those that reason first, but for what reasoning adds, nor those that read raw text first,
    but for what that adds. Of several models each has findings of its own. Intervals of differences are the
    simultaneous ones, and what is shown is what letters and stars show.

    Args:
        rows: all rows, best quality first.
        contrasts: the contrasts of all complete approaches.
        task: the task as recorded.
        margin: a difference that is too small to matter, in units of the metric.
    """
    aliases = models_of(rows)
    if len(aliases) > 1:
        of = {alias: [row for row in rows if row.model in (alias, "")] for alias in aliases}
        each = {alias: diagnose(found, contrasts, task, margin) for alias, found in of.items()}
        return tuple(replace(one, name=f"{one.name} ({alias})") for alias, items in each.items() for one in items)
    plain, examples, documents = (_best(rows, shows) for shows in ("nothing", "examples", "documents"))
    trained = _best([row for row in rows if not row.pretrained], "nothing", tuned=True)
    oracle = _best(rows, "documents", control=True)
    thinking = next((row for row in rows if row.reasons and row.quality is not None and not row.control), None)
    thoughtless = _best(rows, thinking.shows) if thinking else None
    majority = next((row for row in rows if row.baseline and row.quality is not None), None)
    name, constant = words.metric(task.metric), words.constant_answer(task.kind)
    found = [
        _known(plain, name),
        _between(contrasts, (plain, majority), f"above {constant}", _above_majority(constant)),
        _between(contrasts, (examples, plain), "added by examples", _added("examples in the prompt")),
        _between(contrasts, (documents, plain), "added by retrieval", _added("retrieved documents")),
        _between(contrasts, (trained, plain), "added by training", _added("training")),
        *_trained_in(contrasts, rows),
        *(_between(contrasts, pair, "added by other tasks", _added("other tasks")) for pair in beside_alone(rows)),
        _between(contrasts, (thinking, thoughtless), "added by reasoning", _added("reasoning before the answer")),
        _between(contrasts, (oracle, documents), "lost by retrieval", _lost_by_retrieval(margin)),
        _lost_by_reader(oracle, name),
    ]
    return tuple(finding for finding in found if finding is not None)


def models_of(rows: Sequence[Row]) -> list[str]:
    """The aliases of the models that ran, in the order of the rows."""
    return list(dict.fromkeys(row.model for row in rows if row.model))


def _best(rows: Sequence[Row], shows: str, tuned: bool = False, control: bool = False) -> Row | None:
    """The best row with a known quality among those that use the language model in one way, and answer at once."""
    for row in rows:
        kind = (row.shows, row.tuned, row.control, row.reasons)
        if row.uses_model and row.quality is not None and kind == (shows, tuned, control, False):
            return row
    return None


def _known(row: Row | None, metric: str) -> DiagnosisItem | None:
    if row is None or row.quality is None:
        return None
    meaning = f"What the model knew already: {row.spec} reaches {metric} {words.value(row.quality.value)}."
    return DiagnosisItem("known without help", row.quality, meaning)


def _between(
    contrasts: Contrasts,
    pair: tuple[Row | None, Row | None],
    title: str,
    meaning: Callable[[Contrast], str],
) -> DiagnosisItem | None:
    first, second = pair
    if first is None or second is None:
        return None
    contrast = contrasts.between(first.spec, second.spec)
    return DiagnosisItem(title, contrast.difference, _with_room((first, second), meaning(contrast)), contrast.shown)


def _with_room(rows: Sequence[Row], meaning: str) -> str:
    """The meaning of a finding, qualified where context did not fit into some or all prompts."""
    without = [row for row in rows if row.bare and row.bare == row.n]
    if without:
        names = words.listed([row.spec for row in without])
        return f"Nothing of the context of {names} fitted into any prompt: what it would do is not known."
    some = [f"{words.many(row.bare, 'prompt')} of {row.n:,} of {row.spec}" for row in rows if row.bare]
    return f"{meaning} Nothing of the context fitted into {words.listed(some)}." if some else meaning


def _side(c: Contrast) -> int:
    """1 where the first is shown to be better, -1 where worse, 0 where no difference is shown."""
    return 0 if not c.shown else 1 if c.difference.value > 0 else -1


def _meaning(better: str, worse: str, neither: str) -> Callable[[Contrast], str]:
    """Sentences for a difference with `{first}`, `{second}` and `{by}` in them."""

    def meaning(c: Contrast) -> str:
        said = (neither, better, worse)[_side(c)]
        return said.format(first=c.first, second=c.second, by=words.value(abs(c.difference.value)))

    return meaning


def _trained_in(contrasts: Contrasts, rows: Sequence[Row]) -> Iterator[DiagnosisItem | None]:
    """What reading raw text before (continued pre-training) added to the same approach without; where no document
    stands in the prompt, whether facts were trained in, and what retrieval gives beside that."""
    judged = {pieces(row.spec): row for row in rows if row.quality is not None}
    for parts, row in judged.items():
        if not row.pretrained:
            continue
        rest = tuple(part for part in parts if _name(part) != PRETRAINING)
        spec, other = "+".join(parts), judged.get(rest or ("zero-shot",))
        closed = row.shows == "nothing" and row.pretrained != "inputs"
        title, meaning = (f"trained in by {spec}", _KNOWN) if closed else (f"added by cpt to {spec}", _READ_BEFORE)
        yield _between(contrasts, (row, other), title, meaning)
        if not closed:
            continue
        found = [one for beside, one in judged.items() if beside[1:] == rest and one.shows == "documents"]
        retrieving = next((one for one in found if not one.control and not one.reasons), None)
        yield _between(contrasts, (retrieving, row), f"retrieval beside {spec}", _RETRIEVED)


def _name(part: str) -> str:
    return part.partition(":")[0]


def _above_majority(constant: str) -> Callable[[Contrast], str]:
    always = f"always giving {constant} ({{second}})"
    return _meaning(
        f"{{first}} is better than {always}, by {{by}}.",
        f"{{first}} is worse than {always}, by {{by}}.",
        f"{{first}} is not shown to differ from {always}.",
    )


def _added(what: str) -> Callable[[Contrast], str]:
    what = what.capitalize()
    return _meaning(
        f"{what} ({{first}}) added {{by}} to {{second}}.",
        f"{what} ({{first}}) took {{by}} from {{second}}.",
        f"{what} ({{first}}) changed nothing that this test set shows against {{second}}.",
    )


def _lost_by_retrieval(margin: float) -> Callable[[Contrast], str]:
    def meaning(c: Contrast) -> str:
        by = words.value(abs(c.difference.value))
        match _side(c):
            case 1:
                return f"Retrieval loses {by}: with the right documents ({c.first}) {c.second} would gain as much."
            case -1:
                return f"{c.second} is better than with the right documents alone ({c.first}), by {by}."
        if c.equivalent_by(margin):
            return f"{c.second} does as well as with the right documents ({c.first}), to within {margin:g}."
        return (
            f"No loss by retrieval is shown, nor that there is none: with the right documents ({c.first}) {c.second} "
            f"might gain up to {words.value(c.difference.high)}."
        )

    return meaning


def _lost_by_reader(oracle: Row | None, metric: str) -> DiagnosisItem | None:
    if oracle is None or oracle.quality is None:
        return None
    q = oracle.quality
    loss = rounded(1 - q.value, 1 - q.high, 1 - q.low)
    meaning = (
        f"Even with the right documents ({oracle.spec}) {words.value(loss.value)} is missing to the full {metric}: "
        "that is lost in reading, not in retrieval."
    )
    return DiagnosisItem("lost by the reader", loss, _with_room((oracle,), meaning))


_KNOWN = _meaning(
    "Facts were trained in: {first}, which read the documents before, is better by {by} than {second}, with no "
    "document in the prompt of either.",
    "The facts were not trained in: {first}, which read the documents before, is worse by {by} than {second}.",
    "The facts were not shown to be trained in: {first}, which read the documents before, is not shown to differ from "
    "{second}.",
)
_READ_BEFORE = _meaning(
    "Reading raw text before ({first}) added {by} to {second}.",
    "Reading raw text before ({first}) took {by} from {second}.",
    "Reading raw text before ({first}) changed nothing that this test set shows against {second}.",
)
_RETRIEVED = _meaning(
    "Documents that are retrieved ({first}) give {by} more than documents that were trained in ({second}).",
    "Documents that were trained in ({second}) give {by} more than documents that are retrieved ({first}).",
    "Documents that are retrieved ({first}) and documents that were trained in ({second}) are not shown to differ.",
)
