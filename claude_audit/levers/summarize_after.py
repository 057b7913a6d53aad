"""Summaries in place of old messages: a prompt of more than N messages becomes a summary and the newest one. Graded bounded.

What it assumes: the summary (`--summary-tokens`, 300) does for the answers what the messages did. Another model writes it
(`--summary-model`, the newest Haiku): it reads what it sums up, the summary before it, and an instruction
(`--summary-instruction`, 100 tokens).

Formula: each time a prompt holds more than N messages since the last summary, all but the newest are summed up. From then
on prompt' = system prompt and tools + summary + the messages since. Each summary is a call of its own beside the log's, and
where the session caches, everything behind the system prompt is written once more. With prompt_blocks the sizes are known;
without, they are inferred in sessions that only append (see `history`), and the point leaves each session's first prompt
whole.
Low: the system prompt is written once more with each summary, and where sizes are inferred the first prompt is read by it.
High: the point; where sizes are inferred, the first prompt goes too.

Example: a system prompt of 400 and 8 turns of 100-token messages on Claude Sonnet 5.5, N = 8: prompts of 500 to 1,900,
9,600 tokens, $0.0192. The fifth would hold 9 messages: 8 are summed up, 900 tokens read and 300 written by Haiku 5.5,
$0.00024, and the last four prompts are 800, 1,000, 1,200 and 1,400 instead of 1,300 to 1,900: 7,600 tokens, $0.0152.

When it costs money: in sessions that cache, where the messages cost a tenth or less to read, and a summary costs a call and
a re-write; and wherever the messages are shorter than their summary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.errors import AuditError
from claude_audit.levers import (
    Kind,
    Lever,
    Option,
    Outcome,
    Stage,
    changed_rows,
    coverage,
    kept_out,
    not_negative,
    positive,
)
from claude_audit.levers._batches import batches
from claude_audit.money import EXACT, ZERO, exact
from claude_audit.rates import Group, Model, Unpriced
from claude_audit.states import INPUT, NO_TOKENS, OUTPUT, Added
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.levers._messages import Ints
    from claude_audit.prompt_ends import Prompt
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State
    from claude_audit.tally import Reach

NAME = "summarize_after"
REWRITTEN, WHOLE = f"{NAME}@rewritten", f"{NAME}@whole"
"""Marks of the prompts for the bounds: the system prompt written again too; the first prompt summed up too."""
HOW, CHANGED, WRITER = "summary_how", "summary_changed", "summary_writer"
DEFAULT_TOKENS, DEFAULT_INSTRUCTION, DEFAULT_MODEL = 300, 100, "haiku"
COLUMNS = (
    "summary_known",
    "summary_begin",
    "summary_cut",
    "summary_behind",
    "summary_new",
    "summary_part",
    "summary_again",
    "summary_first",
    "summary_dropped",
)


@dataclass
class SummarizeAfter(Lever):
    """`--summarize-after N`."""

    most: int
    tokens: int
    instruction: int
    writer: Model
    catalog: Catalog
    given: frozenset[str]
    """Options that were asked for; the others are defaults."""
    name: str = NAME
    stage: Stage = Stage.RESHAPE
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    _inferred: bool = field(default=False, repr=False)

    @property
    def argument(self) -> str:
        """The number of messages that a prompt may hold."""
        return str(self.most)

    @property
    def turns(self) -> int:
        """Turns between two summaries: a prompt holds two messages for each turn before it, and the newest."""
        return (self.most + 1) // 2

    @property
    def own_model(self) -> int:
        """Value of WRITER, after those of a prompt's size, where the writer has no room: the session's own model sums up."""
        return len(self.catalog.thresholds) + 1

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """The rows, each with what its summary takes the place of."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers import _messages as known

        folder = temporary.kept_by(self)
        blocks = None
        if known.from_blocks(usage, self._dropped, folder / "blocks.parquet"):
            blocks = engine.scan([str(folder / "blocks.parquet")])
        self._inferred = known.sessions_without_blocks(usage, engine)
        rows = self._summaries(known.in_sessions(usage, blocks, self.catalog))
        if not known.write(batches(rows), folder / "summaries.parquet"):
            return usage.with_columns(**{name: nw.lit(None).cast(nw.Int64) for name in COLUMNS})
        return usage.join(engine.scan([str(folder / "summaries.parquet")]), on="row_id", how="left")

    def _dropped(self, messages: Ints) -> tuple[Ints, Ints]:
        import numpy as np

        dropped = (messages - 1) // (2 * self.turns) * (2 * self.turns)
        return dropped, np.maximum(dropped - 2 * self.turns, 0)

    def _summaries(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """How many summaries each prompt stands behind; what the last of them covers; whether it is made for this prompt."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._messages import EARLIER, EXACT_SIZES, IN_ORDER, INFERRED, THREAD, before

        exact_sizes = nw.col("how") == EXACT_SIZES
        rows = rows.with_columns(
            summaries=(nw.col("counted") - 1) // (2 * self.turns),
            said=before("size") + before("answer"),
            usable=exact_sizes | (nw.col("how") == INFERRED),
        )

        def before_it(column: str) -> nw.Expr:
            """Its value in the request before, of those whose messages are known."""
            return nw.col(column).shift(1).over(*THREAD, "usable", order_by=IN_ORDER).fill_null(0)

        rows = rows.with_columns(summaries_before=before_it("summaries"))
        begun = nw.col("summaries") > nw.col("summaries_before")
        rows = rows.with_columns(
            begun=begun.cast(nw.Int64),
            covered=nw.when(begun).then(nw.col("said") - nw.col("first_size")),
        )
        # The same for all prompts behind one summary: what stood before the first of them.
        rows = rows.with_columns(covered=nw.col("covered").max().over(*THREAD, "summaries"))
        rows = rows.with_columns(covered_before=before_it("covered"))
        unknown = (nw.col("how") == INFERRED) & (nw.col("summaries") > 0) & nw.col("covered").is_null()
        read = (nw.col("how") == INFERRED) & ~unknown
        inferred = nw.when(read & (nw.col("summaries") > 0)).then(nw.col("covered")).otherwise(nw.lit(0))
        cut = nw.when(exact_sizes).then(nw.col("cut")).otherwise(inferred)
        part = nw.when(exact_sizes).then(nw.col("part")).otherwise(nw.col("covered") - nw.col("covered_before"))
        values = {
            "known": nw.when(unknown).then(nw.lit(EARLIER)).otherwise(nw.col("how")),
            "begin": nw.coalesce("begin", "first_size"),
            "cut": cut,
            "behind": (exact_sizes | read) & (nw.col("summaries") > 0),
            "new": nw.when(exact_sizes | read).then(nw.col("begun")).otherwise(nw.lit(0)),
            "part": part,
            "again": (nw.col("summaries_before") > 0).cast(nw.Int64),
            "first": nw.col("first"),
            "dropped": nw.col("dropped"),
        }
        return rows.select(
            "row_id", **{f"summary_{n}": value.cast(nw.Int64).fill_null(0) for n, value in values.items()}
        )

    def classify(self, scan: Scan) -> None:
        """Where a summary stands in for messages, what prompts are then, and what its making reads."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._messages import EXACT_SIZES, KNOWN, NEEDS_SESSION, how
        from claude_audit.levers._rewritten import Rewrite, without_blocks
        from claude_audit.levers._windowed import Cut, written_from
        from claude_audit.prompt_ends import flag
        from claude_audit.tally import size

        scan.bind(
            summary_how=how("summary_known", NEEDS_SESSION),
            **{f"{name}_": nw.col(name).fill_null(0) for name in COLUMNS if name != "summary_known"},
        )
        scan.bind(summary_rest=nw.max_horizontal(scan.prompt - nw.col("summary_begin_"), nw.lit(0)))
        new, gone = nw.col("summary_new_"), nw.min_horizontal(nw.col("summary_cut_"), nw.col("summary_rest"))
        scan.bind(
            summary_gone=gone,
            summary_read=new * (nw.col("summary_part_") + self.instruction + nw.col("summary_again_") * self.tokens),
        )
        gone = nw.col("summary_gone")
        behind = nw.col("summary_behind_")
        cut = Cut(nw.col("summary_rest"), gone, behind * self.tokens)
        inferred = flag(nw.col("summary_how") != EXACT_SIZES) * behind

        def rewritten(prompt: Prompt) -> Prompt:
            return written_from(cut.of(prompt), nw.lit(0), new, prompt)

        def whole(prompt: Prompt) -> Prompt:
            return written_from(cut.of(prompt), cut.at(prompt), new, prompt).without(0, cut.at(prompt) * inferred)

        scan.reshape(NAME, lambda prompt: written_from(cut.of(prompt), cut.at(prompt), new, prompt))
        scan.reshape(REWRITTEN, rewritten)
        if self._inferred:
            scan.reshape(WHOLE, whole)
        ends = ((scan.quantities[what][()], scan.quantities[what][(NAME,)]) for what in _ENDS)
        changed = new > 0
        for logged, made in ends:
            changed = changed | (logged != made)
        scan.key(HOW, nw.col("summary_how"), KNOWN)
        # A prompt as long as it was is another one to a cache all the same.
        scan.key(CHANGED, behind * (1 + flag(changed)), 3)
        full = flag(nw.col("summary_read") + self.tokens > self.writer.context)
        band: nw.Expr = nw.lit(0)
        if self.writer.id in self.catalog.banded_models:
            band = size(self.catalog, nw.col("summary_read"))
        scan.beside.append(self.writer.id)
        scan.key(WRITER, new * (band + full * (self.own_model - band)), self.own_model + 1)
        scan.sums["summary_calls"] = new
        scan.sums["summary_read"] = nw.col("summary_read")
        scan.sums["summary_first_prompt"] = new * inferred * nw.col("summary_begin_")
        scan.sums["summary_gone"] = gone
        scan.rewrites[NAME] = Rewrite(
            ("summary_first", "summary_dropped"),
            lambda requests, concerned, columns: without_blocks(
                requests, concerned, columns["summary_first"], columns["summary_dropped"], self.tokens
            ),
        )

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The summary in place of the messages, and the call that makes it beside."""
        return [self._moved(state, pricer) if state.keys[CHANGED] and not _cut(state) else state for state in states]

    def _moved(self, state: State, pricer: Pricer) -> State:
        return state.reshaped(NAME, beside=(*state.beside, *self._calls(state, pricer)))

    def _calls(self, state: State, pricer: Pricer, more: int = 0) -> tuple[Added, ...]:
        calls = state.sums["summary_calls"]
        if not calls:
            return ()
        tokens = list(NO_TOKENS)
        tokens[INPUT] = Decimal(state.sums["summary_read"] + more)
        tokens[OUTPUT] = Decimal(calls * self.tokens)
        return (Added("summaries", self._group(state, pricer), tuple(tokens)),)

    def _group(self, state: State, pricer: Pricer) -> Group:
        """Who writes a state's summaries: the model asked for where it is sold and has room, else the session's own."""
        own = replace(state.group, tier="standard", speed="standard")
        if state.keys[WRITER] == self.own_model:
            return own
        asked = replace(own, model=self.writer.id, size=int(state.keys[WRITER]))
        return own if isinstance(pricer.catalog.price(asked, lenient=True), Unpriced) else asked

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The bounds, the calls by themselves, and where caching had made the messages cheap."""
        from claude_audit.levers._history_words import nothing
        from claude_audit.levers._messages import INFERRED, missing
        from claude_audit.levers._summary_words import caveats

        low = high = ZERO
        calls = calls_usd = cached_usd = plain_usd = ZERO
        for old, new in zip(before, after, strict=True):
            if old is new:
                continue
            bare = old.but(beside=())
            cost, added = pricer.cost(old), self._calls(old, pricer)
            here = EXACT.subtract(cost, pricer.cost(new))
            more = self._calls(old, pricer, old.sums["summary_first_prompt"])
            savings = [here, EXACT.subtract(cost, pricer.cost(self._with(old, REWRITTEN, more)))]
            if old.keys[HOW] == INFERRED:
                savings.append(EXACT.subtract(cost, pricer.cost(self._with(old, WHOLE, added))))
            low, high = EXACT.add(low, min(savings)), EXACT.add(high, max(savings))
            calls += old.sums["summary_calls"]
            calls_usd = EXACT.add(calls_usd, EXACT.subtract(pricer.cost(bare.but(beside=added)), pricer.cost(bare)))
            if any(old.tokens[INPUT + 1 : OUTPUT]):
                cached_usd = EXACT.add(cached_usd, here)
            else:
                plain_usd = EXACT.add(plain_usd, here)
        judged = [state for state in before if _gate(state) is None]
        inferred = any(state.keys[HOW] == INFERRED and state.keys[CHANGED] for state in before)
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.BOUNDED,
            caveats=(
                *caveats(int(calls), calls_usd, cached_usd, plain_usd, inferred, self.tokens),
                *nothing(before, judged),
            ),
            assumptions=self._assumptions(),
            excluded=kept_out(((state, _gate(state)) for state in before), pricer),
            facts={
                "summaries": {
                    "calls": int(calls),
                    "calls_usd": exact(calls_usd),
                    "model": self.writer.id,
                    "uncached_saving_usd": exact(plain_usd),
                    "cached_saving_usd": exact(cached_usd),
                }
            },
            coverage=coverage(judged, pricer),
            missing=missing(before, HOW),
        )

    def _with(self, state: State, mark: str, calls: tuple[Added, ...]) -> State:
        return state.reshaped(mark, beside=(*state.beside, *calls))

    def _assumptions(self) -> tuple[Assumption, ...]:
        def source(option: str) -> str:
            return "flag" if option in self.given else "default"

        return (
            Assumption("messages before a summary", str(self.most), "flag"),
            Assumption("tokens of a summary", str(self.tokens), source("summary_tokens")),
            Assumption("tokens of the instruction", str(self.instruction), source("summary_instruction")),
            Assumption("model that sums up", self.writer.id, source("summary_model")),
            Assumption("answers", "as long as they were", "default"),
        )


