"""Requests that may wait for an answer, by what the log says of them (latency_tolerant) or by when they are sent.

The amount is what the lever batch saves; where the log does not say who waits, it is an upper bound."""

from claude_audit.rules._of_lever import of_lever

RULE = of_lever(
    "nobody_waits",
    "answered at once, though nobody waits",
    "batch",
    (
        "may wait and is answered at once, at the full price",
        "may wait and are answered at once, at the full price",
    ),
    "send them through the Message Batches API",
    __doc__,
    needs=(),
)
