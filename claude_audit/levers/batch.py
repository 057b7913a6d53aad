"""Batch API: half price on every token of requests that can wait. Graded metered, or bounded where the prompts are cached.

What it assumes: the answers of the named endpoints (`--batch NAME`), or of requests logged as latency_tolerant
(`--batch-tagged`), may take up to 24 hours. Never moved: streamed requests, fast mode, priority tier, batch already.

Formula: 0.5 x (input, output, reads, writes), each row in its own price band; web searches keep their price.
Where the moved rows hold cache tokens, hits inside a batch are best effort: the interval is the lowest and the highest of
the logged split and of 30 % and 98 % reads, the rest written at the 5-minute price. The hit rate from which on the batch
costs no more than staying synchronous is (W - (sync / 0.5 - tail) / K) / (W - R), per request of K cached tokens in units of
the input price; it is printed beside the rate of today.

Nobody named an endpoint? `--batch-candidates` finds requests that look as if nobody waited for them: sent in bursts (20 of
one template, half the gaps under 2 seconds) or at the same 2 hours of the day (80 % of them, on 5 days); not streamed, of no
session or user, no step of an agent, and with no later call of the same unit in 24 hours. They raise the high end only:
whether their answers can wait, their owner knows.

Limits: a batch takes 100,000 requests or 256 MB; most end within an hour, and what has not after 24 hours expires, unbilled,
and must be sent again; no max_tokens of 0; not for organisations without data retention (Batch processing, Anthropic docs,
read 2026-11).

Example: 100 requests of Claude Sonnet 4.5 with 500 tokens in and 200 out cost (500 x 3 + 200 x 15) x 100 / 1,000,000 =
$0.45, and half of it, $0.225, in a batch.

When it costs money: on hot caches. At 95 % hits a batch with 30 % hits is dearer than staying synchronous.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, pairs
from claude_audit.levers._batch_candidates import CANDIDATE, FIELDS, WHY, Candidates, words
from claude_audit.money import EXACT, ZERO, dollars
from claude_audit.states import READ, WRITE_1H, WRITE_5M, State
from claude_audit.waterfall import Assumption, Effort, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "batch"
HIT_RATES = (Decimal("0.30"), Decimal("0.98"))
"""Typical cache hit rates inside a batch: "best-effort … 30% to 98%" (Anthropic docs, Batch processing, read 2026-11)."""
MOST_REQUESTS = 100_000
"""Of one batch (same page)."""


@dataclass
class Batch(Lever):
    """`--batch ENDPOINT`, `--batch-tagged`."""

    endpoints: tuple[str, ...]
    tagged: bool
    candidates: bool = False
    """Look for more, as an upper bound."""
    told: bool = True
    """The log records what tells that somebody waits: found by survey."""
    name: str = NAME
    stage: Stage = Stage.BATCH
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True

    @property
    def argument(self) -> str:
        """The endpoints, and whether tagged requests go too."""
        more = [word for word, asked in (("tagged", self.tagged), ("candidates", self.candidates)) if asked]
        return ", ".join((*self.endpoints, *more))

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Which requests look as if they could wait."""
        if not self.candidates:
            return usage
        from claude_audit.levers._batch_candidates import marked

        rows, self.told = marked(usage, engine)
        return rows

    def classify(self, scan: Scan) -> None:
        """Which rows may wait, and which of those are streamed."""
        import narwhals.stable.v2 as nw

        if self.tagged:
            scan.key("batch_tagged", scan.reach.known.filled("latency_tolerant", False), 2)
        scan.key("batch_streamed", scan.reach.known.filled("stream", False), 2)
        if self.candidates:
            scan.key(CANDIDATE, nw.col(CANDIDATE), len(WHY))

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
        """The logged split; where prompts are cached, also the splits at the ends of the vendor's interval; candidates."""
        moved = pairs(before, after)
        cost = pricer.total([b for b, _ in moved])
        costs = _costs([a for _, a in moved], pricer)
        cached = len(costs) > 1
        savings = [EXACT.subtract(cost, each) for each in costs]
        facts: dict[str, Any] = {}
        caveats = ["Answers may take up to 24 hours."] if moved else []
        rows = sum(a.rows for _, a in moved)
        if rows > MOST_REQUESTS:
            caveats.append(
                f"A batch takes {MOST_REQUESTS:,} requests or 256 MB: these {rows:,} need {-(-rows // MOST_REQUESTS):,} or more."
            )
        if cached:
            caveats.append("Cache hits inside a batch are best effort (30-98 %).")
            even, today = break_even(cost, costs[1], costs[2]), _hit_rate([b for b, _ in moved])
            facts["break_even_hit_rate"] = None if even is None else round(float(even), 6)
            caveats += _compared(even, today, cost, costs)
        if not moved:
            known = {str(state.labels["endpoint"]) for state in before}
            unknown = [name for name in self.endpoints if name not in known]
            if unknown:
                caveats.append(f"No priced request of endpoint {', '.join(unknown)} is in the log.")
        more = self._candidates(before, pricer) if self.candidates else []
        upper = sum((each.saving for each in more), ZERO)
        if self.candidates:
            facts["candidates"] = [each.as_document() for each in more]
            caveats += words(more, self.told)
        return Outcome(
            changed=changed_rows(before, after),
            low=min(savings),
            high=EXACT.add(max(savings), upper),
            grade=Grade.BOUNDED if cached or self.candidates else Grade.METERED,
            caveats=tuple(caveats),
            assumptions=(Assumption("hit rates in a batch", "0.30 to 0.98", "vendor"),) if cached else (),
            excluded=kept_out([(s, self._barred(s)) for s in before if self._wanted(s)], pricer),
            facts=facts,
            missing=() if self.told else FIELDS,
        )

    def _candidates(self, before: Sequence[State], pricer: Pricer) -> list[Candidates]:
        """What could be moved besides, by endpoint and reason: at most."""
        groups: dict[tuple[str, int], list[State]] = {}
        for state in before:
            if state.keys[CANDIDATE] and not self._wanted(state) and self._barred(state) is None:
                key = (state.labels["endpoint"] or "(none)", state.keys[CANDIDATE])
                groups.setdefault(key, []).append(state)
        found = []
        for (endpoint, why), members in groups.items():
            cost = pricer.total(members)
            least = min(_costs([state.regrouped(tier="batch") for state in members], pricer))
            rows = sum(state.rows for state in members)
            found.append(Candidates(endpoint, str(WHY[why]), rows, cost, EXACT.subtract(cost, least)))
        return sorted(found, key=lambda each: (-each.saving, each.endpoint, each.why))