def _cut(state: State) -> bool:
    """Whether an earlier step took something out of its messages: their sizes are not the log's any more."""
    return "rag_k" in state.prompt


def _gate(state: State) -> str | None:
    from claude_audit.levers._messages import gate_of

    return gate_of(state, HOW) or ("prompt changed by an earlier step" if state.keys[CHANGED] and _cut(state) else None)


_ENDS = ("read", "wrote_1h", "wrote_5m", "prompt")


def build(options: Mapping[str, Any], catalog: Catalog) -> SummarizeAfter | None:
    """The lever for these options. Raises AuditError for a value that is none, and a model that is unknown."""
    if options.get(NAME) is None:
        return None
    asked = str(options.get("summary_model") or DEFAULT_MODEL)
    found = catalog.resolve(asked)
    if found is None:
        raise AuditError(f"--summary-model {asked!r}: no such model", "claude-audit prices lists them")
    length = options.get("summary_tokens")
    tokens = positive(DEFAULT_TOKENS if length is None else length, "--summary-tokens", example=DEFAULT_TOKENS)
    if tokens > found.model.max_output:
        raise AuditError(
            f"--summary-tokens {tokens:,} is more than {found.model.id} can write",
            f"at most {found.model.max_output:,}",
        )
    return SummarizeAfter(
        most=positive(options[NAME], "--summarize-after", "a number of messages above 0", 20),
        tokens=tokens,
        instruction=not_negative(options.get("summary_instruction"), "--summary-instruction", DEFAULT_INSTRUCTION),
        writer=found.model,
        catalog=catalog,
        given=frozenset(name for name, value in options.items() if value is not None),
    )


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (
        Option(NAME, str, "Sum up all but the newest message once a prompt holds more than N.", "N"),
        Option("summary_tokens", str, f"Length of a summary [{DEFAULT_TOKENS}].", "N"),
        Option("summary_model", str, f"Who sums up [{DEFAULT_MODEL}, the newest].", "FAMILY|MODEL"),
        Option("summary_instruction", str, f"Length of the instruction to sum up [{DEFAULT_INSTRUCTION}].", "N"),
    ),
    build,
    __doc__ or "",
    effort=Effort.HIGH,
    risk=Risk(2, ("the model knows older messages from a summary only",)),
    rollback="send the whole conversation again",
    default={NAME: "20"},
    needs=("session",),
)
