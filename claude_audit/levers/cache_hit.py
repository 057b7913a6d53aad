"""Prompt caching at an assumed rate: a share of the cacheable tokens is read, the rest is written. Graded assumed.

What it assumes: RATE of cacheable *tokens* (not of requests) are read from the cache. The rest are written, and writes cost
more than plain input: below the break-even rate (21.7 % with 5-minute writes at 1.25x and reads at 0.1x) caching loses.

Cacheable tokens of a row: with prompt_blocks, those up to the last marked block, else the leading tools and system blocks,
else all blocks, never less than what was billed as cached; without blocks, what was billed as cached; with neither,
`--cacheable` (tokens, or a percentage of the prompt), by default the whole prompt, and then the low end leaves such rows as
they are. Rows under the model's minimum are never cached.

Where the log's prompts can be replayed, the rate that its own times support is told beside the one assumed, and one above
(n - 1) / n, the best that n uses of a prefix can reach, is called out of reach.

Formula: read = RATE x K, write = (1 - RATE) x K, uncached = prompt - K, over groups of workspace, endpoint and model; a
group that reads RATE or more already is left as it is, so only the change from today counts.

Example: prompts of 4,500 tokens with a system prompt of 4,000 on Claude Sonnet 4.5, at 0.85: 500 x 3 + 600 x 3.75 +
3,400 x 0.30 = $0.00477 for $0.0135.

Break-even, with writes at W and reads at R times the input price: H* = (W - 1) / (W - R), 21.7 % (5 minutes) or 52.6 % (1
hour) at R = 0.1, 20.8 % or 51.3 % at 0.05; one read pays a 5-minute write, two a 1-hour one. A ping that keeps a prefix
alive is a read of it: up to (W - R) / R of them, 11 at R = 0.1 and 24 at 0.05, are worth a write saved. An hour pays where
5-minute entries would be written more than (W1 - R) / (W5 - R) = 1.652 (R = 0.1) or 1.625 (0.05) times as often.

When it costs money: at low rates, on cold traffic, and for the parallel first requests of a burst.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit import minimums
from claude_audit.errors import AuditError
from claude_audit.levers import Kind, Lever, Option, Outcome, Stage
from claude_audit.levers import _cache_advice as advice
from claude_audit.money import EXACT
from claude_audit.prompt_ends import flag
from claude_audit.rates import Unpriced
from claude_audit.states import READ, State, Variant
from claude_audit.waterfall import Assumption, Effort, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.engines import Engine
    from claude_audit.levers._supported_rate import Supported
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

NAME = "cache_hit"
LEAST = "cache_least"
"""The column with the shortest cacheable prompt of a row's model on its day."""


