"""`claude-audit findings`: what went wrong or was wasted, and the way out."""

from __future__ import annotations

from typing import Annotated

import typer

from claude_audit.commands.common import (
    Format,
    FormatOption,
    Since,
    Until,
    Where,
    Zone,
    emit,
    emit_json,
    say_why_none,
    session,
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="What went wrong or was wasted, what it cost, and the way out; dearest first.")(findings)


def findings(
    ctx: typer.Context,
    rule: Annotated[
        list[str] | None, typer.Option("--rule", metavar="NAME", help="Only this rule (repeatable) [default: all].")
    ] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """What went wrong or was wasted, what it cost, and the way out."""
    from claude_audit.renderers import findings as render

    audit = session(ctx).audit(since, until, timezone, where)
    answer = audit.findings(rule or ())
    if output is Format.JSON:
        emit_json(render.document(answer))
    elif output is Format.CSV:
        emit(render.csv(answer))
    elif output is Format.MARKDOWN:
        emit(render.markdown(answer))
    else:
        from claude_audit.renderers.terminal import findings_tables

        emit(findings_tables(answer))
    if not answer.requests:
        say_why_none(audit)
