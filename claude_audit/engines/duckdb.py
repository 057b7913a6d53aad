"""The embedded engine: DuckDB in this process."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals.stable.v2 as nw

from claude_audit.engines._wide import wide
from claude_audit.errors import AuditError
from claude_audit.pieces import identifier, quoted
from claude_audit.row_columns import Known, is_null

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 50_000
"""Rows of an Arrow batch: few enough that a batch of all columns is some tens of megabytes."""

SLOW_OPTIMIZERS = ("partial_aggregate_pushdown",)
"""On the hundreds of sums that levers upon levers ask for, planning takes it tens of seconds (duckdb 2.0, 2026-11)."""


class DuckDB:
    """Scans Parquet parts on all cores; spills to a temporary folder when memory runs short."""

    def __init__(self) -> None:
        self._connection = duckdb.connect()
        for setting in (
            "TimeZone = 'UTC'",
            "autoinstall_known_extensions = false",
            "autoload_known_extensions = false",
            "enable_progress_bar = false",
            "preserve_insertion_order = false",
        ):
            self._connection.execute(f"SET {setting}")
        known = self._connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        off = [name for name in SLOW_OPTIMIZERS if (name,) in known]
        if off:
            self._connection.execute(f"SET disabled_optimizers = '{','.join(off)}'")

    def wide(self) -> AbstractContextManager[None]:
        """While it lasts, the client does not search hundreds of columns for strings (_wide.py)."""
        return wide()

    def scan(self, parts: Sequence[str], tags: Sequence[str] = ()) -> nw.LazyFrame[Any]:
        """The rows of the parts, lazily; for each of `tags` a text column `tag:<key>`."""
        extra = "".join(f", tags[{quoted(key)}] AS {identifier('tag:' + key)}" for key in tags)
        files = "[" + ", ".join(quoted(part) for part in parts) + "]"
        try:
            relation = self._connection.sql(f"SELECT *{extra} FROM read_parquet({files}, union_by_name = true)")
        except duckdb.Error as error:
            raise _damaged(error) from error
        return nw.from_native(relation)

    def known(self, parts: Sequence[str]) -> Known:
        """What the statistics that Parquet files hold say of their columns: no row is read."""
        try:
            found = self._connection.execute(
                """
                SELECT path_in_schema, sum(stats_null_count) = 0 AS is_full, sum(stats_null_count) = sum(num_values) AS is_empty,
                    bool_and(coalesce(
                        stats_null_count = 0 AND stats_min_value = stats_max_value AND min_is_exact AND max_is_exact, false
                    )) AND min(stats_min_value) = max(stats_min_value) AS is_one,
                    CASE WHEN any_value(type) = 'INT64' AND min(TRY_CAST(stats_min_value AS BIGINT)) >= 0
                        AND count(stats_max_value) = count_if(stats_null_count < num_values)
                        THEN max(TRY_CAST(stats_max_value AS BIGINT)) END AS most,
                    CASE WHEN any_value(type) = 'BYTE_ARRAY' THEN min(stats_min_value) END AS text
                FROM parquet_metadata($parts)
                GROUP BY path_in_schema
                HAVING count(stats_null_count) = count(*)
                    AND sum(num_values) = (SELECT sum(num_rows) FROM parquet_file_metadata($parts))
                """,
                {"parts": list(parts)},
            ).fetchall()
        except duckdb.Error as error:
            raise _damaged(error) from error
        same: set[str] = set()
        most: dict[str, int] = {}
        texts: dict[str, str] = {}
        for name, full, empty, one, largest, text in found:
            if full:
                same.add(is_null(name))
            if empty or one:
                same.add(name)
            if empty or largest is not None:
                most[name] = 0 if empty else largest
            if one and text is not None:
                texts[name] = text
        return Known(frozenset(same), most, texts)

    def table(self, columns: Mapping[str, Sequence[str] | Sequence[int]]) -> nw.LazyFrame[Any]:
        """A small table of texts and whole numbers, all columns of one length, to join to."""
        lists = ", ".join(f"unnest({_list(values)}) AS {identifier(name)}" for name, values in columns.items())
        found: nw.LazyFrame[Any] = nw.from_native(self._connection.sql(f"SELECT {lists}"))
        return found

    def among(self, frame: nw.LazyFrame[Any], column: str, values: Sequence[str], name: str) -> nw.LazyFrame[Any]:
        """The frame with `name`: whether the text in `column` is one of `values`, false where there is none."""
        # A function of one column is worked out once for each entry of its dictionary; IN and OR are for every row.
        found = duckdb.SQLExpression(f"list_position({_list(values)}, {identifier(column)}) IS NOT NULL").alias(name)
        told: nw.LazyFrame[Any] = nw.from_native(nw.to_native(frame).select(duckdb.StarExpression(), found))
        return told

    def rows(self, frame: nw.LazyFrame[Any]) -> list[tuple[Any, ...]]:
        """The frame's rows as Python values."""
        try:
            return list(nw.to_native(frame).fetchall())
        except duckdb.Error as error:
            raise _damaged(error) from error

    def batches(self, frame: nw.LazyFrame[Any]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The frame's schema, and its rows as Arrow batches. Until they are read, nothing else can be asked."""
        try:
            reader = nw.to_native(frame).to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            raise _damaged(error) from error
        return reader.schema, _read(reader)

    def sql(self, query: str, parts: Sequence[str]) -> list[tuple[Any, ...]]:
        """Rows of a query over the view `usage`: for looking at single rows, not for sums."""
        files = "[" + ", ".join(quoted(part) for part in parts) + "]"
        try:
            self._connection.execute(
                f"CREATE OR REPLACE TEMP VIEW usage AS SELECT * FROM read_parquet({files}, union_by_name = true)"
            )
            return self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise _damaged(error) from error


def _read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    batches = iter(reader)
    while True:
        try:
            batch = next(batches, None)
        except (duckdb.Error, OSError, ValueError) as error:  # Arrow hands DuckDB's errors on as its own
            raise _damaged(error) from error
        if batch is None:
            return
        yield batch


def _damaged(error: Exception) -> AuditError:
    first = str(error).splitlines()[0]
    return AuditError(
        f"the store cannot be read: {first}",
        "restore it from a backup, or ingest the logs into a new one (--store DIR)",
    )


def _list(values: Sequence[str] | Sequence[int]) -> str:
    kind = "BIGINT[]" if all(isinstance(value, int) for value in values) else "VARCHAR[]"
    return f"[{', '.join(str(v) if isinstance(v, int) else quoted(v) for v in values)}]::{kind}"


# narwhals warns whenever a lazy schema is resolved; ours is one Parquet footer.
warnings.filterwarnings(
    "ignore", category=nw.exceptions.PerformanceWarning if hasattr(nw, "exceptions") else Warning, module="narwhals"
)
