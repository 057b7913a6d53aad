"""Attempts that a later request repeated: the client gave up, the answer could not be used, or ended at its cap.

The amount is what the lever drop_retries leaves out: `claude-audit explain lever drop_retries`."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.levers import kind_of
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever

NAME, LEVER = "sent_again", "drop_retries"


def _find(log: Log) -> Iterator[Finding]:
    seen = ("was an attempt that a later one repeated", "were attempts that a later one repeated")
    return of_lever(
        log, NAME, LEVER, seen, "retry once, after a pause, and raise max_tokens where answers were cut off"
    )


RULE = Rule(NAME, "requests sent again", _find, __doc__ or "", kind_of(LEVER).needs, LEVER)
