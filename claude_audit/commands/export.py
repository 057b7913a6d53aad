"""`claude-audit export`: the audited usage and what it cost, for finance and BI tools."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from claude_audit.commands.common import Since, Until, Where, Zone, say, session
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    from claude_audit.audit import Audit
    from claude_audit.renderers.table_files import Table
    from claude_audit.spend import Spend


class FileFormat(StrEnum):
    """How a table is written."""

    CSV = "csv"
    JSON = "json"
    JSONL = "jsonl"
    PARQUET = "parquet"


DEFAULT_BY = "endpoint,model"


def register(app: typer.Typer) -> None:
    """Add the command to the program."""
    about = "The audited usage and its exact cost, for finance and BI tools: by day and dimensions, in FOCUS 1.2, or row by row."
    app.command(help=about)(export)


def export(
    ctx: typer.Context,
    focus: Annotated[
        bool, typer.Option("--focus", help="Rows of FOCUS 1.2: a day, endpoint, model, provider, tier and token type.")
    ] = False,
    rows: Annotated[bool, typer.Option("--rows", help="Every row of the store, with its own cost.")] = False,
    by: Annotated[
        str | None,
        typer.Option(
            "--by",
            metavar="DIM,DIM",
            help=f"A row a day and these [default: {DEFAULT_BY}]; with --focus: these become tags.",
        ),
    ] = None,
    account: Annotated[
        str | None,
        typer.Option("--billing-account", metavar="ID", help="BillingAccountId of --focus: no log tells it."),
    ] = None,
    since: Since = None,
    until: Until = None,
    timezone: Zone = None,
    where: Where = None,
    output: Annotated[FileFormat, typer.Option("--format", help="How to write it.")] = FileFormat.CSV,
    file: Annotated[
        str | None, typer.Option("--output", metavar="FILE", help="Where to write it [default: standard output].")
    ] = None,
) -> None:
    """The audited usage and what it cost, for finance and BI tools."""
    if focus and rows:
        raise AuditError("--focus and --rows are two different tables", "choose one of them")
    if rows and by:
        raise AuditError("--rows has every column: there is nothing to group by", "leave --by out, or --rows")
    if account is not None and not focus:
        raise AuditError("--billing-account is a column of FOCUS", "add --focus")
    if output is FileFormat.PARQUET and file is None:
        raise AuditError("Parquet is no text: it needs a file", "add --output usage.parquet")
    audit = session(ctx).audit(since, until, timezone, where)
    names = [name.strip() for name in by.split(",") if name.strip()] if by else []
    if audit.reach is None:
        raise AuditError("the store holds no requests", "claude-audit ingest PATH reads logs into it")
    if rows:
        whole, table = audit.spend(), _rows(audit)  # in this order: the rows are still being read
    elif focus:
        whole, table = audit.spend(), _focus(audit, names, account)
    else:
        table, whole = _groups(audit, names or DEFAULT_BY.split(","))
    if not whole.requests and not any(whole.tokens.values()):
        raise AuditError("no requests are left by these filters", "claude-audit spend --by month shows what there is")
    from claude_audit.text import printable

    warnings = list(_warnings(whole, focus, account))
    _write(table, output, file, {"kind": _kind(focus, rows), "total_usd": _total(whole), "warnings": warnings})
    for warning in warnings:
        say(f"warning: {printable(warning)}")
    if file is not None:
        _tell(whole, file)


def _kind(focus: bool, rows: bool) -> str:
    return "focus-1.2" if focus else "rows" if rows else "groups"


def _total(whole: Spend) -> str | None:
    from claude_audit.money import exact

    return exact(whole.total_usd)


def _groups(audit: Audit, names: list[str]) -> tuple[Table, Spend]:
    """A row a group and day; a dimension of time takes the day's place."""
    import pyarrow as pa

    from claude_audit.renderers.table_files import Table
    from claude_audit.usage import TIME_DIMENSIONS, TOKEN_CLASSES

    timed = not set(names).isdisjoint(TIME_DIMENSIONS)
    answer = audit.spend(names if timed else ["day", *names])
    kinds: dict[str, Any] = dict.fromkeys(answer.by, pa.string())
    kinds |= dict.fromkeys(("requests", "unpriced_requests", *TOKEN_CLASSES), pa.int64())
    made = [
        dict(zip(answer.by, row.labels, strict=True))
        | {"requests": row.requests, "unpriced_requests": row.unpriced_requests, "cost_usd": row.cost_usd}
        | dict(row.tokens)
        for row in answer.rows
    ]
    return Table.of(kinds | {"cost_usd": None}, made), answer


def _focus(audit: Audit, tags: list[str], account: str | None) -> Table:
    import pyarrow as pa

    from claude_audit import focus
    from claude_audit.filters import dimension
    from claude_audit.renderers.table_files import Table
    from claude_audit.usage import TIME_DIMENSIONS

    for name in tags:
        if dimension(name, "--by") in (*focus.BY, *TIME_DIMENSIONS, "token_type"):
            already = "day" if name in TIME_DIMENSIONS else name
            raise AuditError(f"--by {name}: FOCUS rows are by {already} already", "name what shall become tags")
    tags = list(dict.fromkeys(tags))
    lines = audit.lines([*focus.BY, *tags])
    made = focus.charges(lines, audit.catalog, audit.filters.timezone, tags, account)
    kinds: dict[str, Any] = dict.fromkeys(focus.COLUMNS, pa.string())
    kinds |= dict.fromkeys(focus.INSTANTS, pa.timestamp("s", "UTC"))
    kinds |= dict.fromkeys(focus.INTEGERS, pa.int64()) | dict.fromkeys(focus.DECIMALS)
    return Table.of(kinds, made)


def _rows(audit: Audit) -> Table:
    from claude_audit.renderers.table_files import Table
    from claude_audit.row_costs import priced_rows

    assert audit.reach is not None  # noqa: S101 - an empty store was refused before
    found = priced_rows(audit.usage(), audit.reach, audit.catalog, audit.engine)
    return Table(found.schema, found.batches)


def _warnings(whole: Spend, focus: bool, account: str | None) -> Iterator[str]:
    from claude_audit.renderers import figures

    if missing := figures.unpriced(whole.unpriced):
        yield f"{missing}; such usage is exported without a cost, not as $0"
    if focus and account is None:
        yield "BillingAccountId is empty: FOCUS wants one, and no log tells it (--billing-account ID)"
    yield from whole.notes


def _write(table: Table, output: FileFormat, file: str | None, more: dict[str, Any]) -> None:
    from claude_audit.commands._write import whole
    from claude_audit.renderers import table_files

    if file is None:
        for text in _text(table, output, more):
            sys.stdout.write(text)
        return
    with whole(Path(file), f"usage.{output.value}") as draft:
        if output is FileFormat.PARQUET:
            table_files.parquet(table, draft)
        else:
            with draft.open("w", encoding="utf-8", newline="") as out:
                out.writelines(_text(table, output, more))


def _text(table: Table, output: FileFormat, more: dict[str, Any]) -> Iterator[str]:
    from claude_audit.renderers import table_files

    match output:
        case FileFormat.JSON:
            return table_files.document(table, more)
        case FileFormat.JSONL:
            return table_files.json_lines(table)
    return table_files.csv(table)


def _tell(whole: Spend, file: str) -> None:
    from claude_audit.money import dollars
    from claude_audit.text import count, printable

    say(f"{printable(file)}: {dollars(whole.total_usd)} of {count(whole.requests, 'request')}")
