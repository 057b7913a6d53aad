"""A window over the conversation: prompts keep their system part and the last N messages. Graded bounded.

What it assumes: answers stay as long as they are, although the model no longer sees what lies before the window.

Formula: with prompt_blocks the messages left out have known sizes, and prompt' = prompt - these. What was read from the
cache stays read as far as the system prompt and tools reach; behind them everything is plain input once the window slides,
because its first message is another one each turn, and a prefix that changed cannot be read. Without blocks, in sessions
that only append, prompt(t) - prompt(t - 1) = the answer before (without its thinking) + the new question, so all sizes but
the first question's are known: the point leaves the first prompt whole. Sessions that do not add up so are left out, and
counted; without sessions there is no figure.
Low: today's cache marks stay where they are, and the window is written anew each turn. High: the point; where sizes are
inferred, the first prompt (its length is all that is known of the system prompt) goes too.

Example: a system prompt of 400 and 15 turns of 50-token messages on Claude Sonnet 5.5. Prompts grow from 450 to 1,850:
17,250 tokens, $0.0345. With the last 5 messages: 450, 550, then 13 x 650 = 9,450 tokens, $0.0189.

When it costs money: in sessions that cache. A turn reads its whole history at a tenth of the input price (a twentieth, a
fortieth on some models) and the window costs all of it, so it pays only when the history is more than 1/R times (10, 20,
40) as long as the window. A window of an even number of messages begins with an answer, not with a question: use odd ones,
and move the start on where it would fall between a tool's call and its result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, positive
from claude_audit.levers._batches import batches
from claude_audit.money import EXACT, ZERO
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.levers._messages import Ints
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State
    from claude_audit.tally import Reach

NAME = "history"
REWRITTEN, WHOLE = f"{NAME}@rewritten", f"{NAME}@whole"
"""Marks of the prompts for the bounds: the window written anew each turn; the first prompt left out too."""
HOW, CUT = "history_how", "history_cut"
UNCUT, SLID, PLAIN, CACHED = range(4)
"""What the window does to a row: nothing; slides, but no token is known to go; goes to plain input; loses a cache."""


@dataclass
class History(Lever):
    """`--history N`."""

    window: int
    catalog: Catalog
    name: str = NAME
    stage: Stage = Stage.RESHAPE
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    _inferred: bool = field(default=False, repr=False)

    @property
    def argument(self) -> str:
        """The window in messages."""
        return str(self.window)

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """The rows, each with what is known of its messages, and what the window leaves out."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers import _messages as known

        folder = temporary.kept_by(self)
        blocks = None
        tables = []
        if known.from_blocks(usage, self._dropped, folder / "blocks.parquet"):
            blocks = engine.scan([str(folder / "blocks.parquet")])
            tables.append(self._exact(blocks))
        self._inferred = known.sessions_without_blocks(usage, engine)
        if self._inferred:
            tables.append(self._inferred_rows(known.in_sessions(usage, blocks, self.catalog)))
        found = (batch for table in tables for batch in batches(table))
        if not known.write(found, folder / "history.parquet"):
            return usage.with_columns(**{name: nw.lit(None).cast(nw.Int64) for name in COLUMNS})
        return usage.join(engine.scan([str(folder / "history.parquet")]), on="row_id", how="left")

    def _dropped(self, messages: Ints) -> tuple[Ints, Ints]:
        import numpy as np

        dropped = np.maximum(messages - self.window, 0)
        return dropped, np.zeros_like(dropped)

    def _exact(self, blocks: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        import narwhals.stable.v2 as nw

        from claude_audit.levers._messages import EXACT_SIZES

        return _columns(
            blocks,
            how=nw.lit(EXACT_SIZES),
            begin=nw.col("begin"),
            tokens=nw.col("cut"),
            slid=nw.col("dropped") > 0,
            past=nw.col("past"),
            first=nw.col("first"),
            dropped=nw.col("dropped"),
        )

    def _inferred_rows(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """A window ends with the newest question; before each question stands the answer to the one before."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._messages import EXACT_SIZES, INFERRED, before

        turns, odd = divmod(self.window, 2)
        said = before("size", turns + 1) + before("answer", turns + 1) if odd else before("size", turns)
        rows = rows.with_columns(said_before_window=said).filter(nw.col("how") != EXACT_SIZES)
        cut = nw.max_horizontal(nw.col("said_before_window") - nw.col("first_size"), nw.lit(0)).fill_null(0)
        read = nw.col("how") == INFERRED
        slid = read & (nw.col("counted") > self.window)
        return _columns(
            rows,
            how=nw.col("how"),
            begin=nw.col("first_size"),
            tokens=nw.when(slid).then(cut).otherwise(nw.lit(0)),
            slid=slid,
            past=nw.when(read).then(nw.col("size") - nw.col("first_size")).otherwise(nw.lit(0)),
            first=nw.lit(0),
            dropped=nw.lit(0),
        )

    def classify(self, scan: Scan) -> None:
        """Where the window slides, and what prompts are then."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._messages import EXACT_SIZES, KNOWN, how
        from claude_audit.levers._rewritten import Rewrite, without_blocks
        from claude_audit.levers._windowed import Cut, uncached_from, written_from
        from claude_audit.prompt_ends import Prompt, flag

        scan.bind(
            history_how=how("history_known"),
            **{f"{name}_": nw.col(name).fill_null(0) for name in COLUMNS if name != "history_known"},
        )
        rest = nw.max_horizontal(scan.prompt - nw.col("history_begin_"), nw.lit(0))
        scan.bind(
            history_rest=rest,
            history_gone=nw.min_horizontal(nw.col("history_tokens_"), rest),
            history_behind=nw.max_horizontal(scan.cached - nw.col("history_begin_"), nw.lit(0)),
        )
        slid, gone = nw.col("history_slid_"), nw.col("history_gone")
        cached = flag(nw.col("history_behind") > 0)
        scan.key(HOW, nw.col("history_how"), KNOWN)
        scan.bind(history_cut=slid * nw.max_horizontal(nw.lit(SLID), PLAIN * flag(gone > 0), CACHED * cached))
        scan.key(CUT, nw.col("history_cut"), CACHED + 1)
        cut = Cut(nw.col("history_rest"), gone)
        scan.reshape(NAME, lambda prompt: uncached_from(cut.of(prompt), cut.at(prompt), slid))
        inferred = flag(nw.col("history_how") != EXACT_SIZES) * slid

        def rewritten(prompt: Prompt) -> Prompt:
            return written_from(cut.of(prompt), cut.at(prompt) * (1 - inferred), slid, prompt)

        def whole(prompt: Prompt) -> Prompt:
            left = uncached_from(cut.of(prompt), cut.at(prompt), slid)
            return left.without(0, cut.at(prompt) * inferred)

        scan.reshape(REWRITTEN, rewritten)
        if self._inferred:
            scan.reshape(WHOLE, whole)
        scan.sums["history_past"] = nw.col("history_past_")
        scan.sums["history_gone"] = gone
        scan.sums["history_behind"] = nw.col("history_behind")
        scan.sums["history_left"] = nw.max_horizontal(nw.col("history_rest") - gone, nw.lit(0)) * slid
        scan.rewrites[NAME] = Rewrite(
            ("history_first", "history_dropped"),
            lambda requests, concerned, columns: without_blocks(
                requests, concerned, columns["history_first"], columns["history_dropped"]
            ),
        )

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Leave out what lies before the window. A prompt that loses no known token is another one to a cache all the same."""
        return [state.reshaped(NAME) if state.keys[CUT] else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The bounds, the cached sessions by themselves, and how much of the input is history."""
        from claude_audit.levers import _history_words as words
        from claude_audit.levers._messages import INFERRED, gate_of, missing

        low = high = ZERO
        for old, new in zip(before, after, strict=True):
            if old.keys[CUT] == UNCUT:
                continue
            cost = pricer.cost(old)
            savings = [EXACT.subtract(cost, pricer.cost(new))]
            savings.append(EXACT.subtract(cost, pricer.cost(old.reshaped(REWRITTEN))))
            if old.keys[HOW] == INFERRED:
                savings.append(EXACT.subtract(cost, pricer.cost(old.reshaped(WHOLE))))
            low, high = EXACT.add(low, min(savings)), EXACT.add(high, max(savings))
        judged = [state for state in before if gate_of(state, HOW) is None]
        found = words.Found.of(before, after, pricer)
        caveats = ["The model would have forgotten what lies before the window."] if found.cut_requests else []
        caveats += words.share(found)
        caveats += words.cached(found, self.window)
        caveats += words.kept_marks(found, low, EXACT.subtract(pricer.total(before), pricer.total(after)))
        if any(state.keys[HOW] == INFERRED and state.keys[CUT] for state in before):
            caveats.append(
                "Message sizes without prompt_blocks are inferred from sessions that only append: the point keeps each "
                "session's first prompt whole, the high end leaves it out."
            )
        caveats += words.nothing(before, judged)
        if self.window % 2 == 0:
            caveats.append(
                f"A window of {self.window} messages begins with an answer, not with a question: "
                f"take {self.window - 1} or {self.window + 1}."
            )
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.BOUNDED,
            caveats=tuple(caveats),
            assumptions=(
                Assumption("messages kept", str(self.window), "flag"),
                Assumption("answers", "as long as they were", "default"),
            ),
            excluded=kept_out(((state, gate_of(state, HOW)) for state in before), pricer),
            facts={NAME: found.facts()},
            coverage=coverage(judged, pricer),
            missing=missing(before, HOW),
        )


COLUMNS = (
    "history_known",
    "history_begin",
    "history_tokens",
    "history_slid",
    "history_past",
    "history_first",
    "history_dropped",
)


def _columns(rows: nw.LazyFrame[Any], how: nw.Expr, **values: nw.Expr) -> nw.LazyFrame[Any]:
    """COLUMNS, beside the row's id."""
    import narwhals.stable.v2 as nw

    named = {"history_known": how} | {f"history_{name}": value for name, value in values.items()}
    return rows.select("row_id", **{name: value.cast(nw.Int64) for name, value in named.items()})


def build(options: Mapping[str, Any], catalog: Catalog) -> History | None:
    """The lever for these options. Raises AuditError for a window that is none, and beside --summarize-after."""
    if options.get(NAME) is None:
        return None
    if options.get("summarize_after") is not None:
        raise AuditError(
            "--history and --summarize-after exclude each other: one forgets what the other sums up",
            "try one, then the other, and compare",
        )
    return History(positive(options[NAME], "--history", "a number of messages above 0", 11), catalog)


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (Option(NAME, str, "Keep the system prompt and the last N messages of each prompt.", "N"),),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(3, ("the model forgets what lies before the window",)),
    rollback="send the whole conversation again",
    default={NAME: "9"},
    needs=("prompt_blocks|session",),
)
