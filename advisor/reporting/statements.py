"""The sentences and short texts of a report on a decision."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from advisor.cleaning import plain
from advisor.measuring.attempt import LATENCY, PREDICT
from advisor.measuring.records import Comparison, Member, ModelFacts, TaskFacts
from advisor.reporting import figures
from advisor.tasks import Limits
from advisor.verdict import words
from advisor.verdict.cells import Citations, Retrieval
from advisor.verdict.decision import BreakEven, Decision, Recommendation, Row
from advisor.verdict.effort import OPERATIONS, effort
from advisor.verdict.rows import NOT_DONE

_REVISION_DIGITS = 12


def best_row(decision: Decision) -> Row | None:
    """The row that differences are taken to: the first without a difference of its own, controls last."""
    without = [r for r in decision.rows if r.quality is not None and r.versus_best is None]
    return min(without, key=lambda r: r.control, default=None)


def numbers(decision: Decision) -> dict[str, str]:
    """The number of each row in table and figure, by spec; only rows with a quality."""
    measured = [r.spec for r in decision.rows if r.quality is not None]
    return {spec: str(i) for i, spec in enumerate(measured, start=1)}


def named(name: str) -> str:
    """A task's name, if any of it is printable."""
    return name if plain(name) else "unnamed task"


def sizes(task: TaskFacts) -> str:
    """The size of the task: `120 train, 100 test examples; 42 documents (8,100 words)`."""
    parts = [f"{figures.count(n)} {name}" for n, name in ((task.train, "train"), (task.dev, "dev")) if n]
    text = ", ".join([*parts, f"{figures.count(task.test)} test examples"])
    if task.documents:
        text += f"; {figures.count(task.documents)} documents ({figures.count(task.document_words)} words)"
    if task.preferences or task.preferences_held_out:
        learned, held_out = map(figures.count, (task.preferences, task.preferences_held_out))
        text += f"; {learned} preferences and {held_out} held out"
    return text


def change(comparison: Comparison) -> str:
    """What is known of a change; empty where nothing is."""
    found = comparison.change
    if found is None:
        return ""
    questions = words.many(len(found.answers), "question")
    kept = "the documents stay" if not found.documents else words.many(found.documents, "document")
    return f"{questions} after it; {kept}"


def model(facts: ModelFacts, short: bool = False) -> str:
    """The weights that ran, on one line; `short` gives the beginning of the revision."""
    if facts.place != "process":
        by = f" by {facts.engine}, {facts.dtype}" if facts.engine else ""
        return f"{facts.id}, served {'on this machine' if facts.place == 'machine' else 'elsewhere'}{by}"
    revision = facts.revision[: _REVISION_DIGITS if short else None] or figures.UNKNOWN
    return ", ".join(
        [
            f"{facts.id} (revision {revision})",
            f"{figures.parameters(facts.parameters)} parameters",
            f"quantised {facts.quantisation}" if facts.quantisation else "full precision",
            f"from {facts.source}" if facts.source else "source unknown",
        ]
    )


def device(facts: ModelFacts) -> str:
    """Where and how the weights ran."""
    if facts.place != "process":
        return facts.device_name
    name = f" ({facts.device_name})" if facts.device_name else ""
    window = f", context window {figures.count(facts.context_window)} tokens" if facts.context_window else ""
    fewer = facts.threads is not None and facts.threads_alone is not None and facts.threads < facts.threads_alone
    threads = f", {facts.threads} of {facts.threads_alone} threads" if fewer else ""
    return f"{facts.dtype} on {facts.device}{name}{threads}{window}"


def limits(limits: Limits) -> list[str]:
    """The limits that were set, in words; empty without any."""
    named = (
        ("p95 latency at most {} ms", figures.amount(limits.p95_ms), limits.p95_ms),
        ("{} queries a day", figures.amount(limits.queries_per_day), limits.queries_per_day),
        ("{} days in use", figures.amount(limits.horizon_days), limits.horizon_days),
        (
            "documents change every {}",
            _days(limits.documents_change_every_days),
            limits.documents_change_every_days,
        ),
        ("budget {}", figures.money(limits.budget_usd), limits.budget_usd),
        ("quality at least {}", figures.amount(limits.min_quality), limits.min_quality),
        ("hardware busy {} of the time", figures.amount(limits.utilisation), limits.utilisation),
    )
    return [text.format(shown) for text, shown, value in named if value is not None]


def _days(days: float | None) -> str:
    return "day" if days == 1 else f"{figures.amount(days)} days"


