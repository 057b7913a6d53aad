"""Which days of which store are compared, and their tallies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from claude_audit.diff import Diff, diff
from claude_audit.errors import AuditError
from claude_audit.filters import dimension
from claude_audit.periods import Days, chosen, parse
from claude_audit.usage import TIME_DIMENSIONS

if TYPE_CHECKING:
    from claude_audit.history import Usage
    from claude_audit.tally import Line

BY = ("endpoint", "model")


def compare(
    now: Usage,
    before: str | None,
    after: str | None,
    by: Sequence[str],
    today: date,
    then: Usage | None = None,
    against: str | None = None,
) -> Diff:
    """What changed between the periods (as periods.parse reads them; periods.chosen, when one is left out).

    `then`: another store, called `against`, whose rows are the ones before; without periods all of both is compared.
    `today`: days before it are complete. Raises AuditError for an empty store or period, and what cannot be grouped by.
    """
    by = dimensions(by)
    log = _days(now)
    if then is None:
        old, new = chosen(before, after, log, min(log.last + timedelta(days=1), today))
        earlier, then = log, now
    else:
        earlier = _days(then)
        old = parse(before, "--before") if before else earlier
        new = parse(after, "--after") if after else log
    return diff((old, *_lines(then, by, old, earlier)), (new, *_lines(now, by, new, log)), now.catalog, by, against)


def dimensions(by: Sequence[str]) -> list[str]:
    """The dimensions that groups of two periods can have. Raises AuditError for others."""
    names = list(dict.fromkeys(dimension(name, "--by") for name in by))
    for name in names:
        if name in TIME_DIMENSIONS:
            raise AuditError(
                f"--by {name}: two periods have no {name} in common", "claude-audit spend --by day shows the days"
            )
        if name == "token_type":
            raise AuditError("--by token_type: the parts of each change are told by token type", "leave it out")
    if not names:
        raise AuditError("--by names no dimension", f"such as --by {','.join(BY)}")
    return names


def _days(usage: Usage) -> Days:
    if usage.reach is None:
        raise AuditError("the store holds no requests", "claude-audit ingest PATH reads logs into it")
    zone = usage.filters.timezone
    return Days(usage.reach.first.astimezone(zone).date(), usage.reach.last.astimezone(zone).date())


def _lines(usage: Usage, by: Sequence[str], period: Days, log: Days) -> tuple[Days, list[Line]]:
    """The days of a period that the log covers, and its tally."""
    covered = period.within(log)
    first, last = (covered.first.isoformat(), covered.last.isoformat()) if covered else ("", "")
    # By day, and parted here: what was summed when the parts were written answers that without a scan.
    lines = [
        replace(line, labels=line.labels[1:])
        for line in usage.lines(["day", *by])
        if first <= str(line.labels[0]) <= last
    ]
    if covered is None or not lines:
        filtered = " with that filter" if usage.filters.where else ""
        raise AuditError(f"no requests {period.when}{filtered}", f"the log covers {log.name}")
    return covered, lines
