"""Values of dimensions as findings name them, and as commands ask for them."""

from __future__ import annotations

from shlex import quote

from claude_audit.clock import UTC_ZONE
from claude_audit.filters import Filters
from claude_audit.text import printable

NONE = "(none)"
"""Not recorded."""


def where(dimension: str, label: str) -> str:
    """The filter for a label, safe to paste into a shell whatever the log called it."""
    value = "" if label == NONE else label
    return f"--where {quote(printable(f'{dimension}={value}'))}"


def narrowed(command: str, filters: Filters) -> str:
    """A command that shows rows, kept to the filters under which they were found."""
    conditions = [where(name, value or NONE) for name, value in filters.where]
    words = [condition for condition in conditions if condition not in command]
    if "--since" not in command and "--before" not in command:
        words += [f"--since {filters.since}"] if filters.since else []
        words += [f"--until {filters.until}"] if filters.until else []
    words += [f"--timezone {filters.timezone.key}"] if filters.timezone != UTC_ZONE else []
    return " ".join((command, *words))
