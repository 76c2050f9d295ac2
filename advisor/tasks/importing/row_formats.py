"""The formats whose rows are objects, in the order in which they are tried."""

from __future__ import annotations

from advisor.tasks.importing.chat import OpenAIChat, ShareGPT
from advisor.tasks.importing.multilabel import MultiLabel
from advisor.tasks.importing.pairs import Alpaca, PromptCompletion
from advisor.tasks.importing.preferences import Preferences
from advisor.tasks.importing.rowwise import RowFormat
from advisor.tasks.importing.squad import Squad
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
