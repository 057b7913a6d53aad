"""Rows as text, Markdown or CSV, safe to print whatever a log called its endpoints."""

from __future__ import annotations

import csv
import io
import re
import textwrap
from collections.abc import Sequence

from claude_audit.text import printable

_MARKUP = re.compile(r"([\\`*_\[\]|~])")
_FORMULA = ("=", "+", "-", "@")


def markdown_text(text: str) -> str:
    """Text that Markdown and the HTML inside it leave alone."""
    escaped = printable(text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKUP.sub(r"\\\1", escaped)


def as_text(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """Aligned columns with a header; `right` names the columns that hold figures."""
    lines = [[printable(cell) for cell in row] for row in (header, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(header))]

    def aligned(line: Sequence[str]) -> str:
        cells = (
            cell.rjust(width) if column in right else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(line, widths, strict=True))
        )
        return "  ".join(cells).rstrip()

    return "\n".join(aligned(line) for line in lines)


def fitted(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    right: Sequence[int] = (),
    *,
    width: int,
    spare: Sequence[int] = (),
    dropped: list[int] | None = None,
) -> str:
    """Aligned columns no wider than `width`: the `spare` ones go first, in that order, then the last column is wrapped.

    `dropped` is filled with the positions of the columns that went.
    """
    kept = list(range(len(header)))
    rest = list(spare)

    def size() -> int:
        return sum(max(len(printable(line[n])) for line in (header, *rows)) for n in kept) + 2 * (len(kept) - 1)

    while size() > width and rest:
        kept.remove(gone := rest.pop(0))
        if dropped is not None:
            dropped.append(gone)
    room = width - (size() - max(len(printable(line[kept[-1]])) for line in (header, *rows)))
    lines: list[list[str]] = []
    for row in rows:
        cells = [printable(row[n]) for n in kept]
        parts = textwrap.wrap(cells[-1], max(room, 12)) or [""]
        lines.append([*cells[:-1], parts[0]])
        lines += [[*([""] * (len(kept) - 1)), part] for part in parts[1:]]
    return as_text([header[n] for n in kept], lines, [place for place, n in enumerate(kept) if n in right])


def as_markdown(header: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A Markdown table."""
    rule = ["---:" if column in right else "---" for column in range(len(header))]
    body = [[markdown_text(cell) for cell in row] for row in rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in (list(header), rule, *body))


def as_csv(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """CSV for spreadsheets: a cell that would be taken for a formula, and is no number, begins with an apostrophe."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    writer.writerows([spreadsheet_cell(cell) for cell in row] for row in rows)
    return out.getvalue()


def spreadsheet_cell(text: str) -> str:
    """A cell's text as a spreadsheet shows it and runs nothing of it."""
    text = printable(text)
    return f"'{text}" if text.startswith(_FORMULA) and not re.fullmatch(r"-[0-9]+(\.[0-9]+)?", text) else text
