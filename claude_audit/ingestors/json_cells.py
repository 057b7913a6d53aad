"""Tables with JSON in their cells: CSV exports of databases and of log services (CloudWatch Logs Insights, Datadog,
Application Insights, Snowflake).

Recognised by a cell that holds a usage block, or a record with one: a column `usage`, `response`, `@message`, `payload`, of
any name. Each row is then a record as `claude-audit formats show messages` reads it: the cell's JSON is what is logged, the
other columns stand around it and tell what it does not (time, endpoint, user; unknown ones become tags). A column of
requests beside one of responses makes pairs. A row of several lines stands on its first.

Tells and cannot tell: the same as `messages`. A row whose cells hold no counts is ignored, one that does not fit the header
is rejected.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _cells as cells
from claude_audit.ingestors import _table as table

if TYPE_CHECKING:
    from claude_audit.ingestors._table import Table


def _recognise(head: Head) -> bool:
    if head.json or head.document or head.binary:
        return False
    names, _ = table.header(head.text)
    if len(names) < 2:
        return False
    rows = table.sample(head.text)
    return bool(cells.roles({name: [row[name] for row in rows] for name in names}))


def _select(reading: Reading) -> str:
    """The rows of all tables together."""
    rows = [_rows(part, reading) for part in table.tables(reading)]
    return cells.calls(reading, " UNION ALL ".join(rows)) if rows else "SELECT file, line FROM csv_rows"


def _rows(part: Table, reading: Reading) -> str:
    """SQL: file, line, `broken`, and the JSON of each row of the files with one header."""
    columns = {name: f"c{part.positions(name)[0]}" for name in dict.fromkeys(part.names) if name}
    record = cells.records(reading, f"(SELECT * FROM {part.rows} WHERE broken IS NULL)", columns, {})
    return f"SELECT file, line, broken, CASE WHEN broken IS NULL THEN {record} ELSE '{{}}' END AS text FROM {part.rows}"


JSON_CELLS = Ingestor(
    name="json_cells",
    title="tables with JSON in their cells: CSV exports of databases and log services",
    kind=Kind.TABLE,
    recognise=_recognise,
    select=_select,
    rank=112,
    doc=__doc__,
)
