"""`claude-audit whatif`: what each way of saving would have saved. Its flags come from the registry of levers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_audit.commands._lever_flags import Grouped, given, scenario_of, with_lever_flags
from claude_audit.commands.common import (
    Format,
    FormatOption,
    Since,
    Until,
    Where,
    Zone,
    emit,
    emit_json,
    one_of,
    say_why_none,
    session,
)
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.audit import Audit

EVERYTHING = "What to try"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    about = (
        "What each way of saving would have saved, on these very requests. Levers apply in the order below; "
        "claude-audit explain lever NAME tells all about one."
    )
    app.command("whatif", help=about, cls=Grouped)(
        with_lever_flags(whatif, first=("everything", "published", "scenario"))
    )


def whatif(
    ctx: typer.Context,
    everything: Annotated[
        bool,
        typer.Option(
            "--all", help="Try every lever that the log supports, each alone, best first.", rich_help_panel=EVERYTHING
        ),
    ] = False,
    published: Annotated[
        bool,
        typer.Option(
            "--published", help="Recompute what cost guides publish, on this log.", rich_help_panel=EVERYTHING
        ),
    ] = False,
    scenario: Annotated[
        str | None,
        typer.Option(
            "--scenario", metavar="FILE.yaml", help="Levers and options from a file.", rich_help_panel=EVERYTHING
        ),
    ] = None,
    attribution: Annotated[
        str | None, typer.Option("--attribution", metavar="HOW", help="waterfall, alone, shapley or all [waterfall].")
    ] = None,
    order: Annotated[
        str | None,
        typer.Option(
            "--order", metavar="HOW", help="Steps in the order stage, written, or LEVER,LEVER [stage]; same total."
        ),
    ] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
    **levers: Any,
) -> None:
    """What each way of saving would have saved, on these very requests."""
    from claude_audit.scenario import ATTRIBUTIONS

    asked = scenario_of(given(ctx, levers), scenario)
    how, steps = asked.pop("attribution", None), asked.pop("order", None)
    audit = session(ctx).audit(since, until, timezone, where)
    if everything or published:
        told = [("--attribution", attribution or how), ("--order", order or steps)]
        if everything and published:
            raise AuditError("--all and --published are two questions", "ask them one after the other")
        name = "--all" if everything else "--published"
        if beside := [flag for flag, value in told if value]:
            raise AuditError(f"{beside[0]} says nothing with {name}: each lever is tried alone", "leave it out")
        return _all(audit, asked, output) if everything else _published(audit, asked, output)
    answer = audit.whatif(
        attribution=one_of(attribution or how or "waterfall", ATTRIBUTIONS, "attribution"),
        order=order or steps or "stage",
        **asked,
    )
    if answer.since is None:
        say_why_none(audit)
    match output:
        case Format.JSON:
            emit_json(answer.as_document())
        case Format.CSV:
            from claude_audit.renderers.rows import waterfall_csv

            emit(waterfall_csv(answer))
        case Format.MARKDOWN:
            from claude_audit.renderers.rows import waterfall_markdown

            emit(waterfall_markdown(answer))
        case Format.TABLE:
            from claude_audit.renderers.terminal import waterfall_tables

            emit(waterfall_tables(answer))
    return None


def _all(audit: Audit, options: dict[str, Any], output: Format) -> None:
    from claude_audit.renderers import opportunities

    found = audit.opportunities(**options)
    if output is Format.JSON:
        emit_json(opportunities.document(found))
    elif output is Format.TABLE:
        from claude_audit.renderers.terminal import opportunities_tables

        emit(opportunities_tables(found))
    else:
        emit(opportunities.csv(found) if output is Format.CSV else opportunities.markdown(found))


def _published(audit: Audit, options: dict[str, Any], output: Format) -> None:
    from claude_audit.renderers import published

    if options:
        raise AuditError(
            f"--published tries the claims' own levers, so {next(iter(options))} says nothing", "leave it out"
        )
    found = audit.published()
    if output is Format.JSON:
        emit_json(published.document(found))
    elif output is Format.TABLE:
        from claude_audit.renderers.terminal import published_tables

        emit(published_tables(found))
    else:
        emit(published.csv(found) if output is Format.CSV else published.markdown(found))
