"""Named entities in CoNLL format: one token a line with its tag last, an empty line after each sentence."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from advisor.intake import Bound
from advisor.tasks.examples import compact
from advisor.tasks.faults import FaultLog, quoted
from advisor.tasks.jsonfile import FileRow
from advisor.tasks.textfile import BOUNDS, read_text

CONLL_ENDINGS = (".conll", ".bio", ".iob")
OUTSIDE = "O"
TOKEN_HINT = 'write "Oslo B-city", or "in O"'
_TAG = re.compile(r"O|[BIESLU]-\S+")


@dataclass(slots=True)
class Sentence:
    """The tokens of one sentence with their tags.

    Attributes:
        line: of the first token, from 1.
        bad: lines in it that are no token with a tag, each with its number.
    """

    line: int
    tokens: list[str] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    bad: list[tuple[int, str]] = field(default_factory=list)


def read_conll(path: Path, log: FaultLog, bound: Bound = BOUNDS.table) -> list[FileRow] | None:
    """Read one row per sentence: `input` is the tokens joined by spaces, `target` the entities as in `entities`.

    The row's line is that of the sentence's first token.

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
    for sentence in sentences(enumerate(text.split("\n"), 1)):
        for number, line in sentence.bad:
            log.add(path, number, f"{quoted(line)} is no token with a tag", TOKEN_HINT)
        if sentence.tokens:
            target = compact(entities(sentence.tokens, sentence.tags))
            rows.append(FileRow(sentence.line, {"input": " ".join(sentence.tokens), "target": target}))
    return rows


def sentences(lines: Iterable[tuple[int, str]]) -> Iterator[Sentence]:
    """The sentences of numbered lines. Columns between token and tag are not read."""
    found: Sentence | None = None
    for number, line in lines:
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or cells[0] == "-DOCSTART-":
            if found:
                yield found
            found = None
            continue
        found = found or Sentence(number)
        if len(cells) < 2 or not is_tag(cells[-1].strip()):
            found.bad.append((number, line))
        else:
            found.tokens.append(cells[0].strip())
            found.tags.append(cells[-1].strip())
    if found:
        yield found


def is_tag(tag: str) -> bool:
    """Whether a tag is `O`, or `B-`, `I-`, `E-`, `S-`, `L-` or `U-` before a type."""
    return _TAG.fullmatch(tag) is not None


def entities(tokens: Sequence[str], tags: Sequence[str]) -> dict[str, list[str]]:
    """The entities of a sentence: by each type that occurs the texts, in order, tokens joined by spaces.

    An `I-` that goes on with nothing begins an entity.
    """
    found: list[tuple[list[str], str]] = []
    inside = ""
    for token, tag in zip(tokens, tags, strict=True):
        mark, _, kind = tag.partition("-")
        if tag == OUTSIDE:
            inside = ""
            continue
        if mark in ("I", "E", "L") and inside == kind:
            found[-1][0].append(token)
        else:
            found.append(([token], kind))
        inside = "" if mark in ("E", "L", "S", "U") else kind
    texts: dict[str, list[str]] = {}
    for words, kind in found:
        texts.setdefault(kind, []).append(" ".join(words))
    return texts


def loose(tags: Sequence[str]) -> bool:
    """Whether a tag `I-`, `E-` or `L-` goes on with no entity of its type."""
    before = OUTSIDE
    for tag in tags:
        mark, _, kind = tag.partition("-")
        goes_on = before != OUTSIDE and before[2:] == kind and before[:1] in ("B", "I")
        if mark in ("I", "E", "L") and not goes_on:
            return True
        before = tag
    return False
