"""Rows under a header: the lines of comma-, semicolon- or tab-separated files as relations with a column for each name.

A row is a line, or several when a quoted field holds line breaks; its line number is that of the first. A row that does
not fit the header is marked `broken` and costs no other row: quotes that do not pair end with their own line.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from claude_audit.aliases import fields
from claude_audit.errors import AuditError
from claude_audit.packing import opened
from claude_audit.pieces import quoted

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from claude_audit.ingestors import Reading

DELIMITERS = (",", ";", "\t", "|")
MOST_COLUMNS = 1000
MOST_ABOVE = 30
"""Lines that may stand above a header, and it."""
COUNTS = frozenset(("input_tokens", "output_tokens"))
MOST_LINES = 10_000
"""Of one row: text with more line breaks is taken for quotes that do not pair."""
HEADER_BYTES = 256 * 1024

Header = tuple[tuple[str, ...], str]
"""Column names and delimiter."""


def header(text: str) -> Header:
    """The column names at the beginning of a file, and what stands between them: what gives most names we know."""
    found = [(names, delimiter) for delimiter in DELIMITERS if (names := _first_row(text, delimiter)[0])]
    return max(found, key=lambda h: (len(fields(h[0])), len(h[0]), h[1] == ","), default=((), ","))


def _first_row(text: str, delimiter: str) -> tuple[tuple[str, ...], int]:
    """The cells of the header, and the number of its last line: of the first row that is not blank, or of one soon after it
    that names a count of tokens.

    Reports have titles and remarks above it; spreadsheets may say the delimiter there (`sep=;`).
    """
    first: tuple[tuple[str, ...], int] | None = None
    for cells, line in _rows(text, delimiter):
        if line > MOST_ABOVE or len(cells) > MOST_COLUMNS:
            break
        # What has numbers in it is no header but a row, whatever one of its cells says.
        named = first is None or not any(re.fullmatch("[0-9.,]+", cell) for cell in cells)
        if named and not COUNTS.isdisjoint(fields(cells)):
            return cells, line
        if first is None and any(cells) and not re.fullmatch("sep=.?", "".join(cells), re.IGNORECASE):
            first = cells, line
    return first or ((), 0)


def _rows(text: str, delimiter: str) -> Iterator[tuple[tuple[str, ...], int]]:
    """The cells of each row, and the number of its last line; no further than to a field of more than 128 KiB."""
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter, skipinitialspace=True)
    with suppress(csv.Error):
        for row in rows:
            yield tuple(cell.strip() for cell in row), rows.line_num


def titled(text: str) -> bool:
    """Whether something else stands above the header."""
    names, delimiter = header(text)
    return next((cells for cells, _ in _rows(text, delimiter) if any(cells)), ()) != names


def sample(text: str) -> list[dict[str, str]]:
    """The first rows at the beginning of a file, by the names of their columns; one of nothing where there is none."""
    names, delimiter = header(text)
    found: list[dict[str, str]] = []
    for cells, _ in _rows(text, delimiter):
        if len(cells) == len(names) and cells != names and any(cells):
            found.append(dict(zip(names, cells, strict=True)))
        if len(found) == 60:
            break
    return found or [dict.fromkeys(names, "")]


@dataclass(frozen=True, slots=True)
class Table:
    """Files that share a header."""

    names: tuple[str, ...]
    delimiter: str
    files: tuple[int, ...]
    source: str
    """The first of them, as the user wrote it."""

    def positions(self, name: str) -> list[int]:
        """Where a column of that name stands, counted from 1."""
        return [place for place, own in enumerate(self.names, 1) if own == name]

    @property
    def rows(self) -> str:
        """SQL: file, line, `broken` (why the row is no row, else null) and its cells as c1, c2, …, null where not recorded."""
        size, delimiter, files = len(self.names), quoted(self.delimiter), ", ".join(map(str, self.files))
        cells = ", ".join(f"csv_cell(fields[{place}]) AS c{place}" for place in range(1, size + 1))
        return f"""(
            SELECT file, line, {cells},
                CASE
                    WHEN array_to_string(fields, {delimiter}) <> text THEN 'quotes do not pair'
                    WHEN len(fields) <> {size} THEN len(fields) || ' columns where the header has {size}'
                END AS broken
            FROM (
                SELECT file, line, text,
                    CASE WHEN contains(text, '"') THEN {_cells("text", self.delimiter)} ELSE string_split(text, {delimiter}) END
                        AS fields
                FROM csv_rows
                WHERE file IN ({files})
            )
        )"""


def _field(delimiter: str) -> str:
    """A regular expression: one field, in quotes where it begins with them, and the delimiter after it."""
    end = re.escape(delimiter)
    return rf' *"(?:[^"]|"")*" *{end}|[^"{end}\n][^{end}\n]*{end}|{end}'


def _cells(text: str, delimiter: str) -> str:
    """SQL: the cells of a row with quotes. Joined by delimiters they are the text again, unless its quotes do not pair."""
    cells = f"regexp_extract_all({text} || {quoted(delimiter)}, {quoted(_field(delimiter))})"
    return f"list_transform({cells}, lambda cell: left(cell, -1))"


def tables(reading: Reading) -> list[Table]:
    """The tables among the pieces that are read now; their rows are made ready in `csv_rows`.

    A file's header is remembered for its later pieces. Raises AuditError for a file without one.
    """
    run = reading.connection.execute
    run("""CREATE OR REPLACE TEMP MACRO csv_text(v) AS
        CASE WHEN contains(v, '"') AND starts_with(trim(v), '"') THEN replace(trim(v)[2:-2], '""', '"') ELSE trim(v) END""")
    run("CREATE OR REPLACE TEMP MACRO csv_cell(v) AS CASE WHEN absent(csv_text(v)) THEN NULL ELSE csv_text(v) END")
    # Not a temporary table: each batch is read through a connection of its own.
    run(
        "CREATE TABLE IF NOT EXISTS csv_headers "
        "(file INTEGER PRIMARY KEY, names VARCHAR[], delimiter VARCHAR, last_line BIGINT)"
    )
    for file, path in reading.paths.items():
        names, delimiter, last_line = _header_of(path)
        run("INSERT OR REPLACE INTO csv_headers VALUES (?, ?, ?, ?)", [file, names, delimiter, last_line])
    run("""
        CREATE OR REPLACE TEMP TABLE csv_lines AS
        SELECT file, line, rtrim(text, chr(13)) AS text
        FROM lines JOIN csv_headers USING (file)
        WHERE line > last_line""")
    _join_broken_lines(reading.connection)
    rows = run("""
        SELECT names, delimiter, list(file ORDER BY file), arg_min(f.name, file)
        FROM csv_headers JOIN files AS f USING (file)
        WHERE file IN (SELECT file FROM csv_lines)
        GROUP BY names, delimiter ORDER BY min(file)""").fetchall()
    return [Table(tuple(names), delimiter, tuple(files), source) for names, delimiter, files, source in rows]


def _header_of(path: str) -> tuple[list[str], str, int]:
    from pathlib import Path

    with opened(Path(path)) as stream:
        text = stream.read(HEADER_BYTES).decode("utf-8", "replace")
    names, delimiter = header(text)
    return list(names), delimiter, _first_row(text, delimiter)[1]


_ODD = """(contains(text, '"') AND (length(text) - length(replace(text, '"', ''))) % 2 = 1)"""


def _join_broken_lines(connection: DuckDBPyConnection) -> None:
    """Make the view `csv_rows`: `csv_lines`, those put together between which a quoted field has line breaks.

    The first and the last line of such a row have odd quotes.
    """
    run = connection.execute
    run("CREATE OR REPLACE TEMP VIEW csv_rows AS SELECT file, line, text FROM csv_lines")
    found = run(f"SELECT count(*) FROM csv_lines WHERE {_ODD}").fetchone()
    if not found or not found[0]:
        return
    # Lines from one with odd quotes to the next: `before` counts those that came earlier in the file.
    run(f"""
        CREATE OR REPLACE TEMP TABLE csv_spans AS
        SELECT file, min(line) AS begins, max(line) AS ends, string_agg(text, chr(10) ORDER BY line) AS text
        FROM (
            SELECT *, sum(odd) OVER (PARTITION BY file ORDER BY line) - odd AS before
            FROM (SELECT *, CAST({_ODD} AS INTEGER) AS odd FROM csv_lines)
            WHERE file IN (SELECT file FROM csv_lines WHERE {_ODD})
        )
        WHERE before % 2 = 1 OR odd = 1
        GROUP BY file, before // 2""")
    for file, size, delimiter in run("""
        SELECT file, len(names), delimiter FROM csv_headers WHERE file IN (SELECT file FROM csv_spans)""").fetchall():
        if not run(
            f"SELECT 1 FROM csv_spans WHERE file = ? AND NOT ({_fit(size, delimiter)}) LIMIT 1", [file]
        ).fetchone():
            continue
        run("DELETE FROM csv_spans WHERE file = ?", [file])
        lines = run("SELECT line, text FROM csv_lines WHERE file = ? ORDER BY line", [file]).fetchall()
        spans = list(_spans(lines, size, delimiter))
        run(
            "INSERT INTO csv_spans SELECT ?, unnest(?::BIGINT[]), unnest(?::BIGINT[]), unnest(?::VARCHAR[])",
            [file, *([span[part] for span in spans] for part in range(3))],
        )
    run("""
        CREATE OR REPLACE TEMP VIEW csv_rows AS
        SELECT l.file, l.line, l.text FROM csv_lines AS l
        ASOF LEFT JOIN csv_spans AS s ON s.file = l.file AND s.begins <= l.line
        WHERE s.ends IS NULL OR s.ends < l.line
        UNION ALL
        SELECT file, begins, text FROM csv_spans""")


