"""The embedded engine: DuckDB in this process."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals.stable.v2 as nw

from claude_audit import temporary
from claude_audit.beside import beside
from claude_audit.engines._wide import wide
from claude_audit.engines.footers import damaged
from claude_audit.pieces import identifier, quoted

if TYPE_CHECKING:
    import pyarrow as pa

BATCH_ROWS = 50_000
"""Rows of an Arrow batch: few enough that a batch of all columns is some tens of megabytes."""

SLOW_OPTIMIZERS = ("partial_aggregate_pushdown",)
"""On the hundreds of sums that levers upon levers ask for, planning takes it tens of seconds (duckdb 2.0, 2026-11)."""

SETTINGS = (
    "TimeZone = 'UTC'",
    "autoinstall_known_extensions = false",
    "autoload_known_extensions = false",
    "enable_progress_bar = false",
    "preserve_insertion_order = false",
    "parquet_metadata_cache = true",  # every question binds the parts anew; a part never changes
)


class DuckDB:
    """Scans Parquet parts on all cores; spills to the machine's temporary folder when memory runs short."""

    def __init__(self, connection: duckdb.DuckDBPyConnection | None = None) -> None:
        self._connection = connection or duckdb.connect()
        for setting in SETTINGS:
            self._connection.execute(f"SET {setting}")
        if connection is None:
            self._connection.execute(f"SET temp_directory = {quoted(str(temporary.spill() or ''))}")
        known = self._connection.execute("SELECT name FROM duckdb_optimizers()").fetchall()
        off = [name for name in SLOW_OPTIMIZERS if (name,) in known]
        if off:
            self._connection.execute(f"SET disabled_optimizers = '{','.join(off)}'")

    def beside(self) -> DuckDB:
        """The same engine, to be asked while this one is at work."""
        return DuckDB(self._connection.cursor())

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
            raise damaged(error) from error
        return nw.from_native(relation)

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
            raise damaged(error) from error

    def later(self, frame: nw.LazyFrame[Any]) -> Callable[[], list[tuple[Any, ...]]]:
        """The frame's rows, asked for beside whatever is done meanwhile: the answer waits for them."""
        return beside(self.beside()._fetched, nw.to_native(frame).sql_query()).result

    def _fetched(self, query: str) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(query).fetchall()
        except duckdb.Error as error:
            raise damaged(error) from error

    def batches(self, frame: nw.LazyFrame[Any]) -> tuple[pa.Schema, Iterator[pa.RecordBatch]]:
        """The frame's schema, and its rows as Arrow batches. Until they are read, nothing else can be asked."""
        try:
            reader = nw.to_native(frame).to_arrow_reader(BATCH_ROWS)
        except duckdb.Error as error:
            raise damaged(error) from error
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
            raise damaged(error) from error


def _read(reader: pa.RecordBatchReader) -> Iterator[pa.RecordBatch]:
    batches = iter(reader)
    while True:
        try:
            batch = next(batches, None)
        except (duckdb.Error, OSError, ValueError) as error:  # Arrow hands DuckDB's errors on as its own
            raise damaged(error) from error
        if batch is None:
            return
        yield batch


def _list(values: Sequence[str] | Sequence[int]) -> str:
    kind = "BIGINT[]" if all(isinstance(value, int) for value in values) else "VARCHAR[]"
    return f"[{', '.join(str(v) if isinstance(v, int) else quoted(v) for v in values)}]::{kind}"


# narwhals warns whenever a lazy schema is resolved; ours is one Parquet footer.
warnings.filterwarnings(
    "ignore", category=nw.exceptions.PerformanceWarning if hasattr(nw, "exceptions") else Warning, module="narwhals"
)