def _costs(moved: Sequence[State], pricer: Pricer) -> list[Decimal]:
    """What states in a batch cost: at the split of before, and where they are cached, at the ends of the vendor's interval."""
    costs = [pricer.total(moved)]
    if any(a.tokens[READ] or a.tokens[WRITE_5M] or a.tokens[WRITE_1H] for a in moved):
        costs += [pricer.total([_split(a, rate) for a in moved]) for rate in HIT_RATES]
    return costs


def break_even(sync: Decimal, at_low: Decimal, at_high: Decimal) -> Fraction | None:
    """The hit rate in a batch at which it costs as much as staying synchronous; None where the rate decides nothing.

    Cost is linear in the rate: the line through the costs at HIT_RATES, met at `sync`.
    """
    low, high = map(Fraction, HIT_RATES)
    if at_low == at_high:
        return None
    return low + (high - low) * Fraction(at_low - sync) / Fraction(at_low - at_high)


def _hit_rate(states: Sequence[State]) -> Fraction | None:
    read = sum((state.tokens[READ] for state in states), ZERO)
    cached = sum((state.tokens[READ] + state.tokens[WRITE_5M] + state.tokens[WRITE_1H] for state in states), ZERO)
    return Fraction(read) / Fraction(cached) if cached else None


def _compared(even: Fraction | None, today: Fraction | None, sync: Decimal, costs: Sequence[Decimal]) -> list[str]:
    """From which hit rate on a batch pays, against staying synchronous."""
    if even is None:
        return []
    now = f" (before it {float(today) * 100:.1f} %)" if today is not None else ""
    if even <= 0:
        pays = "at any hit rate"
    elif even > 1:
        pays = "at no hit rate"
    else:
        pays = f"if {float(even) * 100:.1f} % or more of the cached tokens are read in it{now}"
    span = f"{dollars(min(costs))} to {dollars(max(costs))}"
    return [f"A batch pays {pays}: staying synchronous costs {dollars(sync)}, batches {span}."]


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
    candidates = bool(options.get("batch_candidates"))
    return Batch(endpoints, tagged, candidates) if endpoints or tagged or candidates else None


KIND = Kind(
    NAME,
    Stage.BATCH,
    (
        Option(NAME, list[str], "Send this endpoint's requests as batches (repeatable).", "ENDPOINT"),
        Option("batch_tagged", bool, "Send requests logged as latency_tolerant as batches."),
        Option("batch_candidates", bool, "Find what else looks as if nobody waited: an upper bound."),
    ),
    build,
    __doc__ or "",
    effort=Effort.MEDIUM,
    rollback="send them one by one again",
    default={"batch_tagged": True},
    needs=("latency_tolerant",),
    fallback={"batch_candidates": True},
)