@dataclass
class CacheHit(Lever):
    """`--cache-hit RATE`."""

    rate: Decimal
    asked: str
    ttl: str
    cacheable_tokens: int | None
    cacheable_share: Fraction | None
    name: str = NAME
    stage: Stage = Stage.CACHE
    dimensions: tuple[str, ...] = ("workspace", "endpoint")
    _known: dict[int, tuple[State, State]] = field(default_factory=dict, repr=False)
    """By id of a state, it and what it becomes when its group is cached."""
    _engine: Engine | None = field(default=None, repr=False)
    _rows: nw.LazyFrame[Any] | None = field(default=None, repr=False)
    """The log's rows with what was bound to them."""
    _supported: list[Supported | None] = field(default_factory=list, repr=False)
    """What a replay of them finds, once somebody asks."""
    _scan: Scan | None = field(default=None, repr=False)

    @property
    def argument(self) -> str:
        """The rate."""
        return self.asked

    @property
    def guessed(self) -> bool:
        """What is cacheable in prompts without structure is a guess: nobody said."""
        return self.cacheable_tokens is None and self.cacheable_share is None

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """Nothing to read before the rows carry what all levers bind to them."""
        self._engine = engine
        return usage

    def _kept(self, usage: nw.LazyFrame[Any], by: Sequence[str]) -> nw.LazyFrame[Any]:
        self._rows = usage
        return usage

    def provide(self, scan: Scan) -> None:
        """The cacheable tokens, for the levers before it to scale."""
        scan.quantity("cacheable", self.prompt_part(scan))

    def classify(self, scan: Scan) -> None:
        """Whether the cacheable tokens of each row reach the minimum, and whether they are a guess."""
        import narwhals.stable.v2 as nw

        if self.guessed:
            guess, undescribed = flag(scan.cached == 0), scan.reach.known.empty("cacheable_tokens")
            if not undescribed:
                guess = guess * flag(nw.col("cacheable_tokens").is_null())
            scan.key("cache_guess", guess, 2)
            if undescribed:
                scan.follows["cacheable"] = lambda keys, sums, model: sums[
                    "prompt" if keys["cache_guess"] else "wrote_5m"
                ]
        scan.bind(**{LEAST: scan.minimum()})
        if minimums.steps(scan.reach, scan.catalog):
            scan.key(LEAST, nw.col(LEAST))
        advice.contradictions(scan, nw.col(LEAST))
        self._scan = scan
        if not scan.reach.known.empty("cacheable_tokens"):
            scan.joins.append(self._kept)
        for variant, cacheable in scan.quantities["cacheable"].items():
            to = next((scan.moves[mark] for mark in reversed(variant) if mark in scan.moves), None)
            if any("@" in mark for mark in variant):
                continue  # made for the bounds of another lever
            least, uncached = nw.col(LEAST) if to is None else scan.minimum(to), None
            if to is None:
                uncached = flag(scan.quantities["wrote_5m"].get(variant, scan.cached) == 0)
            # Of what nobody cached nor described, nothing can be said: cache_guess.
            told = variant or not (self.guessed and scan.reach.known.empty("cacheable_tokens"))
            priced = (self.rate, self.ttl) if told else None
            scan.key(_length(variant), advice.length(scan, cacheable, least, to, priced, uncached), 3)

    def prompt_part(self, scan: Scan) -> nw.Expr:
        """The cacheable tokens of a row as logged."""
        import narwhals.stable.v2 as nw

        shown = nw.min_horizontal(nw.max_horizontal(nw.col("cacheable_tokens"), scan.cached), scan.prompt)
        if self.cacheable_tokens is not None:
            assumed = nw.min_horizontal(nw.lit(self.cacheable_tokens), scan.prompt)
        elif self.cacheable_share is not None:
            assumed = scan.prompt * self.cacheable_share.numerator // self.cacheable_share.denominator
        else:
            assumed = scan.prompt
        unknown = nw.when(scan.cached > 0).then(scan.cached).otherwise(assumed)
        if scan.reach.known.empty("cacheable_tokens"):
            return unknown
        return nw.when(~nw.col("cacheable_tokens").is_null()).then(shown).otherwise(unknown)

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Read RATE of what is cacheable, in the groups that read less today."""
        groups: dict[tuple[Any, ...], list[int]] = {}
        for n, state in enumerate(states):
            if self._passes(state, pricer):
                key = (state.labels["workspace"], state.labels["endpoint"], state.group.model, state.moved, state.void)
                groups.setdefault(key, []).append(n)
        result = list(states)
        for members in groups.values():
            cacheable = sum(states[n].sum_of("cacheable") for n in members)
            read = sum((states[n].tokens[READ] for n in members), Decimal(0))
            if read >= EXACT.multiply(self.rate, Decimal(cacheable)):
                continue
            for n in members:
                result[n] = self._known[id(states[n])][1] if id(states[n]) in self._known else self._cached(states[n])
        return result

    def _passes(self, state: State, pricer: Pricer) -> bool:
        if state.keys[_length(state.prompt)] != advice.LONG_ENOUGH:
            return False
        price = pricer.price(state)
        return not isinstance(price, Unpriced) and price.usd("cache_read") is not None

    def _cached(self, state: State) -> State:
        cacheable = Decimal(state.sum_of("cacheable"))
        read = EXACT.multiply(self.rate, cacheable)
        written = EXACT.subtract(cacheable, read)
        # Kept beside its source, whose id would else be given to another.
        cached = state.with_tokens(
            input=EXACT.subtract(Decimal(state.sum_of("prompt")), cacheable),
            cache_read=read,
            cache_write_5m=written if self.ttl == "5m" else 0,
            cache_write_1h=written if self.ttl == "1h" else 0,
        )
        self._known[id(state)] = state, cached
        return cached

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The point, and without the rows whose cacheable part is a guess."""
        point, sure, guessed_rows = Decimal(0), Decimal(0), 0
        for old, new in zip(before, after, strict=True):
            if old is new:
                continue
            saving = EXACT.subtract(pricer.cost(old), pricer.cost(new))
            point = EXACT.add(point, saving)
            if self.guessed and old.keys["cache_guess"]:
                guessed_rows += old.rows
            else:
                sure = EXACT.add(sure, saving)
        cached = [new for old, new in zip(before, after, strict=True) if old is not new]
        by_model = advice.of_models(cached, pricer)
        found = self._replayed()
        caveats = advice.timestamps(found, self.rate)
        caveats += advice.below_break_even(by_model, self.rate, self.ttl)
        caveats += advice.out_of_reach(advice.uses(cached), self.rate)
        if guessed_rows:
            caveats.append(
                f"{guessed_rows:,} requests show no prompt structure: the rate applies to their whole prompt, which is an "
                "assumption; say --cacheable TOKENS, or log prompt_blocks."
            )
        caveats += advice.padded(list(filter(self._is_short, before)), pricer, self.rate, self.ttl)
        caveats += self._learned(before, pricer)
        unknown = sorted(
            {str(b.group.model) for b, a in zip(before, after, strict=True) if a is not b} & _without_minimum(pricer)
        )
        if unknown:
            caveats.append(f"No source states the shortest cacheable prompt of {', '.join(unknown)}: none was applied.")
        facts: dict[str, Any] = {"break_even": advice.facts(by_model, self.ttl)}
        if found:
            shares = {"low": found.low, "high": found.high, "best": found.best}
            facts["supported_rate"] = {"requests": found.requests} | {n: round(float(s), 6) for n, s in shares.items()}
        return Outcome(
            # Of a group that it moves every row counts, those too that read as much already.
            changed=sum(state.rows for state in cached) or min(len(cached), 1),
            low=min(point, sure),
            high=max(point, sure),
            grade=Grade.ASSUMED,
            caveats=tuple(caveats),
            assumptions=(
                Assumption("share of cacheable tokens read", self.asked, "flag"),
                Assumption("TTL of writes", self.ttl, "flag" if self.ttl != "5m" else "default"),
                *(
                    ()
                    if self.guessed
                    else (Assumption("cacheable part of prompts without structure", self._said(), "flag"),)
                ),
            ),
            facts=facts,
        )

    def _replayed(self) -> Supported | None:
        """What the log's own times and prompts support: replayed once. None where no prompt's blocks are logged."""
        if self._scan is not None and self._scan.reach.known.empty("cacheable_tokens"):
            return None
        if self._rows is None or self._engine is None:
            raise AssertionError("rows are known once the scan has begun")
        if not self._supported:
            from claude_audit.levers._supported_rate import supported

            self._supported.append(supported(self._rows, self._engine, self.ttl, LEAST))
        return self._supported[0]

    def _learned(self, before: Sequence[State], pricer: Pricer) -> list[str]:
        """Where what was billed contradicts the catalog's minimum: told where a row that is left shows it does."""
        if not any(state.keys[advice.TOO_SHORT] or state.keys[advice.NOT_CACHED] for state in before):
            return []
        return advice.contradicted([*pricer.logged, *pricer.unpriced], self._least)

    def _least(self, state: State) -> int:
        """The shortest cacheable prompt of a state's rows, as logged."""
        if self._scan is None:
            raise AssertionError("a state is there once the scan has begun")
        if LEAST in state.keys:
            return int(state.keys[LEAST])
        return minimums.at_first(self._scan.reach, self._scan.catalog)[str(state.line.group.model)]

    def _is_short(self, state: State) -> bool:
        if self.guessed and state.keys["cache_guess"]:
            return False
        return bool(state.keys[_length(state.prompt)] == advice.SHORT)

    def _said(self) -> str:
        return (
            f"{self.cacheable_tokens} tokens"
            if self.cacheable_tokens is not None
            else f"{float(self.cacheable_share or 0):.1%}"
        )


