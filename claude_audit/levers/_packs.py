"""Which calls would go out together: runs of one template within a window, and what of each prompt they all share.

A template is an endpoint, a workspace, everything that decides a price, and the start that all its prompts share: their
leading tools and system blocks, else what is billed as cached. Its calls, in order of time, fill one call after the other:
each takes up to so many items, and none that starts later than the window after its first.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

from claude_audit.levers._batches import batches
from claude_audit.levers._streams import leading
from claude_audit.levers._verdicts import codes, numbers, one_call, run_starts, started
from claude_audit.tally import quantity

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from claude_audit.catalog import Catalog

    Ints = NDArray[np.int64]

ALONE, FIRST, OTHER, MAYBE_FIRST, MAYBE_OTHER, LONG_ANSWERS, NO_ROOM, NO_START = range(8)
"""What becomes of a call: it stays as it is; it carries the start for those that go with it; it goes with another; the same
where the size of the start is not known; its like would not fit into one answer, or into one prompt; nothing is shared."""
NOT_ONE, TURNS, TOOLS, UNENDED, JUDGED = range(10, 15)
GATES = {
    NOT_ONE: "a pass of a longer call, or several calls in one row",
    TURNS: "more than one message",
    TOOLS: "tools",
    UNENDED: "answer not ended by itself",
    LONG_ANSWERS: "answers too long for one call",
    NO_ROOM: "prompts too long for one call",
    NO_START: "no tools or system blocks at the start to share",
    ALONE: "no other of its template within the window",
}
"""Why a call stays as it is."""
PRICED_BY = ("tier", "speed", "geo", "provider", "routing", "region")


@dataclass(frozen=True, slots=True)
class Terms:
    """How calls are put together."""

    items: int
    """Per call, at most."""
    window: int
    """Microseconds from the first start to the last."""
    frame_in: int
    frame_out: int
    """Tokens that each item adds to prompt and answer."""


@dataclass(frozen=True, slots=True)
class Pack:
    """Columns that tell of requests which go out as one."""

    number: str
    """Of the call; null for what stays alone."""
    prompt: str
    """Tokens of the call's prompt, for requests that no lever before has changed; null for what stays alone."""
    follows: str
    """1 where the request has left its start to another one's call, else 0."""


def gate() -> nw.Expr:
    """A place in GATES, or JUDGED."""
    import narwhals.stable.v2 as nw

    tools = reduce(or_, (nw.col(n).fill_null(0) > 0 for n in ("tools_defined", "tools_used", "web_searches")))
    ended = nw.col("stop_reason").is_null() | nw.col("stop_reason").is_in(["end_turn", "stop_sequence"])
    return (
        nw.when(~one_call())
        .then(nw.lit(NOT_ONE))
        .when(nw.col("message_count").fill_null(1) > 1)
        .then(nw.lit(TURNS))
        .when(tools)
        .then(nw.lit(TOOLS))
        .when(~ended.fill_null(False))
        .then(nw.lit(UNENDED))
        .otherwise(nw.lit(JUDGED))
    )


def packed(
    usage: nw.LazyFrame[Any],
    terms: Terms,
    catalog: Catalog,
    models: Sequence[str],
    logs: Mapping[str, nw.Expr | None],
) -> dict[str, Any]:
    """A table by row_id: the tokens of its shared start (items_head), 0 where nobody says how many.

    `logs`: suffix of columns -> which rows are not in that log. For each: what becomes of the row (items); what its start is
    at most where nobody says, else 0 (items_most); the number of its joint call (items_pack) and the tokens of that call's
    prompt, with that start shared (items_joint) or nothing (items_joint_low), -1 where it stays alone.
    """
    import numpy as np
    import pyarrow as pa

    columns = _read(usage, logs)
    if not columns:
        names = [
            name + rest
            for rest in logs
            for name in ("items", "items_most", "items_pack", "items_joint", "items_joint_low")
        ]
        return {name: [] for name in ("row_id", "items_head", *names)}
    prompt, output, cached, start = (np.concatenate(columns[n]) for n in ("prompt", "output", "cached", "start"))
    head = np.concatenate(columns["head"])
    head = np.minimum(np.where((head < 0) & (cached > 0), cached, head), prompt)
    known = head >= 0
    template = _mixed([codes(columns[n]) for n in TEMPLATE] + [known * (head + 1)])
    limits = {name: catalog.models[name] for name in models if name in catalog.models}
    longest, context = _limits(columns["model"], limits)
    shared = np.maximum(head, 0)
    long = terms.items * (output + terms.frame_out) > longest
    full = shared + terms.items * (prompt - shared + terms.frame_in + output + terms.frame_out) > context
    alone = np.select([known & (head == 0), long, full], [NO_START, LONG_ANSWERS, NO_ROOM], ALONE)
    by_time = _order(columns, start)
    template_in_time, start_in_time = template[by_time], start[by_time]
    table: dict[str, Any] = {"items_head": np.where(known, head, 0)}
    for rest, gone in logs.items():
        there = np.ones(len(prompt), bool) if gone is None else ~np.concatenate(columns[f"gone{rest}"]).astype(bool)
        fit = np.flatnonzero(((alone == ALONE) & there)[by_time])
        fit = fit[np.argsort(template_in_time[fit], kind="stable")]
        begins = run_starts(template_in_time[fit], start_in_time[fit], terms.window, terms.items)
        order = by_time[fit]
        run = np.cumsum(begins) - 1
        joint = np.bincount(run)[run] > 1 if len(run) else begins
        sure, maybe = np.where(begins, FIRST, OTHER), np.where(begins, MAYBE_FIRST, MAYBE_OTHER)
        verdict, pack = alone.copy(), np.full(len(prompt), -1)
        verdict[order] = np.where(joint, np.where(known[order], sure, maybe), ALONE)
        pack[order] = np.where(joint, run, -1)
        shortest = np.full(int(template.max()) + 1, 2**62)
        np.minimum.at(shortest, template[order], prompt[order])
        table[f"items{rest}"] = verdict
        table[f"items_most{rest}"] = np.where(known, 0, np.minimum(shortest[template], prompt))
        table[f"items_pack{rest}"] = pack
        follows = np.zeros(len(prompt), bool)
        follows[order] = joint & ~begins
        for name, lost in (("items_joint", table[f"items_most{rest}"] + shared), ("items_joint_low", shared)):
            parts = prompt + terms.frame_in - follows * lost
            whole = np.zeros(len(run) + 1, np.int64)
            np.add.at(whole, run, parts[order])
            table[name + rest] = np.full(len(prompt), -1)
            table[name + rest][order] = np.where(joint, whole[run], -1)
    told = np.flatnonzero(np.any([table[f"items{rest}"] != ALONE for rest in logs], axis=0))
    found = {name: values[told] for name, values in table.items()}
    return {"row_id": pa.chunked_array(columns["row_id"]).take(pa.array(told)), **found}


