"""Degenerate answers, all alike: the sign of a broken prompt, template or training, never recommended."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from advisor.measuring.records import Answer, Run

_SHOWN = 40  # characters of an answer


def all_alike(runs: Sequence[Run], answers: Mapping[str, Answer]) -> str:
    """Describe what every answer of an approach is ("every answer is empty"); empty where answers differ.

    Such an approach is a constant, which needs no model: its quality is that of the targets it happens to meet.

    Args:
        runs: the complete runs of one approach; all of them have to be so.
        answers: the known targets of the test examples. Where all have the same targets, answering alike is right.
    """
    said = [{p.text.strip() for p in run.predictions} for run in runs]
    if not said or any(len(texts) != 1 for texts in said):
        return ""
    wanted = {answer.targets for answer in answers.values()}
    texts = sorted(set.union(*said))
    if texts == [""]:
        return "" if wanted == {("",)} else "every answer is empty"
    if len(wanted) == 1:
        return ""
    return "every answer is the same, " + " or ".join(f'"{_short(text)}"' for text in texts)


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"
