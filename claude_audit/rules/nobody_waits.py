"""Requests that may wait for an answer, by what the log says of them (latency_tolerant) or by when they are sent.

The amount is what the lever batch saves; where the log does not say who waits, it is an upper bound."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever

NAME, LEVER = "nobody_waits", "batch"


def _find(log: Log) -> Iterator[Finding]:
    seen = (
        "may wait and is answered at once, at the full price",
        "may wait and are answered at once, at the full price",
    )
    return of_lever(log, NAME, LEVER, seen, "send them through the Message Batches API")


RULE = Rule(NAME, "answered at once, though nobody waits", _find, __doc__ or "", (), LEVER)