def _order(columns: dict[str, list[Any]], start: Ints) -> Ints:
    """The rows by start, then file, then line; those of one place in one file by their id."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    files = pa.chunked_array(columns["source"]).unify_dictionaries()
    rank = np.argsort(np.argsort(np.array(files.chunk(0).dictionary.to_pylist(), object), kind="stable"))
    source = rank[np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in files.chunks])]
    line = np.concatenate(columns["line"])
    keys = (line, source, start)
    order: Ints = np.lexsort(keys)
    if len(order) > 1 and np.all([key[order][1:] == key[order][:-1] for key in keys], axis=0).any():
        by_id = np.empty(len(start), np.int64)
        by_id[pc.sort_indices(pa.chunked_array(columns["row_id"])).to_numpy()] = np.arange(len(start))
        order = np.lexsort((by_id, *keys))
    return order


TEMPLATE = ("endpoint", "workspace", "model", "prefix_hash", "start_hash", *PRICED_BY)


def _read(usage: nw.LazyFrame[Any], logs: Mapping[str, nw.Expr | None]) -> dict[str, list[Any]]:
    """The calls that may go together; and the tokens of the start that each one's blocks show, or -1."""
    import narwhals.stable.v2 as nw

    cached = quantity("cache_read") + quantity("cache_write_5m") + quantity("cache_write_1h")
    names = ("endpoint", "workspace", "model", "prefix_hash", *PRICED_BY)
    frame = usage.filter(nw.col("unbilled").is_null(), gate() == JUDGED, ~nw.col("model").is_null()).select(
        "row_id",
        "source",
        *names,
        line=nw.col("line").fill_null(-1),
        start=started(),
        prompt=quantity("input") + cached,
        cached=cached,
        output=quantity("output"),
        blocks=nw.col("prompt_blocks"),
        **{f"gone{rest}": gone for rest, gone in logs.items() if gone is not None},
    )
    flags = [f"gone{rest}" for rest, gone in logs.items() if gone is not None]
    columns: dict[str, list[Any]] = {}
    for batch in batches(frame):
        for name in ("start", "line", "prompt", "cached", "output", *flags):
            columns.setdefault(name, []).append(numbers(batch, name))
        for name in ("source", *names):
            columns.setdefault(name, []).append(batch.column(name).dictionary_encode())
        columns.setdefault("row_id", []).append(batch.column("row_id"))
        head, hashes = _heads(batch.column("blocks"))
        columns.setdefault("head", []).append(head)
        columns.setdefault("start_hash", []).append(hashes)
    return columns


def _heads(blocks: pa.Array) -> tuple[Ints, pa.Array]:
    """By row: tokens of the leading tools and system blocks, -1 without prompt_blocks; and the hash of the last of them."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    sizes = pc.list_value_length(blocks).fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64)
    flat = pc.list_flatten(blocks)
    each = np.maximum(pc.struct_field(flat, "tokens").fill_null(0).to_numpy(zero_copy_only=False), 0)
    begins = np.cumsum(sizes) - sizes
    until = begins + leading(pc.struct_field(flat, "kind"), begins, sizes)
    running = np.concatenate(([0], np.cumsum(each)))
    some = until > begins
    head = np.where(sizes > 0, running[until] - running[begins], -1)
    last = pa.array(np.where(some, until - 1, 0), mask=~some)
    return head, pc.take(pc.struct_field(flat, "hash"), last).dictionary_encode()


def _mixed(each: Sequence[Ints]) -> Ints:
    """For each row the number of its combination."""
    import numpy as np

    mixed, span = np.zeros(len(each[0]), np.int64), 1
    for code in each:
        values = int(code.max()) + 2  # null is -1
        if span * values > 2**62:
            mixed = np.unique(mixed, return_inverse=True)[1]
            span = int(mixed.max()) + 1
        span *= values
        mixed = mixed * values + code + 1
    return np.unique(mixed, return_inverse=True)[1]


def _limits(model: Sequence[pa.Array], known: Mapping[str, Any]) -> tuple[Ints, Ints]:
    """By row: the longest answer and the context of its model, in tokens."""
    import numpy as np
    import pyarrow as pa

    whole = pa.chunked_array(model).unify_dictionaries()
    names = whole.chunk(0).dictionary.to_pylist()
    numbers_of = np.concatenate([chunk.indices.to_numpy(zero_copy_only=False) for chunk in whole.chunks])
    longest = np.array([known[name].max_output if name in known else 0 for name in names], np.int64)
    context = np.array([known[name].context if name in known else 0 for name in names], np.int64)
    return longest[numbers_of], context[numbers_of]
