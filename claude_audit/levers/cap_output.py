"""Output cap: max_tokens = N on requests without thinking. Graded bounded.

What it assumes: an answer that would have been longer is cut at N tokens. A cap never shortens an answer, it cuts it.

Formula: output' = min(output, N), counted in the logged model's tokens, before any routing scales them.
The point, and the high end, is the cost of the tokens cut. The low end is that minus the full cost, before the step, of
every request that was cut: each is asked again.

Example: ten answers of Claude Sonnet 5.5, nine of 50 tokens and one of 500. With N = 100 the point is 400 tokens, 400 x 10
USD per million = $0.004; if the cut request (1,000 tokens in, 500 out: $0.007) is asked again, the low end is -$0.003.

When it costs money: whenever cut answers are asked again. The share that would be cut is printed beside the figure, and the
caps that would cut 5 %, 1 % and none.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, positive
from claude_audit.money import EXACT, dollars
from claude_audit.waterfall import Assumption, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Pricer, Scan, State

NAME = "cap_output"


@dataclass
class CapOutput(Lever):
    """`--cap-output N`."""

    cap: int
    with_thinking: bool
    name: str = NAME
    stage: Stage = Stage.OUTPUT
    dimensions: tuple[str, ...] = ()
    single: bool = True
    lengths: list[Any] = field(default_factory=list)
    """(output tokens, answers), ascending: filled by survey."""

    @property
    def argument(self) -> str:
        """The cap in tokens."""
        return str(self.cap)

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """How long the answers are that could be cut: a count for each length."""
        import narwhals.stable.v2 as nw

        from claude_audit.tally import quantity

        rows = usage.filter(self._eligible()).select(length=quantity("output"), rows=nw.lit(1))
        self.lengths = sorted(engine.rows(rows.group_by("length").agg(nw.col("rows").sum())))
        return usage

    def _eligible(self) -> nw.Expr:
        import narwhals.stable.v2 as nw

        from claude_audit.levers._thinking import thinks

        eligible = (nw.col("row_kind") == "call") & nw.col("unbilled").is_null()
        return eligible if self.with_thinking else eligible & ~thinks()

    def classify(self, scan: Scan) -> None:
        """Which rows are cut, and what their output becomes."""
        import narwhals.stable.v2 as nw

        from claude_audit.scan import flag

        output = scan.quantities["output"][()]
        scan.bind(cap_eligible=self._eligible().fill_null(False))
        scan.bind(cap_cut=nw.col("cap_eligible") & (output > self.cap))
        scan.key("cap_eligible", nw.col("cap_eligible"), 2)
        scan.key("cap_cut", nw.col("cap_cut"), 2)
        cut = flag(nw.col("cap_cut"))
        scan.vary("output", NAME, lambda o: o - cut * (o - self.cap))
        if "thinking" in scan.quantities:
            # Thinking comes first: what is cut is the end.
            scan.vary("thinking", NAME, lambda h: h - cut * nw.max_horizontal(h - self.cap, nw.lit(0)))

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Cut the outputs."""
        return [state.answering((*state.output, NAME)) if state.keys["cap_cut"] else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The tokens cut; low when each cut request is asked again in full."""
        point, again, cut, judged = Decimal(0), Decimal(0), 0, 0
        for old, new in zip(before, after, strict=True):
            judged += old.rows if old.keys["cap_eligible"] else 0
            if old.keys["cap_cut"]:
                cost = pricer.cost(old)
                point = EXACT.add(point, EXACT.subtract(cost, pricer.cost(new)))
                again = EXACT.add(again, cost)
                cut += old.rows
        low = EXACT.subtract(point, again)
        share = cut / judged if judged else 0.0
        caveats = []
        if cut:
            caveats.append(
                f"{share:.1%} of the answers ({cut:,} of {judged:,}) would have been cut off; if each is asked again in "
                f"full, the cap saves {dollars(low)}" + (", so it costs money." if low < 0 else ".")
            )
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=point,
            grade=Grade.BOUNDED,
            caveats=tuple(caveats),
            assumptions=(Assumption("cap in tokens", str(self.cap), "flag"),),
            facts={"truncated_share": share, "truncated_requests": cut, "caps_that_cut": caps_for(self.lengths)},
        )


CUT_SHARES = {"none": 0.0, "1 %": 0.01, "5 %": 0.05}
"""Shares of answers for which the cap that would cut them is told."""


def caps_for(lengths: Sequence[tuple[int, int]]) -> dict[str, int]:
    """The smallest caps that cut no answer, at most 1 % and at most 5 % of them, from (length, answers) ascending."""
    answers = sum(rows for _, rows in lengths)
    found: dict[str, int] = {}
    for name, share in CUT_SHARES.items():
        longer = answers
        for length, rows in lengths:
            longer -= rows
            if longer <= share * answers:
                found[name] = length
                break
    return found


def build(options: Mapping[str, Any], catalog: Catalog) -> CapOutput | None:
    """The lever for these options."""
    if options.get(NAME) is None:
        return None
    return CapOutput(positive(options[NAME], "--cap-output"), bool(options.get("cap_thinking")))


KIND = Kind(
    NAME,
    Stage.OUTPUT,
    (
        Option(NAME, str, "Cut answers at N tokens.", "N"),
        Option("cap_thinking", bool, "Cap requests with thinking too."),
    ),
    build,
    __doc__ or "",
)
