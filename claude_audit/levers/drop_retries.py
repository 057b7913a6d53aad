"""Retries: attempts that a later attempt replaced are not sent, or not paid for twice. Graded metered.

What it assumes: the attempt that counts would have come first: the right max_tokens, a timeout that outlasts the answer, a
request that is not refused, an output that can be used. The last attempt always stays.

Which attempts were replaced: those that a later call names (`retry_of`); else those that were cut at max_tokens, refused,
broken off or not usable (`status` timeout, error, invalid), and whose next call with the same request_hash comes within an
hour, or whose next call of the same session and endpoint comes within 60 seconds with a prompt of the same size within 2 %.
Gaps count from the attempt's end, where the log tells it. By its hash, what was cut at the cap is replaced only where a
good answer to the same hash comes later: a hash that is cut again and again is no retry but a ping. Without hash, session
and retry_of nothing can be told: such calls are counted as possible, without dollars.

Formula: the billed cost of the replaced attempts. Failures that were not billed save nothing. Where the client gave up and
the output was not counted, the attempt cost between nothing and its prompt plus max_tokens of output: low and high.

Example: 1,000 tokens in and 1,024 out on Claude Sonnet 5.5, cut at max_tokens, then 1,000 in and 1,500 out. The first
attempt, 1,000 x 2 + 1,024 x 10 = $0.01224 of $0.02924, is 41.9 % waste.

When it costs money: never by itself. A larger max_tokens costs nothing until it is used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, coverage, kept_out, pairs
from claude_audit.levers._retries import ENDS, Seen
from claude_audit.levers._verdicts import Verdicts
from claude_audit.money import EXACT, ZERO, dollars, exact
from claude_audit.states import OUTPUT
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Effort, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer, State

NAME = "drop_retries"
MOST_UNKNOWN = Decimal("0.20")
"""Share of the waste above which attempts of unknown cost make the figure a bound."""
FIELDS = {"hashed": "request_hash", "in_sessions": "session", "naming": "retry_of", "ending": "stop_reason"}


@dataclass
class DropRetries(Lever):
    """`--drop-retries`."""

    name: str = NAME
    stage: Stage = Stage.REMOVE
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    seen: Seen = field(default_factory=lambda: Seen(0, 0, 0, 0, 0, 0))

    @property
    def argument(self) -> str:
        """It has none."""
        return ""

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Each row of a replaced call with how the call had ended."""
        from claude_audit.levers._retries import replaced

        table, self.seen = replaced(usage, engine)
        return Verdicts(self).joined(usage, engine, "call_key", table)

    def classify(self, scan: Scan) -> None:
        """Part replaced calls by how they ended, and those whose cost is not known from the others."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._retries import unknown_output
        from claude_audit.prompt_ends import flag

        scan.bind(retry_open=((nw.col("retry") > 0) & unknown_output() & scan.call).fill_null(False))
        told = ~(nw.col("request_hash").is_null() & nw.col("session").is_null() & nw.col("retry_of").is_null())
        scan.key("retry", nw.col("retry"), max(ENDS) + 1)
        scan.key("retry_open", nw.col("retry_open"), 2)
        scan.key("retry_told", told | (nw.col("retry") > 0), 2)
        unknown, cap = flag(nw.col("retry_open")), nw.col("max_tokens")
        scan.sums["retry_cap"] = unknown * cap.fill_null(0)
        scan.sums["retry_uncapped"] = unknown * flag(cap.is_null())
        # A client that gave up before anything was counted: its prompt was that of the retry.
        scan.sums["retry_prompt"] = unknown * flag(scan.prompt == 0) * nw.col("retry_again")

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Leave out what was replaced."""
        return [state.gone(NAME) if state.keys["retry"] else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The waste, by how the attempts had ended; what those of unknown cost can have cost."""
        moved = [old for old, _ in pairs(before, after)]
        waste = pricer.total(moved)
        unknown = [state for state in moved if state.keys["retry_open"]]
        counted = pricer.total(unknown)
        most = pricer.total(_at_most(state, pricer) for state in unknown)
        low = EXACT.subtract(waste, counted)
        high = EXACT.add(low, max(most, counted))
        rows = sum(state.rows for state in moved)
        caveats = [f"Counts attempts that a later attempt replaced: {count(rows, 'request')}."] if moved else []
        if not moved:
            caveats.append("No attempt is known to have been replaced by a later one.")
        if unknown:
            caveats.append(
                f"{count(sum(state.rows for state in unknown), 'request')} of them broke off before the output was "
                f"counted: each cost between nothing and its prompt plus max_tokens of output, together up to {dollars(most)}."
            )
        if self.seen.possible:
            caveats.append(
                f"{count(self.seen.possible, 'more request')} may have been replaced (alike in size, within a minute), but "
                "without request_hash, session or retry_of that is no evidence: no dollars are counted."
            )
        if self.seen.free:
            caveats.append(f"{count(self.seen.free, 'failed request')} cost nothing, so there is nothing to save.")
        bounded = EXACT.subtract(high, low) > EXACT.multiply(MOST_UNKNOWN, waste)
        return Outcome(
            changed=changed_rows(before, after),
            low=low,
            high=high,
            grade=Grade.BOUNDED if bounded else Grade.METERED,
            caveats=tuple(caveats),
            assumptions=(
                Assumption("longest gap to the same request_hash", "1 h", "default"),
                Assumption("longest gap within a session", "60 s, prompts within 2 %", "default"),
            ),
            excluded=kept_out(
                ((s, None if s.keys["retry_told"] else "no request_hash, session or retry_of") for s in before), pricer
            ),
            facts={"replaced": self._by_end(moved, pricer), "possible_requests": self.seen.possible},
            coverage=coverage((state for state in before if state.keys["retry_told"]), pricer),
            missing=tuple(name for part, name in FIELDS.items() if not getattr(self.seen, part)),
        )

    def _by_end(self, moved: Sequence[State], pricer: Pricer) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for code, words in ENDS.items():
            those = [state for state in moved if state.keys["retry"] == code]
            if those:
                found[words] = {"requests": sum(s.rows for s in those), "usd": exact(pricer.total(those))}
        return found


def _at_most(state: State, pricer: Pricer) -> State:
    """The state had each of its calls answered up to its cap, or to the model's where it gave none."""
    model = pricer.catalog.models[str(state.group.model)]
    output = state.sums["retry_cap"] + state.sums["retry_uncapped"] * model.max_output
    more = state.sums["retry_prompt"]
    return state.with_tokens(
        input=EXACT.add(state.tokens[0], Decimal(more)), output=max(state.tokens[OUTPUT], Decimal(output), ZERO)
    )


def build(options: Mapping[str, Any], catalog: Catalog) -> DropRetries | None:
    """The lever for these options."""
    return DropRetries() if options.get(NAME) else None


KIND = Kind(
    NAME,
    Stage.REMOVE,
    (Option(NAME, bool, "Leave out attempts that a later attempt replaced."),),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    default={NAME: True},
    needs=("request_hash|session|retry_of",),
    rollback="the old max_tokens and timeouts",
)
