"""`claude-audit formats`: the log formats that can be read, and what each of them can tell."""

from __future__ import annotations

import shutil
import textwrap
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
    from claude_audit import ingestors, ingestors_evidence
    from claude_audit.renderers.columns import as_csv, as_markdown, fitted

    logs = [(format.name, format.title) for format in ingestors.registry().values()]
    papers = [(report.name, report.title) for report in ingestors_evidence.registry().values()]
    rows = [(*row, "log") for row in logs] + [(*row, "evidence") for row in papers]
    header = ("format", "what", "kind")
    match output:
        case Format.JSON:
            emit_json({"formats": [dict(zip(("name", "title", "kind"), row, strict=True)) for row in rows]})
        case Format.CSV:
            emit(as_csv(header, rows))
        case Format.MARKDOWN:
            emit(as_markdown(header, rows))
        case Format.TABLE:
            width = shutil.get_terminal_size((80, 24)).columns
            emit(fitted(("log", "what"), logs, width=width))
            emit("")
            emit(fitted(("evidence", "what a console or a billing report claims"), papers, width=width))
            emit("\nA file is read by the first that recognises it; --input-format NAME forces one.")
            emit("Evidence is compared with logs (reconcile), never added to spend.")
            emit("More of one: claude-audit formats show NAME")


def show(
    name: Annotated[str, typer.Argument(metavar="NAME", help="As in the first column of `claude-audit formats`.")],
    output: FormatOption = Format.TABLE,
) -> None:
    """How one format is recognised, what it tells and what it cannot tell."""
    from claude_audit import ingestors, ingestors_evidence

    logs, papers = ingestors.registry(), ingestors_evidence.registry()
    one_of(name, [*logs, *papers], "format")
    found, kind = (logs[name], "log") if name in logs else (papers[name], "evidence")
    if output is Format.JSON:
        emit_json({"name": found.name, "title": found.title, "kind": kind, "documentation": found.doc.strip()})
        return
    width = shutil.get_terminal_size((80, 24)).columns
    emit(f"{found.name}{'' if kind == 'log' else ' (evidence: compared with logs, never added to spend)'}\n\n")
    emit(page(found.doc.strip(), width))


def page(text: str, width: int) -> str:
    """A docstring for a terminal of that width: paragraphs and list items are filled anew, indented lines stay."""
    parts = []
    for paragraph in text.split("\n\n"):
        if paragraph.startswith("    "):
            parts.append(paragraph)
            continue
        items: list[str] = []
        for line in paragraph.splitlines():
            if items and not line.startswith("- "):
                items[-1] += f" {line.strip()}"
            else:
                items.append(line.strip())
        filled = (
            textwrap.fill(item, width, subsequent_indent="  " if item.startswith("- ") else "", break_on_hyphens=False)
            for item in items
        )
        parts.append("\n".join(filled))
    return "\n\n".join(parts)
