"""Which messages a prompt holds: read off its blocks, or inferred from the order of requests in a session.

With prompt_blocks every message has a size. Without them a session's requests still tell: while nothing is edited, a
prompt is the one before it, the answer to that (without its thinking) and what the user said since, so a prompt's size
less the first one's is what the conversation has added. A request that is smaller than that was not made by appending: its
whole session is then left out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit.levers._batches import batches
from claude_audit.tally import quantity

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.states import State

    Ints = NDArray[np.int64]

EXACT_SIZES, INFERRED, EDITED, MIXED, EARLIER, NO_MESSAGES, NO_SESSION, NEEDS_SESSION, NOT_ONE = range(1, 10)
KNOWN = NOT_ONE + 1
"""How many values there are to what is known of a row's messages, 0 included."""
GATES = {
    EDITED: "history edited, or several threads in one session",
    MIXED: "session across two tokenizers",
    EARLIER: "session began before the log",
    NO_MESSAGES: "prompt_blocks without messages",
    NO_SESSION: "no session and no prompt_blocks",
    NEEDS_SESSION: "no session",
    NOT_ONE: "a pass of a longer call, or several calls in one row",
}
"""Why nothing can be said of a row's messages."""
MISSING = {
    INFERRED: "prompt_blocks",
    EDITED: "prompt_blocks",
    NO_MESSAGES: "prompt_blocks",
    NO_SESSION: "session",
    NEEDS_SESSION: "session",
}

MOST_TOKENS = 2**40
"""Of a block: sums of more could not be told from nonsense."""
THREAD = ("workspace", "endpoint", "session")
IN_ORDER = ("ts", "source", "line", "row_id")
BEFORE_MESSAGES = ("tools", "system")

Drop = Callable[["Ints"], tuple["Ints", "Ints"]]
"""From the number of messages of each prompt: how many of the first are left out, and how many of these already were."""


def one_call() -> nw.Expr:
    """The row is one billed request with a prompt of its own."""
    import narwhals.stable.v2 as nw

    one = (nw.col("row_kind") == "call") & (nw.col("pass") == 0) & (nw.col("requests") == 1)
    return one.fill_null(False) & nw.col("unbilled").is_null()


def prompt_size() -> nw.Expr:
    """Tokens of a row's prompt."""
    whole = quantity("input") + quantity("cache_read")
    return whole + quantity("cache_write_5m") + quantity("cache_write_1h")


def from_blocks(usage: nw.LazyFrame[Any], drop: Drop, path: Path) -> bool:
    """Write to `path`, for every row whose blocks are tools, system, then messages, what of it is left out.

    Columns: row_id; messages; begin (tokens before the first); past (tokens of all messages but the newest); first and
    dropped (blocks before the messages, and those left out after them); cut (their tokens); part (of these, what was not
    left out before). False when there is no such row.
    """
    import narwhals.stable.v2 as nw

    rows = usage.filter(~nw.col("prompt_blocks").is_null(), one_call())
    rows = rows.select("row_id", nw.col("prompt_blocks").alias("blocks"), prompt_size().alias("size"))
    return write((_of_batch(batch, drop) for batch in batches(rows)), path)


def _of_batch(batch: pa.RecordBatch, drop: Drop) -> pa.Table:
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    blocks = batch.column("blocks")
    counts = pc.list_value_length(blocks).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(blocks)
    tokens = pc.struct_field(flat, "tokens").fill_null(-1).to_numpy(zero_copy_only=False)
    kinds = pc.struct_field(flat, "kind").fill_null("")
    message = pc.equal(kinds, "message").to_numpy(zero_copy_only=False)
    known = message | pc.is_in(kinds, pa.array(BEFORE_MESSAGES)).to_numpy(zero_copy_only=False)
    known &= pc.struct_field(flat, "hash").is_valid().to_numpy(zero_copy_only=False)
    known &= (tokens >= 0) & (tokens <= MOST_TOKENS)
    owner = np.repeat(np.arange(len(counts)), counts)
    running = np.concatenate(([0], np.cumsum(np.where(known, tokens, 0))))
    ends = np.cumsum(counts)
    begins = ends - counts
    messages = np.bincount(owner[message], minlength=len(counts)).astype(np.int64)
    first = counts - messages
    place = np.arange(len(tokens)) - np.repeat(begins, counts)
    good = messages > 0
    good[owner[~known | (message != (place >= first[owner]))]] = False
    good &= running[ends] - running[begins] <= batch.column("size").to_numpy(zero_copy_only=False)
    some = np.flatnonzero(good)
    dropped, earlier = drop(messages[some])
    start = begins[some] + first[some]
    return pa.table(
        {
            "row_id": pc.take(batch.column("row_id"), pa.array(some)),
            "messages": messages[some],
            "begin": running[start] - running[begins[some]],
            "past": running[ends[some] - 1] - running[start],
            "first": first[some],
            "dropped": dropped,
            "cut": running[start + dropped] - running[start],
            "part": running[start + dropped] - running[start + earlier],
        }
    )