def _length(variant: Variant) -> str:
    return "+".join(("cache_length", *variant))


def _without_minimum(pricer: Pricer) -> set[str]:
    return {model.id for model in pricer.catalog.models.values() if not model.minimums}


def build(options: Mapping[str, Any], catalog: Catalog) -> CacheHit | None:
    """The lever for these options. Raises AuditError for a rate that is none."""
    asked = options.get(NAME)
    if asked is None:
        return None
    try:
        rate = Decimal(str(asked))
    except ArithmeticError:
        rate = Decimal(-1)
    if not rate.is_finite() or not 0 <= rate <= 1:
        hint = (
            f"did you mean {float(rate) / 100:g}?"
            if rate.is_finite() and 1 < rate <= 100
            else "for example --cache-hit 0.85"
        )
        raise AuditError(f"--cache-hit {asked} is not a rate from 0 to 1", hint)
    ttl = str(options.get("cache_ttl") or "5m")
    if ttl not in ("5m", "1h"):
        raise AuditError(f"--cache-ttl {ttl!r} with --cache-hit", "use 5m or 1h; auto needs --cache-replay")
    tokens, share = _cacheable(options.get("cacheable"))
    return CacheHit(rate, str(asked), ttl, tokens, share)


def _cacheable(value: Any) -> tuple[int | None, Fraction | None]:
    if value is None:
        return None, None
    text = str(value).strip()
    try:
        if text.endswith("%"):
            share = Fraction(Decimal(text[:-1])) / 100
            if 0 <= share <= 1:
                return None, share
        elif int(text) >= 0:
            return int(text), None
    except (ValueError, ArithmeticError):
        pass
    raise AuditError(
        f"--cacheable {text!r} is neither tokens nor a percentage", "for example --cacheable 4000 or --cacheable 50%"
    )


KIND = Kind(
    NAME,
    Stage.CACHE,
    (
        Option(NAME, str, "Assume that this share of cacheable tokens is read from the cache.", "RATE"),
        Option("cache_ttl", str, "Lifetime of written entries: 5m or 1h [5m].", "TTL"),
        Option("cacheable", str, "Cacheable start of prompts that show no structure.", "TOKENS|PCT%"),
    ),
    build,
    __doc__ or "",
    effort=Effort.LOW,
    rollback="take cache_control out again",
    default={NAME: "0.85"},
)
