"""`claude-audit formats`: the log formats that can be read, and what each of them can tell."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from claude_audit.commands.common import Format, FormatOption, emit, emit_json, one_of


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    group = typer.Typer(rich_markup_mode=None, add_completion=False)
    group.callback(invoke_without_command=True)(table)
    group.command("show", help="How one format is recognised, what it tells and what it cannot tell.")(show)
    app.add_typer(group, name="formats", help="The log formats that can be read.")


def table(ctx: typer.Context, output: FormatOption = Format.TABLE) -> None:
    """One line a format, in the order in which they are tried."""
    if ctx.invoked_subcommand is not None:
        return
    from claude_audit.ingestors import registry
    from claude_audit.renderers.columns import as_csv, as_markdown, fitted

    header, rows = ("format", "what"), [(format.name, format.title) for format in registry().values()]
    match output:
        case Format.JSON:
            emit_json({"formats": [{"name": name, "title": title} for name, title in rows]})
        case Format.CSV:
            emit(as_csv(header, rows))
        case Format.MARKDOWN:
            emit(as_markdown(header, rows))
        case Format.TABLE:
            emit(fitted(header, rows, width=shutil.get_terminal_size((80, 24)).columns))
            emit("\nA file is read by the first that recognises it; --input-format NAME forces one.")
            emit("More of one: claude-audit formats show NAME")


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in the first column of `claude-audit formats`.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """How one format is recognised, what it tells and what it cannot tell."""
    from claude_audit.ingestors import registry

    formats = registry()
    found = formats[one_of(name, list(formats), "format")]
    if output is Format.JSON:
        emit_json({"name": found.name, "title": found.title, "documentation": found.doc.strip()})
    else:
        emit(f"{found.name}\n\n{found.doc.strip()}")
