"""The rows that a cache replay can follow, from the engine into arrays: in order of time, and kind by kind.

Rows of one kind agree in everything that levers and prices look at, so whatever earlier levers do to one of them they do
to all: the replay learns what became of a row from the line of the tally that its kind made.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from claude_audit.levers._batches import batches
from claude_audit.replay import VISIBLE, Requests
from claude_audit.tally import quantity

if TYPE_CHECKING:
    from pathlib import Path

    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

IN_A_BATCH, NOT_ONE_CALL, TOO_LARGE, BROKEN, UNMARKED = -1, -2, -3, -4, -5
GATES = {
    IN_A_BATCH: "in a batch",
    NOT_ONE_CALL: "a pass of a longer call, or several calls in one row",
    TOO_LARGE: "prompt_blocks larger than the prompt",
    BROKEN: "prompt_blocks without hash or size",
    UNMARKED: "no marked block",
}
"""Why a row with prompt_blocks is not replayed; such rows carry the number in place of a kind."""

MOST_TOKENS = 2**40
"""Of a block or a prompt: sums of more could not be told from nonsense."""
LONGEST_MS = 1e12
SORTS = ("system", "tools", "document", "search_result", "chunk", "retrieval", "message")
"""Kinds of blocks, in the order of their numbers in Requests.sort; -1 is any other."""
KIND_OF_ROW = "replay_kind"
"""The column, and the key of the tally, that holds a row's kind."""


@dataclass(frozen=True)
class Stream:
    """The replayable rows of a log."""

    requests: Requests
    kinds: int
    rows: tuple[int, ...]
    """By kind."""
    untimed: int
    """Rows that tell neither their first token's time nor their end."""
    read: Ints
    written_5m: Ints
    written_1h: Ints
    """As billed, by request."""
    path: Path | None
    """A Parquet file of row_id and kind (or gate), for every row with prompt_blocks; None when there are none."""
    beside: Mapping[str, Ints] = field(default_factory=dict)
    """Columns that levers before the replay asked for, by request."""

    def by_kind(self, values: Any) -> list[int]:
        """The sum of these numbers (or the count of these flags), one a request, for each kind."""
        import numpy as np

        sums = np.zeros(self.kinds, np.int64)
        np.add.at(sums, self.requests.kind, values)
        return [int(value) for value in sums]


@dataclass
class _Columns:
    """What the batches of rows bring, column by column."""

    plain: dict[str, list[Any]] = field(default_factory=dict)
    coded: dict[str, list[Any]] = field(default_factory=dict)
    """Arrow dictionary arrays."""

    def add(self, **values: Any) -> None:
        """One more batch of plain columns."""
        for name, value in values.items():
            self.plain.setdefault(name, []).append(value)

    def code(self, name: str, array: pa.Array) -> None:
        """One more batch of a column that is kept as numbers for its distinct values."""
        import pyarrow.compute as pc

        self.coded.setdefault(name, []).append(pc.dictionary_encode(array))

    def whole(self, name: str) -> Any:
        """A plain column of all batches."""
        import numpy as np

        return np.concatenate(self.plain.pop(name))

    def codes(self, name: str) -> tuple[NDArray[np.int32], Any]:
        """For each row the number of its value, -1 for null; and the values."""
        import numpy as np
        import pyarrow as pa

        chunks = pa.chunked_array(self.coded.pop(name)).unify_dictionaries().chunks
        numbers = [chunk.indices.fill_null(-1).to_numpy(zero_copy_only=False) for chunk in chunks]
        return np.concatenate(numbers).astype(np.int32, copy=False), chunks[0].dictionary


