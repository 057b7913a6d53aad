"""Rules whose finding is what a lever saves alone: the waste that it would have left out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_audit.levers import kind_of
from claude_audit.money import ZERO
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.waterfall import Step

NAMED = 3
"""Endpoints that are named."""


def of_lever(
    name: str,
    title: str,
    lever: str,
    seen: tuple[str, str],
    remedy: str,
    doc: str | None,
    needs: tuple[str, ...] | None = None,
) -> Rule:
    """The rule that tells of the lever's step on the untouched log, where it may save.

    `seen`: what one request does, and what several do. `needs`: where they are others than the lever's.
    """

    def find(log: Log) -> Iterator[Finding]:
        one = log.opportunity(lever)
        if one is None or one.step is None or one.step.high_usd <= 0 or not one.step.requests_changed:
            return
        step = one.step
        yield Finding(
            name,
            endpoints(step),
            f"{count(step.requests_changed, 'request')} {seen[step.requests_changed != 1]}.",
            remedy,
            step.grade,
            max(ZERO, step.low_usd),
            step.high_usd,
            (f"claude-audit whatif {one.flags}",),
        )

    return Rule(name, title, find, doc or "", kind_of(lever).needs if needs is None else needs, lever)


def endpoints(step: Step) -> str:
    """Where the step's requests are, most spend first."""
    names = [name or NONE for name in (step.scope.endpoints if step.scope else ())]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
