"""Reading named entities in CoNLL format: one token a line with its tag last, an empty line after each sentence."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from advisor.intake import Bound
from advisor.tasks.faults import FaultLog, quoted
from advisor.tasks.jsonfile import FileRow
from advisor.tasks.textfile import BOUNDS, read_text

CONLL_ENDINGS = (".conll", ".bio", ".iob")

Token = tuple[str, str]


def read_conll(path: Path, log: FaultLog, bound: Bound = BOUNDS.table) -> list[FileRow] | None:
    """Read one row per sentence: `input` is the tokens joined by spaces, `target` the entities as a JSON list.

    Tags are `O`, or `B-`, `I-` (and `E-`, `S-`, `L-`, `U-`) before the type; columns between token and tag are not
    read. An entity is `{"text": ..., "type": ...}`. The row's line is that of the sentence's first token.

    Args:
        path: the file.
        log: where faults go.
        bound: how large the file may be.

    Returns:
        None if the file could not be read.
    """
    text = read_text(path, log, bound)
    if text is None:
        return None
    rows = []
    for line, tokens in _sentences(path, text, log):
        target = json.dumps(_entities(tokens), ensure_ascii=False, separators=(",", ":"))
        rows.append(FileRow(line, {"input": " ".join(token for token, _ in tokens), "target": target}))
    return rows


def _sentences(path: Path, text: str, log: FaultLog) -> Iterator[tuple[int, list[Token]]]:
    tokens: list[Token] = []
    begin = 1
    for number, line in enumerate([*text.split("\n"), ""], 1):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or cells[0] == "-DOCSTART-":
            if tokens:
                yield begin, tokens
            tokens, begin = [], number + 1
        elif len(cells) < 2 or not (cells[-1].strip() == "O" or "-" in cells[-1]):
            log.add(path, number, f"{quoted(line)} is no token with a tag", 'write "Oslo B-city", or "in O"')
        else:
            tokens.append((cells[0].strip(), cells[-1].strip()))


def _entities(tokens: Sequence[Token]) -> list[dict[str, str]]:
    found: list[tuple[list[str], str]] = []
    inside = ""
    for token, tag in tokens:
        mark, _, kind = tag.partition("-")
        if tag == "O":
            inside = ""
        elif mark in ("I", "E", "L") and inside == kind:
            found[-1][0].append(token)
        else:
            found.append(([token], kind))
        inside = "" if tag == "O" or mark in ("E", "L", "S", "U") else kind
    return [{"text": " ".join(words), "type": kind} for words, kind in found]
