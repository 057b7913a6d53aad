"""System prompts of more than 500 tokens.

The amount is what the lever trim_system saves at 500 tokens, caches included."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.levers import kind_of
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever

NAME, LEVER = "long_system_prompt", "trim_system"


def _find(log: Log) -> Iterator[Finding]:
    long = "a system prompt of more than 500 tokens"
    seen = (f"carries {long}", f"carry {long}")
    return of_lever(log, NAME, LEVER, seen, "shorten it, but not below the shortest prompt that is cached")


RULE = Rule(NAME, "long system prompts", _find, __doc__ or "", kind_of(LEVER).needs, LEVER)