def stream(
    usage: nw.LazyFrame[Any],
    keys: Sequence[nw.Expr],
    policy: str | None,
    folder: Path,
    beside: Mapping[str, nw.Expr] | None = None,
) -> Stream:
    """Read the rows with prompt_blocks. `keys`: what parts the lines of the tally. The Parquet file goes to `folder`.

    `beside`: whole numbers of each row to be kept by request, by name.
    """
    import numpy as np

    beside = beside or {}
    columns = _read(usage, keys, policy, beside)
    if not columns.plain:
        nothing = np.zeros(0, np.int64)
        seen = dict.fromkeys(VISIBLE, nothing)
        none = Requests(
            nothing,
            seen,
            nothing.astype(np.int32),
            np.zeros(1, np.int64),
            nothing.astype(np.int32),
            nothing,
            nothing > 0,
        )
        return Stream(none, 0, (), 0, nothing, nothing, nothing, None)
    gate = columns.whole("gate")
    kind, kinds = _kinds(columns, len(keys), gate)
    path = folder / "kinds.parquet"
    start = columns.whole("start")
    order = _in_order(columns, start, np.flatnonzero(gate == 0), path, np.where(gate < 0, gate, kind))
    sizes, block, upto, marked = (
        columns.whole("size"),
        columns.codes("hash")[0],
        columns.whole("upto"),
        columns.whole("marked"),
    )
    begins = np.cumsum(sizes) - sizes
    first = np.concatenate(([0], np.cumsum(sizes[order])))
    at = np.arange(first[-1]) + np.repeat(begins[order] - first[:-1], sizes[order])
    start = start[order]
    token, end = columns.whole("ttft")[order], columns.whole("latency")[order]
    delays = {"start": np.zeros(len(order)), "first-token": np.where(np.isnan(token), end, token), "end": end}
    seen = {name: start + np.nan_to_num(ms * 1000).round().astype(np.int64) for name, ms in delays.items()}
    head = columns.whole("head")[order]
    sort = columns.whole("sort")[at]
    requests = Requests(start, seen, kind[order], first, block[at], upto[at], marked[at], head, sort)
    read, short, long = (columns.whole(name)[order] for name in ("read", "w5", "w1"))
    return Stream(
        requests=requests,
        kinds=kinds,
        rows=tuple(np.bincount(requests.kind, minlength=kinds).tolist()),
        untimed=int((np.isnan(token) & np.isnan(end)).sum()),
        read=read,
        written_5m=short,
        written_1h=long,
        path=path,
        beside={name: columns.whole(f"beside_{name}")[order] for name in beside},
    )


def _read(
    usage: nw.LazyFrame[Any], keys: Sequence[nw.Expr], policy: str | None, beside: Mapping[str, nw.Expr]
) -> _Columns:
    """The rows, batch by batch, so that no more than one batch of text is held."""
    import narwhals.stable.v2 as nw

    rows = usage.filter(~nw.col("prompt_blocks").is_null(), nw.col("unbilled").is_null()).select(
        *(key.alias(f"key_{n}") for n, key in enumerate(keys)),
        nw.col("row_id"),
        (nw.col("ts") - nw.lit(datetime(1970, 1, 1, tzinfo=UTC))).dt.total_microseconds().alias("start"),
        nw.col("source"),
        nw.col("line").fill_null(-1),
        nw.col("ttft_ms").alias("ttft"),
        nw.col("latency_ms").alias("latency"),
        (nw.col("tier") == "batch").fill_null(False).alias("batch"),
        ((nw.col("row_kind") == "call") & (nw.col("pass") == 0) & (nw.col("requests") == 1))
        .fill_null(False)
        .alias("one"),
        quantity("input").alias("input"),
        quantity("cache_read").alias("read"),
        quantity("cache_write_5m").alias("w5"),
        quantity("cache_write_1h").alias("w1"),
        nw.col("prompt_blocks").alias("blocks"),
        *(value.fill_null(0).cast(nw.Int64).alias(f"beside_{name}") for name, value in beside.items()),
    )
    columns = _Columns()
    for batch in batches(rows):
        _take(columns, batch, len(keys), policy, tuple(beside))
    return columns


