"""Tagged tokens: CoNLL and BIO files, and rows with lists of tokens and tags."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Self

from advisor.tasks.conll import CONLL_ENDINGS, OUTSIDE, TOKEN_HINT, entities, is_tag, loose, sentences
from advisor.tasks.examples import compact
from advisor.tasks.faults import Faults, listed
from advisor.tasks.forms import is_blank
from advisor.tasks.importing.contract import ImportChoices, ImportSource, Record
from advisor.tasks.importing.files import named_files
from advisor.tasks.importing.rows import Read, RowSource, SourceRow, Unread
from advisor.tasks.importing.rowwise import NoRecord, RowFormat
from advisor.tasks.importing.streams import ending_of, numbered_lines
from advisor.tasks.jsonfile import type_name
from advisor.tasks.task import Kind, Place
from advisor.tasks.values import plain

_TAGS = ("ner_tags", "tags", "labels", "ner", "bio_tags")
_NAMES = ("tag_names", "ner_tag_names", "label_names", "names", "id2label")
_LOOKED_AT = 200  # lines of a text file by which it is recognised


class TaggedRows(RowFormat):
    """Rows with lists of tokens and of their tags: what is tagged becomes a JSON object of texts by type."""

    name = "tags"
    called = "a set of tagged tokens"
    examples_of = '{"tokens": ["in", "Oslo"], "ner_tags": ["O", "B-city"]}'
    kind: Kind | None = "extraction"

    def __init__(self, rows: RowSource, asked: ImportChoices, name: str) -> None:
        super().__init__(rows, asked, name)
        self._types: set[str] = set()

    @classmethod
    def fits_row(cls, values: Mapping[str, object]) -> bool:
        """Whether a row has tokens and tags."""
        return isinstance(values.get("tokens"), list) and any(isinstance(values.get(key), list) for key in _TAGS)

    def records(self, row: SourceRow) -> Iterator[Record]:
        """One example: the tokens joined by blanks, and the entities."""
        key = next((key for key in _TAGS if key in row.values), _TAGS[0])
        tokens, tags = _list(row.values, "tokens"), _list(row.values, key)
        names = _names(row.values)
        tags = [names.get(tag, tag) for tag in tags]
        if len(tokens) != len(tags):
            raise NoRecord(f'"tokens" and "{key}" have not the same length', "give each token one tag")
        if is_blank("".join(tokens)):
            raise NoRecord("the sentence has no tokens", "leave the row out")
        if any(tag.lstrip("-").isdigit() for tag in tags):
            raise NoRecord(
                "the tags are numbers whose names are not told", 'add them: "tag_names": ["O", "B-city", ...]'
            )
        if not all(map(is_tag, tags)):
            raise NoRecord(
                "a tag is neither O nor B-, I-, E-, S-, L- or U- before a type", "rename it: O, B-city, I-city"
            )
        if loose(tags):
            self.tell("a tag I- (or E-, L-) without a B- before it begins an entity", row.place)
        found = entities(tokens, tags)
        self._types.update(found)
        yield self.example(row, " ".join(tokens), [compact(found)])

    def finish(self) -> None:
        """The types are known now: the instruction names them."""
        types = listed(sorted(self._types), 100)
        self.instruction = (
            "List the named entities in the text as a JSON object that maps each type that occurs "
            f"({types}) to a list of strings copied from the text. Answer {{}} if there are none."
        )
        self.notes.append(f"entities by type are the target, as a JSON object; the types: {types or 'none'}")


class Conll(TaggedRows):
    """Text files with one token a line, its tag last, and an empty line after each sentence."""

    name = "conll"
    called = "a CoNLL or BIO file"
    examples_of = ".conll, .bio, .iob, .txt: Oslo B-city"

    @classmethod
    def recognise(cls, source: ImportSource) -> Self | None:
        """The format opened on files whose first lines are tokens with tags."""
        asked = source.asked
        if source.path is None or asked.format not in ("", cls.name):
            return None
        files = named_files(source, (*CONLL_ENDINGS, ".txt"))
        good = [(path, split) for path, split in files if asked.format or _is_tagged(path, asked)]
        return cls(_Sentences(good, asked), asked, str(source.path)) if good else None


class _Sentences(RowSource):
    """The sentences of text files as rows of tokens and tags."""

    def __init__(self, files: Sequence[tuple[Path, str]], asked: ImportChoices) -> None:
        self._files, self._asked = files, asked

    def __iter__(self) -> Iterator[Read]:
        for path, split in self._files:
            for sentence in sentences(numbered_lines(path, self._asked.encoding)):
                if sentence.bad:
                    yield Unread("a line is no token with a tag", TOKEN_HINT, Place(path.name, sentence.bad[0][0]))
                else:
                    values: dict[str, object] = {"tokens": sentence.tokens, "ner_tags": sentence.tags}
                    yield SourceRow(values, Place(path.name, sentence.line), split)


def _is_tagged(path: Path, asked: ImportChoices) -> bool:
    """Whether most of the first lines of a file are tokens with tags, and one of them is more than outside."""
    try:
        first = list(sentences(islice(numbered_lines(path, asked.encoding), _LOOKED_AT)))
    except Faults:
        return ending_of(path) in CONLL_ENDINGS  # the reading will say what is wrong
    bad = sum(len(sentence.bad) for sentence in first)
    tags = [tag for sentence in first for tag in sentence.tags]
    return len(tags) > bad and (any(tag != OUTSIDE for tag in tags) or ending_of(path) in CONLL_ENDINGS)


def _list(values: Mapping[str, object], key: str) -> list[str]:
    found = values.get(key)
    if not isinstance(found, list):
        raise NoRecord(f'"{key}" is {type_name(found)}, not a list', f'write "{key}": ["...", "..."]')
    texts = [plain(item) for item in found]
    if not all(isinstance(text, str) for text in texts):
        raise NoRecord(f'"{key}" holds something that is no text', f'write "{key}": ["...", "..."]')
    return [str(text) for text in texts]


def _names(values: Mapping[str, object]) -> dict[str, str]:
    """The names of tags that are numbers, where the row tells them."""
    found = next((values[key] for key in _NAMES if isinstance(values.get(key), list | dict)), None)
    if isinstance(found, dict):
        return {str(key): str(name) for key, name in found.items()}
    names: Sequence[object] = found if isinstance(found, list) else ()
    return {str(at): str(name) for at, name in enumerate(names)}
