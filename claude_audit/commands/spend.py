"""`claude-audit spend`: the bill by any dimension."""

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
    say,
    say_why_none,
    session,
)


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="What was spent, by endpoint, model or any other dimension.")(spend)


def spend(
    ctx: typer.Context,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="DIM,DIM", help="endpoint, model, api_key, team, day, token_type, tag:<key>, …"),
    ] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
) -> None:
    """What was spent, by endpoint, model or any other dimension."""
    from claude_audit.spend import as_document

    audit = session(ctx).audit(since, until, timezone, where)
    names = [name.strip() for name in by.split(",") if name.strip()] if by else []
    if not names and output is not Format.JSON:
        names = ["endpoint", "model"]
    answer = audit.spend(names)
    match output:
        case Format.JSON:
            emit_json(as_document(answer))
        case Format.CSV:
            from claude_audit.renderers.rows import spend_csv

            emit(spend_csv(answer))
        case Format.MARKDOWN:
            from claude_audit.renderers.rows import spend_markdown

            emit(spend_markdown(answer))
        case Format.TABLE:
            from claude_audit.renderers.terminal import spend_tables

            emit(spend_tables(answer))
    for note in answer.notes:
        say(f"note: {note}")
    if not answer.requests:
        say_why_none(audit)
