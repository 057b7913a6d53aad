"""Rows of the engine as Arrow batches: what levers read that look at other rows, without holding all of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import pyarrow as pa


def batches(rows: nw.LazyFrame[Any]) -> Iterator[pa.RecordBatch]:
    """The rows, batch by batch; empty ones are left out. Raises AuditError for a store that can't be read."""
    import narwhals.stable.v2 as nw
    import pyarrow as pa

    try:
        for batch in pa.RecordBatchReader.from_stream(nw.to_native(rows)):
            if batch.num_rows:
                yield batch
    except pa.ArrowException as error:
        raise AuditError(
            f"the store cannot be read: {str(error).splitlines()[0]}",
            "restore it from a backup, or ingest the logs into a new one (--store DIR)",
        ) from error
