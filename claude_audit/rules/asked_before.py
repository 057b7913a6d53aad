"""Requests that are equal to one of the hour before.

The amount is what the lever response_cache saves with answers kept for an hour, refused and cut ones not."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.levers import kind_of
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever

NAME, LEVER = "asked_before", "response_cache"


def _find(log: Log) -> Iterator[Finding]:
    again = "word for word, what was asked within the hour before"
    seen = (f"repeats, {again}", f"repeat, {again}")
    return of_lever(log, NAME, LEVER, seen, "keep answers by the hash of the request")


RULE = Rule(NAME, "the same request again", _find, __doc__ or "", kind_of(LEVER).needs, LEVER)
