"""What levers find out about rows by looking at other rows: read in order into arrays, and joined back to the log.

Whether a call was replaced, could have been answered from a store, or would have gone out with others depends on calls
around it. The engine sorts and picks what may matter, arrays settle it, and the answer is a small table by call.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.errors import AuditError

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from claude_audit.engines import Engine

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

IN_ORDER = ("ts", "source", "line", "row_id")
"""Calls in the order in which they are served: by start, then by their place in the log."""
LONGEST_MS = 1e12
"""A time of more was not measured."""


UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}


def duration(asked: str, flag: str) -> int:
    """A duration such as 1h, 15m, 90s or 2d in microseconds. Raises AuditError that names the flag."""
    found = re.fullmatch(r"(\d{1,9}(?:\.\d{1,6})?)\s*([smhd])", asked.strip().lower())
    if found is None or not Decimal(found[1]):
        raise AuditError(f"{flag} {asked!r} is not a duration", "a number above 0 and s, m, h or d, such as 15m or 1h")
    return int(Decimal(found[1]) * UNITS[found[2]] * 1_000_000)


def one_call() -> nw.Expr:
    """Whether a row is one call: no further pass of one, and no sum of several."""
    import narwhals.stable.v2 as nw

    return ((nw.col("row_kind") == "call") & (nw.col("pass") == 0) & (nw.col("requests") == 1)).fill_null(False)


def started() -> nw.Expr:
    """A row's start in microseconds since 1970."""
    import narwhals.stable.v2 as nw

    return (nw.col("ts") - nw.lit(datetime(1970, 1, 1, tzinfo=UTC))).dt.total_microseconds()


def lasted(column: str = "latency_ms") -> nw.Expr:
    """A time in microseconds, null where it was not measured: what is negative or endless was not."""
    import narwhals.stable.v2 as nw

    ms = nw.col(column)
    return nw.when((ms >= 0) & (ms <= LONGEST_MS)).then((ms * 1000).round().cast(nw.Int64))


def numbers(batch: pa.RecordBatch, name: str) -> Any:
    """A column as an array of its own: a view would keep the whole batch in memory. Nulls become -1."""
    import numpy as np

    column = batch.column(name)
    filled = column.fill_null(False if str(column.type) == "bool" else -1)
    return np.array(filled.to_numpy(zero_copy_only=False))


def run_starts(key: Ints, start: Ints, span: int, most: int | None = None) -> Flags:
    """Which rows begin a run, of rows in order of (key, start).

    A run begins with a key's first row and holds what starts no more than `span` later, at most `most` rows; the row
    after it begins the next.
    """
    import numpy as np

    rows = len(key)
    moments, rank = np.unique(start, return_inverse=True)
    width = len(moments) + 1
    reach = np.searchsorted(moments, start + span, side="right")
    after = np.searchsorted(key * width + rank, key * width + reach, side="left")
    if most is not None:
        after = np.minimum(after, np.arange(rows) + most)
    # The end of the rows is a row of its own, which leads to itself.
    follows = np.append(after, rows)
    begins = np.zeros(rows + 1, bool)
    begins[:-1] = np.concatenate(([True], key[1:] != key[:-1])) if rows else False
    # Where a run ends is known of each row it could begin with: the ways are followed 1, 2, 4, … runs at a time.
    while (reached := follows[np.flatnonzero(begins)]).size and not begins[reached].all():
        begins[reached] = True
        follows = follows[follows]
    return begins[:-1]


def codes(values: Sequence[pa.Array]) -> NDArray[np.int64]:
    """For each row the number of its value, over all batches; null is a value too."""
    import numpy as np
    import pyarrow as pa

    if not values:
        return np.zeros(0, np.int64)
    chunks = pa.chunked_array([v.dictionary_encode() for v in values]).unify_dictionaries().chunks
    return np.concatenate([c.indices.fill_null(-1).to_numpy(zero_copy_only=False) for c in chunks]).astype(np.int64)


class Verdicts:
    """Tables by call or row, kept in a folder of their own as long as the lever lives."""

    def __init__(self, lever: object) -> None:
        self._folder = temporary.kept_by(lever)

    def joined(
        self, usage: nw.LazyFrame[Any], engine: Engine, on: str, table: Mapping[str, Any], none: int | None = 0
    ) -> nw.LazyFrame[Any]:
        """The rows with the table's further columns (whole numbers); `none` where it does not name a row."""
        import narwhals.stable.v2 as nw
        import pyarrow as pa
        from pyarrow import parquet

        names = [name for name in table if name != on]
        if not len(table[on]):
            return usage.with_columns(**{name: nw.lit(none).cast(nw.Int64) for name in names})
        path = self._folder / f"{names[0]}.parquet"
        parquet.write_table(pa.table(dict(table)), path)
        frame = usage.join(engine.scan([str(path)]), on=on, how="left")
        return frame.with_columns(**{n: nw.col(n).fill_null(none) for n in names}) if none is not None else frame
