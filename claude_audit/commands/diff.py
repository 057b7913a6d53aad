"""`claude-audit diff`: what changed between two periods, and why."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claude_audit.commands.common import Format, FormatOption, Where, Zone, emit, emit_json, say, session
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.audit import Audit
    from claude_audit.periods import Days
    from claude_audit.tally import Line

DEFAULT_BY = "endpoint,model"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    about = (
        "What changed between two periods, and why: more requests, longer ones, other prices. Without dates: the last "
        "complete month against the one before, or the last 7 days of a shorter log."
    )
    app.command(help=about)(diff)


def diff(
    ctx: typer.Context,
    before: Annotated[
        str | None, typer.Option("--before", metavar="PERIOD", help="2026-10, 2026-W41, a date or DATE..DATE.")
    ] = None,
    after: Annotated[
        str | None, typer.Option("--after", metavar="PERIOD", help="The period to compare with it.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option("--against", metavar="DIR", help="Another store, whose rows are the ones before."),
    ] = None,
    by: Annotated[
        str, typer.Option("--by", metavar="DIM,DIM", help="endpoint, model, api_key, team, provider, tag:<key>, …")
    ] = DEFAULT_BY,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """What changed between two periods, and why."""
    from claude_audit.audit import Audit
    from claude_audit.clock import today
    from claude_audit.diff import diff as compare
    from claude_audit.periods import chosen, parse
    from claude_audit.renderers import diff as render

    names = _dimensions(by)
    here = session(ctx)
    now = here.audit(None, None, timezone, where)
    then = now if against is None else Audit.open(Path(against), catalog=here.catalog, filters=now.filters)
    log, earlier = _days(now), _days(then)
    if against is None:
        old, new = chosen(before, after, log, min(log.last + timedelta(days=1), today(now.filters.timezone)))
    else:
        old = parse(before, "--before") if before else earlier
        new = parse(after, "--after") if after else log
    found = compare(
        (old, *_lines(then, names, old, earlier)), (new, *_lines(now, names, new, log)), now.catalog, names, against
    )
    match output:
        case Format.JSON:
            emit_json(render.document(found))
        case Format.CSV:
            emit(render.csv(found))
        case Format.MARKDOWN:
            emit(render.markdown(found))
        case Format.TABLE:
            from claude_audit.renderers.terminal import diff_tables

            emit(diff_tables(found))
    if output is Format.CSV:
        from claude_audit.text import printable

        for note in (render.verdict(found), *render.notes(found)):
            say(printable(note))


def _dimensions(by: str) -> list[str]:
    from claude_audit.filters import dimension
    from claude_audit.usage import TIME_DIMENSIONS

    names = list(dict.fromkeys(dimension(name.strip(), "--by") for name in by.split(",") if name.strip()))
    for name in names:
        if name in TIME_DIMENSIONS:
            raise AuditError(
                f"--by {name}: two periods have no {name} in common", "claude-audit spend --by day shows the days"
            )
        if name == "token_type":
            raise AuditError("--by token_type: the parts of each change are told by token type", "leave it out")
    if not names:
        raise AuditError("--by names no dimension", f"such as --by {DEFAULT_BY}")
    return names


def _days(audit: Audit) -> Days:
    """The days that the store covers. Raises AuditError when it holds no requests."""
    from claude_audit.periods import Days

    if audit.reach is None:
        raise AuditError(
            f"{audit.store.path}: the store holds no requests", "claude-audit ingest PATH reads logs into it"
        )
    zone = audit.filters.timezone
    return Days(audit.reach.first.astimezone(zone).date(), audit.reach.last.astimezone(zone).date())


def _lines(audit: Audit, by: list[str], period: Days, log: Days) -> tuple[Days, list[Line]]:
    """The days of a period that the log covers, and its tally. Raises AuditError when there is nothing in it."""
    from dataclasses import replace

    covered = period.within(log)
    days = (covered.first.isoformat(), covered.last.isoformat()) if covered else ("", "")
    # By day, and parted here: what was summed when the parts were written answers that without a scan.
    lines = [
        replace(line, labels=line.labels[1:])
        for line in audit.lines(["day", *by])
        if days[0] <= str(line.labels[0]) <= days[1]
    ]
    if covered is None or not lines:
        raise AuditError(
            f"no requests in {period.name}" + (" with that filter" if audit.filters.where else ""),
            f"the log covers {log.name}",
        )
    return covered, lines
