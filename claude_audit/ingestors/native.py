"""The native record: the JSONL that a team writes when it can choose, one object a line (README, "The native record").

Recognised by `timestamp`, `model` and a `usage` object at the top of a record. Everything the record names is read;
unknown scalar fields become tags. It can tell all that an audit uses, prompt_blocks for cache replay included; fields
that are left out are unknown, never 0 or false.
"""

from __future__ import annotations

from claude_audit.ingestors import Head, Ingestor, Kind
from claude_audit.ingestors.messages import keyed, select


def _recognise(head: Head) -> bool:
    return any(
        "timestamp" in r and isinstance(r.get("model"), str) and isinstance(r.get("usage"), dict) and "level" not in r
        for r in head.records
    )


NATIVE = Ingestor(
    name="native",
    title="the native record, one JSON object a line",
    kind=Kind.LINES,
    recognise=_recognise,
    select=select,
    keyed=keyed,
    rank=80,
    doc=__doc__,
)
