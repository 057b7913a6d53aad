"""Output cap: max_tokens = N on requests without thinking. Graded bounded.

What it assumes: an answer that would have been longer is cut at N tokens. A cap never shortens an answer, it cuts it.

N is a number, or measured on the answers that could be cut, all endpoints together: `2x` is twice their median (of an even
number of answers, the mean of the middle two), `p95` and `p99` the smallest cap that cuts at most 5 % and 1 % of them. For
an endpoint's own, filter: `--where endpoint=NAME`. The step says which N it came to.

Gates: thinking (unless `--cap-thinking`); rows that stand for several calls; output not recorded.

Formula: output' = min(output, N), counted in the logged model's tokens, before any routing scales them. Where items share a
call, N bounds each item's answer; its frame stays.
The point, and the high end, is the cost of the tokens cut. The low end is that minus the full cost, before the step, of
every request that was cut: each is asked again.

Example: ten answers of Claude Sonnet 5.5, nine of 50 tokens and one of 500; `2x` is 100. The point is 400 tokens, 400 x 10
USD per million = $0.004; if the cut request (1,000 tokens in, 500 out: $0.007) is asked again, the low end is -$0.003.

When it costs money: whenever cut answers are asked again. The share that would be cut is printed beside the figure, and the
caps that would cut 5 %, 1 % and none. Answers that ended at a cap of today already (stop_reason max_tokens) ask for the
opposite: where they are sent again, their first attempt is waste, and a higher cap saves it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import TYPE_CHECKING, Any

from claude_audit.levers import (
    Kind,
    Lever,
    Option,
    Outcome,
    Stage,
    changed_rows,
    coverage,
    kept_out,
    pairs,
    positive,
)
from claude_audit.money import EXACT, ZERO, dollars
from claude_audit.row_columns import Known
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State
    from claude_audit.tally import Reach

NAME = "cap_output"


MEASURED = {"2x": "twice the median answer", "p95": "cuts 5 % of answers", "p99": "cuts 1 % of answers"}
"""Caps that are measured on the log, and what each is."""
GATES = ("thinking", "pass of a longer call, or a sum of several", "output not recorded")
FREE = len(GATES)
"""What the engine says of a row, as a number: a place in GATES, or that it could be cut."""


@dataclass
class CapOutput(Lever):
    """`--cap-output N`."""

    cap: int
    """In tokens; of a measured cap, filled by inspect."""
    with_thinking: bool
    asked: str = ""
    """What was measured: of MEASURED; empty when N was said."""
    name: str = NAME
    stage: Stage = Stage.OUTPUT
    dimensions: tuple[str, ...] = ()
    single: bool = True
    _read: Callable[[], list[Any]] = field(default=list, repr=False)
    """The rows of lengths: known once somebody needs them."""

    @property
    def argument(self) -> str:
        """As the user gave it."""
        return self.asked or str(self.cap)

    @cached_property
    def lengths(self) -> list[tuple[int, int]]:
        """(output tokens, answers), ascending, of the answers that could be cut."""
        return sorted((int(length), int(rows)) for length, rows in self._read())

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """How long the answers are that could be cut: a count for each length."""
        import narwhals.stable.v2 as nw

        from claude_audit.tally import quantity

        known, closed = reach.known, self._closed(reach.known)
        rows = usage if known.full("model") else usage.filter(~nw.col("model").is_null())
        rows = rows if known.empty("unbilled") else rows.filter(nw.col("unbilled").is_null())
        rows = rows.filter(self._gate(closed) == FREE) if closed else rows
        lengths = rows.select(length=quantity("output", known)).group_by("length")
        self._read = engine.later(lengths.agg(nw.len().alias("rows")))
        if self.asked:
            self.cap = max(1, measured(self.asked, self.lengths) or 1)
        return usage

    def _closed(self, known: Known) -> dict[int, nw.Expr]:
        """Place in GATES -> whether that keeps a row out; without those that no row can show. The last that holds is told."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._thinking import never, thinks

        found: dict[int, nw.Expr] = {}
        if not self.with_thinking and not never(known):
            found[0] = thinks()
        if not known.full("output_tokens"):
            found[2] = nw.col("output_tokens").is_null()
        # A pass of a longer call has an answer of its own.
        if known.texts.get("row_kind") != "call" or known.most.get("requests") != 1 or not known.full("requests"):
            found[1] = ~((nw.col("row_kind") == "call") & (nw.col("requests") <= 1)).fill_null(False)
        return found

    def _gate(self, closed: Mapping[int, nw.Expr]) -> nw.Expr:
        """A place in GATES, or FREE."""
        import narwhals.stable.v2 as nw

        gate: nw.Expr = nw.lit(FREE)
        for place, holds in closed.items():
            gate = nw.when(holds).then(nw.lit(place)).otherwise(gate)
        return gate

    def classify(self, scan: Scan) -> None:
        """Which rows could be cut, which are, which were already, and what their output becomes."""
        import narwhals.stable.v2 as nw

        from claude_audit.prompt_ends import flag

        output = scan.quantities["output"][()]
        closed = self._closed(scan.reach.known)
        scan.bind(cap_gate=self._gate(closed))
        scan.bind(cap_cut=(nw.col("cap_gate") == FREE) & (output > self.cap) if closed else output > self.cap)
        met = (nw.col("cap_gate") == FREE) & (nw.col("stop_reason") == "max_tokens").fill_null(False)
        scan.key("cap_gate", nw.col("cap_gate"), len(GATES) + 1)
        scan.key("cap_cut", nw.col("cap_cut"), 2)
        scan.key("cap_met", met, 2)
        cut = flag(nw.col("cap_cut"))
        # What it would have cut of the answer as logged: the frame around an item of a joint answer stays.
        scan.vary("output", NAME, lambda o: o - cut * (output - self.cap))
        scan.constant("output", NAME, "cap_cut", self.cap)
        if "thinking" in scan.quantities:
            # Thinking comes first: what is cut is the end.
            scan.vary("thinking", NAME, lambda h: h - cut * nw.max_horizontal(h - self.cap, nw.lit(0)))

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Cut the outputs."""
        return [state.answering((*state.output, NAME)) if state.keys["cap_cut"] else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The tokens cut; low when each cut request is asked again in full."""
        point, again, cut = ZERO, ZERO, 0
        for old, new in pairs(before, after):
            cost = pricer.cost(old)
            point = EXACT.add(point, EXACT.subtract(cost, pricer.cost(new)))
            again = EXACT.add(again, cost)
            cut += old.rows
        judged = [state for state in before if state.keys["cap_gate"] == FREE]
        answers = sum(state.rows for state in judged)
        low = EXACT.subtract(point, again)
        share = cut / answers if answers else 0.0
        gates = [(s, None if s.keys["cap_gate"] == FREE else GATES[s.keys["cap_gate"]]) for s in before]
        assumed = Assumption("cap in tokens", str(self.cap), "flag")
        if self.asked:
            assumed = Assumption(
                f"cap in tokens: {MEASURED[self.asked]}", str(self.cap) if self.lengths else "none", "measured"
            )
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=point,
            grade=Grade.BOUNDED,
            caveats=tuple(self._caveats(cut, answers, low, [s for s in judged if s.keys["cap_met"]], pricer)),
            assumptions=(assumed,),
            excluded=kept_out(gates, pricer),
            facts={
                "cap_tokens": self.cap if self.lengths or not self.asked else None,
                "truncated_share": share,
                "truncated_requests": cut,
                "caps_that_cut": caps_for(self.lengths),
            },
            coverage=coverage(judged, pricer),
            missing=("output_tokens",) if any(gate == "output not recorded" for _, gate in gates) else (),
        )

    def _caveats(self, cut: int, answers: int, low: Decimal, met: Sequence[State], pricer: Pricer) -> Iterable[str]:
        if self.asked and not self.lengths:
            yield f"No answer in the log could be cut: there is nothing to measure {self.asked} on."
        elif self.asked:
            yield f"{self.asked} ({MEASURED[self.asked]}) is {self.cap:,} tokens here."
        if cut:
            yield (
                f"{cut / answers:.1%} of the answers ({cut:,} of {answers:,}) would have been cut off; if each is asked "
                f"again in full, the cap {'costs' if low < 0 else 'saves'} {dollars(abs(low))}."
            )
        if met:
            rows = sum(state.rows for state in met)
            yield (
                f"{count(rows, 'answer')} ended at max_tokens already ({dollars(pricer.total(met))}): where such requests are "
                "sent again, raise their cap instead."
            )