def verdict(recommendation: Recommendation) -> str:
    """The choice in one or two sentences."""
    r = recommendation
    if r.approach is None:
        return "No approach can be recommended: none is eligible."
    if r.decided:
        return f"Use {r.approach}: {r.rests_on}." if r.rests_on else f"Use {r.approach}."
    text = f"Not decided. Provisionally {r.approach}"
    if r.alternatives:
        text += f", which cannot be told apart from {words.listed(r.alternatives)}"
    text += "."
    if r.unmeasured:
        text += f" There was no time to measure {words.listed(r.unmeasured)}."
    return text


def still_needed(decision: Decision) -> str:
    """What would settle an undecided choice; empty where decided."""
    found = decision.recommendation.settling
    if found is None:
        return ""
    return " ".join([*words.settling(found), f"This comparison had {decision.comparison.task.test}."])


def groups(decision: Decision) -> str:
    """The meaning of the group letters; empty without any."""
    lettered = [row for row in decision.rows if row.group]
    if len(lettered) < 2:
        return ""
    text = "Approaches that share a group letter cannot be told apart when all pairs are tested together."
    chosen = decision.recommendation.approach
    letters = {letter for row in lettered if row.spec == chosen for letter in row.group}
    shared = any(letters & set(row.group) for row in lettered if row.spec != chosen and row.eligible)
    if decision.recommendation.decided and shared:
        text += f" That {chosen} is the right choice is a claim of its own, against each rival alone."
    return text


def fitting(row: Row, compact: bool = False) -> str:
    """The time of fitting and indexing."""
    return figures.duration(figures.total(row.fit_seconds, row.index_seconds), compact)


def over_horizon(row: Row) -> str:
    """The cost over the horizon, with the mark of a busy machine."""
    return figures.marked(
        figures.money(row.cost.over_horizon), not row.cost.by_tokens and (row.fit_is_busy or row.is_busy(PREDICT))
    )


def busy(decision: Decision) -> str:
    """The meaning of the busy-machine mark; empty where nothing carries it."""
    if not any(row.is_busy(PREDICT, LATENCY) or row.fit_is_busy for row in decision.rows if row.quality is not None):
        return ""
    return f"{figures.BUSY} measured on a busy machine: may be too much (see the caveats)"


def break_even(point: BreakEven) -> str:
    """A break-even point as a sentence."""
    at = figures.amount(figures.significant(point.at) if figures.known(point.at) is not None else None)
    if point.low is not None and point.high is not None:
        at += f" ({' to '.join(figures.amount(figures.significant(end)) for end in (point.low, point.high))})"
    if point.variable.startswith("days"):
        return (
            f"If the documents change more often than about every {at} days, {point.below} is cheaper; "
            f"if less often, {point.above}."
        )
    if point.variable == "queries":
        return f"Up to about {at} queries in all, {point.below} is cheaper; beyond, {point.above}."
    if point.variable == "utilisation":
        share = _shares(point)
        return (
            f"On hardware that is busy less than about {share} of the time, {point.above} is dearer than the tokens of "
            f"{point.below}; busier, it is cheaper."
        )
    return f"{point.variable}: below about {at}, {point.below} is cheaper; above, {point.above}."


def _shares(point: BreakEven) -> str:
    """`12 % (10 to 15)`, of the time."""
    ends = (
        ""
        if point.low is None or point.high is None
        else f" ({words.number(100 * point.low)} to {words.number(100 * point.high)})"
    )
    return f"{words.number(100 * point.at)} %{ends}"


def trouble(row: Row) -> str:
    """The reason why a row has no result or is wrong: `failed: out of memory`; empty where all is well."""
    if row.status == "ok":
        return "" if row.quality is not None else "no quality recorded"
    if row.error:
        return row.error if row.error == NOT_DONE else f"{row.status}: {row.error}"
    return "interrupted: the same command goes on from there" if row.status == "interrupted" else row.status


def notes(row: Row) -> list[str]:
    """Remarks on one approach: its own notes, retrieval, context that did not fit."""
    found = list(row.notes)
    if row.retrieval is not None:
        found.append(_retrieval(row.retrieval))
    if row.citations is not None:
        found.append(_citations(row.citations))
    if row.index_seconds is not None:
        found.append(f"documents indexed in {figures.duration(row.index_seconds)}")
    if row.dropped:
        found.append(f"pieces of context left out because they did not fit: {figures.count(row.dropped)}")
    if row.cut:
        found.append(f"inputs cut because they did not fit: {figures.count(row.cut)}")
    if row.labels_by and row.model:
        found.append(f"labels told by {row.labels_by}")
    found += [f"answered by {version}" for version in row.answered_by]
    if row.quality is not None and trouble(row):
        found.append(trouble(row))
    return unique(found)


