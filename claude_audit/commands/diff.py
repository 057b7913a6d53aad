"""`claude-audit diff`: what changed between two periods, and why."""

from __future__ import annotations

from typing import Annotated

import typer

from claude_audit.commands.common import Format, FormatOption, Where, Zone, emit, emit_json, say, session

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
    from claude_audit.renderers import diff as render

    names = [name.strip() for name in by.split(",") if name.strip()]
    found = session(ctx).audit(None, None, timezone, where).diff(before, after, by=names, against=against)
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
