"""Which calls an exact response cache would have answered: the same request_hash and model, while a stored answer is alive.

An answer is stored by the first call that finds none alive; it lives from that call's start, and can be served once that
call has ended. Calls that find it unfinished go out as they did, and store nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from claude_audit.levers._batches import batches
from claude_audit.levers._verdicts import IN_ORDER, codes, lasted, numbers, one_call, run_starts, started

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    from numpy.typing import NDArray

SERVED, PERHAPS, IN_FLIGHT = 1, 2, 3
"""From the store; from an answer whose end is not known, and which may have been unfinished; only if calls that ask the
same at the same time waited for one answer."""
LONGEST_US = 600_000_000
"""What an answer of unknown duration takes at most: the vendor's clients give up after 10 minutes (SDK defaults, 2026-11)."""

NO_HASH, NOT_ONE, TOOLS, BATCHED, ASKED_AGAIN, JUDGED = range(6)
GATES = {
    NO_HASH: "no request_hash",
    NOT_ONE: "a pass of a longer call, or several calls in one row",
    TOOLS: "tools used: their effects would not happen again",
    BATCHED: "in a batch",
    ASKED_AGAIN: "asked again on purpose (retry_of)",
}
"""Why a row is not looked at."""


def gate() -> nw.Expr:
    """A place in GATES, or JUDGED."""
    import narwhals.stable.v2 as nw

    return (
        nw.when(~one_call())
        .then(nw.lit(NOT_ONE))
        .when((nw.col("tools_used").fill_null(0) > 0) | (nw.col("stop_reason") == "tool_use").fill_null(False))
        .then(nw.lit(TOOLS))
        .when((nw.col("tier") == "batch").fill_null(False))
        .then(nw.lit(BATCHED))
        .when(~nw.col("retry_of").is_null())
        .then(nw.lit(ASKED_AGAIN))
        .when(nw.col("request_hash").is_null())
        .then(nw.lit(NO_HASH))
        .otherwise(nw.lit(JUDGED))
    )


def judged(usage: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    """The billed rows that are looked at."""
    import narwhals.stable.v2 as nw

    return usage.filter(nw.col("unbilled").is_null(), gate() == JUDGED)


def stored(usage: nw.LazyFrame[Any], ttl: int) -> dict[str, Any]:
    """A table by call_key: how the call would have been answered. `ttl` in microseconds."""
    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa

    from claude_audit.levers._retries import ended_badly

    named = usage.filter(~nw.col("retry_of").is_null()).select(named="retry_of").unique()
    calls = judged(usage).with_columns(
        key_model=nw.coalesce(nw.col("model"), nw.col("model_raw")).fill_null(""),
        line=nw.col("line").fill_null(-1),
    )
    alike = calls.with_columns(alike=nw.len().over("request_hash", "key_model")).filter(nw.col("alike") > 1)
    ordered = (
        alike.join(named.with_columns(again=nw.lit(True)), left_on="request_id", right_on="named", how="left")
        .select(
            "call_key",
            *IN_ORDER,
            "request_hash",
            "key_model",
            start=started(),
            latency=lasted(),
            first_token=lasted("ttft_ms"),
            # An answer that was cut, refused or not usable is not worth keeping.
            good=(ended_badly() == 0) & nw.col("again").is_null(),
        )
        .sort("request_hash", "key_model", *IN_ORDER)
    )
    columns: dict[str, list[Any]] = {}
    for batch in batches(ordered):
        for name in ("start", "latency", "first_token", "good"):
            columns.setdefault(name, []).append(numbers(batch, name))
        for name in ("request_hash", "key_model"):
            columns.setdefault(name, []).append(batch.column(name).dictionary_encode())
        columns.setdefault("call_key", []).append(batch.column("call_key"))
    if not columns:
        return {"call_key": [], "stored": []}
    hashes, models = codes(columns["request_hash"]), codes(columns["key_model"])
    changes = (hashes[1:] != hashes[:-1]) | (models[1:] != models[:-1])
    key = np.concatenate(([0], np.cumsum(changes)))
    start, latency, first, good = (np.concatenate(columns[n]) for n in ("start", "latency", "first_token", "good"))
    how = answered(key, start, latency, first, good.astype(bool), ttl)
    hit = np.flatnonzero(how)
    keys = pa.chunked_array(columns["call_key"]).take(pa.array(hit))
    return {"call_key": keys, "stored": pa.array(how[hit], pa.int64())}


def answered(
    key: NDArray[np.int64],
    start: NDArray[np.int64],
    latency: NDArray[np.int64],
    first_token: NDArray[np.int64],
    good: NDArray[np.bool_],
    ttl: int,
) -> NDArray[np.int64]:
    """For each call how it would have been answered, 0 by the model. In order of (key, start); microseconds, -1 unknown.

    `good`: calls whose answer is worth storing.
    """
    import numpy as np

    kept = np.flatnonzero(good)
    fills = np.zeros(len(key), bool)
    fills[kept[run_starts(key[kept], start[kept], ttl)]] = True
    last = np.maximum.accumulate(np.where(fills, np.arange(len(key)), -1))
    last[fills] = -1  # it stores, and is served nothing
    some = last >= 0
    some[some] = (key[last[some]] == key[some]) & (start[some] - start[last[some]] <= ttl)
    by = np.where(some, last, 0)
    known = latency[by] >= 0
    ready = start[by] + np.where(known, latency[by], np.maximum(first_token[by], 0))
    there = start >= ready
    young = ~known & (start - start[by] < LONGEST_US)
    found = np.where(there, np.where(young, PERHAPS, SERVED), IN_FLIGHT)
    return np.where(some, found, 0)
