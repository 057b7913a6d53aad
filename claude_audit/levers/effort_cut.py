"""Lower effort: thinking tokens cut by a share, LOW to HIGH. Graded assumed.

What it assumes: the share of the thinking tokens that a lower effort (or budget) leaves out. The point is the middle of
LOW:HIGH, low and high are its ends; say 0:HIGH where it may be nothing. The visible answer stays as it is.

Gates: one call a row; effort not low already. Rows that think, or may have, and do not count their thinking tokens get no
figure: they are left out and counted. Rows that did not think are not concerned.

Formula: saving = cut * thinking * output price. The break-even is before / after - 1: the share of further turns that
would cancel the saving.

Example: 2,000 tokens in and 2,000 out of Claude Sonnet 5.5, 1,500 of them thinking, cost 2,000 x 2 + 2,000 x 10 = $0.024.
Half of the thinking less is 750 x 10 = $0.0075 saved, $0.0165; and 0.024 / 0.0165 - 1 = 45 % more turns cancel it.

When it costs money: where less thinking means more turns, or answers that have to be asked for again. Anthropic's notes on
migrating models say that higher effort often reduces the number of turns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, pairs
from claude_audit.levers._shares import Shares, shares
from claude_audit.money import EXACT
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State

NAME = "effort_cut"
LOWEST = "low"
"""The lowest effort that the API takes (Anthropic docs, Effort, read 2026-11)."""
UNCOUNTED = "thinking tokens not recorded: no figure"
GATES = ("pass of a longer call, or a sum of several", UNCOUNTED, "effort is low already")
NO_THINKING, THINKS = "no thinking", "thinks"
CODES = (*GATES, NO_THINKING, THINKS)
"""What the engine says of a row, as a number."""


@dataclass
class EffortCut(Lever):
    """`--effort-cut LOW:HIGH`."""

    cut: Shares
    name: str = NAME
    stage: Stage = Stage.OUTPUT
    dimensions: tuple[str, ...] = ()
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
        """Which rows think, and whether that can be turned down."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._thinking import FIELD

        thought = scan.quantities["thinking"][()]
        said_no = ~nw.col("thinking").fill_null(True)
        conditions = (
            (~(scan.call & (nw.col("requests") == 1).fill_null(False)), GATES[0]),
            (nw.col(FIELD).is_null() & ~said_no, UNCOUNTED),
            (thought == 0, NO_THINKING),
            ((nw.col("effort") == LOWEST).fill_null(False), GATES[2]),
        )
        first, *rest = conditions
        found = nw.when(first[0]).then(nw.lit(CODES.index(first[1])))
        for condition, name in rest:
            found = found.when(condition).then(nw.lit(CODES.index(name)))
        scan.key(NAME, found.otherwise(nw.lit(CODES.index(THINKS))), len(CODES))

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The middle of the interval off the thinking tokens."""
        return [self._cut(state, self.cut.middle) if CODES[state.keys[NAME]] == THINKS else state for state in states]

    @staticmethod
    def _cut(state: State, share: Decimal) -> State:
        return state.answering(state.output, (*state.shorter, ("thinking", share)))

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The ends of the interval, and how many more turns would cancel the saving."""
        moved = pairs(before, after)
        old = [b for b, _ in moved]
        low, high = (pricer.saving(old, [self._cut(b, share) for b in old]) for share in (self.cut.low, self.cut.high))
        cost, rest = pricer.total(old), pricer.total([a for _, a in moved])
        even = float(EXACT.subtract(EXACT.divide(cost, rest), Decimal(1))) if rest else None
        gates = [(b, gate if (gate := CODES[b.keys[NAME]]) in GATES else None) for b in before]
        uncounted = sum(b.rows for b, gate in gates if gate == UNCOUNTED)
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.ASSUMED,
            caveats=tuple(self._caveats(bool(moved), even, uncounted)),
            assumptions=(
                Assumption("share of thinking tokens cut, from", str(self.cut.low), "flag"),
                Assumption("share of thinking tokens cut, to", str(self.cut.high), "flag"),
                Assumption("share at the point: the middle", str(self.cut.middle), "default"),
            ),
            excluded=kept_out(gates, pricer),
            facts={"break_even_extra_turns_share": even},
            coverage=coverage((b for b, gate in gates if gate != UNCOUNTED), pricer),
            missing=("thinking_tokens",) if uncounted else (),
        )

    def _caveats(self, moved: bool, even: float | None, uncounted: int) -> Iterable[str]:
        if moved and even is not None:
            yield f"{even:.1%} more turns would cancel this. Assumes {self.cut.words} less thinking; quality not measured."
        if uncounted:
            yield f"How many tokens were thinking is not recorded of {count(uncounted, 'request')}: no figure for them."
        elif not moved:
            yield "No request in the log counts thinking tokens that could be cut."


def build(options: Mapping[str, Any], catalog: Catalog) -> EffortCut | None:
    """The lever for these options. Raises AuditError for an interval that is none."""
    return None if options.get(NAME) is None else EffortCut(shares(options[NAME], "--effort-cut"))


KIND = Kind(
    NAME,
    Stage.OUTPUT,
    (Option(NAME, str, "Assume that lower effort cuts thinking tokens by a share.", "LOW:HIGH"),),
    build,
    __doc__ or "",
    effort=Effort.VERY_LOW,
    risk=Risk(3, ("less thinking", "more turns")),
    rollback="raise effort again",
    default={NAME: "0:0.5"},
    needs=("thinking_tokens",),
)
