"""Which optional fields a log records, on how many rows, and how to come by those that it does not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from claude_audit.usage import COLUMNS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.engines import Engine

BY_RECORDER = (
    "prompt_blocks",
    "prefix_hash",
    "request_hash",
    "cache_breakpoints",
    "tools_defined",
    "tools_used",
    "message_count",
    "has_images",
    "thinking",
    "thinking_tokens",
    "max_tokens",
    "stop_reason",
    "stream",
    "latency_ms",
    "ttft_ms",
    "request_id",
    "effort",
)
"""Columns that `claude_audit.record` fills by itself, from the request and the response."""
BY_LABEL = (
    "endpoint",
    "user",
    "team",
    "project",
    "environment",
    "session",
    "workspace",
    "unit",
    "task",
    "region",
    "latency_tolerant",
    "retry_of",
)
"""Columns that only the application knows: arguments of `claude_audit.record`, fields of the native record."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """Rows that record each optional column."""

    rows: int
    by_column: Mapping[str, int]

    def has(self, wanted: str) -> bool:
        """Whether any row records the column; `a|b`: either of them."""
        return any(self.by_column.get(name, 0) > 0 for name in wanted.split("|"))


@dataclass(frozen=True, slots=True)
class Missing:
    """A field that the log lacks, and how to come by it."""

    field: str
    way: str


def recorded(usage: nw.LazyFrame[Any], engine: Engine) -> Recorded:
    """What the rows record. One pass over the optional columns."""
    import narwhals.stable.v2 as nw

    names = [column.name for column in COLUMNS if column.null]
    counts = {name: (~nw.col(name).is_null()).cast(nw.Int64).sum() for name in names}
    rows, *found = engine.rows(usage.with_columns(one=nw.lit(1)).select(nw.col("one").sum(), **counts))[0]
    return Recorded(int(rows or 0), {name: int(n or 0) for name, n in zip(names, found, strict=True)})


def ways(fields: Iterable[str]) -> tuple[Missing, ...]:
    """The fields with how to come by each; of `a|b`, the first."""
    return tuple(Missing(field.replace("|", " or "), _way(field.split("|")[0])) for field in dict.fromkeys(fields))


def _way(name: str) -> str:
    if name in BY_RECORDER:
        return "claude_audit.record writes it"
    if name in BY_LABEL:
        return f"claude_audit.record(…, {name}=…) writes it"
    return "a field of the native record"
