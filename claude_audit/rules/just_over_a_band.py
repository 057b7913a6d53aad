"""Prompts a little over the size at which the whole request changes its price.

The amount is what the lever under_band saves at 20 %."""

from __future__ import annotations

from collections.abc import Iterator

from claude_audit.levers import kind_of
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._of_lever import of_lever

NAME, LEVER = "just_over_a_band", "under_band"


def _find(log: Log) -> Iterator[Finding]:
    long = "a prompt up to 20 % over the size from which all of it costs more"
    seen = (f"has {long}", f"have {long}")
    return of_lever(log, NAME, LEVER, seen, "shorten these prompts to the band")


RULE = Rule(NAME, "prompts just over a price band", _find, __doc__ or "", kind_of(LEVER).needs, LEVER)
