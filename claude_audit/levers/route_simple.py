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
from dataclasses import dataclass, replace
from decimal import Decimal
from fnmatch import fnmatchcase
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage, changed_rows, kept_out, positive
from claude_audit.levers._routing_errors import Router, Sums, router_of, share_of, shares
from claude_audit.levers._routing_rows import CERTAIN, CODES, GATES, LIKELY, NESTED, POSSIBLE, SESSION
from claude_audit.money import EXACT, ZERO, rounded
from claude_audit.rates import Model, Unpriced
from claude_audit.states import INPUT, OUTPUT, Added, State, text_of
from claude_audit.waterfall import Assumption, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.scan import Pricer, Scan

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

    @property
    def argument(self) -> str:
        """As the user gave it."""
        return self.asked

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Which endpoints are never routed: their requests hold their sessions back."""
        if self.sessions and self.never:
            import narwhals.stable.v2 as nw

            found = engine.rows(usage.select(nw.col("endpoint").fill_null("")).unique())
            self._endpoints = tuple(sorted(name for (name,) in found if self._never(name)))
        return usage

    def _never(self, endpoint: str | None) -> bool:
        return any(fnmatchcase(endpoint or "", pattern) for pattern in self.never)

    def _scaled(self, tokens: nw.Expr, factor: Decimal, model: Model, column: str) -> nw.Expr:
        """The tokens as that model counts them; the column marks rows of models that count otherwise."""
        from claude_audit.scan import flag, scaled

        ratio = Fraction(factor) if model.tokenizer == "new" else 1 / Fraction(factor)
        others = self.others if model is self.target else self.router_others
        if ratio == 1 or not others:
            return tokens
        import narwhals.stable.v2 as nw

        return tokens + flag(nw.col(column)) * (scaled(tokens, ratio) - tokens)

    def classify(self, scan: Scan) -> None:
        """Which set each row belongs to, and its sizes on the target under each factor."""
        import narwhals.stable.v2 as nw

        from claude_audit.levers._routing_rows import code, session_code

        self.others = tuple(name for name in self.others if name in scan.reach.models)
        self.router_others = tuple(name for name in self.router_others if name in scan.reach.models)
        if not self.others:
            self.factors = self.factors[:1]  # no row is counted otherwise on the target
        scan.bind(
            route_foreign=nw.col("model").is_in(list(self.others)).fill_null(False),
            router_foreign=nw.col("model").is_in(list(self.router_others)).fill_null(False),
        )
        scan.moves[NAME] = self.target.id
        marks = {factor: self._mark(factor) for factor in self.factors}
        for factor, mark in marks.items():
            for what in ("prompt", "output", "thinking", "cacheable"):
                if what in scan.quantities:
                    scan.vary(what, mark, lambda n, f=factor: self._scaled(n, f, self.target, "route_foreign"))  # type: ignore[misc]
            for variant in scan.quantities["prompt"]:
                if variant and variant[-1] == mark:
                    scan.size_key(variant, self.target.id)
        no_room = self._ask_router(scan, marks)
        if self.router or self.share is not None:
            scan.sums["route_calls"] = nw.lit(1)
        big_in, big_out = scan.quantities["prompt"][(NAME,)], scan.quantities["output"][(NAME,)]
        found = code(scan, self.target, big_in, big_out, (self.prompt_limit, self.output_limit), no_room)
        if self.sessions:
            scan.bind(route_own=found)
            found = session_code(scan, "route_own", self._stays())
        scan.key("route", found)

    def _ask_router(self, scan: Scan, marks: Mapping[Decimal, str]) -> nw.Expr | None:
        """What the router reads of each row; and whether it has no room for it."""
        import narwhals.stable.v2 as nw

        from claude_audit.tally import size

        if self.router is None or self.router.model is None:
            return None
        model, no_room = self.router.model, None
        for factor, mark in marks.items():
            for variant in [v for v in scan.quantities["prompt"] if v and v[-1] == mark]:
                prompt = scan.quantities["prompt"][variant[:-1]]
                read = self._scaled(prompt, factor, model, "router_foreign") + self.router.prompt
                scan.sums["+".join(("router", *variant))] = read
                if model.id in scan.catalog.banded_models:
                    scan.key("+".join(("router_size", *variant)), size(scan.catalog, nw.lit(model.id), read))
                if variant == (NAME,):
                    no_room = read + self.router.answer > model.context
        return no_room

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
        """The gate that keeps a state where it is; None when it may be routed."""
        if CODES[state.keys["route"]] in (*GATES, SESSION):
            return CODES[state.keys["route"]]
        if state.group.model == self.target.id:
            return "on the target already"
        if state.group.speed == "fast":
            return "fast mode"
        if state.group.tier == "priority":
            return "priority tier"
        if state.group.geo == "us" and not self._us():
            return "US inference, which the target has not"
        if self._never(state.labels["endpoint"]):
            return "--never-route"
        today = pricer.catalog.price(replace(state.group, size=0))
        there = pricer.catalog.price(replace(state.group, model=self.target.id, size=0), lenient=True)
        if isinstance(today, Unpriced) or isinstance(there, Unpriced):
            return "no price"
        if self.router and self.router.model:
            asked = pricer.catalog.price(self._router_group(state, self.router.model, 0), lenient=True)
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
            beside.append(self._asked(state, self.router, self.router.model, self.factor))
        if state.keys.get("route_astray") and self.router.caught:
            again = tuple(EXACT.multiply(n, self.router.caught) for n in state.tokens)
            searches = EXACT.multiply(Decimal(state.searches), self.router.caught)
            beside.append(Added("asked again", state.group, again, searches))
        return replace(after, beside=tuple(beside)) if len(beside) > len(after.beside) else after

    def _router_group(self, state: State, model: Model, size: int) -> Any:
        """The router answers at once, at standard speed, where the request itself goes."""
        return replace(state.group, model=model.id, size=size, tier=None, speed=None)

    def _asked(self, state: State, router: Router, model: Model, factor: Decimal) -> Added:
        """What the router reads and says of a state's requests."""
        variant = (*state.prompt, self._mark(factor))
        size = state.keys.get("+".join(("router_size", *variant)), 0)
        tokens = [ZERO] * len(state.tokens)
        tokens[INPUT] = Decimal(state.sum_of("router", variant))
        tokens[OUTPUT] = EXACT.multiply(Decimal(router.answer), Decimal(state.sums["route_calls"]))
        return Added("router", self._router_group(state, model, int(size)), tuple(tokens))

    def routed(self, state: State, factor: Decimal) -> State:
        """The state on the target: scaled, its whole prompt uncached."""
        mark = self._mark(factor)
        prompt = (*state.prompt, mark)
        size = state.keys.get("+".join(("size", *prompt)), 0)
        moved = replace(state, prompt=prompt, moved=True).regrouped(model=self.target.id, size=int(size))
        return moved.with_tokens(
            input=moved.sum_of("prompt"), cache_read=0, cache_write_5m=0, cache_write_1h=0
        ).answering((*state.output, mark))

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """Lowest and highest saving over the three sets and the tokenizer factors; what the gates kept out."""
        from claude_audit.levers import _routing_words as words

        gates = [(state, self.barred(state, pricer)) for state in before]
        free = [state for state, why in gates if why is None]
        by_set = {name: [s for s in free if CODES[s.keys["route"]] == name] for name in (CERTAIN, LIKELY, POSSIBLE)}
        point = pricer.saving(before, after)
        savings = [Fraction(point)]
        for factor in self.factors:
            sums = self._sums(by_set, factor, pricer)
            if self.share is not None:
                savings += self._of_a_share(sums[NESTED[-1]])
            else:
                for each in sums.values():
                    savings += self.router.bounds(each) if self.router else [each.saving(*NO_ERRORS)]
        caveats = words.routed(
            self.target, [(b, a) for b, a in zip(before, after, strict=True) if a.moved and not b.moved]
        )
        facts: dict[str, Any] = {
            "target": self.target.id,
            "sets": {name: sum(s.rows for s in members) for name, members in by_set.items()},
        }
        judged = self._sums(by_set, self.factor, pricer)[NESTED[-1] if self.share is not None else SIMPLE]
        if self.share is not None:
            caveats += words.share(self.share) if free else []
        if self.router:
            caveats += words.router(self.router, self.target, judged)
            facts["router"] = words.router_facts(self.router, judged)
        foreign = any(b.group.model in self.others and a.moved for b, a in zip(before, after, strict=True))
        return Outcome(
            changed=changed_rows(before, after),
            low=_money(min(savings), point),
            high=_money(max(savings), point),
            grade=Grade.ASSUMED,
            caveats=tuple(caveats),
            assumptions=(*self._assumptions(foreign), *(words.assumed(self.router) if self.router else ())),
            excluded=kept_out(gates, pricer),
            facts=facts,
        )

    def _sums(
        self, by_set: Mapping[str, Sequence[State]], factor: Decimal, pricer: Pricer
    ) -> dict[tuple[str, ...], Sums]:
        """By which sets count as simple: dollars over the requests judged. A known share of each counts, where it is known."""
        gain: dict[str, Decimal] = {}
        cost: dict[str, Decimal] = {}
        rows: dict[str, Decimal] = {}
        kappa = ZERO
        for name, members in by_set.items():
            cost[name] = pricer.total(members)
            gain[name] = EXACT.subtract(cost[name], pricer.total([self.routed(s, factor) for s in members]))
            rows[name] = sum((Decimal(s.sums.get("route_calls", s.rows)) for s in members), ZERO)
            if self.router and self.router.model:
                for state in members:
                    asked = self._asked(state, self.router, self.router.model, factor)
                    kappa = EXACT.add(kappa, pricer.added(asked))
        found: dict[tuple[str, ...], Sums] = {}
        for names in NESTED:
            weights = {n: (Decimal(n in names) if self.share is None else self.share) for n in by_set}
            simple = [_weighted(values, weights) for values in (gain, cost, rows)]
            every = [sum(values.values(), ZERO) for values in (gain, cost, rows)]
            hard = [EXACT.subtract(whole, part) for whole, part in zip(every, simple, strict=True)]
            found[names] = Sums(simple[0], hard[0], hard[1], simple[2], hard[2], kappa)
        return found

    def _of_a_share(self, sums: Sums) -> list[Fraction]:
        """Bounds where a share is all that is known: of the requests that save least, of those that save most."""
        return list(self.router.bounds(sums)) if self.router else [sums.saving(*NO_ERRORS)]

    def _assumptions(self, foreign: bool) -> list[Assumption]:
        found = [
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
        ]
        if self.share is not None:
            found[1:] = [Assumption("share of requests that is simple", text_of(self.share), "flag")]
        if foreign:
            source = "flag" if self.given else "vendor"
            found.append(Assumption("tokens of the new tokenizer for one of the old", text_of(self.factor), source))
        return found


