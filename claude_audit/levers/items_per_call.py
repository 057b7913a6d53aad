"""Items per call: requests of one template go out together, and their shared start is paid for once a call. Graded assumed.

What it assumes: the items are independent, they may wait for each other, and the model does as well on N at a time.

Which requests: one message, no tools (nor web searches), an answer that ended by itself; one endpoint, workspace, model and
price group; and the same start, the leading tools and system blocks of prompt_blocks, else what is billed as cached. In
order of time, each call takes up to N items, none that starts more than `--items-window` after its first. N answers of that
size must fit into the model's longest answer, and N items of that size into its context. A request without company stays as
it is.

Formula: calls = ceil(items / N) within a window; input = calls x start + items + framing; output + framing. The framing is
`--items-framing IN:OUT` tokens an item. Joint prompts are others than those that were cached, so they are uncached here
(cache_hit or cache_replay, later, may warm their starts), and the whole call is in the price band of its joint prompt.
Low: `--items-failure` of the calls are sent a second time. High: the starts are billed as they are today, cached or not
(where a start alone reaches the cache minimum). Where nobody says how long the start is, it is between nothing and the
template's shortest prompt: no point, bounds only.

Example: 1,000 requests with a start of 1,500 tokens, 300 of their own and 50 out, 20 a call, framing 10:5, on Claude Sonnet
5.5: 50 x 1,500 x 2 + 1,000 x 310 x 2 + 1,000 x 55 x 10 = $1.32 for $4.10. With 95 % of the starts read from the cache they
cost $1.43 today: caching had the same tokens already, and 7.7 % is left.

When it costs money: starts shorter than the framing; a joint prompt over a price band; answers that must be asked again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import reduce
from itertools import combinations
from operator import or_
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, pairs, positive
from claude_audit.levers._packs import FIRST, GATES, JUDGED, MAYBE_FIRST, MAYBE_OTHER, OTHER, Terms
from claude_audit.levers._retries import ENDS
from claude_audit.levers._stored_answers import PERHAPS, SERVED
from claude_audit.levers._verdicts import Verdicts, duration
from claude_audit.money import EXACT, exact
from claude_audit.states import State
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.prompt_ends import Prompt
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer
    from claude_audit.tally import Reach

NAME = "items_per_call"
LOW, HIGH = "@low", "@high"
REMOVED: Mapping[str, tuple[int, ...]] = {"retry": tuple(ENDS), "stored": (SERVED, PERHAPS)}
"""What other levers leave out: the column that tells, and its values."""
JOINED, GUESSED = (FIRST, OTHER), (MAYBE_FIRST, MAYBE_OTHER)
WINDOW, FRAMING, FAILURE = "1h", "10:5", "0.05"


@dataclass
class ItemsPerCall(Lever):
    """`--items-per-call N`."""

    terms: Terms
    catalog: Catalog
    window: str
    failure: Decimal
    """Share of the joint calls that are sent a second time, at the low end."""
    given: frozenset[str]
    name: str = NAME
    stage: Stage = Stage.RESHAPE
    dimensions: tuple[str, ...] = ("endpoint",)
    logs: tuple[str, ...] = ("",)
    """Suffixes of columns and marks: one for each log that levers before it can leave."""
    removes: frozenset[str] = frozenset()
    """Of REMOVED, what is in this run."""

    @property
    def argument(self) -> str:
        """Items per call."""
        return str(self.terms.items)

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """Each row with what becomes of it, what it shares and with whom: once for each log that levers before it can leave."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._packs import packed

        known = usage.collect_schema().names()
        removes = {name: taken for name, taken in REMOVED.items() if name in known}
        logs: dict[str, nw.Expr | None] = {"": None}
        for names in (names for n in range(1, len(removes) + 1) for names in combinations(removes, n)):
            each = [nw.col(name).is_in(list(removes[name])) for name in names]
            logs[_suffix(names)] = reduce(or_, each)
        self.logs, self.removes = tuple(logs), frozenset(removes)
        table = packed(usage, self.terms, self.catalog, reach.models, logs)
        found = Verdicts(self).joined(usage, engine, "row_id", table, none=None)
        filled = ["items_head", *(name + rest for rest in logs for name in ("items", "items_most"))]
        packs = {
            name + rest: nw.col(name + rest)
            for rest in logs
            for name in ("items_pack", "items_joint", "items_joint_low")
        }
        return found.with_columns(
            **{name: nw.col(name).fill_null(0) for name in filled},
            **{name: nw.when(pack >= 0).then(pack) for name, pack in packs.items()},
        )

    def provide(self, scan: Scan) -> None:
        """The shared start, for levers that trim it."""
        import narwhals.stable.v2 as nw

        scan.quantity("head", nw.col("items_head"))

    def classify(self, scan: Scan) -> None:
        """What each prompt becomes: with its start or without, for sure or perhaps."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._packs import Pack, gate
        from claude_audit.prompt_ends import flag

        shut = gate()
        kinds = {rest: nw.col(f"items{rest}") for rest in self.logs}
        for rest, kind in kinds.items():
            scan.key(f"items{rest}", nw.when((kind == 0) & (shut != JUDGED)).then(shut).otherwise(kind), JUDGED)
            for bound in ("", LOW, HIGH):
                joint = f"items_joint_low{rest}" if bound == LOW else f"items_joint{rest}"
                scan.packs[NAME + rest + bound] = Pack(f"items_pack{rest}", joint, f"items_follows{rest}")
        scan.bind(
            **{f"items_sure{rest}": flag(kind.is_in(list(JOINED))) for rest, kind in kinds.items()},
            **{f"items_any{rest}": flag(kind.is_in([*JOINED, *GUESSED])) for rest, kind in kinds.items()},
            **{f"items_follows{rest}": flag(kind.is_in([OTHER, MAYBE_OTHER])) for rest, kind in kinds.items()},
        )
        prompts: dict[str, Callable[[Prompt], Prompt]] = {}
        answers: dict[str, Callable[[nw.Expr], nw.Expr]] = {}
        for rest in self.logs:
            sure, either_way = f"items_sure{rest}", f"items_any{rest}"
            prompts[NAME + rest] = self._reshaped(sure, rest, cold=True, start=True)
            prompts[NAME + rest + LOW] = self._reshaped(either_way, rest, cold=True, start=False)
            prompts[NAME + rest + HIGH] = self._reshaped(either_way, rest, cold=False, start=True)
            answers[NAME + rest] = self._framed(sure)
            answers[NAME + rest + LOW] = answers[NAME + rest + HIGH] = self._framed(either_way)
        scan.reshape_each(prompts)
        scan.vary_each("output", answers)
        if "thinking" in scan.quantities:
            scan.vary_each("thinking", {mark: lambda thinking: thinking for mark in answers})

    def _framed(self, concerned: str) -> Callable[[nw.Expr], nw.Expr]:
        """Answers with their framing."""
        import narwhals.stable.v2 as nw

        return lambda output: output + nw.col(concerned) * self.terms.frame_out

    def _reshaped(self, concerned: str, rest: str, *, cold: bool, start: bool) -> Callable[[Prompt], Prompt]:
        """Those concerned lose their start, where another call carries it, and gain their framing.

        `start`: also those of which nobody says how long it is. `cold`: nothing of it is in a cache.
        """
        import narwhals.stable.v2 as nw

        from claude_audit.prompt_ends import Prompt, either

        which, sure = nw.col(concerned), nw.col(f"items_sure{rest}")

        def make(before: Prompt) -> Prompt:
            own = before.head if before.head is not None else nw.col("items_head")
            lost = sure * own + (which - sure) * nw.col(f"items_most{rest}") if start else sure * own
            follows = nw.col(f"items_follows{rest}")
            left = before.without(0, lost * follows)
            # Of a joint prompt nothing but the start can be what was cached before.
            warm = nw.lit(0) if cold else lost * (1 - follows)
            cacheable = left.cacheable
            if cacheable is not None and left.head is not None:
                # What follows the start is in no other call: nobody would cache it.
                cacheable = either(sure == 1, nw.min_horizontal(cacheable, left.head), cacheable)
            read, wrote_1h, wrote_5m = (
                either(which == 1, nw.min_horizontal(end, warm), end)
                for end in (left.read, left.wrote_1h, left.wrote_5m)
            )
            return Prompt(
                read,
                wrote_1h,
                wrote_5m,
                left.prompt + which * self.terms.frame_in,
                cacheable,
                left.head,
            )

        return make

    def _log(self, states: Sequence[State]) -> str:
        """Which of the logs these are the states of: without what levers before it have left out."""
        return _suffix(
            name
            for name, taken in REMOVED.items()
            if name in self.removes and not any(state.keys[name] in taken for state in states)
        )

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Joint calls where the shared start is known."""
        rest = self._log(states)
        return [self._joined(state, rest, "") if state.keys[f"items{rest}"] in JOINED else state for state in states]

    def _joined(self, state: State, rest: str, bound: str) -> State:
        mark = NAME + rest + bound
        follows = state.keys[f"items{rest}"] in (OTHER, MAYBE_OTHER)
        return state.reshaped(mark, void=True, packed=mark, follows=follows).answering((*state.output, mark))

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Calls sent again; starts as they are billed today; starts of unknown length."""
        rest = self._log(before)

        def kind(state: State) -> int:
            return int(state.keys[f"items{rest}"])

        moved = pairs(before, after)
        guessed = [state for state in before if kind(state) in GUESSED]
        concerned = [old for old, _ in moved] + guessed
        today = pricer.total(concerned)
        joint = pricer.total(new for _, new in moved)
        point = EXACT.subtract(pricer.total(old for old, _ in moved), joint)
        again = EXACT.multiply(self.failure, joint)
        ends = [
            EXACT.subtract(today, pricer.total([self._joined(state, rest, bound) for state in concerned]))
            for bound in (LOW, HIGH)
        ]
        low = EXACT.subtract(min(point, *ends), again)
        items = sum(old.rows for old, _ in moved)
        calls = sum(old.rows for old, _ in moved if kind(old) == FIRST)
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=max(point, *ends),
            grade=Grade.ASSUMED,
            caveats=tuple(self._words(items, calls, guessed, moved)),
            assumptions=tuple(self._assumptions()),
            excluded=kept_out(((state, GATES.get(kind(state))) for state in before), pricer),
            facts={"items": items, "calls": calls, "again_usd": exact(again)},
            coverage=coverage((s for s in before if kind(s) not in GUESSED), pricer),
            missing=("prompt_blocks",) if guessed else (),
        )

    def _words(
        self, items: int, calls: int, guessed: Sequence[State], moved: Sequence[tuple[State, State]]
    ) -> list[str]:
        said = []
        if items:
            said.append(
                f"Assumes independent items and no loss of accuracy at {self.terms.items} per call: {items:,} requests would "
                f"have been {count(calls, 'call')}, each waiting up to {self.window} for company."
            )
        banded = sum(new.rows for old, new in moved if new.group.size > old.group.size)
        if banded:
            said.append(
                f"{count(banded, 'request')} would be in a joint prompt over a price band, and cost more a token."
            )
        if guessed:
            rows = sum(state.rows for state in guessed)
            said.append(
                f"{count(rows, 'request')} could go together, but the log does not say how long their shared start is: between "
                "nothing and the shortest prompt, low and high. Log prompt_blocks for a figure."
            )
        if self.terms.items == 1:
            said.append("One item per call is what the log has.")
        elif not items and not guessed:
            said.append(f"No requests of one template come within {self.window} of each other.")
        return said

    def _assumptions(self) -> list[Assumption]:
        def source(option: str) -> str:
            return "flag" if option in self.given else "default"

        framing = f"{self.terms.frame_in} in, {self.terms.frame_out} out"
        return [
            Assumption("items per call, at most", str(self.terms.items), "flag"),
            Assumption("window", self.window, source("items_window")),
            Assumption("framing tokens an item", framing, source("items_framing")),
            Assumption("calls sent again, at the low end", exact(self.failure) or "0", source("items_failure")),
        ]


def _suffix(names: Iterable[str]) -> str:
    """What tells the columns and marks of a log without these calls from those of the whole log."""
    return "".join(f"~{name}" for name in names)


def build(options: Mapping[str, Any], catalog: Catalog) -> ItemsPerCall | None:
    """The lever for these options. Raises AuditError for values that make no sense."""
    if options.get(NAME) is None:
        return None
    items = positive(options[NAME], "--items-per-call")
    window = str(options.get("items_window") or WINDOW).strip()
    frame_in, frame_out = _framing(str(options.get("items_framing") or FRAMING))
    terms = Terms(items, duration(window, "--items-window"), frame_in, frame_out)
    given = frozenset(name for name, value in options.items() if value is not None)
    failure = FAILURE if options.get("items_failure") is None else options["items_failure"]
    return ItemsPerCall(terms, catalog, window, _rate(failure), given)


def _framing(asked: str) -> tuple[int, int]:
    parts = asked.split(":")
    if len(parts) != 2 or not all(part.strip().isdecimal() and int(part) < 1_000_000 for part in parts):
        raise AuditError(f"--items-framing {asked!r} is not IN:OUT", "tokens an item adds to prompt and answer: 10:5")
    return int(parts[0]), int(parts[1])


def _rate(asked: Any) -> Decimal:
    try:
        rate = Decimal(str(asked))
    except ArithmeticError:
        rate = Decimal(-1)
    if not rate.is_finite() or not 0 <= rate <= 1:
        raise AuditError(f"--items-failure {asked} is not a rate from 0 to 1", "for example --items-failure 0.02")
    return rate


KIND = Kind(
    NAME,
    Stage.RESHAPE,
    (
        Option(NAME, str, "Send up to N requests of one template as one.", "N"),
        Option("items_window", str, "Longest wait for company, such as 15m [1h].", "TIME"),
        Option("items_framing", str, "Tokens that each item adds to prompt and answer [10:5].", "IN:OUT"),
        Option("items_failure", str, "Share of joint calls sent again, at the low end [0.05].", "RATE"),
    ),
    build,
    __doc__ or "",
    effort=Effort.HIGH,
    risk=Risk(3, ("items influence each other", "later items get less attention", "one bad answer fails many items")),
    rollback="one item per call",
    default={NAME: "10"},
    needs=("prompt_blocks|cache_read_tokens",),
    turn=9,
)
