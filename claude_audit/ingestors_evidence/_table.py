"""Reports that are CSV files: their rows by column name, and the days that a download covers."""

from __future__ import annotations

import csv
import hashlib
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from claude_audit.aliases import normalized
from claude_audit.evidence import BadValueError, Claim, Download, Unread, instant, with_rounding
from claude_audit.ingestors import Head

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
_RANGE = re.compile(r"(20\d\d)[-_](\d\d)[-_](\d\d)[-_ ](?:to[-_ ])?(20\d\d)[-_](\d\d)[-_](\d\d)")

Row = Mapping[str, str | None]
"""Cells by normalized column name."""


def header(text: str) -> tuple[list[str], str]:
    """Normalized column names of the first line that is not blank, and the delimiter that gives most of them."""
    line = text.lstrip("\ufeff \r\n").partition("\n")[0][:10_000].rstrip("\r")
    found = [([normalized(cell) for cell in _cells(line, d)], d) for d in (",", ";", "\t")]
    return max(found, key=lambda pair: len(pair[0]))


def _cells(line: str, delimiter: str) -> list[str]:
    try:
        return next(csv.reader([line], delimiter=delimiter), [])
    except csv.Error:  # a binary file
        return []


def has_columns(head: Head, *names: str) -> bool:
    """Whether the file is a table with all these columns."""
    if head.text.lstrip()[:1] in ("{", "["):
        return False
    present = set(header(head.text)[0])
    return all(normalized(name) in present for name in names)


def read(
    text: str,
    name: str,
    time: str,
    needed: Sequence[str],
    claim: Callable[[Row, int, datetime, datetime], Claim | Unread],
) -> Iterator[Download]:
    """The one download that a CSV file is. `claim` makes a row of cells, line number, start and end a claim.

    `time` names the column with the day (or hour). Rows may end early, as exports leave off columns that are empty, but
    not before the `needed` ones.
    """
    timed: list[tuple[Row, int, datetime]] = []
    claims: list[Claim] = []
    ignored: list[Unread] = []
    rejected: list[Unread] = []
    for line, row in _rows(text):
        try:
            if row.get(BEYOND):
                raise BadValueError(str(row[BEYOND]))
            for column in needed:
                if row.get(normalized(column)) is None:
                    raise BadValueError(f"{column} is missing")
            timed.append((row, line, instant(row.get(normalized(time)), time)))
        except BadValueError as error:
            rejected.append(Unread(line, str(error)))
    width = HOUR if any((start.hour, start.minute) != (0, 0) for _, _, start in timed) else DAY
    for row, line, start in timed:
        try:
            made = claim(row, line, start, start + width)
        except BadValueError as error:
            rejected.append(Unread(line, str(error)))
            continue
        if isinstance(made, Claim):
            claims.append(made)
        else:
            ignored.append(made)
    rejected.sort(key=lambda unread: unread.line)
    first, last = _covered(claims, name)
    digest = hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
    yield Download(with_rounding(claims), digest, first, last, False, tuple(ignored), tuple(rejected))


BEYOND = "\0beyond"
"""Where a row says what is wrong with the number of its cells."""


def _rows(text: str) -> Iterator[tuple[int, Row]]:
    """(line, cells by column) of each row that is not blank, after the header."""
    columns, delimiter = header(text)
    rows = csv.reader(io.StringIO(text.removeprefix("\ufeff"), newline=""), delimiter=delimiter)
    empty = dict.fromkeys(columns)
    filled = (cells for cells in _safely(rows) if any(cell.strip() for cell in cells))
    next(filled, None)  # the header
    for cells in filled:
        row: dict[str, str | None] = empty | dict(zip(columns, cells, strict=False))
        if any(cell.strip() for cell in cells[len(columns) :]):
            row[BEYOND] = f"{len(cells)} columns where the header has {len(columns)}"
        yield rows.line_num, row


def _safely(rows: Iterator[list[str]]) -> Iterator[list[str]]:
    while True:
        try:
            yield next(rows)
        except StopIteration:
            return
        except csv.Error:  # a field of more than 128 KiB: nothing that a report holds
            yield ["a cell too long to be one"] * 2


def _covered(claims: Sequence[Claim], name: str) -> tuple[datetime | None, datetime | None]:
    """The days of the rows; those in the file's name, as the Console writes it, where they reach further."""
    if not claims:
        return None, None
    first, last = min(c.start for c in claims), max(c.end for c in claims)
    first = first.replace(hour=0, minute=0, second=0, microsecond=0)
    if last.time() != datetime.min.time():
        last = last.replace(hour=0, minute=0, second=0, microsecond=0) + DAY
    if found := _RANGE.search(name):
        try:
            numbers = [int(group) for group in found.groups()]
            begin, end = date(*numbers[:3]), date(*numbers[3:])
        except ValueError:
            return first, last
        named = (
            datetime(begin.year, begin.month, begin.day, tzinfo=UTC),
            datetime(end.year, end.month, end.day, tzinfo=UTC) + DAY,
        )
        if named[0] <= first and last <= named[1] and named[1] - named[0] <= timedelta(days=400):
            return named
    return first, last
