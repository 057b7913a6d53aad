"""Routing: requests judged simple are answered by a smaller model. Graded assumed.

What it assumes: the target answers them as well. Costs are simulated, answers are not.

Who is simple, on the row as logged: CERTAIN, a `task` of classify, extract, yes_no, route, triage, format, short_summary.
LIKELY, these, or no `task`, a prompt of at most 2,000 and an answer of at most 150 tokens, a single message and no tools.
POSSIBLE, every row that passes the gates. The point moves LIKELY. Gates: the target is cheaper in input or output and has
room for prompt and answer; the answer ended by itself; no tools used, no thinking, no images; standard speed, no priority
tier; US inference only where the target has it; not an endpoint of `--never-route`; with `--route-sessions`, a session
whose prompts are cached moves as a whole or not at all.

Formula: the whole prompt becomes uncached input of the target, because caches are per model; across a tokenizer change
prompt and output are scaled, each rounded up once a row; then the price band of the new size.
Low and high: the lowest and highest saving over the three sets and over tokenizer factors 1.00, the one in use, and 1.35.

A router that is a model (`--router`) reads each request that passes the gates, with an instruction of 150 tokens, and
answers with 5; one that errs (`--router-accuracy`) leaves simple requests where they are and sends others astray, of which
a share (`--router-detect`, else all) is caught and asked again. With p the simple share, A the accuracy, D the share
caught and kappa the cost of a call: q = p A + (1 - p)(1 - A), bad = (1 - p)(1 - A), and a request costs kappa + q x target
+ (1 - q) x original + bad x D x original. It pays while kappa < q (original - target) - bad x D x original. An accuracy
does not tell which way a router errs: the bounds are all errors on simple requests, and all on the others.
Where a share of simple requests is all that is known (`--route-share`), the point is that share of every request's saving,
and the bounds are that many of the requests that save least, and of those that save most.

Example: 1,200 tokens in and 80 out on Claude Sonnet 5.5 cost 1,200 x 2 + 80 x 10 = $0.0032; on Haiku 5.5 (same tokenizer)
1,200 x 0.10 + 80 x 0.50 = $0.00016.

When it costs money: a warm conversation. 20,000 tokens read from Sonnet 4.5's cache cost $0.006; the same prompt, cold, on
Haiku 4.5 costs $0.02. Also a prompt that grows over the target's price band, and short prompts behind a router that reads
them all.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit import temporary
from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, not_negative
from claude_audit.levers._routing_errors import Router, at_once, router_of, share_of, shares
from claude_audit.levers._routing_ranks import RANK
from claude_audit.levers._routing_rows import CERTAIN, CODES, GATES, LIKELY, LIMITS, POSSIBLE, SESSION
from claude_audit.levers._tokenizers import at_most, counted_otherwise, factor_of, recount
from claude_audit.money import EXACT, ZERO, ended
from claude_audit.rates import Group, Model, Unpriced
from claude_audit.states import INPUT, OUTPUT, Added, State, Variant, regrouped, text_of, unmoved
from claude_audit.waterfall import Effort, Grade, Risk

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "route_simple"
SIMPLE = (CERTAIN, LIKELY)
"""What the point moves."""


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
    router: Router | None = None
    share: Decimal | None = None
    """Of requests that are simple, where nothing else is known of them."""
    sessions: bool = False
    """Sessions that are cached move as a whole."""
    router_others: tuple[str, ...] = ()
    """Models that count otherwise than the router."""
    name: str = NAME
    stage: Stage = Stage.MODEL
    dimensions: tuple[str, ...] = ("endpoint",)
    single: bool = True
    _endpoints: tuple[str, ...] = ()
    """Of the log, that are never routed: known where sessions are judged as a whole."""
    _engine: Engine | None = field(default=None, repr=False)
    moves: tuple[str, ...] = (NAME,)
    """Marks of the levers, this one included, that have changed the model by now."""

    _gates: dict[tuple[int, Group, str | None], str | None] = field(default_factory=dict, repr=False)
    _variants: dict[tuple[Variant, Decimal], Variant] = field(default_factory=dict, repr=False)
    _made: dict[tuple[int, Decimal], tuple[State, State]] = field(default_factory=dict, repr=False)
    """(id of a state, factor) -> it, and what it becomes on the target."""

    @property
    def argument(self) -> str:
        """As the user gave it."""
        return self.asked

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Which endpoints are never routed: their requests hold their sessions back."""
        self._engine = engine
        if self.sessions and self.never:
            import narwhals.stable.v2 as nw

            found = engine.rows(usage.select(nw.col("endpoint").fill_null("")).unique())
            self._endpoints = tuple(sorted(name for (name,) in found if self._never(name)))
        return usage

    def _never(self, endpoint: str | None) -> bool:
        return any(fnmatchcase(endpoint or "", pattern) for pattern in self.never)

    def classify(self, scan: Scan) -> None:
        """Which set each row belongs to, and its sizes on the target under each factor."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._routing_rows import ask, code, session_code

        self.others, self.router_others = (
            tuple(name for name in names if name in scan.reach.models) for names in (self.others, self.router_others)
        )
        if not self.others:
            self.factors = self.factors[:1]  # no row is counted otherwise on the target
        scan.moves[NAME] = dict.fromkeys(scan.reach.models, self.target.id)
        self.moves = tuple(scan.moves)
        marks = {factor: self._mark(factor) for factor in self.factors}
        for factor, mark in marks.items():
            for what in ("prompt", "output", "thinking", "cacheable"):
                if what in scan.quantities:
                    scan.vary(what, mark, recount(scan, factor, self.target, self.others))
            for variant in scan.quantities["prompt"]:
                if variant and variant[-1] == mark:
                    most = self._most(scan, "prompt", factor) if variant == (mark,) else None
                    scan.size_key(variant, self.target.id, most)
        no_room = None
        if self.router and (model := self.router.model):
            scan.beside.append(model.id)
            no_room = (
                ask(scan, model, self.router.prompt, marks, self.router_others) + self.router.answer > model.context
            )
        if self.router or self.share is not None:
            scan.sums["route_calls"] = nw.lit(1)
        big_in, big_out = scan.quantities["prompt"][(NAME,)], scan.quantities["output"][(NAME,)]
        longest = [self._most(scan, what, self.factor) for what in ("prompt", "output")]
        found = code(scan, self.target, big_in, big_out, longest, (self.prompt_limit, self.output_limit), no_room)
        if self.sessions:
            scan.bind(route_own=found)
            found = session_code(scan, "route_own", self._stays())
        scan.key("route", found, len(CODES))
        if self.share is not None:
            scan.key(RANK, nw.col(RANK), 4)
            scan.joins.append(lambda usage, by: self._ranked(scan, usage))

    def _most(self, scan: Scan, what: str, factor: Decimal) -> int | None:
        """The largest prompt or output of a row on the target, or more than it. None: nobody knows."""
        return at_most(scan.most(what), factor)

    def _ranked(self, scan: Scan, usage: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """The rows, each with whether it is among those that would save least or most."""
        from claude_audit.levers._routing_ranks import joined

        if self._engine is None or self.share is None:
            raise AssertionError("rows are joined after survey, where a share is asked for")
        folder = temporary.kept_by(self)

        def gate(code: int, group: Group, endpoint: str | None) -> str | None:
            return self._gate(code, group, endpoint, scan.catalog)

        return joined(usage, self._engine, scan, self.target.id, NAME, self.share, gate, folder)

    def _stays(self) -> nw.Expr:
        """Whether a row's price group keeps it where it is. Rows on the target, or on something cheaper, hold nobody back."""
        import narwhals.stable.v2 as nw

        stays = (nw.col("speed") == "fast").fill_null(False) | (nw.col("tier") == "priority").fill_null(False)
        if not self._us():
            stays = stays | (nw.col("geo") == "us").fill_null(False)
        if self._endpoints:
            stays = stays | nw.col("endpoint").fill_null("").is_in(list(self._endpoints))
        return stays

    def _us(self) -> bool:
        """Whether all that would answer takes inference_geo us."""
        router = self.router.model if self.router else None
        return self.target.inference_geo_us and (router is None or router.inference_geo_us)

    def _mark(self, factor: Decimal) -> str:
        return NAME if factor == self.factor else f"{NAME}@{text_of(factor)}"

    def barred(self, state: State, pricer: Pricer) -> str | None:
        """The gate that keeps a state where it is; None when it may be routed. Read off the row as logged."""
        if state.group.model == self.target.id:
            return "on the target already"
        return self._gate(state.keys["route"], state.line.group, state.labels["endpoint"], pricer.catalog)

    def _gate(self, code: int, group: Group, endpoint: str | None, catalog: Catalog) -> str | None:
        key = (code, group, endpoint)
        if key not in self._gates:
            self._gates[key] = self._shut(code, group, endpoint, catalog)
        return self._gates[key]

    def _shut(self, code: int, group: Group, endpoint: str | None, catalog: Catalog) -> str | None:
        if CODES[code] in (*GATES, SESSION):
            return CODES[code]
        if group.model == self.target.id:
            return "on the target already"
        if group.speed == "fast":
            return "fast mode"
        if group.tier == "priority":
            return "priority tier"
        if group.geo == "us" and not self._us():
            return "US inference, which the target has not"
        if self._never(endpoint):
            return "--never-route"
        today = catalog.price(replace(group, size=0))
        there = catalog.price(replace(group, model=self.target.id, size=0), lenient=True)
        if isinstance(today, Unpriced) or isinstance(there, Unpriced):
            return "no price"
        if self.router and self.router.model:
            asked = catalog.price(at_once(group, self.router.model, 0), lenient=True)
            if isinstance(asked, Unpriced):
                return "no price"
        now, then = today.rate.usd_per_mtok, there.rate.usd_per_mtok
        if all((now[c] or 0) <= (then[c] or 0) for c in ("input", "output")):
            return "not dearer than the target"
        return None

    def part(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """What a router judges wrongly, and what only a share is known of, in shares: which rows they are nobody knows."""
        errors = self.router.errors if self.router else ZERO
        if self.share is None and not errors:
            return list(states)
        return shares(states, [None if self.barred(s, pricer) else self._simple(s) for s in states], errors)

    def _simple(self, state: State) -> Decimal:
        """The share of a state's requests that is simple."""
        if self.share is not None:
            return self.share
        return Decimal(CODES[state.keys["route"]] in SIMPLE)

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """The likely set answers on the target; each that a router judges pays for it, and those it leads astray twice."""
        return [state if self.barred(state, pricer) else self._judged(state) for state in states]

    def _judged(self, state: State) -> State:
        after = self.routed(state, self.factor) if state.keys.get("route_go", self._simple(state) == 1) else state
        if self.router is None:
            return after
        beside = [*after.beside]
        if self.router.model:
            beside.append(self.verdicts(state, self.router, self.router.model, self.factor))
        if state.keys.get("route_astray") and self.router.caught:
            again = tuple(EXACT.multiply(n, self.router.caught) for n in state.tokens)
            searches = EXACT.multiply(Decimal(state.searches), self.router.caught)
            beside.append(Added("asked again", state.group, again, searches))
        return after.but(beside=tuple(beside)) if len(beside) > len(after.beside) else after

    def verdicts(self, state: State, router: Router, model: Model, factor: Decimal) -> Added:
        """What the router reads and says of a state's requests."""
        variant = self._on_target(state.prompt, factor)
        size = state.keys.get("+".join(("router_size", *variant)), 0)
        tokens = [ZERO] * len(state.tokens)
        tokens[INPUT] = Decimal(state.sum_of("router", variant))
        tokens[OUTPUT] = EXACT.multiply(Decimal(router.answer), Decimal(state.sums["route_calls"]))
        return Added("router", at_once(state.group, model, int(size)), tuple(tokens))

    def foreign(self, states: Sequence[State]) -> list[State]:
        """Those whose text the target counts otherwise."""
        return [state for state in states if state.line.group.model in self.others]

    def alike(self, states: Sequence[State]) -> list[State]:
        """The others: what they come to is the same under each factor."""
        return [state for state in states if state.line.group.model not in self.others]

    def routed(self, state: State, factor: Decimal) -> State:
        """The state on the target: scaled, its whole prompt uncached."""
        if state.line.group.model not in self.others:
            factor = self.factor  # counted alike, so that it is the same under each
        known = self._made.get((id(state), factor))
        if known is None:
            # The state is kept beside: its id would else be given to another.
            known = self._made[id(state), factor] = state, self._routed(state, factor)
        return known[1]

    def _routed(self, state: State, factor: Decimal) -> State:
        prompt, output = self._on_target(state.prompt, factor), self._on_target(state.output, factor)
        size = state.keys.get("+".join(("size", *prompt)), 0)
        return state.uncached(regrouped(state.group, model=self.target.id, size=int(size)), prompt, output)

    def _on_target(self, variant: Variant, factor: Decimal) -> Variant:
        if (variant, factor) not in self._variants:
            self._variants[variant, factor] = (*unmoved(variant, self.moves), self._mark(factor))
        return self._variants[variant, factor]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Lowest and highest saving over the three sets and the tokenizer factors; what the gates kept out."""
        from claude_audit.levers import _routing_bounds as bounds
        from claude_audit.levers import _routing_words as words

        gates = [(state, self.barred(state, pricer)) for state in before]
        free = [state for state, why in gates if why is None]
        by_set = {name: [s for s in free if CODES[s.keys["route"]] == name] for name in (CERTAIN, LIKELY, POSSIBLE)}
        point = pricer.saving(before, after)
        savings = [Fraction(point), *bounds.savings(self, by_set, free, pricer)]
        caveats = words.routed(
            self.target, [(b, a) for b, a in zip(before, after, strict=True) if a.group.model != b.group.model]
        )
        facts: dict[str, Any] = {
            "target": self.target.id,
            "sets": {name: sum(s.rows for s in members) for name, members in by_set.items()},
        }
        caveats += words.share(self.share) if self.share is not None and free else []
        if self.router:
            judged = bounds.sums(self, free, self._simple, self.factor, pricer)
            caveats += words.router(self.router, self.target, judged)
            facts["router"] = words.router_facts(self.router, judged)
        foreign = any(b.line.group.model in self.others and a is not b for b, a in zip(before, after, strict=True))
        limits = (self.prompt_limit, self.output_limit)
        factor_said = ("flag" if self.given else "vendor") if foreign else None
        basis = words.rests_on(self.target, limits, self.share, self.factor, factor_said)
        return Outcome(
            changed=changed_rows(before, after),
            low=ended(min(savings)),
            high=ended(max(savings)),
            grade=Grade.ASSUMED,
            caveats=tuple(caveats),
            assumptions=(*basis, *(words.assumed(self.router) if self.router else ())),
            excluded=kept_out(gates, pricer),
            facts=facts,
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
    given, router = options.get("tokenizer_factor"), router_of(options, catalog)
    factor = catalog.tokenizer_factor if given is None else factor_of(given)
    share = None if options.get("route_share") is None else share_of(options["route_share"], "--route-share")
    if options.get("cache_replay") and (share is not None or (router and router.errors)):
        raise AuditError(
            "--cache-replay needs to know which requests are routed, and a share or an accuracy does not tell",
            "leave out --route-share, say --router-accuracy 1, or assume a rate: --cache-hit 0.8",
        )
    return RouteSimple(
        target=found.model,
        asked=str(asked),
        factor=factor,
        factors=tuple(dict.fromkeys((factor, *catalog.tokenizer_range))),
        never=tuple(map(str, options.get("never_route") or ())),
        prompt_limit=not_negative(options.get("simple_prompt"), "--simple-prompt", LIMITS[0]),
        output_limit=not_negative(options.get("simple_output"), "--simple-output", LIMITS[1]),
        others=counted_otherwise(found.model, catalog),
        given=given is not None,
        router=router,
        share=share,
        sessions=bool(options.get("route_sessions")),
        router_others=counted_otherwise(router.model if router else None, catalog),
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
        Option("router", str, "A model judges each request first, at its price.", "MODEL"),
        Option("router_prompt", int, "Tokens of the router's instruction [150].", "N"),
        Option("router_answer", int, "Tokens of the router's verdict [5].", "N"),
        Option("router_accuracy", str, "Share of right verdicts, or K/N of a trial [0.9 with --router].", "A|K/N"),
        Option("router_detect", str, "Share of bad answers caught and asked again [all].", "D"),
        Option("route_share", str, "Only this share of requests is known to be simple.", "SHARE"),
        Option("route_sessions", bool, "Sessions that are cached are routed as a whole or not at all."),
    ),
    build,
    __doc__ or "",
    effort=Effort.MEDIUM,
    risk=Risk(2, ("other answers",)),
    rollback="send them to the old model again",
    default={NAME: "haiku"},
)