def _take(columns: _Columns, batch: pa.RecordBatch, keys: int, policy: str | None, beside: Sequence[str]) -> None:
    """One batch: its blocks flattened and added up, and each row's gate (0: replayed)."""
    import numpy as np
    import pyarrow.compute as pc

    def numbers(name: str) -> Any:
        # A copy: a view of one column would keep the whole batch in memory.
        return np.array(batch.column(name).to_numpy(zero_copy_only=False))

    blocks = batch.column("blocks")
    sizes = pc.list_value_length(blocks).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(blocks)
    hashes, tokens = pc.struct_field(flat, "hash"), pc.struct_field(flat, "tokens")
    marked = pc.struct_field(flat, "breakpoint").fill_null(False).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(sizes)), sizes)
    each = tokens.fill_null(-1).to_numpy(zero_copy_only=False)
    bad = (each < 0) | (each > MOST_TOKENS) | hashes.is_null().to_numpy(zero_copy_only=False)
    each = np.where(bad, 0, each)
    running = np.concatenate(([0], np.cumsum(each)))
    ends = np.cumsum(sizes)
    begins = ends - sizes
    counts = [np.minimum(numbers(name), MOST_TOKENS) for name in ("input", "read", "w5", "w1")]
    marks = np.bincount(owner[marked], minlength=len(sizes))
    gate = np.select(
        [
            numbers("batch"),
            ~numbers("one"),
            np.bincount(owner[bad], minlength=len(sizes)) > 0,
            running[ends] - running[begins] > sum(counts),
            (marks == 0) & (sizes > 0) & (policy == "marked"),
        ],
        [IN_A_BATCH, NOT_ONE_CALL, BROKEN, TOO_LARGE, UNMARKED],
    )
    columns.add(
        gate=gate.astype(np.int32),
        size=sizes,
        head=leading(pc.struct_field(flat, "kind"), begins, sizes),
        upto=running[1:] - np.repeat(running[begins], sizes),
        marked=marked,
        sort=_sorts(pc.struct_field(flat, "kind")),
        start=numbers("start"),
        line=numbers("line"),
        ttft=_delay(numbers("ttft")),
        latency=_delay(numbers("latency")),
        read=counts[1],
        w5=counts[2],
        w1=counts[3],
        **{f"beside_{name}": numbers(f"beside_{name}") for name in beside},
    )
    columns.plain.setdefault("row_id", []).append(pc.take(batch.column("row_id"), np.arange(len(sizes))))
    for name, array in (("hash", hashes), ("source", batch.column("source"))):
        columns.code(name, array)
    for n in range(keys):
        columns.code(f"key_{n}", batch.column(f"key_{n}"))


def leading(kinds: pa.Array, begins: Ints, sizes: Ints) -> Ints:
    """How many of each prompt's blocks are its start: the leading tools and system blocks."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    of_start = pc.is_in(kinds, pa.array(["tools", "system"])).to_numpy(zero_copy_only=False)
    others = np.append(np.flatnonzero(~of_start), len(of_start))
    found: Ints = np.minimum(others[np.searchsorted(others, begins)], begins + sizes) - begins
    return found


def _sorts(kinds: pa.Array) -> Any:
    """Each block's place in SORTS."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = pc.index_in(kinds, pa.array(SORTS)).fill_null(-1)
    return found.to_numpy(zero_copy_only=False).astype("int8")


def _delay(ms: Any) -> Any:
    """Milliseconds that can be: what is negative or endless was not measured."""
    import numpy as np

    ms = np.asarray(ms, float)
    return np.where((ms >= 0) & (ms <= LONGEST_MS), ms, np.nan)


def _kinds(columns: _Columns, keys: int, gate: Any) -> tuple[NDArray[np.int32], int]:
    """For each row the number of its combination of keys, from 0 among the rows that are replayed."""
    import numpy as np

    mixed, span = np.zeros(len(gate), np.int64), 1
    for n in range(keys):
        codes, values = columns.codes(f"key_{n}")
        if span * (len(values) + 1) > 2**62:
            mixed = np.unique(mixed, return_inverse=True)[1]
            span = int(mixed.max()) + 1
        span *= len(values) + 1
        mixed = mixed * (len(values) + 1) + codes + 1
    names, kind = np.unique(mixed[gate == 0], return_inverse=True)
    found = np.full(len(gate), -1, np.int32)
    found[gate == 0] = kind
    return found, len(names)


def _in_order(columns: _Columns, start: Ints, rows: Ints, path: Path, kinds: Any) -> Ints:
    """These rows by start, then file, then line. Every row's kind (or gate) goes into the Parquet file."""
    import numpy as np
    import pyarrow as pa
    from pyarrow import compute, parquet

    ids = pa.chunked_array(columns.plain.pop("row_id"))
    parquet.write_table(pa.table({"row_id": ids, KIND_OF_ROW: pa.array(kinds, pa.int32())}), path)
    # Rows of one place in one file (a format without lines) are told apart by their id: any order, but always the same.
    by_id = np.empty(len(ids), np.int64)
    by_id[compute.sort_indices(ids).to_numpy()] = np.arange(len(ids))
    sources, names = columns.codes("source")
    rank = np.empty(len(names), np.int64)
    rank[np.argsort(np.array(names.to_pylist(), object), kind="stable")] = np.arange(len(names))
    line = columns.whole("line")
    order: Ints = rows[np.lexsort((by_id[rows], line[rows], rank[sources[rows]], start[rows]))]
    return order
