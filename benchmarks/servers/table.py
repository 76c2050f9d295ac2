"""The figures as a page, benchmarks/results/servers.md."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parents[1] / "results" / "servers.md"
HEAD = """# Models behind a server

Written by `python -m benchmarks.servers overhead|parity|planning [--data FOLDER]`, and `table`. Two cores; the server,
where there is one, shares them with what asks it.
"""


def table(found: Mapping[str, Any]) -> str:
    """Write the page; returns it."""
    text = HEAD + "\n" + "\n".join([*_overhead(found), *_parity(found), *_planning(found)])
    PAGE.write_text(text.rstrip() + "\n", encoding="utf-8")
    return text


OTHERS = (
    " *Others* is the share of the processor that other processes took meanwhile, servers among them. Times that were "
    "measured on a machine with other work are left out."
)


def _others(found: Mapping[str, Any], what: str, name: str) -> Mapping[str, Any]:
    """What else the machine did while an entry was measured; nothing where it is not known."""
    return found.get("others", {}).get(what, {}).get(name, {})  # type: ignore[no-any-return]


def _share(found: Mapping[str, Any], what: str, name: str) -> str:
    share = _others(found, what, name).get("cpu_share")
    return "" if share is None else f"{100 * share:.0f} %"


def _timed(found: Mapping[str, Any], what: str, name: str) -> bool:
    """Whether times are shown: not of a machine that was said to have other work."""
    return not _others(found, what, name).get("shared")


def _overhead(found: Mapping[str, Any]) -> Iterator[str]:
    if "overhead" not in found:
        return
    yield "## What Advisor adds to a call\n"
    yield (
        "400 requests to a server that answers after a fixed time, eight at once, by the `openai` client in eight "
        "threads and by Advisor with its journal, in turn, seven pairs; medians. The goal is at most 1.05." + OTHERS
    )
    yield "\n| answer takes | client, s | Advisor, s | times as long | others |\n|---|---|---|---|---|"
    for name, one in found["overhead"].items():
        shown = ("client", "advisor", "ratio")
        times = [f"{one[side]:.2f}" for side in shown] if _timed(found, "overhead", name) else [""] * len(shown)
        cells = [f"{1000 * one['seconds']:.0f} ms", *times]
        yield f"| {' | '.join([*cells, _share(found, 'overhead', name)])} |"
    yield ""


def _parity(found: Mapping[str, Any]) -> Iterator[str]:
    if "parity" not in found:
        return
    yield "## The same weights here and there\n"
    yield (
        "SmolLM2-135M-Instruct, here in float32 and there by the server; test examples with the same answer, quality "
        "with its 95 % interval, queries a second in batches here and eight at once there, median latency of one "
        "alone. "
        "llama.cpp with the file as it comes multiplies activations that it has rounded to 8 bits; in float32 it "
        "computes as we do, so that what differs is the path to the answer; so does vLLM. In "
        "brackets: written answers that are the same as far as both go, since the cap of an answer is more generous "
        "where its tokens are counted elsewhere." + OTHERS
    )
    columns = "server, task|row|labels by|same|quality here|there|queries/s here|there|p50 ms here|there|others"
    yield "\n| " + columns.replace("|", " | ") + " |"
    yield "|---|---|---|---|---|---|---|---|---|---|---|"
    for name, rows in found["parity"].items():
        timed = _timed(found, "parity", name)
        for row in rows:
            here, there = row["here"], row["there"]
            further = row.get("as_far", 0)
            same = f"{row['equal']}/{row['n']}" + (f" ({further})" if further > row["equal"] else "")
            cells = [name, f"`{row['spec']}`", there["labels_by"] or "", same]
            cells += [_quality(here), _quality(there)]
            cells += [_figure(side[time]) if timed else "" for time in ("qps", "p50") for side in (here, there)]
            yield f"| {' | '.join([*cells, _share(found, 'parity', name)])} |"
    yield ""


def _planning(found: Mapping[str, Any]) -> Iterator[str]:
    if "planning" not in found:
        return
    yield "## What a plan foresees\n"
    yield (
        "`--plan` after `zero-shot` was measured, for the other rows of each task together: foreseen / taken (factor). "
        "Tokens here are those of the test answers, there all that the server counted; dollars as if its tokens were "
        "paid. The goals are 1.5 for tokens and dollars and 3 for seconds." + OTHERS
    )
    yield "\n| task | side | rows | calls | tokens | dollars | seconds | others |\n|---|---|---|---|---|---|---|---|"
    for name, rows in found["planning"].items():
        timed = _timed(found, "planning", name)
        for row in rows:
            cells = [row["task"], row["side"], str(row["rows"])]
            cells += [_pair(row.get(figure)) for figure in ("calls", "tokens", "usd")]
            cells.append(_pair(row.get("seconds")) if timed else "")
            yield f"| {' | '.join([*cells, _share(found, 'planning', name)])} |"
    yield ""


def _quality(side: Mapping[str, Any]) -> str:
    q = side["quality"]
    return f"{q['value']:.3f} [{q['low']:.2f}, {q['high']:.2f}]" if q else side["status"]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.3g}" if value < 100 else f"{value:,.0f}"


def _pair(pair: Mapping[str, Any] | None) -> str:
    if pair is None:
        return ""
    foreseen, took = (
        f"{x:,.3g}" if x is not None and x < 1000 else "?" if x is None else f"{x:,.0f}"
        for x in (pair["foreseen"], pair["took"])
    )
    factor = f" ({pair['factor']:.2f})" if pair["factor"] else ""
    return f"{foreseen} / {took}{factor}"
