"""The command `advisor metrics`."""

from __future__ import annotations

import argparse
import json
from typing import Any

from advisor.cleaning import plain
from advisor.tasks import KINDS, MetricFacts, facts_of, metric_names, parse_metric, release_of
from advisor.tasks.metrics import name_of

_SORTS = {
    "example": "of every answer, from the records",
    "set": "of all answers together, from the records",
    "asked": "asks a model behind the finished run, and is recorded with it",
}
_BETTER = {"higher": "higher is better", "lower": "lower is better", "neither": "describes, and is no virtue"}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Which metric, and in which form."""
    parser.add_argument("name", nargs="?", metavar="METRIC", help="show this one in full: its parameters and range")
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")


def run(options: argparse.Namespace) -> int:
    """Print what a task may be measured by, and where it comes from; returns the exit code."""
    only = options.name
    if only is not None and ":" in only:
        parse_metric(only)
    names = metric_names() if only is None else (name_of(only),)
    found = [facts_of(name) for name in names]
    if options.json:
        print(json.dumps([_as_json(facts) for facts in found], ensure_ascii=False, indent=2))
        return 0
    for facts in found:
        _print(facts, full=only is not None)
    if only is None:
        print('\nA task names one in its task.toml, for example metric = "token_f1", and any others beside it, which')
        print('decide nothing: metrics = ["bleu"], or --also bleu. advisor metrics METRIC tells more of one.')
    return 0


def _print(facts: MetricFacts, full: bool) -> None:
    said = f":{','.join(f'{name}=...' for name in facts.parameters)}" if facts.parameters else ""
    print(f"{facts.name}{plain(said)}\n    {plain(_measures(facts))}")
    about = ["for any kind of task" if set(facts.kinds) == set(KINDS) else f"for {', '.join(facts.kinds)}"]
    about += [_BETTER[facts.better]] if full or facts.better != "higher" else []
    about += [_SORTS[facts.sort]] if full or facts.sort != "example" else []
    about += [plain(facts.source)] if facts.source else []
    about += [f"tested against {plain(facts.official)}"] if facts.official else []
    about += [f"from {plain(release_of(facts.name))}"] if release_of(facts.name) else []
    print(f"    {'; '.join(about)}")
    if not full:
        return
    print(f"    from 0 {'up' if facts.most == float('inf') else f'to {facts.most:g}'}", end="")
    print("; can be the metric of a task" if facts.decides else "; stands beside the metric of a task")
    for name, one in facts.parameters.items():
        given = f"default {one.default}" if one.optional else "has to be given"
        print(f"    {plain(name)}: {plain(one.about)} ({given})")


def _measures(facts: MetricFacts) -> str:
    return f"{facts.measures} {facts.more}".rstrip()


def _as_json(facts: MetricFacts) -> dict[str, Any]:
    return {
        "name": facts.name,
        "measures": _measures(facts),
        "kinds": facts.kinds,
        "better": facts.better,
        "sort": facts.sort,
        "most": None if facts.most == float("inf") else facts.most,
        "decides": facts.decides,
        "source": facts.source or None,
        "official": facts.official or None,
        "package": release_of(facts.name) or None,
        "parameters": {
            name: {
                "default": one.default if one.optional else None,
                "about": one.about,
                "choices": one.choices or None,
                "required": not one.optional,
            }
            for name, one in facts.parameters.items()
        },
    }
