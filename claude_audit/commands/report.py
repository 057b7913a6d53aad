"""`claude-audit report`: the whole audit on one self-contained page."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_audit.commands._lever_flags import Grouped, given, scenario_of, with_lever_flags
from claude_audit.commands._write import write_whole
from claude_audit.commands.check import flag
from claude_audit.commands.common import (
    Format,
    FormatOption,
    Session,
    Since,
    Until,
    Where,
    Zone,
    emit,
    emit_json,
    say,
    session,
)
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.limits import Budget
    from claude_audit.report import Report

DEFAULT = "reports/audit.html"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    about = (
        "The whole audit on one self-contained HTML page; also as Markdown or JSON. With flags of whatif, or a scenario, "
        "it shows that what-if."
    )
    own = ("html", "scenario", "monthly", "today", "since", "until", "timezone", "where", "output")
    app.command("report", help=about, cls=Grouped)(with_lever_flags(report, first=own))


def report(
    ctx: typer.Context,
    html: Annotated[
        str | None, typer.Option("--html", metavar="FILE", help=f"Where to write the page [default: {DEFAULT}].")
    ] = None,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", metavar="FILE.yaml", help="What-if to show [default: --route-simple haiku --batch-tagged]."
        ),
    ] = None,
    monthly: Annotated[
        str | None, typer.Option("--monthly", metavar="USD", help="Budget of the month, drawn beside those configured.")
    ] = None,
    today: Annotated[
        str | None,
        typer.Option("--today", metavar="DATE", help="The day it is for [default: the day after the newest record]."),
    ] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
    **levers: Any,
) -> None:
    """The whole audit on one self-contained page."""
    if output is Format.CSV:
        raise AuditError(
            "a report is no single table", "claude-audit spend --by endpoint,model --format csv has its rows"
        )
    asked = scenario_of(given(ctx, levers), scenario)
    made = _build(session(ctx), asked, monthly, today, (since, until, timezone, where))
    path = html or (DEFAULT if output is Format.TABLE else None)
    if path:
        from claude_audit.renderers import html as page

        text = page.render(made)
        write_whole(Path(path), text)
        _tell(made, path, len(text.encode()), output)
    if output is Format.JSON:
        from claude_audit.renderers.json import document

        emit_json(document(made))
    elif output is Format.MARKDOWN:
        from claude_audit.renderers.markdown import render

        emit(render(made))


def _build(
    here: Session,
    asked: dict[str, Any],
    monthly: str | None,
    today: str | None,
    filters: tuple[str | None, str | None, str | None, list[str] | None],
) -> Report:
    from claude_audit import clock
    from claude_audit.outlook import AsOf
    from claude_audit.report import SCENARIO, build

    day = flag("--today", today).day() if today is not None else None
    options = {"attribution": "shapley", **asked} if asked else dict(SCENARIO)
    budgets = _budgets(here, monthly)
    audit = here.audit(*filters)
    opportunities = audit.opportunities()
    return build(
        audit,
        audit.whatif(**options),
        today=day or clock.today(audit.filters.timezone),
        as_of=AsOf(day, day) if day else None,
        budgets=budgets,
        days_off=frozenset(here.config.days_off),
        opportunities=opportunities,
        findings=audit.findings(opportunities=opportunities),
    )


def _budgets(here: Session, monthly: str | None) -> list[Budget]:
    """The configured ones; --monthly comes first and replaces one of its name."""
    from claude_audit.limits import Budget

    configured = list(here.config.budgets)
    if monthly is None:
        return configured
    given = Budget("monthly", limit=flag("--monthly", monthly).dollars(), where="--monthly")
    given = replace(given, fail_on=here.config.fail_on)
    return [given, *(budget for budget in configured if budget.name != given.name)]


def _tell(made: Report, path: str, size: int, output: Format) -> None:
    from claude_audit.renderers import figures
    from claude_audit.text import count

    write = emit if output is Format.TABLE else say
    period = figures.period(made.since, made.until, made.timezone)
    write(f"{figures.spent(made.known_usd)} in {count(made.requests, 'request')}, {period}")
    write(f"Report written to {path} ({figures.size(size)}).")
