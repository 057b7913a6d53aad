"""Requests of sessions beside the one before them: what rules on conversations and their caches look at."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_audit.prompt_ends import flag
from claude_audit.tally import quantity

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.rules import Log

MINUTES, HOUR = 300_000_000, 3_600_000_000
"""Times to live of a cache entry, in microseconds."""
CALL = ("session", "endpoint")
ORDER = ("ts", "source", "line")


def turns(log: Log, *same: str) -> nw.LazyFrame[Any]:
    """The billed requests that tell their session, each with

    `turn_read`, `turn_wrote`: tokens of its prompt read from the cache, and written; `turn_hour`: 1 where it writes for an
    hour, else 0; `turn_held`: tokens in the cache after the request before it, of the same session, endpoint and `same`
    columns; `turn_gap`: microseconds since that one; both 0 for a first request.
    """
    import narwhals.stable.v2 as nw

    rows = log.audit.usage().filter(~nw.col("session").is_null(), nw.col("unbilled").is_null())
    read, hour = quantity("cache_read"), quantity("cache_write_1h")
    rows = rows.with_columns(turn_read=read, turn_wrote=quantity("cache_write_5m") + hour, turn_hour=flag(hour > 0))
    rows = rows.with_columns(turn_end=nw.col("turn_read") + nw.col("turn_wrote"))

    def before(column: str) -> nw.Expr:
        return nw.col(column).shift(1).over(*CALL, *same, order_by=ORDER)

    rows = rows.with_columns(turn_held=before("turn_end").fill_null(0), turn_at=before("ts"))
    return rows.with_columns(turn_gap=(nw.col("ts") - nw.col("turn_at")).dt.total_microseconds().fill_null(0))


def alive() -> nw.Expr:
    """1 where no more than its time to live has passed since the request before, else 0."""
    import narwhals.stable.v2 as nw

    return flag(nw.col("turn_gap") <= MINUTES + nw.col("turn_hour") * (HOUR - MINUTES))


def written_again() -> nw.Expr:
    """Tokens that a request writes, of those that were in the cache after the one before."""
    import narwhals.stable.v2 as nw

    gone = nw.max_horizontal(nw.col("turn_held") - nw.col("turn_read"), nw.lit(0))
    return nw.min_horizontal(nw.col("turn_wrote"), gone)
