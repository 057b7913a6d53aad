"""Conciseness: an instruction in the prompt that shortens visible prose by a share, LOW to HIGH. Graded assumed.

What it assumes: the share x of the visible answer that is left out. The point is the middle of LOW:HIGH, because no log
says where in it the truth lies; low and high are its ends. Thinking is not shortened, and the instruction's own tokens
(`--concise-tokens`, 30 unless said) are added to every prompt that carries it, in the class (uncached, read, written) in
which the start of that prompt was billed.

Gates: no tools used; no structured answer (a `task` of extract or format); one call a row; output recorded. Where a row
does not tell how many of its tokens were thinking (neither thinking_tokens nor thinking: false), the visible part is
anything from nothing to all: such rows stay as they are at the point, and widen low (the instruction for nothing) and
high (HIGH of the whole answer).

Formula: saving = x * (output - thinking) * output price - instruction tokens * what the prompt's start is billed at.

Example: 1,000 answers of Claude Sonnet 5.5 with 1,000 tokens each, 600 of them thinking, cut by 20 to 40 %. Low: 0.20 x
400 x 10 USD per million x 1,000 = $0.80, less 30 x 2 x 1,000 / 1,000,000 = $0.06, is $0.74; high $1.54; point $1.14. With
the thinking counted in it would have looked like $4.00.

When it costs money: where an answer has fewer visible tokens than t * in / (x * out), here 30 x 2 / (0.30 x 10) = 20:
classifiers lose. The endpoints where it does are named.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, pairs
from claude_audit.levers._shares import Shares, shares
from claude_audit.money import EXACT, ZERO
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State

NAME = "concise"
TOKENS = 30
"""Of an instruction such as "Answer in at most three sentences, without preamble or summary"."""
STRUCTURED_TASKS = ("extract", "format")
"""Jobs whose answers are fields, not prose: there is nothing in them to leave out."""
GATES = (
    "pass of a longer call, or a sum of several",
    "output not recorded",
    "tools used",
    "structured answer",
)
UNCOUNTED, NOTHING_VISIBLE, PROSE = "thinking not counted", "nothing visible", "prose"
CODES = (*GATES, UNCOUNTED, NOTHING_VISIBLE, PROSE)
"""What the engine says of a row, as a number."""


@dataclass
class Concise(Lever):
    """`--concise LOW:HIGH`."""

    cut: Shares
    tokens: int
    given: bool
    """The instruction's tokens were asked for."""
    name: str = NAME
    stage: Stage = Stage.OUTPUT
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True

    @property
    def argument(self) -> str:
        """The interval."""
        return str(self.cut)

    def provide(self, scan: Scan) -> None:
        """The thinking tokens, for the levers before it to carry along."""
        from claude_audit.levers._thinking import thinking

        thinking(scan)

    def classify(self, scan: Scan) -> None:
        """Which answers are prose, and their prompts with the instruction."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._thinking import counted

        output, thought = scan.quantities["output"][()], scan.quantities["thinking"][()]
        tool_use = (nw.col("stop_reason") == "tool_use").fill_null(False)
        closed = (
            ~(scan.call & (nw.col("requests") == 1).fill_null(False)),
            nw.col("output_tokens").is_null(),
            (nw.col("tools_used").fill_null(0) > 0) | tool_use,
            scan.among("task", STRUCTURED_TASKS),
            ~counted(),
            output <= thought,
        )
        found = nw.when(closed[0]).then(nw.lit(0))
        for code, condition in enumerate(closed[1:], 1):
            found = found.when(condition).then(nw.lit(code))
        scan.key(NAME, found.otherwise(nw.lit(CODES.index(PROSE))), len(CODES))
        scan.grown[NAME] = self.tokens
        scan.reshape(NAME, lambda prompt: prompt.with_start(nw.lit(self.tokens)))

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The instruction before the prompt, and the middle of the interval off the visible answer."""
        return [self._shortened(state, self.cut.middle) if self._concerns(state) else state for state in states]

    def _concerns(self, state: State) -> bool:
        """Prose; where nothing is visible the instruction is sent too, if it has any tokens."""
        found = CODES[state.keys[NAME]]
        return found == PROSE or (found == NOTHING_VISIBLE and self.tokens > 0)

    @staticmethod
    def _shortened(state: State, share: Decimal) -> State:
        return state.reshaped(NAME).answering(state.output, (*state.shorter, ("visible", share)))

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The ends of the interval; rows whose thinking is not counted, as though all, or none, of the answer were that."""
        moved = pairs(before, after)
        old = [b for b, _ in moved]
        low, high = (
            pricer.saving(old, [self._shortened(b, share) for b in old]) for share in (self.cut.low, self.cut.high)
        )
        uncounted = [b for b in before if CODES[b.keys[NAME]] == UNCOUNTED]
        all_thought = pricer.saving(uncounted, [b.reshaped(NAME) for b in uncounted])
        none_thought = pricer.saving(uncounted, [self._shortened(b, self.cut.high) for b in uncounted])
        low, high = EXACT.add(low, min(ZERO, all_thought)), EXACT.add(high, max(ZERO, none_thought))
        known = {PROSE, NOTHING_VISIBLE, UNCOUNTED}
        gates = [(b, gate if (gate := CODES[b.keys[NAME]]) not in known else None) for b in before]
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.ASSUMED,
            caveats=tuple(self._caveats(moved, uncounted, pricer)),
            assumptions=(
                Assumption("share of the visible answer left out, from", str(self.cut.low), "flag"),
                Assumption("share of the visible answer left out, to", str(self.cut.high), "flag"),
                Assumption("share at the point: the middle", str(self.cut.middle), "default"),
                Assumption("tokens of the instruction", str(self.tokens), "flag" if self.given else "default"),
            ),
            excluded=kept_out(gates, pricer),
            coverage=coverage((b for b in before if CODES[b.keys[NAME]] in (PROSE, NOTHING_VISIBLE)), pricer),
            missing=("thinking_tokens",) if uncounted else (),
        )

    def _caveats(
        self, moved: Sequence[tuple[State, State]], uncounted: Sequence[State], pricer: Pricer
    ) -> Iterable[str]:
        if moved:
            yield f"Assumes {self.cut.words} shorter answers; quality not measured."
        yield from self._losers(moved, pricer)
        if uncounted:
            rows = sum(state.rows for state in uncounted)
            yield (
                f"How many tokens were thinking is not recorded of {count(rows, 'request')}: in the bounds, not in the point."
            )

    def _losers(self, moved: Sequence[tuple[State, State]], pricer: Pricer) -> Iterable[str]:
        """Endpoints whose answers are too short to pay for the instruction."""
        by_endpoint: dict[str, list[tuple[State, State]]] = {}
        for pair in moved:
            by_endpoint.setdefault(pair[0].labels["endpoint"] or "(none)", []).append(pair)
        losing = []
        for endpoint, those in by_endpoint.items():
            old = [b for b, _ in those]
            paid = -pricer.saving(old, [b.reshaped(NAME) for b in old])
            saved = EXACT.add(pricer.saving(old, [a for _, a in those]), paid)
            if paid > saved:
                rows = sum(b.rows for b in old)
                visible = sum(b.sum_of("output") - b.sum_of("thinking") for b in old)
                enough = f", and {_tokens(visible * paid / saved / rows)} would pay for it" if saved > 0 else ""
                losing.append((EXACT.subtract(paid, saved), f"{endpoint} ({_tokens(Decimal(visible) / rows)}{enough})"))
        losing.sort(key=lambda entry: (-entry[0], entry[1]))
        if losing:
            more = f" and {len(losing) - 3} more" if len(losing) > 3 else ""
            yield (
                "The instruction costs more than it saves on short answers, in visible tokens each: "
                f"{', '.join(words for _, words in losing[:3])}{more}."
            )


def _tokens(number: Decimal) -> str:
    return f"{number:,.0f}" if number >= 10 or number == int(number) else f"{number:.1f}"


def build(options: Mapping[str, Any], catalog: Catalog) -> Concise | None:
    """The lever for these options. Raises AuditError for an interval that is none."""
    if options.get(NAME) is None:
        return None
    given = options.get("concise_tokens")
    try:
        tokens = TOKENS if given is None else int(str(given))
    except ValueError:
        tokens = -1
    if not 0 <= tokens <= 1_000_000:
        raise AuditError(f"--concise-tokens {given!r} is not a number of tokens", "for example --concise-tokens 30")
    return Concise(shares(options[NAME], "--concise"), tokens, given is not None)


KIND = Kind(
    NAME,
    Stage.OUTPUT,
    (
        Option(NAME, str, "Assume that an instruction shortens visible prose by a share.", "LOW:HIGH"),
        Option("concise_tokens", int, "The instruction has N tokens [30].", "N"),
    ),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    risk=Risk(2, ("less said", "reasoning in the answer is cut too")),
    rollback="take the instruction out of the prompt",
    default={NAME: "0.1:0.4"},
)