def _fit(size: int, delimiter: str) -> str:
    """SQL: the same of the column `text`."""
    cells = _cells("text", delimiter)
    return f"len({cells}) = {size} AND array_to_string({cells}, {quoted(delimiter)}) = text"


def _fits(text: str, size: int, delimiter: str) -> bool:
    """Whether the text is one whole row of that many cells."""
    cells = [cell[:-1] for cell in re.findall(_field(delimiter), text + delimiter)]
    return len(cells) == size and delimiter.join(cells) == text


def _spans(lines: Sequence[tuple[int, str]], size: int, delimiter: str) -> Iterator[tuple[int, int, str]]:
    """(first line, last line, text) of the rows of several lines, where some quotes do not pair."""
    odd = [place for place, (_, text) in enumerate(lines) if text.count('"') % 2]
    at = 0
    while at + 1 < len(odd):
        first, last = odd[at], odd[at + 1]
        text = "\n".join(line for _, line in lines[first : last + 1]) if last - first < MOST_LINES else ""
        if text and _fits(text, size, delimiter):
            yield lines[first][0], lines[last][0], text
            at += 2
        else:
            at += 1


def closest(wanted: Sequence[str], names: Sequence[str]) -> list[str]:
    """Up to three of the `names` that look like one of the `wanted`."""
    import difflib

    lower = {name.lower(): name for name in names if name}
    near = [match for word in wanted for match in difflib.get_close_matches(word, lower, n=3, cutoff=0.5)]
    return [lower[match] for match in dict.fromkeys(near)][:3]


def missing(source: str, field: str, wanted: Sequence[str], names: Sequence[str], hint: str) -> AuditError:
    """The error that a table has no column for a field."""
    near = closest(wanted, names)
    likely = f"closest: {', '.join(near)}" if near else f"its columns: {', '.join(n for n in names if n)[:200]}"
    return AuditError(f"{source}: no column holds the {field} ({likely})", hint)
