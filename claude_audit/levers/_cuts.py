"""What a lever takes out of prompts whose blocks are logged: which blocks shrink, and which billed tokens go with them.

One function of a lever says how many tokens each block keeps. The tally takes from it what every class of a prompt loses;
a cache replay takes from it the blocks that are left (_reblocked.py). So both see the same prompts.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.levers._batches import batches
from claude_audit.levers._streams import BROKEN as UNREADABLE
from claude_audit.levers._streams import GATES as BLOCK_GATES
from claude_audit.levers._streams import MOST_TOKENS, TOO_LARGE
from claude_audit.prompt_ends import Prompt, flag
from claude_audit.tally import quantity

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Variant

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

Keep = Callable[["Ints", "Flags", "Ints"], "Ints"]
"""(tokens of each block, whether it is of the lever's kinds, where each prompt's blocks begin) -> tokens it keeps."""

AS_IT_WAS, CUT, UNKNOWN, BROKEN, LARGER, NOT_ONE_CALL = range(6)
"""What a lever says of a row."""
GATES = {
    BROKEN: BLOCK_GATES[UNREADABLE],
    LARGER: BLOCK_GATES[TOO_LARGE],
    NOT_ONE_CALL: "a pass of a longer call, or several calls in one row",
}
"""Why a row is left as it is, where that is no answer to the lever's question."""
SHORTEST = "blind_shortest"
"""Column: tokens of the shortest prompt of a row's endpoint, among those that do not tell their blocks."""
KINDS_OF = (str, str, str, int)
"""What its key is made of, and what it is."""
OF_MESSAGES = ("history", "summarize_after")
"""Marks of levers that leave out messages: what stands before the first of them is still where it was."""
OF_OTHER_KINDS = ("prune_tools", "rag_k", "trim_system")
"""Marks of levers that take out blocks of one kind: what another one cuts is still there."""


