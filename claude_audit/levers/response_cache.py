"""Exact response cache: a request that was asked before, word for word, is answered from a store. Graded replayed.

What it assumes: the stored answer would have done. The key is request_hash (model, system, tools, messages and parameters)
and the model. An answer is stored when none is alive, its age counts from the start of the call that stored it, and it is
alive while its age is at most the TTL; it can be served once that call has ended (`latency_ms`, else the first token, else
at once). Answers that were cut, refused, broken off or asked for again are not stored. Calls in batches, with tools used
(their effects would not happen again) and retries on purpose go out as they did.

Formula: the billed cost of the calls that find a stored answer. The point is without coalescing: a call that arrives while
the first is still in flight goes out too. High is with coalescing, where such calls wait for the one answer. Low leaves out
what rests on answers of unknown duration less than 10 minutes before.
Calls without a hash go out as they did; where they hold over 20 % of the spend, the step counts as bounded. Without any
request_hash there is no figure: identical requests have identical prompt sizes, so at most all but the cheapest of the
calls that agree in model and prompt size are duplicates.

Example: a question of $0.004 at 0, 1,000, 4,000 and 5,000 s, another of $0.002 at 0 and 100 s whose first answer takes
150 s, TTL 1 h: the calls at 1,000 and 5,000 s are served, $0.008 of $0.02; with coalescing the one at 100 s too, $0.01.

When it costs money: never in tokens; in stale answers. Semantic caching (answers to similar questions) is not simulated: a
log without text cannot tell what is similar.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, pairs
from claude_audit.levers._duplicates import Duplicates
from claude_audit.levers._stored_answers import GATES, IN_FLIGHT, JUDGED, NO_HASH, PERHAPS, SERVED
from claude_audit.levers._verdicts import Verdicts, duration
from claude_audit.money import EXACT, ZERO, dollars, exact
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State
    from claude_audit.tally import Reach

NAME = "response_cache"
MOST_UNHASHED = Decimal("0.20")
"""Share of the spend above which calls without a hash make the figure a bound."""


@dataclass
class ResponseCache(Lever):
    """`--response-cache TTL`."""

    asked: str
    ttl: int
    """Microseconds."""
    catalog: Catalog = field(repr=False)
    name: str = NAME
    stage: Stage = Stage.REMOVE
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    hashed: int = 0
    """Calls with a request_hash."""
    untimed: int = 0
    """Calls looked at that do not tell how long their answer took."""
    may_repeat: Mapping[bool, Duplicates] = field(default_factory=dict, repr=False)
    """Of the calls without a hash; True: less those that drop_retries leaves out."""

    @property
    def argument(self) -> str:
        """The TTL as the user gave it."""
        return self.asked

    def inspect(self, usage: nw.LazyFrame[Any], engine: Engine, reach: Reach) -> nw.LazyFrame[Any]:
        """Each row of a call that a store would have answered, with how."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._duplicates import duplicates
        from claude_audit.levers._stored_answers import gate, stored

        def those(gated: int) -> nw.Expr:
            return (nw.col("gate") == gated).cast(nw.Int64)

        billed = usage.filter(nw.col("unbilled").is_null()).with_columns(gate=gate())
        looked_at = billed.select(
            n=those(JUDGED).sum(),
            untimed=(those(JUDGED) * nw.col("latency_ms").is_null().cast(nw.Int64)).sum(),
            blind=those(NO_HASH).sum(),
        )
        self.hashed, self.untimed, blind = (int(n or 0) for n in engine.rows(looked_at)[0])
        unhashed = billed.filter(nw.col("gate") == NO_HASH)
        without: dict[bool, nw.Expr | None] = {False: None}
        if "retry" in usage.collect_schema().names():
            without[True] = nw.col("retry") > 0
        self.may_repeat = {
            late: duplicates(unhashed, engine, reach, self.catalog, w) if blind else Duplicates(0, ())
            for late, w in without.items()
        }
        table = stored(usage, self.ttl) if self.hashed else {"call_key": [], "stored": []}
        return Verdicts(self).joined(usage, engine, "call_key", table)

    def classify(self, scan: Scan) -> None:
        """Part the calls that are served from the others, and those that are not looked at."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._stored_answers import gate

        scan.key("stored", nw.col("stored"), IN_FLIGHT + 1)
        scan.key("stored_gate", nw.when(nw.col("stored") > 0).then(nw.lit(JUDGED)).otherwise(gate()), JUDGED + 1)

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Leave out what would have been served from the store, without coalescing."""
        return [state.gone(NAME) if state.keys["stored"] in (SERVED, PERHAPS) else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """With and without coalescing; what the calls without a hash can have repeated."""

        def cost(*how: int) -> Decimal:
            return pricer.total(state for state in before if state.keys["stored"] in how)

        low, point, high = cost(SERVED), cost(SERVED, PERHAPS), cost(SERVED, PERHAPS, IN_FLIGHT)
        unhashed = [state for state in before if state.keys["stored_gate"] == NO_HASH]
        blind = pricer.total(unhashed)
        spend = pricer.total(before)
        duplicates, most = self._bound(before, pricer)
        bounded = blind > EXACT.multiply(MOST_UNHASHED, spend)
        if not self.hashed:
            high, bounded = most, True
        rows = sum(old.rows for old, _ in pairs(before, after))
        waiting = sum(state.rows for state in before if state.keys["stored"] == IN_FLIGHT)
        caveats = self._words(rows, waiting, EXACT.subtract(high, point), duplicates, most)
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.BOUNDED if bounded else Grade.REPLAYED,
            caveats=tuple(caveats),
            assumptions=(
                Assumption("TTL", self.asked, "flag"),
                Assumption("age counts from the storing call's", "start", "default"),
                Assumption("calls in flight", "not coalesced", "default"),
            ),
            excluded=kept_out(((state, GATES.get(state.keys["stored_gate"])) for state in before), pricer),
            facts={
                "served_requests": rows,
                "in_flight_requests": waiting,
                "bound": {"duplicates": duplicates, "high_usd": exact(most)} if unhashed else None,
            },
            coverage=coverage((state for state in before if state.keys["stored_gate"] == JUDGED), pricer),
            missing=(
                *(("request_hash",) if unhashed or not self.hashed else ()),
                *(("latency_ms",) if self.untimed else ()),
            ),
        )

    def _bound(self, before: Sequence[State], pricer: Pricer) -> tuple[int, Decimal]:
        """How many of the calls without a hash can be duplicates, and what those cost at most."""
        dropped = True in self.may_repeat and not any(state.keys["retry"] for state in before)
        found = self.may_repeat[dropped]
        most = ZERO
        for used in found.usage:
            most = EXACT.add(most, pricer.usage(used.group, used.tokens, used.searches) or ZERO)
        return found.requests, most

    def _words(self, rows: int, waiting: int, more: Decimal, duplicates: int, most: Decimal) -> list[str]:
        said = []
        if self.hashed:
            said.append(
                f"Answers up to {self.asked} old would have been served again: {count(rows, 'request')}."
                if rows
                else f"No request repeats an earlier one, word for word, within {self.asked}."
            )
        if waiting:
            said.append(
                f"{count(waiting, 'request')} asked while the same question was in flight: only with request coalescing would "
                f"they be served too, {dollars(more)} more."
            )
        if self.untimed:
            said.append(
                f"{count(self.untimed, 'request')} without latency_ms: their answers count as there at the first token, or at "
                "once; the low end leaves out what asks again within 10 minutes."
            )
        if duplicates:
            start = "The requests without request_hash" if self.hashed else "No request_hash in this log: its requests"
            said.append(
                f"{start} repeat each other {duplicates:,} times at most, by model and prompt size; that "
                f"would be {dollars(most)} at most. Log request_hash for a figure."
            )
        elif not self.hashed:
            said.append("No request_hash in this log, and no two prompts of a model are of one size: nothing repeats.")
        said.append("Semantic caching is not simulated: that cannot be told from logs without text.")
        return said


def build(options: Mapping[str, Any], catalog: Catalog) -> ResponseCache | None:
    """The lever for these options. Raises AuditError for a TTL that is no duration."""
    asked = options.get(NAME)
    if asked is None:
        return None
    return ResponseCache(str(asked).strip(), duration(str(asked), "--response-cache"), catalog)


KIND = Kind(
    NAME,
    Stage.REMOVE,
    (Option(NAME, str, "Answer repeated requests from a store, while answers are at most TTL old.", "TTL"),),
    build,
    __doc__ or "",
    effort=Effort.MEDIUM,
    risk=Risk(1, ("stale answers",)),
    rollback="empty the store",
    default={NAME: "1h"},
    needs=("request_hash",),
)
