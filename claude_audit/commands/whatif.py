"""`claude-audit whatif`: what each way of saving would have saved. Its flags come from the registry of levers."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Annotated, Any, get_type_hints

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
    one_of,
    session,
)
from claude_audit.errors import AuditError

ATTRIBUTION = "attribution"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command("whatif", help="What each way of saving would have saved, on these very requests.")(_with_lever_flags())


def _with_lever_flags() -> Any:
    """The command with one option for each flag of each lever."""
    from claude_audit.levers import options

    hints = get_type_hints(whatif, include_extras=True)
    fixed = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(whatif).parameters.items()
        if name not in ("ctx", "levers")
    ]
    flags = [
        inspect.Parameter(
            option.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=False if option.type is bool else None,
            annotation=Annotated[
                option.type if option.type is bool else option.type | None,
                typer.Option(option.flag, metavar=option.metavar or None, help=option.help),
            ],
        )
        for option in options().values()
    ]
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    def command(ctx: typer.Context, **values: Any) -> None:
        whatif(ctx, **values)

    parameters = [context, *flags, *fixed]
    # typer reads both: names and defaults from the signature, types from the annotations.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = whatif.__doc__
    return command


def whatif(
    ctx: typer.Context,
    scenario: Annotated[
        str | None, typer.Option("--scenario", metavar="FILE.yaml", help="Levers and options from a file.")
    ] = None,
    attribution: Annotated[
        str | None, typer.Option("--attribution", metavar="HOW", help="waterfall, alone, shapley or all [waterfall].")
    ] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: FormatOption = Format.TABLE,
    **levers: Any,
) -> None:
    """What each way of saving would have saved, on these very requests."""
    from claude_audit.scenario import ATTRIBUTIONS, scenario_file

    asked = {name: value for name, value in levers.items() if value not in (None, False, [])}
    if scenario:
        of_file = scenario_file(Path(scenario))
        attribution = attribution or of_file.pop(ATTRIBUTION, None)
        twice = sorted(asked.keys() & of_file.keys())
        if twice:
            raise AuditError(f"{', '.join(twice)} both as a flag and in {scenario}", "say it in one place")
        asked = {**of_file, **asked}
    how = one_of(attribution or "waterfall", ATTRIBUTIONS, "attribution")
    answer = session(ctx).audit(since, until, timezone, where).whatif(attribution=how, **asked)
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
