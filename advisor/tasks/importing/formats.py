"""All formats that can be imported, in the order in which they are tried: the most specific first, tables last."""

from __future__ import annotations

from advisor.tasks.importing.beir import Beir
from advisor.tasks.importing.contract import SourceFormat
from advisor.tasks.importing.hub import Hub
from advisor.tasks.importing.row_formats import ROW_FORMATS
from advisor.tasks.importing.tables import TableFormat
from advisor.tasks.importing.tags import Conll

WHOLE: tuple[type[Hub] | type[Beir] | type[Conll], ...] = (Hub, Beir, Conll)
"""Those that know a source by its files; all others by its first rows."""
FORMATS: tuple[type[SourceFormat], ...] = (*WHOLE, *ROW_FORMATS, TableFormat)