NO_ERRORS = (Fraction(0), Fraction(0), Fraction(1))


def _weighted(values: Mapping[str, Decimal], weights: Mapping[str, Decimal]) -> Decimal:
    return sum((EXACT.multiply(value, weights[name]) for name, value in values.items()), ZERO)


def _money(bound: Fraction, point: Decimal) -> Decimal:
    """A bound as dollars: exact where it ends, else to 12 places; the point itself stays as it is."""
    if bound == point:
        return point
    return (
        rounded(bound, 12)
        if _endless(bound.denominator)
        else EXACT.divide(Decimal(bound.numerator), Decimal(bound.denominator))
    )


def _endless(denominator: int) -> bool:
    for prime in (2, 5):
        while denominator % prime == 0:
            denominator //= prime
    return denominator != 1


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
        factor = _factor(options["tokenizer_factor"])
    low, high = catalog.tokenizer_range
    router = router_of(options, catalog)
    share = None if options.get("route_share") is None else share_of(options["route_share"], "--route-share")
    if options.get("cache_replay") and (share is not None or (router and router.errors)):
        raise AuditError(
            "--cache-replay needs to know which requests are routed, and a share or an accuracy does not tell",
            "leave out --route-share, say --router-accuracy 1, or assume a rate: --cache-hit 0.8",
        )

    def counted_otherwise(model: Model | None) -> tuple[str, ...]:
        return tuple(sorted(m.id for m in catalog.models.values() if model and m.tokenizer != model.tokenizer))

    return RouteSimple(
        target=found.model,
        asked=str(asked),
        factor=factor,
        factors=tuple(dict.fromkeys((factor, low, high))),
        never=tuple(map(str, options.get("never_route") or ())),
        prompt_limit=positive(options.get("simple_prompt") or 2000, "--simple-prompt"),
        output_limit=positive(options.get("simple_output") or 150, "--simple-output"),
        others=counted_otherwise(found.model),
        given=options.get("tokenizer_factor") is not None,
        router=router,
        share=share,
        sessions=bool(options.get("route_sessions")),
        router_others=counted_otherwise(router.model if router else None),
    )


def _factor(value: Any) -> Decimal:
    try:
        factor = Decimal(str(value))
    except ArithmeticError:
        factor = Decimal(0)
    if not factor.is_finite() or not Decimal("0.1") <= factor <= 10 or factor != round(factor, 4):
        hint = "a number from 0.1 to 10 with at most four decimal places, such as 1.3"
        raise AuditError(f"--tokenizer-factor {value!r} is not a factor", hint)
    return factor


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
    rank=2,
)
