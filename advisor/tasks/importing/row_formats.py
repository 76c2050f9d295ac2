"""The formats whose rows are objects, in the order in which they are tried, and finding the one that rows are of."""

from __future__ import annotations

from itertools import islice

from advisor.tasks.faults import Fault, FaultLog, Faults
from advisor.tasks.importing.chat import OpenAIChat, ShareGPT
from advisor.tasks.importing.contract import ImportChoices
from advisor.tasks.importing.multilabel import MultiLabel
from advisor.tasks.importing.pairs import Alpaca, PromptCompletion
from advisor.tasks.importing.preferences import Preferences
from advisor.tasks.importing.rows import RowSource, SourceRow, Unread, first_rows
from advisor.tasks.importing.rowwise import RowFormat
from advisor.tasks.importing.squad import Squad
from advisor.tasks.importing.tables import TableFormat
from advisor.tasks.importing.tags import TaggedRows

ROW_FORMATS: tuple[type[RowFormat], ...] = (
    Preferences,
    OpenAIChat,
    ShareGPT,
    Squad,
    TaggedRows,
    Alpaca,
    PromptCompletion,
    MultiLabel,
)
_NAMED = 20  # rows that cannot be read, of a source where none can


def row_format(rows: RowSource, asked: ImportChoices, name: str) -> RowFormat | None:
    """The format that rows are of; None where they are those of any table.

    Args:
        name: of the source, for messages.

    Raises:
        Faults: there is no row that can be read, or they are not of the format that the user said.
    """
    first: list[SourceRow] = first_rows(rows)
    if not first:
        _refuse(rows, name)
    values = [row.values for row in first]
    for shape in ROW_FORMATS:
        if asked.format in ("", shape.name) and shape.fits(values, asked):
            return shape(rows, asked, name)
    if asked.format in ("", TableFormat.name):
        return None
    said = next((shape for shape in ROW_FORMATS if shape.name == asked.format), None)
    what = f"is not {said.called if said else asked.format}: its first rows hold none of it"
    hint = "leave --format out" + (f", or write it so: {said.examples_of}" if said else "")
    raise Faults([Fault(name, None, what, hint)])


def _refuse(rows: RowSource, name: str) -> None:
    log = FaultLog()
    for row in islice(rows, _NAMED):
        if isinstance(row, Unread):
            log.add(name, row.place.line or None, row.what, row.hint)
    log.raise_if_any()
    raise Faults([Fault(name, None, "it holds no rows", "check that it is the file that was meant")])
