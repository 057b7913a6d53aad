"""`claude-audit ingest`: read logs into the store."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from claude_audit.commands.common import Format, FormatOption, Session, emit, emit_json, say, session
from claude_audit.errors import AuditError, Exit
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.accounting import IngestReport
    from claude_audit.batches import Progress
    from claude_audit.calls import Assumptions
    from claude_audit.mapping import FieldMap


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    app.command(help="Read logs into the store: files, folders, globs, or - for standard input.")(ingest)


def ingest(
    ctx: typer.Context,
    paths: Annotated[
        list[str], typer.Argument(metavar="PATH...", help="Files, folders (walked), globs; .gz and .zst too.")
    ],
    input_format: Annotated[
        str | None, typer.Option("--input-format", metavar="NAME", help="Read everything by this format.")
    ] = None,
    mapping: Annotated[
        str | None, typer.Option("--map", metavar="FILE.yaml", help="Which columns or JSON paths hold what.")
    ] = None,
    assume_model: Annotated[
        str | None, typer.Option("--assume-model", metavar="ID", help="Model of records that name none.")
    ] = None,
    assume_timezone: Annotated[
        str | None, typer.Option("--assume-timezone", metavar="TZ", help="Zone of times without one [default: UTC].")
    ] = None,
    default_endpoint: Annotated[
        str | None, typer.Option("--default-endpoint", metavar="NAME", help="Endpoint of records that name none.")
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Exit with 2 when a line was rejected.")] = False,
    rejects: Annotated[
        str | None,
        typer.Option("--rejects", metavar="FILE", help="Write the rejected lines' places and reasons (CSV)."),
    ] = None,
    again: Annotated[
        bool, typer.Option("--again", help="Read anew what was read before; its rows are replaced.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show how the first calls are understood; write nothing to the store.")
    ] = False,
    output: FormatOption = Format.TABLE,
) -> None:
    """Read logs into the store."""
    from claude_audit.calls import Assumptions
    from claude_audit.clock import zone
    from claude_audit.ingest import ingest as read
    from claude_audit.store import Store

    here = session(ctx)
    timezone = assume_timezone or here.config.assume_timezone or "UTC"
    zone(timezone)
    assume = Assumptions(
        model=_model(here, assume_model or here.config.assume_model),
        timezone=timezone,
        endpoint=default_endpoint or here.config.default_endpoint,
        mapping=_mapping(mapping),
    )
    if dry_run:
        if rejects:
            raise AuditError("--dry-run writes no file of rejects", "it shows the rejected lines that it met")
        _preview(paths, here, assume, input_format, strict, output)
        return
    with _progress() as progress:
        report = read(
            paths,
            Store(here.store),
            lambda: here.catalog,
            assume,
            input_format=input_format,
            progress=progress,
            rejects_file=Path(rejects) if rejects else None,
            again=again,
        )
    if output is Format.JSON:
        emit_json(_document(report))
    else:
        _tell(report, rejects)
    if strict and report.counted.rejected:
        raise typer.Exit(Exit.ERROR)


def _model(here: Session, name: str | None) -> str | None:
    """A model to assume: one that has a price, by its own name ("haiku" would be another one next year)."""
    if name is None or here.catalog.resolve(name, families=False):
        return name
    import difflib

    near = difflib.get_close_matches(name.lower(), list(here.catalog.models), n=3, cutoff=0.4)
    raise AuditError(
        f"--assume-model {name}: the price list has no model of that name",
        f"did you mean {', '.join(near)}?" if near else "claude-audit prices lists the models",
    )


def _preview(
    paths: list[str], here: Session, assume: Assumptions, input_format: str | None, strict: bool, output: Format
) -> None:
    from claude_audit.preview import preview
    from claude_audit.renderers import preview as render

    found = preview(paths, lambda: here.catalog, assume, input_format=input_format)
    if output is Format.JSON:
        emit_json(render.document(found))
    else:
        emit(render.text(found, width=shutil.get_terminal_size((80, 24)).columns))
    if strict and found.report.counted.rejected:
        raise typer.Exit(Exit.ERROR)


def _mapping(file: str | None) -> FieldMap | None:
    if file is None:
        return None
    from claude_audit.mapping_file import load

    return load(Path(file))


def _document(report: IngestReport) -> dict[str, object]:
    return {
        "files": report.files,
        "unchanged_files": report.unchanged,
        "bytes": report.bytes,
        "lines": report.counted.lines,
        "kept": report.counted.kept,
        "rows_added": report.rows_added,
        "duplicates": report.counted.duplicates,
        "ignored": dict(report.counted.ignored),
        "rejected": report.counted.rejected,
        "rejects": [{"source": r.source, "line": r.line, "reason": r.reason} for r in report.rejects],
        "formats": dict(report.formats),
        "unpriced_models": dict(report.unpriced_models),
        "warnings": list(report.warnings),
        "evidence_rows": report.evidence_rows,
        "rows_total": report.rows_total,
    }


def _tell(report: IngestReport, rejects_file: str | None) -> None:
    from claude_audit.renderers.terminal import clean, size

    if not report.formats:
        emit(
            f"Nothing new: {report.unchanged} of {count(report.files, 'file')} {'is as it was' if report.unchanged == 1 else 'are as they were'}. "
            f"{count(report.rows_total, 'row')} in the store."
        )
        for warning in report.warnings:
            say(f"warning: {clean(warning)}")
        return
    formats = ", ".join(f"{name} ({files})" for name, files in report.formats.items())
    emit(f"Read {count(sum(report.formats.values()), 'file')}, {size(report.bytes)}: {formats}")
    if report.unchanged:
        emit(f"Unchanged since the last ingest: {count(report.unchanged, 'file')}")
    ignored = sum(report.counted.ignored.values())
    width = len(f"{report.counted.lines:,}")
    emit(f"  lines      {report.counted.lines:>{width},}")
    calls = report.counted.kept - report.evidence_rows
    emit(f"  kept       {calls:>{width},}  calls ({count(report.rows_added, 'new row')})")
    if report.evidence_rows:
        emit(
            f"  evidence   {report.evidence_rows:>{width},}  rows of what a console or a report claims: claude-audit reconcile"
        )
    emit(f"  duplicates {report.counted.duplicates:>{width},}  of calls already counted")
    emit(f"  ignored    {ignored:>{width},}  {clean(_top(dict(report.counted.ignored)))}".rstrip())
    emit(f"  rejected   {report.counted.rejected:>{width},}")
    for reject in report.rejects[:5]:
        place = f"{reject.source}:{reject.line}" if reject.line is not None else reject.source
        say(f"rejected: {clean(place)}: {clean(reject.reason)}")
    if report.counted.rejected > 5:
        say(
            f"… and {report.counted.rejected - 5:,} more"
            + ("" if rejects_file else "; see them all: --rejects rejects.csv")
        )
    for name, rows in report.unpriced_models.items():
        if name == "(none)":
            say(
                f"warning: {count(rows, 'row')} without a model, so without a price: --assume-model ID says which it was"
            )
        else:
            say(
                f"warning: {count(rows, 'row')} of {clean(name)}, which has no price: give it one in a file of your own (pricing/README.md)"
            )
    for warning in report.warnings:
        say(f"warning: {clean(warning)}")
    emit(f"{count(report.rows_total, 'row')} in the store.")


def _top(ignored: dict[str, int]) -> str:
    """The commonest reasons, on one line."""
    ranked = sorted(ignored.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{reason} {lines:,}" for reason, lines in ranked[:4]) + (", …" if len(ranked) > 4 else "")


@contextmanager
def _progress() -> Iterator[Progress | None]:
    """Progress by bytes on stderr, on a terminal only."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("reading"), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("reading", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