CUT_PERCENT = {"none": 0, "1 %": 1, "5 %": 5}
"""Shares of answers for which the cap that would cut them is told."""


def caps_for(lengths: Sequence[tuple[int, int]]) -> dict[str, int]:
    """The smallest caps that cut no answer, at most 1 % and at most 5 % of them, from (length, answers) ascending."""
    answers = sum(rows for _, rows in lengths)
    found: dict[str, int] = {}
    for name, percent in CUT_PERCENT.items():
        longer = answers
        for length, rows in lengths:
            longer -= rows
            if 100 * longer <= percent * answers:
                found[name] = length
                break
    return found


def measured(what: str, lengths: Sequence[tuple[int, int]]) -> int | None:
    """The cap in tokens that `what` (of MEASURED) comes to, from (length, answers) ascending; None without answers."""
    if not lengths:
        return None
    if what != "2x":
        return caps_for(lengths)[{"p95": "5 %", "p99": "1 %"}[what]]
    answers = sum(rows for _, rows in lengths)
    return _at((answers - 1) // 2, lengths) + _at(answers // 2, lengths)


def _at(place: int, lengths: Sequence[tuple[int, int]]) -> int:
    """The length of the answer at that place, from 0, in ascending order."""
    for length, rows in lengths:
        place -= rows
        if place < 0:
            return length
    raise IndexError(place)


def build(options: Mapping[str, Any], catalog: Catalog) -> CapOutput | None:
    """The lever for these options. Raises AuditError for a cap that is none."""
    asked = options.get(NAME)
    if asked is None:
        return None
    thinking = bool(options.get("cap_thinking"))
    word = str(asked).strip().lower()
    if word in MEASURED:
        return CapOutput(1, thinking, word)
    return CapOutput(positive(asked, "--cap-output", "a whole number above 0, 2x, p95 or p99"), thinking)


KIND = Kind(
    NAME,
    Stage.OUTPUT,
    (
        Option(
            NAME, str, "Cut answers at N tokens, at twice their median, or where 5 or 1 % are longer.", "N|2x|p95|p99"
        ),
        Option("cap_thinking", bool, "Cap requests with thinking too."),
    ),
    build,
    __doc__ or "",
    effort=Effort.VERY_LOW,
    risk=Risk(3, ("truncation",)),
    rollback="raise max_tokens",
    default={NAME: "2x"},
)
