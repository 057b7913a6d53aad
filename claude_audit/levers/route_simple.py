"""Routing: requests judged simple are answered by a smaller model. Graded assumed.

What it assumes: the target answers them as well. Costs are simulated, answers are not.

Who is simple, on the row as logged: CERTAIN, a `task` of classify, extract, yes_no, route, triage, format, short_summary.
LIKELY, these, or no `task`, a prompt of at most 2,000 and an answer of at most 150 tokens, a single message and no tools.
POSSIBLE, every row that passes the gates. The point moves LIKELY. Gates: the target is cheaper in input or output and has
room for prompt and answer; the answer ended by itself; no tools used, no thinking, no images; standard speed, no priority
tier; US inference only where the target has it; not an endpoint of `--never-route`.

Formula: the whole prompt becomes uncached input of the target, because caches are per model; across a tokenizer change
prompt and output are scaled, each rounded up once a row; then the price band of the new size.
Low and high: the lowest and highest saving over the three sets and over tokenizer factors 1.00, the one in use, and 1.35.

Example: 1,200 tokens in and 80 out on Claude Sonnet 5.5 cost 1,200 x 2 + 80 x 10 = $0.0032; on Haiku 5.5 (same tokenizer)
1,200 x 0.10 + 80 x 0.50 = $0.00016.

When it costs money: a warm conversation. 20,000 tokens read from Sonnet 4.5's cache cost $0.006; the same prompt, cold, on
Haiku 4.5 costs $0.02. Also a prompt that grows over the target's price band.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, pairs, positive
from claude_audit.levers._tokenizers import factor_of
from claude_audit.money import EXACT
from claude_audit.rates import Model, Unpriced
from claude_audit.states import State, text_of, unmoved
from claude_audit.waterfall import Assumption, Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.scan import Pricer, Scan

NAME = "route_simple"
SIMPLE_TASKS = ("classify", "extract", "yes_no", "route", "triage", "format", "short_summary")
UNFINISHED = ("tool_use", "pause_turn", "max_tokens", "refusal", "model_context_window_exceeded")
"""Stop reasons of answers that a smaller model may not have ended alike."""
CERTAIN, LIKELY, POSSIBLE = "certain", "likely", "possible"
NESTED = ((CERTAIN,), (CERTAIN, LIKELY), (CERTAIN, LIKELY, POSSIBLE))


GATES = (
    "pass of a longer call, or a sum of several",
    "no room on the target",
    "answer not ended by itself",
    "tools used",
    "thinking",
    "images",
)
"""What a row shows that keeps it where it is, in the order in which they are told."""
CODES = (*GATES, CERTAIN, LIKELY, POSSIBLE)
"""What the engine says of a row, as a number."""


@dataclass
class RouteSimple(Lever):
    """`--route-simple MODEL`."""

    target: Model
    asked: str
    factor: Decimal
    factors: tuple[Decimal, ...]
    """The one in use, and the ends of the vendor's range: what the bounds are taken over."""
    never: tuple[str, ...]
    prompt_limit: int
    output_limit: int
    others: tuple[str, ...]
    """Models that count tokens by another tokenizer than the target."""
    given: bool
    """The factor was asked for."""
    name: str = NAME
    stage: Stage = Stage.MODEL
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    moves: tuple[str, ...] = (NAME,)
    """Marks of the levers, this one included, that have changed the model by now."""

    @property
    def argument(self) -> str:
        """As the user gave it."""
        return self.asked

    def _scaled(self, scan: Scan, tokens: nw.Expr, factor: Decimal) -> nw.Expr:
        """The tokens as the target counts them, on rows of models that count otherwise."""
        ratio = Fraction(factor) if self.target.tokenizer == "new" else 1 / Fraction(factor)
        return scan.scaled(tokens, ratio, self.others) if self.others and ratio != 1 else tokens

    def classify(self, scan: Scan) -> None:
        """Which set each row belongs to, and its sizes on the target under each factor."""
        self.others = tuple(name for name in self.others if name in scan.reach.models)
        if not self.others:
            self.factors = self.factors[:1]  # no row is counted otherwise on the target
        scan.moves[NAME] = dict.fromkeys(scan.reach.models, self.target.id)
        self.moves = tuple(scan.moves)
        marks = {factor: self._mark(factor) for factor in self.factors}
        for factor, mark in marks.items():
            for what in ("prompt", "output", "thinking", "cacheable"):
                if what in scan.quantities:
                    scan.vary(what, mark, lambda n, f=factor: self._scaled(scan, n, f))  # type: ignore[misc]
            for variant in scan.quantities["prompt"]:
                if variant and variant[-1] == mark:
                    scan.size_key(variant, self.target.id)
        scan.key("route", self._set(scan), len(CODES))

    def _mark(self, factor: Decimal) -> str:
        return NAME if factor == self.factor else f"{NAME}@{text_of(factor)}"

    def _set(self, scan: Scan) -> nw.Expr:
        """A place in CODES."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._thinking import thinks
        from claude_audit.scan import flag

        prompt, output = scan.quantities["prompt"][()], scan.quantities["output"][()]
        big_in, big_out = scan.quantities["prompt"][(NAME,)], scan.quantities["output"][(NAME,)]
        certain = scan.among("task", SIMPLE_TASKS)
        likely = (
            nw.col("task").is_null()
            & (prompt <= self.prompt_limit)
            & (output <= self.output_limit)
            & (nw.col("message_count").fill_null(1) <= 1)
            & (nw.col("tools_defined").fill_null(0) == 0)
        )
        closed = (
            ~scan.call,
            (big_in + big_out > self.target.context) | (big_out > self.target.max_output),
            scan.among("stop_reason", UNFINISHED),
            nw.col("tools_used").fill_null(0) > 0,
            thinks(),
            nw.col("has_images").fill_null(False),
        )
        # The first that holds decides: the largest of falling numbers says which, and costs less than a chain of choices.
        ranks = [flag(holds) * (len(CODES) - n) for n, holds in enumerate((*closed, certain, likely))]
        return nw.lit(len(CODES)) - nw.max_horizontal(*ranks, nw.lit(1))

    def barred(self, state: State, pricer: Pricer) -> str | None:
        """The gate that keeps a state where it is; None when it may be routed. Read off the row as logged."""
        logged = state.line.group
        if CODES[state.keys["route"]] in GATES:
            return CODES[state.keys["route"]]
        if self.target.id in (logged.model, state.group.model):
            return "on the target already"
        if logged.speed == "fast":
            return "fast mode"
        if logged.tier == "priority":
            return "priority tier"
        if logged.geo == "us" and not self.target.inference_geo_us:
            return "US inference, which the target has not"
        if any(fnmatchcase(state.labels["endpoint"] or "", pattern) for pattern in self.never):
            return "--never-route"
        today = pricer.catalog.price(replace(logged, size=0))
        there = pricer.catalog.price(replace(logged, model=self.target.id, size=0), lenient=True)
        if isinstance(today, Unpriced) or isinstance(there, Unpriced):
            return "no price"
        now, then = today.rate.usd_per_mtok, there.rate.usd_per_mtok
        if all((now[c] or 0) <= (then[c] or 0) for c in ("input", "output")):
            return "not dearer than the target"
        return None

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The likely set answers on the target."""
        return [
            self.routed(state, self.factor)
            if CODES[state.keys["route"]] in (CERTAIN, LIKELY) and self.barred(state, pricer) is None
            else state
            for state in states
        ]

    def routed(self, state: State, factor: Decimal) -> State:
        """The state on the target: scaled, its whole prompt uncached."""
        mark = self._mark(factor)
        prompt = (*unmoved(state.prompt, self.moves), mark)
        size = state.keys.get("+".join(("size", *prompt)), 0)
        moved = state.but(prompt=prompt, moved=True).regrouped(model=self.target.id, size=int(size))
        return moved.with_tokens(
            input=moved.sum_of("prompt"), cache_read=0, cache_write_5m=0, cache_write_1h=0
        ).answering((*unmoved(state.output, self.moves), mark))

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Lowest and highest saving over the three sets and the tokenizer factors; what the gates kept out."""
        free = [(state, self.barred(state, pricer)) for state in before]
        by_set = {
            name: [s for s, why in free if why is None and CODES[s.keys["route"]] == name]
            for name in (CERTAIN, LIKELY, POSSIBLE)
        }
        savings = []
        for factor in self.factors:
            each = {
                name: EXACT.subtract(pricer.total(members), pricer.total([self.routed(s, factor) for s in members]))
                for name, members in by_set.items()
            }
            savings += [sum((each[name] for name in names), Decimal(0)) for names in NESTED]
        moved = pairs(before, after)
        early = sum(a.rows for _, a in moved if a.group.on < self.target.rates[0].since)
        rows = sum(a.rows for _, a in moved)
        caveats = []
        if moved:
            caveats.append(
                f"Costs are simulated, answers are not: {rows:,} requests would have been answered by {self.target.name}. "
                "Try 100-200 of them per endpoint before switching."
            )
        if early:
            caveats.append(f"{early:,} requests are older than {self.target.name}; they are priced at its first price.")
        foreign = any(b.group.model in self.others for b, _ in moved)
        return Outcome(
            changed=changed_rows(before, after),
            low=min(savings),
            high=max(savings),
            grade=Grade.ASSUMED,
            caveats=tuple(caveats),
            assumptions=(
                Assumption("target", self.target.id, "flag"),
                Assumption(
                    "simple prompt, tokens at most",
                    str(self.prompt_limit),
                    "flag" if self.prompt_limit != 2000 else "default",
                ),
                Assumption(
                    "simple answer, tokens at most",
                    str(self.output_limit),
                    "flag" if self.output_limit != 150 else "default",
                ),
                *(
                    (
                        Assumption(
                            "tokens of the new tokenizer for one of the old",
                            text_of(self.factor),
                            "flag" if self.given else "vendor",
                        ),
                    )
                    if foreign
                    else ()
                ),
            ),
            excluded=kept_out(free, pricer),
            facts={
                "target": self.target.id,
                "sets": {name: sum(s.rows for s in members) for name, members in by_set.items()},
            },
        )


def build(options: Mapping[str, Any], catalog: Catalog) -> RouteSimple | None:
    """The lever for these options. Raises AuditError for a target that the catalog does not know."""
    asked = options.get(NAME)
    if asked is None:
        return None
    found = catalog.resolve(str(asked))
    if found is None:
        raise AuditError(
            f"--route-simple {asked!r}: no such model",
            "claude-audit prices lists the models; haiku means the newest Haiku",
        )
    factor = catalog.tokenizer_factor
    if options.get("tokenizer_factor") is not None:
        factor = factor_of(options["tokenizer_factor"])
    low, high = catalog.tokenizer_range
    return RouteSimple(
        target=found.model,
        asked=str(asked),
        factor=factor,
        factors=tuple(dict.fromkeys((factor, low, high))),
        never=tuple(map(str, options.get("never_route") or ())),
        prompt_limit=positive(options.get("simple_prompt") or 2000, "--simple-prompt"),
        output_limit=positive(options.get("simple_output") or 150, "--simple-output"),
        others=tuple(sorted(m.id for m in catalog.models.values() if m.tokenizer != found.model.tokenizer)),
        given=options.get("tokenizer_factor") is not None,
    )


KIND = Kind(
    NAME,
    Stage.MODEL,
    (
        Option(NAME, str, "Route simple requests to a model, or to a family's newest.", "MODEL"),
        Option("never_route", list[str], "Never route endpoints that match (repeatable).", "GLOB"),
        Option("simple_prompt", int, "A simple prompt has at most N tokens [2000].", "N"),
        Option("simple_output", int, "A simple answer has at most N tokens [150].", "N"),
        Option("tokenizer_factor", str, "Tokens of the new tokenizer for one of the old [1.3].", "F"),
    ),
    build,
    __doc__ or "",
    effort=Effort.MEDIUM,
    risk=Risk(2, ("other answers",)),
    rollback="send them to the old model again",
    default={NAME: "haiku"},
)
