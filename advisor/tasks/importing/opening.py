"""Opening a source: which format it is in, and the files of a folder that is in none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from advisor.errors import UserError
from advisor.intake import there
from advisor.tasks.faults import listed, suggestion
from advisor.tasks.importing.choosing import SPLITS
from advisor.tasks.importing.contract import ImportSource, SourceFormat
from advisor.tasks.importing.formats import FORMATS
from advisor.tasks.importing.tables import ENDINGS
from advisor.tasks.textfile import near_path

_WORD = re.compile(r"[^\W_]+")

Opened = tuple[ImportSource, SourceFormat]


def opened(source: ImportSource) -> list[Opened]:
    """A source opened in its format; of a folder of files named train, dev or test, each of them.

    Raises:
        UserError: there is nothing, it is in no known format, or not in the one that was asked for.
        Unclear: only the user can say how it is to be read.
    """
    if source.path is not None and not there(source.path):
        raise UserError(f"{source.name}: no such file or folder", near_path(source.path) or "check the path")
    found = recognised(source)
    if found:
        return [(source, found)]
    if source.path is not None and source.path.is_dir():
        return [(part, _certain(part)) for part in _parts(source)]
    raise _unknown(source)


def recognised(source: ImportSource) -> SourceFormat | None:
    """The first format that a source is in; None for none.

    Raises:
        UserError: it is not in the format that was asked for, or there is no such format.
    """
    asked = source.asked.format
    if not asked:
        return next((found for kind in FORMATS if (found := kind.recognise(source))), None)
    kinds = {kind.name: kind for kind in FORMATS}
    if asked not in kinds:
        raise UserError(f"there is no format {asked!r}", suggestion(asked, kinds, "the formats"))
    found = kinds[asked].recognise(source)
    if found is None and not (source.path and source.path.is_dir()):
        looks = kinds[asked].examples_of
        raise UserError(f"{source.name}: not {kinds[asked].called}", f"that is {looks}; or leave --format out")
    return found


def _certain(source: ImportSource) -> SourceFormat:
    found = recognised(source)
    if found is None:
        raise _unknown(source)
    return found


def _unknown(source: ImportSource) -> UserError:
    known = listed([f"{kind.name} ({kind.examples_of})" for kind in FORMATS], 20)
    return UserError(f"{source.name}: in no format that is known", f"the formats: {known}; --format table for any text")


def _parts(source: ImportSource) -> list[ImportSource]:
    """The files of a folder, with the split that the name of each tells; a single file is all of the source."""
    assert source.path
    files = sorted(path for path in source.path.rglob("*") if _may_be_table(path, source.path))
    named = [(path, split) for path in files if (split := split_of(path))]
    if not named and len(files) == 1:
        return [replace(source, path=files[0], name=str(files[0]))]
    if not named:
        what = f"it holds {listed([path.name for path in files])}" if files else "it holds no table"
        hint = "name a file, with --test and --dev for others; or call the files train, dev and test"
        raise UserError(f"{source.name}: a folder in no format that is known; {what}", hint)
    return [replace(source, path=path, name=str(path), split=split) for path, split in named]


def _may_be_table(path: Path, folder: Path) -> bool:
    inner = path.relative_to(folder).parts
    hidden = any(part.startswith((".", "documents")) for part in inner)
    return not hidden and path.suffix.lower() in ENDINGS and path.suffix.lower() != ".txt" and path.is_file()


def split_of(path: Path) -> str:
    """The split that a file's name tells (`train-00000-of-00002.parquet`, `a_test.csv`), or its folder's; or none."""
    for name in (path.stem, path.parent.name):
        found = list(_splits_in(name))
        if len(set(found)) == 1:
            return found[0]
    return ""


def _splits_in(name: str) -> Iterator[str]:
    return (SPLITS[word] for word in _WORD.findall(name.casefold()) if word in SPLITS)
