"""All formats that can be imported, in the order in which they are tried: the most specific first, tables last."""

from __future__ import annotations

from advisor.tasks.importing.contract import Format
from advisor.tasks.importing.tables import TableFormat

FORMATS: tuple[type[Format], ...] = (TableFormat,)
