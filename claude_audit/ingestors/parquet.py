"""Parquet of your own making: a row a call, or a row a record.

Recognised by columns of input or output tokens (names in claude_audit.aliases; case, blanks, `_` and `-` make no
difference), by a `usage` column, or by one whose texts or structs are records with counts (`response`, `payload`). Rows are
read as `claude-audit formats show messages` reads JSON: the other columns tell what a record does not, unknown ones become
tags. Where columns have names that nobody knows, `--map` says which are which (`claude-audit formats show mapped`).

Tells and cannot tell: the same as `messages`. Times without a zone are taken as UTC, and flagged (--assume-timezone).
"""

from __future__ import annotations

import json

from claude_audit.aliases import fields
from claude_audit.errors import AuditError
from claude_audit.ingestors import Head, Ingestor, Kind, Reading
from claude_audit.ingestors import _cells as cells
from claude_audit.pieces import identifier, quoted_list

LOOKED_AT = 60
"""Rows that a file is recognised by."""
NESTED = ("STRUCT(", "MAP(", "JSON", "VARIANT")


def _recognise(head: Head) -> bool:
    known = fields(head.columns)
    if ("input_tokens" in known or "output_tokens" in known) and len(known) > 1:
        return True
    return bool(head.columns) and bool(cells.roles(_first_rows(head)))


def _first_rows(head: Head) -> dict[str, list[str]]:
    """Column -> its first cells: texts, and structs as JSON."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        batch = next(pq.ParquetFile(head.path).iter_batches(batch_size=LOOKED_AT), None)
        rows = [] if batch is None else batch.to_pylist()
    except (OSError, pa.ArrowException):
        return {}
    found: dict[str, list[str]] = {name: [] for name in head.columns}
    for row in rows:
        for name, value in row.items():
            if isinstance(value, bytes):
                value = value.decode("utf-8", "replace")
            if isinstance(value, (str, dict)):
                found[name].append(value if isinstance(value, str) else json.dumps(value, default=str))
    return found


def _select(reading: Reading) -> str:
    """The rows of all files together."""
    rows = []
    for file, path in reading.paths.items():
        source = f"read_parquet({quoted_list([path])}, hive_partitioning = false, file_row_number = true)"
        described = reading.connection.execute(f"DESCRIBE SELECT * EXCLUDE (file_row_number) FROM {source}").fetchall()
        columns = {name: _text(identifier(name), kind) for name, kind, *_ in described if not _nested(kind)}
        nested = {name: f"to_json({identifier(name)})" for name, kind, *_ in described if _nested(kind)}
        record = cells.records(reading, source, columns, nested)
        rows.append(
            f"SELECT {file} AS file, file_row_number + 1 AS line, NULL::VARCHAR AS broken, {record} AS text FROM {source}"
        )
    return cells.calls(reading, " UNION ALL ".join(rows))


def _text(column: str, kind: str) -> str:
    """SQL: a value of a column. Some write texts as bytes; bytes that are no text are null."""
    return f"TRY(decode({column}))" if kind == "BLOB" else column


def _no_parquet(reading: Reading) -> str:
    raise AuditError("--input-format parquet: not all of the files are Parquet", "leave it out: what they are shows")


def _nested(kind: str) -> bool:
    return kind.endswith("]") or kind.startswith(NESTED)


PARQUET = Ingestor(
    name="parquet",
    title="Parquet of your own making: a row a call, or a row a record",
    kind=Kind.PARQUET,
    recognise=_recognise,
    select=_no_parquet,
    parquet=_select,
    rank=105,
    doc=__doc__,
)
