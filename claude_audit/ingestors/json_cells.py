"""Tables with JSON in their cells: exports of databases and of log services (CloudWatch Logs Insights, Datadog, Application
Insights, Snowflake) as CSV.

Recognised by a cell that holds a usage block, or a record with one: a column `usage`, `response`, `@message`, `payload`, of
any name. Each row is then a record as `claude-audit formats show messages` reads it: the cell's JSON is what is logged, the
other columns stand around it and tell what it does not (time, endpoint, user; unknown ones become tags). A column of
requests beside one of responses makes pairs. A row of several lines stands on its first.

Tells and cannot tell: the same as `messages`. A row whose cells hold no counts is ignored, one that does not fit the header
is rejected.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from claude_audit.aliases import field_of, normalized
from claude_audit.ingestors import Head, Ingestor, Kind, Reading, messages, parsed
from claude_audit.ingestors import _table as table
from claude_audit.ingestors import _wrapped as wrapped
from claude_audit.pieces import quoted

if TYPE_CHECKING:
    from claude_audit.ingestors._table import Table

MOST_LOOKED_AT = 200
"""Different cells of a column that tell what it holds."""
AS_THEY_ARE = ("usage", "usage_metadata", "request", "response_metadata", "diagnostics", "tags")
"""Names of what is read as JSON beside, or around, a usage block."""
PLACES = tuple(name for name in ("response", *wrapped.CONTAINERS) if name not in wrapped.STRINGS)
"""Where a record may stand inside another one: for columns of other names."""


def _recognise(head: Head) -> bool:
    if head.json or head.document or head.binary:
        return False
    names, _ = table.header(head.text)
    if len(names) < 2:
        return False
    rows = table.sample(head.text)
    return bool(_roles({name: [row[name] for row in rows] for name in names}))


def _roles(cells: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """Column -> the key that its JSON has in the record; of columns that hold JSON, if one of them holds counts."""
    roles: dict[str, str] = {}
    counted = False
    for column, texts in cells.items():
        values = [value for text in texts if text.lstrip().startswith("{") and isinstance(value := parsed(text), dict)]
        if not values:
            continue
        name = next((known for known in AS_THEY_ARE if normalized(known) == normalized(column)), None)
        if name and name.startswith("usage"):
            holds = any(messages.token_record({name: value}) for value in values)
        else:
            holds = name is None and any(map(messages.token_record, values))
        if holds and name is None:
            name = next((place for place in PLACES if place not in roles.values()), None)
        if name and name not in roles.values():
            roles[column] = name
            counted = counted or holds
    return roles if counted else {}


def _select(reading: Reading) -> str:
    """The rows as records of JSON, all tables together, and what `messages` makes of them."""
    rows = [_records(part, reading) for part in table.tables(reading)]
    if not rows:
        return "SELECT file, line FROM csv_rows"
    reading.connection.execute(f"CREATE OR REPLACE TEMP TABLE cell_rows AS {' UNION ALL '.join(rows)}")
    reading.connection.execute(f"CREATE OR REPLACE TEMP TABLE cell_records AS {messages.keyed('cell_rows')}")
    return f"""
        SELECT m.* REPLACE (coalesce(t.broken, m.reject) AS reject)
        FROM ({messages.select(reading, "cell_records")}) AS m JOIN cell_rows AS t USING (file, line)"""


def _records(part: Table, reading: Reading) -> str:
    """SQL: file, line, `broken`, and the JSON of each row of the files with one header."""
    columns = {name: f"c{part.positions(name)[0]}" for name in dict.fromkeys(part.names) if name}
    roles = _roles({name: _told(part, reading, cell) for name, cell in columns.items()})
    entries = []
    for name, cell in columns.items():
        if name in roles:
            json = f"CASE WHEN json_valid({cell}) THEN CAST({cell} AS JSON) ELSE to_json({cell}) END"
            entries.append(f"{quoted(roles[name])}, {json}")
        elif name not in roles.values() and (field_of(name) or name not in wrapped.CONTAINERS):
            entries.append(f"{quoted(name)}, {cell}")
    return f"""
        SELECT file, line, broken, CASE WHEN broken IS NULL THEN CAST(json_object({", ".join(entries)}) AS VARCHAR) ELSE '{{}}' END
            AS text
        FROM {part.rows}"""


def _told(part: Table, reading: Reading, cell: str) -> list[str]:
    """Some of a column's cells that may be JSON with counts, or around one."""
    found = reading.connection.execute(
        f"SELECT DISTINCT {cell} FROM {part.rows} WHERE broken IS NULL AND starts_with(ltrim({cell}), '{{') LIMIT {MOST_LOOKED_AT}"
    ).fetchall()
    return [text for (text,) in found]


JSON_CELLS = Ingestor(
    name="json_cells",
    title="tables with JSON in their cells: CSV exports of databases and log services",
    kind=Kind.TABLE,
    recognise=_recognise,
    select=_select,
    rank=112,
    doc=__doc__,
)
