"""Logging a comparison in a sink that was named."""

from __future__ import annotations

from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from advisor import plugins
from advisor.errors import AdvisorError, UserError
from advisor.models.hosted.address import refuse_if_offline
from advisor.sharing.contents import shared_of
from advisor.sharing.contract import Sink
from advisor.tasks.faults import short
from advisor.verdict.decision import Decision

GROUP = "advisor.sinks"
_HIDDEN = "***"


def sink_of(named: str) -> Sink:
    """The sink that `--to` names: `NAME`, or `NAME:TARGET`.

    Raises:
        UserError: there is none of that name, or its target makes no sense.
    """
    name, _, target = named.partition(":")
    found = plugins.plugin(GROUP, name, "sink")
    if not (isinstance(found, type) and issubclass(found, Sink)):
        raise UserError(f"what is registered as sink {name!r} is no advisor.sharing.Sink", "see CONTRIBUTING.md")
    return found(target)


def share(decision: Decision, sink: Sink, fitted: Sequence[str] = ()) -> str:
    """Log a comparison.

    Args:
        fitted: as in `shared_of`.

    Returns:
        Where it is now, as a sentence.

    Raises:
        UserError: no text may leave the machine, or the sink fails.
    """
    local_only = bool(decision.comparison.task.limits.get("local_only"))
    named = f"{sink.name}:{discreet(sink.target, sink.target)}".rstrip(":")
    refuse_if_offline("sink", named, sink.place, local_only)
    shared = shared_of(decision, fitted)
    try:
        return discreet(sink.log(shared), sink.target)
    except AdvisorError:
        raise
    except Exception as error:  # whatever a library or another package raises
        reason = " ".join(discreet(f"{type(error).__name__}: {error}", sink.target).split())
        raise UserError(
            f"sink {sink.name!r} fails: {short(reason, 300)}", "check that it is there and may be written to"
        ) from error


def discreet(text: str, target: str) -> str:
    """A text without the user and the password that an address carries."""
    try:
        parts = urlsplit(target)
        secrets = {parts.netloc.rpartition("@")[0], parts.password or "", unquote(parts.password or "")}
    except ValueError:
        return text.replace(target, _HIDDEN) if target else text
    for secret in sorted(filter(None, secrets), key=len, reverse=True):
        text = text.replace(secret, _HIDDEN)
    return text