def in_sessions(usage: nw.LazyFrame[Any], blocks: nw.LazyFrame[Any] | None, catalog: Catalog) -> nw.LazyFrame[Any]:
    """The rows with a session, each with its place in it and what can be inferred of its messages.

    Columns: those of from_blocks (null where there are no usable blocks); size, answer (without thinking) and of what turn
    (from 1) it is; first_size (of the session's first prompt); counted (messages: as the blocks or the log say, else two a
    turn); how (EXACT_SIZES, INFERRED or a gate).
    """
    import narwhals.stable.v2 as nw

    old = sorted(model.id for model in catalog.models.values() if model.tokenizer == "old")
    thinking = nw.col("thinking_tokens").fill_null(0)
    hidden = nw.col("thinking").fill_null(False) & nw.col("thinking_tokens").is_null()
    output = quantity("output")
    rows = usage.filter(one_call(), ~nw.col("session").is_null()).select(
        *IN_ORDER,
        *THREAD,
        prompt_size().alias("size"),
        nw.when(hidden).then(nw.lit(0)).otherwise(nw.max_horizontal(output - thinking, nw.lit(0))).alias("answer"),
        nw.col("message_count").cast(nw.Int64).alias("said"),
        nw.col("model").is_in(old).fill_null(False).cast(nw.Int64).alias("old"),
        (~nw.col("prompt_blocks").is_null()).alias("has_blocks"),
    )
    if blocks is None:
        names = ("messages", "begin", "past", "first", "dropped", "cut", "part")
        rows = rows.with_columns(**{name: nw.lit(None).cast(nw.Int64) for name in names})
    else:
        rows = rows.join(blocks, on="row_id", how="left")
    rows = rows.with_columns(
        turn=nw.col("row_id").cum_count().over(*THREAD, order_by=IN_ORDER).cast(nw.Int64),
        size_before=before("size"),
        answer_before=before("answer"),
        said_before=before("said"),
        oldest=nw.col("old").max().over(*THREAD),
        newest=nw.col("old").min().over(*THREAD),
    )
    no_append = (nw.col("size") - nw.col("size_before") < nw.col("answer_before")).fill_null(False)
    no_pair = (nw.col("said") - nw.col("said_before") != 2).fill_null(False)
    rows = rows.with_columns(
        first_size=nw.when(nw.col("turn") == 1).then(nw.col("size")),
        edited=(no_append | no_pair).cast(nw.Int64),
    )
    rows = rows.with_columns(
        first_size=nw.col("first_size").max().over(*THREAD), edited=nw.col("edited").max().over(*THREAD)
    )
    exact = ~nw.col("messages").is_null()
    unread = nw.when(nw.col("edited") > 0).then(nw.lit(EDITED)).otherwise(nw.lit(INFERRED))
    unread = nw.when(nw.col("oldest") != nw.col("newest")).then(nw.lit(MIXED)).otherwise(unread)
    unread = nw.when(nw.col("has_blocks")).then(nw.lit(NO_MESSAGES)).otherwise(unread)
    return rows.with_columns(
        how=nw.when(exact).then(nw.lit(EXACT_SIZES)).otherwise(unread),
        counted=nw.coalesce("messages", "said", 2 * nw.col("turn") - 1),
    )


def before(column: str, turns: int = 1) -> nw.Expr:
    """A column's value that many requests earlier in the session; null before its first."""
    import narwhals.stable.v2 as nw

    return nw.col(column).shift(turns).over(*THREAD, order_by=IN_ORDER)


def sessions_without_blocks(usage: nw.LazyFrame[Any], engine: Engine) -> bool:
    """Whether anything must be inferred."""
    import narwhals.stable.v2 as nw

    rows = usage.filter(one_call(), ~nw.col("session").is_null(), nw.col("prompt_blocks").is_null())
    return bool(engine.rows(rows.select("row_id").head(1)))


def how(column: str, without: int = NO_SESSION) -> nw.Expr:
    """What is known of a row's messages, given the column that says so where something is.

    `without`: the gate of a row that has no session, and (NO_SESSION) no prompt_blocks either.
    """
    import narwhals.stable.v2 as nw

    alone = nw.col("prompt_blocks" if without == NO_SESSION else "session").is_null()
    none = nw.when(alone).then(nw.lit(without)).otherwise(nw.lit(NO_MESSAGES))
    return nw.when(one_call()).then(nw.coalesce(nw.col(column), none)).otherwise(nw.lit(NOT_ONE)).cast(nw.Int64)


def write(tables: Iterator[pa.Table | pa.RecordBatch], path: Path) -> bool:
    """Write these to one Parquet file; False, and no file, when they hold no row."""
    from pyarrow import Table, parquet

    writer = None
    try:
        for table in tables:
            if table.num_rows:
                whole = table if isinstance(table, Table) else Table.from_batches([table])
                writer = writer or parquet.ParquetWriter(path, whole.schema)
                writer.write_table(whole)
    finally:
        if writer is not None:
            writer.close()
    return writer is not None


def gate_of(state: State, key: str) -> str | None:
    """Why nothing can be said of a state's messages; None when something can."""
    return GATES.get(state.keys[key])


def missing(states: Sequence[State], key: str) -> tuple[str, ...]:
    """Fields that would have told more of these rows' messages."""
    return tuple(sorted({MISSING[state.keys[key]] for state in states if state.keys[key] in MISSING}))
