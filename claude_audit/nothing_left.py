"""Why filters leave no request: a value that the log does not have, days that it does not cover, or only all of them together."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from claude_audit.filters import Filters
from claude_audit.text import printable
from claude_audit.usage import TIME_DIMENSIONS

if TYPE_CHECKING:
    from claude_audit.audit import Audit

NAMED = 6
"""Values of a dimension that are told in place of one that is not there."""


def reasons(audit: Audit) -> Iterator[str]:
    """In words, of an audit that holds no request. Nothing is asked of the store unless it is called."""
    filters, reach = audit.filters, audit.reach
    if reach is None:
        yield "the store holds no requests: claude-audit ingest PATH reads logs into it"
        return
    told = False
    first, last = (moment.astimezone(filters.timezone).date() for moment in (reach.first, reach.last))
    if (filters.since and filters.since > last) or (filters.until and filters.until < first):
        yield f"the log covers {first} to {last}"
        told = True
    for name, value in filters.where:
        if name in TIME_DIMENSIONS or audit.filtered(**_only(name, value)).lines([name]):
            continue
        yield _instead(name, value, audit)
        told = True
    if not told:
        yield "each of these filters leaves requests, all of them together none"


def _only(name: str, value: str) -> dict[str, object]:
    return {"since": None, "until": None, "where": ((name, value),)}


def _instead(name: str, value: str, audit: Audit) -> str:
    """What the dimension holds, most requests first."""
    rows = audit.filtered(since=None, until=None, where=Filters().where).spend([name]).rows
    found = sorted(
        ((row.requests or 0, str(row.labels[0])) for row in rows if row.labels[0] is not None),
        key=lambda entry: (-entry[0], entry[1]),
    )
    lacking = f"no request has {name} {printable(value)}" if value else f"no request is without {name}"
    if not found:
        return f"{lacking}: the log names none"
    shown = ", ".join(printable(label) for _, label in found[:NAMED])
    more = f" and {len(found) - NAMED} more" if len(found) > NAMED else ""
    return f"{lacking}; there {'are' if len(found) > 1 else 'is'} {shown}{more}"
