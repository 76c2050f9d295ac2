"""Where teams keep things: a comparison logged in MLflow, in Weights & Biases, or in what another package brings."""

from advisor.sharing.contents import ROWS, shared_of
from advisor.sharing.contract import Shared, SharedRow, SharedTable, Sink
from advisor.sharing.sinks import share, sink_of

__all__ = ["ROWS", "Shared", "SharedRow", "SharedTable", "Sink", "share", "shared_of", "sink_of"]
