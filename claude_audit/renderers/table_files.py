"""Tables of any length as CSV, JSON, JSON lines or Parquet: batch by batch, money exact."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.money import exact
from claude_audit.renderers.columns import as_csv, spreadsheet_cell

if TYPE_CHECKING:
    from pathlib import Path

    import pyarrow as pa

SCHEMA_VERSION = 1
_one_line = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode  # made once: json.dumps makes one a call
NEEDS_CARE = r"^[=+\-@]|[^ -~]"
"""Cells that a spreadsheet may run, or that may hold characters which do not print."""


@dataclass(frozen=True, slots=True)
class Table:
    """Columns, and the rows in batches that are read once."""

    schema: pa.Schema
    batches: Iterable[pa.RecordBatch]

    @classmethod
    def of(cls, kinds: Mapping[str, pa.DataType | None], rows: Sequence[Mapping[str, Any]]) -> Table:
        """A table of these rows. A column without a type holds Decimals, and gets as many places as they need."""
        import pyarrow as pa

        fields = []
        for name, kind in kinds.items():
            if kind is None:
                places = [-int(row[name].as_tuple().exponent) for row in rows if row[name] is not None]
                scale = max([0, *places])
                kind = pa.decimal128(38, scale) if scale <= 24 else pa.decimal256(76, scale)
            fields.append(pa.field(name, kind))
        made = pa.Table.from_pylist([{name: row[name] for name in kinds} for row in rows], schema=pa.schema(fields))
        return cls(made.schema, made.to_batches())


def csv(table: Table) -> Iterator[str]:
    """Lines for spreadsheets, header first: what would be taken for a formula, and is no number, begins with an apostrophe."""
    import pyarrow.compute as pc

    yield as_csv(table.schema.names, [])
    for batch in table.batches:
        if batch.num_rows:
            cells = [_cells(column) for column in batch.columns]
            lines = pc.binary_join_element_wise(*cells, ",", null_handling="replace", null_replacement="")
            yield "\n".join(lines.to_pylist()) + "\n"


def _cells(column: pa.Array) -> pa.Array:
    """A column as the text of CSV cells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = column.type
    if column.null_count == len(column):
        return pa.nulls(len(column), pa.string())
    if pa.types.is_integer(kind) or pa.types.is_boolean(kind) or pa.types.is_floating(kind):
        return pc.cast(column, pa.string())
    if pa.types.is_string(kind) or pa.types.is_large_string(kind):
        text = pc.cast(column, pa.string())
    elif pa.types.is_nested(kind):
        text = pa.array([None if v is None else _one_line(v) for v in _values(column)], pa.string())
    else:
        text = pa.array(_values(column), pa.string())
    careful = pc.fill_null(pc.match_substring_regex(text, NEEDS_CARE), False)
    if pc.any(careful).as_py():
        safe = [value and spreadsheet_cell(value) for value in text.filter(careful).to_pylist()]
        text = pc.replace_with_mask(text, careful, pa.array(safe, pa.string()))
    marks = pc.fill_null(pc.match_substring_regex(text, '[",]'), False)
    if pc.any(marks).as_py():
        doubled = pc.replace_substring(text, '"', '""')
        text = pc.if_else(marks, pc.binary_join_element_wise('"', doubled, '"', ""), text)
    return text


def json_lines(table: Table) -> Iterator[str]:
    """One JSON object a row and line: money as exact strings, times as RFC 3339 UTC, what is not known as null."""
    for batch in table.batches:
        columns = [_values(column) for column in batch.columns]
        names = batch.schema.names
        yield "".join(_one_line(dict(zip(names, row, strict=True))) + "\n" for row in zip(*columns, strict=True))


def document(table: Table, more: Mapping[str, Any]) -> Iterator[str]:
    """The same rows as one JSON document, `rows` last."""
    head = _one_line({"schema_version": SCHEMA_VERSION, **more})
    yield head[:-1] + ',"rows":['
    first = True
    for text in json_lines(table):
        rows = text.split("\n")[:-1]  # not splitlines: a text may hold other line separators
        if rows:
            yield ("" if first else ",") + ",".join(rows)
            first = False
    yield "]}\n"


def parquet(table: Table, path: Path) -> None:
    """A Parquet file: money as decimals, times as UTC timestamps."""
    import pyarrow.parquet as pq

    with pq.ParquetWriter(str(path), table.schema, compression="zstd") as writer:
        for batch in table.batches:
            writer.write_batch(batch)


def _values(column: pa.Array) -> list[Any]:
    """A column as JSON holds it."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if column.null_count == len(column):
        return [None] * len(column)
    if pa.types.is_decimal(column.type):
        return [exact(value) for value in column.to_pylist()]
    if pa.types.is_timestamp(column.type):
        text = pc.strftime(column, "%Y-%m-%dT%H:%M:%S")  # with the fraction, in as many digits as the column holds
        text = pc.replace_substring_regex(text, r"(\.\d*?)0+$", r"\1")
        text = pc.replace_substring_regex(text, r"\.$", "")
        return list(pc.binary_join_element_wise(text, "Z", "").to_pylist())
    values: list[Any] = column.to_pylist()
    return [None if value is None else dict(value) for value in values] if pa.types.is_map(column.type) else values
