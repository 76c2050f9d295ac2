"""Opening a source: which format it is in, and the files of a folder that are tables of their own."""

from __future__ import annotations

import shlex
from dataclasses import replace

from advisor.errors import UserError
from advisor.intake import there
from advisor.tasks.faults import listed, suggestion
from advisor.tasks.importing.contract import ImportSource, SourceFormat
from advisor.tasks.importing.documents import documents_alone
from advisor.tasks.importing.files import ENDINGS, DataFiles, data_files
from advisor.tasks.importing.formats import FORMATS, WHOLE
from advisor.tasks.importing.row_formats import row_format
from advisor.tasks.importing.tables import TableFormat
from advisor.tasks.textfile import near_path

Opened = tuple[ImportSource, SourceFormat]


def opened(source: ImportSource, like: SourceFormat | None = None) -> list[Opened]:
    """A source opened in its format; of a folder of tables with columns of their own, each of them.

    Args:
        like: of another source of the same task: where the columns of that are here too, the same ones are read.

    Raises:
        UserError: there is nothing, it is in no known format, or not in the one that was asked for.
        Unclear: only the user can say how it is to be read.
    """
    asked, path = source.asked.format, source.path
    if path is not None and not there(path):
        raise UserError(f"{source.name}: no such file or folder", near_path(path) or "check the path")
    if asked and asked not in (names := {kind.name: kind for kind in FORMATS}):
        raise UserError(f"there is no format {asked!r}", suggestion(asked, names, "the formats"))
    for kind in WHOLE:
        if found := kind.recognise(source):
            return [(source, found)]
        if asked == kind.name:
            raise UserError(f"{source.name}: not {kind.called}", f"that is {kind.examples_of}; or leave --format out")
    rows = data_files(source)
    if rows is None:
        raise _unknown(source)
    if rowwise := row_format(rows, source.asked, source.name):
        return [(source, rowwise)]
    if isinstance(like, TableFormat):
        source = replace(source, asked=like.asked_of(source.asked, rows.names))
    if rows.agree:
        return [(source, TableFormat(rows, source.asked, source.name))]
    return [(source, TableFormat(part, source.asked, str(part.files[0][0].path))) for part in _parts(rows, source)]


def _parts(rows: DataFiles, source: ImportSource) -> list[DataFiles]:
    """Each file of a folder by itself, where their columns differ and their names tell their splits."""
    if not all(split for _, split in rows.files):
        what = f"it holds {listed([stream.where for stream, _ in rows.files])}, whose columns differ"
        hint = "name one of them, with --test and --dev for others; or call the files train, dev and test"
        raise UserError(f"{source.name}: {what}", hint)
    return [DataFiles([file]) for file in rows.files]


def _unknown(source: ImportSource) -> UserError:
    if source.path is not None and (kinds := documents_alone(source.path)):
        what = f"{source.name}: holds documents alone ({kinds}), and a task needs examples: questions with answers"
        hint = f"advisor import QUESTIONS.csv --documents {shlex.quote(source.name)} --out TASK"
        return UserError(what, f"write some (columns: question, answer), and give both: {hint}")
    if source.path is not None and source.path.is_dir():
        return UserError(f"{source.name}: it holds no table", "name a file or a folder of tables")
    what = f"{source.name}: in no format that is known"
    hint = (
        f"tables end in {listed(ENDINGS, 20)}; --format table reads any text; advisor import --help names the formats"
    )
    return UserError(what, hint)
