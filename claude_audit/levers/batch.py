"""Batch API: half price on every token of requests that can wait. Graded metered, or bounded where the prompts are cached.

What it assumes: the answers of the named endpoints (`--batch NAME`), or of requests logged as latency_tolerant
(`--batch-tagged`), may take up to 24 hours. Never moved: streamed requests, fast mode, priority tier, batch already.

Formula: 0.5 x (input, output, reads, writes), each row in its own price band; web searches keep their price.
Where the moved rows hold cache tokens, hits inside a batch are best effort: the interval is the lowest and the highest of
the logged split and of 30 % and 98 % reads, the rest written at the 5-minute price.

Example: 100 requests of Claude Sonnet 4.5 with 500 tokens in and 200 out cost (500 x 3 + 200 x 15) x 100 / 1,000,000 =
$0.45, and half of it, $0.225, in a batch.

When it costs money: on hot caches. At 95 % hits a batch with 30 % hits is dearer than staying synchronous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, pairs
from claude_audit.money import EXACT
from claude_audit.states import READ, WRITE_1H, WRITE_5M, State
from claude_audit.waterfall import Assumption, Effort, Grade

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.scan import Pricer, Scan

NAME = "batch"
HIT_RATES = (Decimal("0.30"), Decimal("0.98"))
"""Typical cache hit rates inside a batch: "best-effort … 30% to 98%" (Anthropic docs, Batch processing, read 2026-11)."""


@dataclass
class Batch(Lever):
    """`--batch ENDPOINT`, `--batch-tagged`."""

    endpoints: tuple[str, ...]
    tagged: bool
    name: str = NAME
    stage: Stage = Stage.BATCH
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True

    @property
    def argument(self) -> str:
        """The endpoints, and whether tagged requests go too."""
        return ", ".join((*self.endpoints, *(("tagged",) if self.tagged else ())))

    def classify(self, scan: Scan) -> None:
        """Which rows may wait, and which of those are streamed."""
        import narwhals.stable.v2 as nw

        if self.tagged:
            scan.key("batch_tagged", nw.col("latency_tolerant").fill_null(False), 2)
        scan.key("batch_streamed", nw.col("stream").fill_null(False), 2)

    def _wanted(self, state: State) -> bool:
        return state.labels["endpoint"] in self.endpoints or (self.tagged and state.keys["batch_tagged"])

    def _barred(self, state: State) -> str | None:
        if state.group.tier == "batch":
            return "already in a batch"
        if state.keys["batch_streamed"]:
            return "streamed"
        if state.group.speed == "fast":
            return "fast mode"
        return "priority tier" if state.group.tier == "priority" else None

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Half price for those that may wait."""
        return [
            state.regrouped(tier="batch") if self._wanted(state) and self._barred(state) is None else state
            for state in states
        ]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The logged split; where prompts are cached, also the splits at the ends of the vendor's interval."""
        moved = pairs(before, after)
        cached = any(a.tokens[READ] or a.tokens[WRITE_5M] or a.tokens[WRITE_1H] for _, a in moved)
        cost = pricer.total([b for b, _ in moved])
        savings = [EXACT.subtract(cost, pricer.total([a for _, a in moved]))]
        if cached:
            for rate in HIT_RATES:
                savings.append(EXACT.subtract(cost, pricer.total([_split(a, rate) for _, a in moved])))
        caveats = ["Answers may take up to 24 hours."] if moved else []
        if cached:
            caveats.append("Cache hits inside a batch are best effort (30-98 %).")
        if not moved:
            known = {str(state.labels["endpoint"]) for state in before}
            unknown = [name for name in self.endpoints if name not in known]
            if unknown:
                caveats.append(f"No priced request of endpoint {', '.join(unknown)} is in the log.")
        return Outcome(
            changed=changed_rows(before, after),
            low=min(savings),
            high=max(savings),
            grade=Grade.BOUNDED if cached else Grade.METERED,
            caveats=tuple(caveats),
            assumptions=(Assumption("hit rates in a batch", "0.30 to 0.98", "vendor"),) if cached else (),
            excluded=kept_out([(s, self._barred(s)) for s in before if self._wanted(s)], pricer),
        )


def _split(state: State, rate: Decimal) -> State:
    cached = state.tokens[READ] + state.tokens[WRITE_5M] + state.tokens[WRITE_1H]
    read = EXACT.multiply(cached, rate)
    tokens = list(state.tokens)
    tokens[READ], tokens[WRITE_5M], tokens[WRITE_1H] = read, EXACT.subtract(cached, read), Decimal(0)
    return state.but(tokens=tuple(tokens))


def build(options: Mapping[str, Any], catalog: Catalog) -> Batch | None:
    """The lever for these options."""
    named = options.get(NAME) or []
    endpoints = tuple(dict.fromkeys([named] if isinstance(named, str) else map(str, named)))
    tagged = bool(options.get("batch_tagged"))
    return Batch(endpoints, tagged) if endpoints or tagged else None


KIND = Kind(
    NAME,
    Stage.BATCH,
    (
        Option(NAME, list[str], "Send this endpoint's requests as batches (repeatable).", "ENDPOINT"),
        Option("batch_tagged", bool, "Send requests logged as latency_tolerant as batches."),
    ),
    build,
    __doc__ or "",
    effort=Effort.MEDIUM,
    rollback="send them one by one again",
    default={"batch_tagged": True},
    needs=("latency_tolerant",),
)