def _retrieval(found: Retrieval) -> str:
    lost = found.recall_shown.value != found.recall_at_k.value
    shown = f" ({figures.decimals(found.recall_shown.value)} among what reached the prompt)" if lost else ""
    return (
        f"retrieval: recall at k {figures.quality(found.recall_at_k)}{shown}, mean reciprocal rank "
        f"{figures.quality(found.mrr)}, nDCG at k {figures.quality(found.ndcg_at_k)}"
    )


def _citations(found: Citations) -> str:
    """How well the sources are named that are evidence, and how often none or an impossible one is."""
    measures = [(name, value) for name, value in (("precision", found.precision), ("recall", found.recall)) if value]
    against = ", ".join(f"{name} {figures.quality(value)}" for name, value in measures)
    return (
        f"citations: {f'{against} against the evidence; ' if against else ''}{100 * found.without:.0f} % of the "
        f"answers name no passage, {100 * found.impossible:.0f} % one that there is not"
    )


def reused(decision: Decision) -> str:
    """What was reused from earlier work, and that no figure profits from it; empty where nothing was."""
    before: dict[str, list[str]] = {}
    saved: dict[str, float] = {}
    for row in decision.rows:
        if row.measured:
            before.setdefault(row.measured[:10], []).append(row.spec)
        else:
            for what, seconds in row.reused.items():
                saved[what] = saved.get(what, 0.0) + seconds
    parts = [f"{words.listed(specs)} (measured on {day})" for day, specs in sorted(before.items())]
    parts += [f"{what} ({figures.duration(seconds)})" for what, seconds in saved.items()]
    return f"{'; '.join(parts)}. Times and costs are as if nothing had been reused." if parts else ""


def time_spent(decision: Decision) -> str:
    """The time by kind of work, most first; empty where the records do not say."""
    found = effort(decision.comparison)
    parts = []
    for name, seconds in found.seconds.items():
        read = f" ({figures.count(found.tokens[name])} tokens)" if name in found.tokens else ""
        parts.append(f"{name} {figures.duration(seconds)}{read}")
    return f"{', '.join(parts)}; {figures.duration(sum(found.seconds.values()))} in all" if parts else ""


def share_of_ceiling(decision: Decision) -> str:
    """The share of the machine's peak rate of matrix products that the models reached, and what was counted."""
    found = effort(decision.comparison)
    if not found.shares:
        return ""
    reached = ", ".join(f"{name} {100 * share:.0f} %" for name, share in found.shares.items())
    counted = " and ".join(f"{OPERATIONS[name]} ({name})" for name in found.shares)
    return (
        f"{reached} of {_ceilings(found.members)}. Counted are {counted} operations for each token and each of the "
        f"{_weights(found.members)} of the linear layers, not attention, the output layer "
        "or an adapter." + (" Other programs were at work meanwhile: alone it is more." if busy(decision) else "")
    )


def _ceilings(members: Sequence[Member]) -> str:
    """The rates that shares are of."""
    rates = [figures.rate(member.facts.matrix_flops or 0.0) for member in members]
    if len(members) == 1:
        dtype = members[0].facts.dtype
        return f"{rates[0]}, which matrix products of the model's shapes reached here in {dtype}"
    each = [f"{m.alias} {rate} in {m.facts.dtype}" for m, rate in zip(members, rates, strict=True)]
    return f"what matrix products of each model's shapes reached here ({words.listed(each)})"


def _weights(members: Sequence[Member]) -> str:
    return f"{figures.parameters(members[0].facts.matrix_parameters)} weights" if len(members) == 1 else "weights"


def caveats(decision: Decision) -> list[str]:
    """All caveats of the choice, the task and the model, each once."""
    comparison = decision.comparison
    return unique([*decision.recommendation.caveats, *comparison.task.caveats])


def unique(words: Iterable[str]) -> list[str]:
    """The words in order without repetition."""
    return list(dict.fromkeys(words))


def settings(values: Iterable[tuple[str, object]]) -> str:
    """Recorded settings, versions or hardware as `name value, name value`."""
    return ", ".join(f"{name} {_setting(value)}" for name, value in values if value not in (None, "", [], ()))


def _setting(value: object) -> str:
    match value:
        case list() | tuple():
            return " ".join(_setting(v) for v in value)
        case Mapping():
            return f"({settings((str(name), v) for name, v in value.items())})"
        case bool():
            return "yes" if value else "no"
        case float():
            return figures.amount(value)
    return str(value)
