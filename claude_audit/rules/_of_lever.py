"""What a lever saves alone, as a finding: the waste that it would have left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_audit.money import ZERO
from claude_audit.rules import Finding, Log
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.waterfall import Step

NAMED = 3
"""Endpoints that are named."""


def of_lever(log: Log, rule: str, lever: str, seen: tuple[str, str], remedy: str) -> Iterator[Finding]:
    """The lever's step on the untouched log, where it may save. `seen`: what one request does, and what several do."""
    one = log.opportunity(lever)
    if one is None or one.step is None or one.step.high_usd <= 0 or not one.step.requests_changed:
        return
    step = one.step
    yield Finding(
        rule,
        endpoints(step),
        f"{count(step.requests_changed, 'request')} {seen[step.requests_changed != 1]}.",
        remedy,
        step.grade,
        max(ZERO, step.low_usd),
        step.high_usd,
        (f"claude-audit whatif {one.flags}",),
    )


def endpoints(step: Step) -> str:
    """Where the step's requests are, most spend first."""
    names = [name or "(none)" for name in (step.scope.endpoints if step.scope else ())]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
