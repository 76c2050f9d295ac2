"""Writes the table of `benchmarks/README.md` from the records, between its two marks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- table: python -m benchmarks.speed table -->", "<!-- end of table -->"
HEADER = ("| case | against | goal | measured | pairs | by CPU time | CPU of others | equal quality | reached |",)
RULE = ("|" + "---|" * 9,)
KINDS = {
    "bfloat16": "With bfloat16",
    "amx": "With bfloat16 by matrix units (AMX)",
    "float16": "With float16",
    "float32": "Without bfloat16: float32 on every side",
}


def write(results: Path, readme: Path) -> None:
    """Put the table of all records in `results` between the marks of `readme`.

    Args:
        results: with a folder for each kind of machine (`machine.kind`).
    """
    parts = []
    for kind, title in KINDS.items():
        records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted((results / kind).glob("*.json"))]
        parts += [f"### {title}", *map(_section, records)] if records else []
    before, rest = readme.read_text(encoding="utf-8").split(BEGIN)
    after = rest.split(END)[1]
    body = "\n\n".join(parts) or "Nothing has been measured yet."
    readme.write_text(f"{before}{BEGIN}\n{body}\n{END}{after}", encoding="utf-8")


def _section(record: dict[str, Any]) -> str:
    """The section of a record, with its machine, versions and commit."""
    claims = list(record["claims"].values())
    lines = [f"#### {record['benchmark']}", "", *HEADER, *RULE, *map(_row, claims), ""]
    for claim in claims:
        seconds = ", ".join(f"{side} {value:.2f} s" for side, value in (claim["seconds"] or {}).items())
        said = "; ".join(part for part in (seconds, claim["note"], _seen(claim["gate"])) if part)
        if said:
            lines.append(f"- {claim['case']}, against {claim['against']}: {said}.")
    return "\n".join([*lines, "", _where(record)])


def _row(claim: dict[str, Any]) -> str:
    value, times = claim["value"], claim["unit"] == "times"
    shown = "-" if value is None else _figure(value, times)
    if len(claim["values"]) > 1:
        shown += f" ({_figure(min(claim['values']), times)} to {_figure(max(claim['values']), times)})"
    others = [share for share in (claim["others"] or {}).values() if share is not None]
    cells = (
        claim["case"],
        claim["against"],
        ("at most " if claim["at_most"] else "at least ") + _figure(claim["goal"], times),
        shown,
        str(len(claim["values"])),
        "" if claim["cpu_value"] is None else _figure(claim["cpu_value"], times),
        f"{max(others):.0%}" if others else "unknown",
        _held(claim["gate"]),
        {True: "yes", False: "no", None: "not measured"}[claim["reached"]],
    )
    return "| " + " | ".join(cell.replace("|", "/") for cell in cells) + " |"


def _figure(value: float, times: bool) -> str:
    return f"{value:.1f}x" if times else f"{value:.1%}"


def _held(gate: dict[str, Any] | None) -> str:
    if gate is None:
        return ""
    return {True: "yes", False: "no", None: "cannot be judged"}[gate["holds"]]


def _seen(gate: dict[str, Any] | None) -> str:
    """The gate's condition and its figures, without those of single approaches."""
    if gate is None:
        return ""
    figures = {name: value for name, value in gate["seen"].items() if not isinstance(value, dict)}
    return f"{gate['what']}: " + ", ".join(f"{name.replace('_', ' ')} {_plain(v)}" for name, v in figures.items())


def _plain(value: Any) -> str:
    if isinstance(value, list):
        return " and ".join(map(_plain, value))
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _where(record: dict[str, Any]) -> str:
    machine, versions = record["machine"], record["versions"]
    instructions = " ".join(machine["instructions"])
    named = ", ".join(f"{name} {version}" for name, version in versions.items() if name != "advisor")
    changed = f" with {record['changed_files']} changed files" if record["changed_files"] else ""
    state = "" if record["complete"] else " The run was not finished."
    return (
        f"{machine['device_name']}, {machine['cores']} cores ({instructions}), {record['threads']} threads, "
        f"{machine['memory_bytes'] / 2**30:.0f} GiB; commit {record['commit'][:12]}{changed}, {record['started']}; "
        f"{named}.{state}"
    )
