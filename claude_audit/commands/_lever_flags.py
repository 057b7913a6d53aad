"""Options of the levers on a command: one for each flag in the registry, in the help grouped by stage."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import typer
from typer.core import TyperCommand

from claude_audit.errors import AuditError

PANELS = {
    "REMOVE": "1. Requests that need not be sent",
    "RESHAPE": "2. Other prompts",
    "OUTPUT": "3. Shorter answers",
    "MODEL": "4. Other models",
    "CACHE": "5. The prompt cache",
    "BATCH": "6. Batches",
    "PRICE": "7. Speed, region, provider",
}
"""Headings of the help text by stage, in the order of application."""


class Grouped(TyperCommand):
    """A command whose plain help lists options under the headings (rich_help_panel) that they name."""

    def format_options(self, ctx: Any, formatter: Any) -> None:
        """One list a heading, in the order in which headings first occur."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for parameter in self.get_params(ctx):
            record = parameter.get_help_record(ctx)
            if record is not None:
                groups.setdefault(getattr(parameter, "rich_help_panel", None) or "Options", []).append(record)
        for heading, records in groups.items():
            with formatter.section(heading):
                formatter.write_dl(records)


def with_lever_flags(function: Callable[..., None], *, first: tuple[str, ...] = ()) -> Any:
    """The command `function(ctx, …, **levers)` with an option for each flag of each lever. `first`: its own that lead."""
    from claude_audit.levers import options, registry

    known = options()
    hints = get_type_hints(function, include_extras=True)
    fixed = {
        name: parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if name not in ("ctx", "levers")
    }
    flags: dict[str, inspect.Parameter] = {}
    for kind in registry():
        for option in (known[option.name] for option in kind.options):
            if option.name not in flags:
                flags[option.name] = inspect.Parameter(
                    option.name,
                    inspect.Parameter.KEYWORD_ONLY,
                    default=False if option.type is bool else None,
                    annotation=Annotated[
                        option.type if option.type is bool else option.type | None,
                        typer.Option(
                            option.flag,
                            metavar=option.metavar or None,
                            help=option.help,
                            rich_help_panel=PANELS[kind.stage.name],
                        ),
                    ],
                )
    context = inspect.Parameter("ctx", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=typer.Context)

    def command(ctx: typer.Context, **values: Any) -> None:
        function(ctx, **values)

    leading = [fixed.pop(name) for name in first]
    parameters = [context, *leading, *flags.values(), *fixed.values()]
    # typer reads both: names and defaults from the signature, types from the annotations.
    command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    command.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    command.__doc__ = function.__doc__
    return command


def given(ctx: typer.Context, levers: Mapping[str, Any]) -> dict[str, Any]:
    """The options that were asked for, in the order in which they were typed."""
    return {
        name: levers[name]
        for name in [*ctx.params, *levers]
        if name in levers and levers[name] not in (None, False, [])
    }


def scenario_of(asked: dict[str, Any], file: str | None) -> dict[str, Any]:
    """The options of a scenario file (None: no file), and those of the command line after them.

    Raises AuditError for an option that stands in both.
    """
    if not file:
        return asked
    from claude_audit.scenario import scenario_file

    of_file = scenario_file(Path(file))
    twice = sorted(asked.keys() & of_file.keys())
    if twice:
        raise AuditError(f"{', '.join(twice)} both as a flag and in {file}", "say it in one place")
    return {**of_file, **asked}