@dataclass
class Cuts:
    """What one lever cuts, row by row."""

    name: str
    kinds: tuple[str, ...]
    keep: Keep
    in_messages: bool = False
    """Its blocks stand among the messages, so a lever that leaves out messages may have taken them."""
    unknown: bool = False
    """Some rows do not tell their blocks."""
    cached: bool = False
    """Some rows are billed cache tokens."""
    _folder: Path | None = field(default=None, repr=False)
    """Kept, so that the files in it live as long as the lever."""

    def column(self, what: str) -> str:
        """Name of a column of this lever."""
        return f"{self.name}_{what}"

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """The rows, with what each loses: up to where its reads end, its writes, its cacheable part, in all."""
        import narwhals.stable.v2 as nw

        cached = quantity("cache_read") + quantity("cache_write_5m") + quantity("cache_write_1h") > 0
        billed = usage.filter(nw.col("unbilled").is_null())
        kinds = billed.select(blocks=~nw.col("prompt_blocks").is_null(), cached=cached)
        found = engine.rows(kinds.group_by("blocks", "cached").agg(rows=nw.len()))
        self.unknown = any(not blocks for blocks, _, _ in found)
        self.cached = any(cached for _, cached, _ in found)
        names = [self.column(what) for what in ("state", "rest", *ENDS)]
        if not any(blocks for blocks, _, _ in found):
            usage = usage.with_columns(**{name: nw.lit(None).cast(nw.Int64) for name in names})
        else:
            path = self._files() / "cuts.parquet"
            self._write(billed, path)
            usage = usage.join(engine.scan([str(path)]), on="row_id", how="left")
        return self._with_shortest(usage, engine) if self.unknown else usage

    def _with_shortest(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """The rows, with the shortest prompt of those of their endpoint that tell no blocks: no shared part is longer.

        Through a file: joined to itself, the scan would double with every lever that asks.
        """
        import narwhals.stable.v2 as nw
        import pyarrow as pa
        from pyarrow import parquet

        if SHORTEST in usage.collect_schema().names():
            return usage
        names = {f"blind_{name}": nw.col(name).fill_null("") for name in ("workspace", "endpoint", "model")}
        asked = usage.filter(
            nw.col("prompt_blocks").is_null(),
            nw.col("unbilled").is_null(),
            nw.col("row_kind") == "call",
            ~nw.col("prompt_tokens").is_null(),
        )
        shortest = asked.select(prompt=_prompt(), **names).group_by(*names).agg(nw.col("prompt").min().alias(SHORTEST))
        found = engine.rows(shortest.select(*names, SHORTEST))
        path = self._files() / "shortest.parquet"
        columns = list(zip(*found, strict=True)) or [()] * (len(names) + 1)
        types = [pa.string()] * len(names) + [pa.int64()]
        arrays = [pa.array(map(kind, values), of) for kind, values, of in zip(KINDS_OF, columns, types, strict=True)]
        parquet.write_table(pa.table(dict(zip((*names, SHORTEST), arrays, strict=True))), path)
        return usage.with_columns(**names).join(engine.scan([str(path)]), on=list(names), how="left")

    def _files(self) -> Path:
        """A folder that lives as long as the lever."""
        if self._folder is None:
            self._folder = temporary.kept_by(self)
        return self._folder

    def _write(self, billed: nw.LazyFrame[Any], path: Path) -> None:
        """The rows that lose anything, or whose blocks can't be trusted, as a Parquet file."""
        import narwhals.stable.v2 as nw
        import pyarrow as pa
        from pyarrow import parquet

        rows = billed.filter(~nw.col("prompt_blocks").is_null()).select(
            nw.col("row_id"),
            ((nw.col("row_kind") == "call") & (nw.col("pass") == 0) & ~nw.col("prompt_tokens").is_null())
            .fill_null(False)
            .alias("one"),
            quantity("cache_read").alias("read"),
            (quantity("cache_read") + quantity("cache_write_1h")).alias("wrote_1h"),
            (quantity("cache_read") + quantity("cache_write_1h") + quantity("cache_write_5m")).alias("wrote_5m"),
            _prompt().alias("prompt"),
            nw.col("cacheable_tokens").fill_null(0).alias("cacheable"),
            nw.col("prompt_blocks").alias("blocks"),
        )
        schema = pa.schema(
            [("row_id", pa.string()), *((self.column(what), pa.int64()) for what in ("state", "rest", *ENDS))]
        )
        with parquet.ParquetWriter(path, schema) as writer:
            for batch in batches(rows):
                writer.write_table(self._table(batch, schema))

    def _table(self, batch: pa.RecordBatch, schema: pa.Schema) -> pa.Table:
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        def numbers(name: str) -> Any:
            return batch.column(name).to_numpy(zero_copy_only=False)

        blocks = batch.column("blocks")
        sizes = pc.list_value_length(blocks).to_numpy(zero_copy_only=False).astype(np.int64)
        first = np.concatenate(([0], np.cumsum(sizes)))
        flat = pc.list_flatten(blocks)
        tokens = pc.struct_field(flat, "tokens").fill_null(-1).to_numpy(zero_copy_only=False)
        of_kind = pc.is_in(pc.struct_field(flat, "kind"), pa.array(self.kinds)).to_numpy(zero_copy_only=False)
        bad = (
            (tokens < 0)
            | (tokens > MOST_TOKENS)
            | pc.struct_field(flat, "hash").is_null().to_numpy(zero_copy_only=False)
        )
        tokens = np.where(bad, 0, tokens)
        kept = self.keep(tokens, of_kind, first)
        removed = tokens - kept
        # What is cut off a block is its end.
        begins = np.cumsum(tokens) - removed
        begins -= np.repeat(_running(tokens)[first[:-1]], sizes)
        prompt = np.minimum(numbers("prompt"), MOST_TOKENS)

        def lost(end: Any) -> Any:
            each = np.clip(np.repeat(end, sizes) - begins, 0, removed)
            return _of_each(each, first)

        rest = prompt - _of_each(tokens, first)
        ends = {name: lost(np.minimum(numbers(name), MOST_TOKENS)) for name in ENDS[:3]}
        whole = _of_each(removed, first)
        # As cache_hit has it: never less than what was billed as cached, never more than the prompt.
        ends |= {"prompt": whole, "cacheable": np.maximum(lost(numbers("cacheable")), ends["wrote_5m"])}
        state = np.select(
            [~numbers("one"), _of_each(bad.astype(np.int64), first) > 0, rest < 0, whole > 0],
            [NOT_ONE_CALL, BROKEN, LARGER, CUT],
            AS_IT_WAS,
        )
        trusted = state == CUT
        columns = [pa.array(state), pa.array(np.where(trusted, rest, 0))]
        columns += [pa.array(np.where(trusted, ends[name], 0)) for name in ENDS]
        table = pa.table([batch.column("row_id"), *columns], schema=schema)
        return table.filter(pa.array(state != AS_IT_WAS))

    def classify(self, scan: Scan) -> None:
        """Bind what is known of each row: its state, what its classes lose, and the most that may be cut where nobody says."""
        import narwhals.stable.v2 as nw

        told = nw.col(self.column("state"))
        blind = nw.col("prompt_blocks").is_null()
        one = scan.call & ~nw.col("prompt_tokens").is_null()
        state = nw.when(~told.is_null()).then(told)
        state = state.when(~blind).then(nw.lit(AS_IT_WAS)).when(one).then(nw.lit(UNKNOWN))
        scan.bind(**{self.column("is"): state.otherwise(nw.lit(NOT_ONE_CALL))})

    @property
    def state(self) -> nw.Expr:
        """AS_IT_WAS, CUT, …: once classified."""
        import narwhals.stable.v2 as nw

        return nw.col(self.column("is"))

    @property
    def shortest(self) -> nw.Expr:
        """Tokens of the shortest prompt of a row's endpoint, among those that do not tell their blocks."""
        import narwhals.stable.v2 as nw

        return nw.col(SHORTEST).fill_null(0)

    def follows(self, variant: Variant) -> bool:
        """Whether its blocks are still as the log has them, in prompts that these levers have made."""
        known = OF_OTHER_KINDS if self.in_messages else (*OF_OTHER_KINDS, *OF_MESSAGES)
        return all(mark in known for mark in variant)

    def cut(self, prompt: Prompt, less: nw.Expr | int = 0) -> Prompt:
        """The prompt without what is cut; but for the first `less` tokens of it, which stay.

        Classes lose what of them was cut in the prompt as logged: parts that other levers took out stood elsewhere.
        """
        import narwhals.stable.v2 as nw

        def after(what: str, end: nw.Expr) -> nw.Expr:
            gone = nw.col(self.column(what)).fill_null(0)
            if not (isinstance(less, int) and less == 0):
                gone = nw.max_horizontal(gone - less, nw.lit(0))
            return nw.max_horizontal(end - gone, nw.lit(0))

        cacheable = prompt.cacheable
        return Prompt(
            after("read", prompt.read),
            after("wrote_1h", prompt.wrote_1h),
            after("wrote_5m", prompt.wrote_5m),
            after("prompt", prompt.prompt),
            None
            if cacheable is None
            else nw.min_horizontal(after("cacheable", cacheable), after("prompt", prompt.prompt)),
        )

    def short(self, before: Prompt, after: Prompt) -> nw.Expr:
        """Tokens that a cached prompt lacks to the minimum once it is cut; 0 where it was not cached, or still is."""
        import narwhals.stable.v2 as nw

        minimum = nw.col("q_minimum")
        was = flag((before.wrote_5m >= minimum) & (after.wrote_5m < before.wrote_5m))
        return nw.max_horizontal(minimum - after.wrote_5m, nw.lit(0)) * was


ENDS = ("read", "wrote_1h", "wrote_5m", "cacheable", "prompt")


def beyond(limit: int) -> Keep:
    """Keep the first `limit` tokens of a prompt's blocks of those kinds, taken together."""

    def keep(tokens: Ints, of_kind: Flags, first: Ints) -> Ints:
        import numpy as np

        mine = np.where(of_kind, tokens, 0)
        before = _running(mine)[:-1]
        before = before - np.repeat(before_first(before, first), np.diff(first))
        return np.where(of_kind, np.clip(limit - before, 0, tokens), tokens)

    return keep


def all_but(tokens_less: int | None) -> Keep:
    """Take this many tokens off the end of a prompt's blocks of those kinds; all of them for None."""

    def keep(tokens: Ints, of_kind: Flags, first: Ints) -> Ints:
        import numpy as np

        if tokens_less is None:
            return np.where(of_kind, 0, tokens)
        mine = np.where(of_kind, tokens, 0)
        limit = np.repeat(np.maximum(_of_each(mine, first) - tokens_less, 0), np.diff(first))
        before = _running(mine)[:-1]
        before = before - np.repeat(before_first(before, first), np.diff(first))
        return np.where(of_kind, np.clip(limit - before, 0, tokens), tokens)

    return keep


def first_of_each_run(most: int) -> Keep:
    """Keep the first `most` of each run of blocks of those kinds: what one retrieval brought."""

    def keep(tokens: Ints, of_kind: Flags, first: Ints) -> Ints:
        import numpy as np

        place = np.arange(len(tokens))
        # What stands before a run: a block of another kind, or the end of the prompt before.
        last = np.maximum.accumulate(np.where(of_kind, -1, place))
        start = np.repeat(first[:-1], np.diff(first)) - 1
        return np.where(of_kind & (place - np.maximum(last, start) > most), 0, tokens)

    return keep


def before_first(running: Ints, first: Ints) -> Ints:
    """The running sum at each prompt's first block; 0 for prompts without any at the end."""
    import numpy as np

    return np.concatenate((running, [0]))[np.minimum(first[:-1], len(running))]


def _running(tokens: Ints) -> Ints:
    """Sums of all before each place, and of all."""
    import numpy as np

    return np.concatenate(([0], np.cumsum(tokens)))


def _of_each(values: Ints, first: Ints) -> Ints:
    """The sum of each prompt's blocks."""
    running = _running(values)
    return running[first[1:]] - running[first[:-1]]


def _prompt() -> nw.Expr:
    found = quantity("input")
    for name in ("cache_read", "cache_write_5m", "cache_write_1h"):
        found = found + quantity(name)
    return found
