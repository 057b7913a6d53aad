"""The one scan of a scenario: what levers ask of each row, and every quantity that a row can come to have.

Cost is linear in tokens inside a price group, so a scenario needs sums of whole quantities; what is not linear (a
threshold, a minimum, a rounding) is settled row by row in the engine: as a key that parts the lines, or as one more sum
(a variant: the output as capped, as scaled to another tokenizer, as both). After the scan every subset of levers is
arithmetic on a small table: pick the variant that the subset makes, move quantities, price (states.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from fractions import Fraction
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, Any

from claude_audit import minimums
from claude_audit.follows import Constant, Follows, equals
from claude_audit.prompt_ends import ENDS, Prompt, either, flag
from claude_audit.recount import Recount
from claude_audit.row_columns import Columns
from claude_audit.row_keys import Keys
from claude_audit.states import LOGGED, Variant, lever_of
from claude_audit.tally import Extra, line_keys, own_size, quantity, size
from claude_audit.usage import TOKEN_CLASSES, TOKEN_COLUMNS

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.levers._packs import Pack
    from claude_audit.levers._rewritten import Rewrite
    from claude_audit.tally import Reach

Join = Callable[["nw.LazyFrame[Any]", Sequence[str]], "nw.LazyFrame[Any]"]


@dataclass
class Scan:
    """What the levers of a scenario ask of the engine. Levers call it in stage order."""

    catalog: Catalog
    reach: Reach
    combine: bool = True
    """Quantities for levers upon levers. False: for each lever alone."""
    keys: Keys = field(default_factory=Keys)
    facts: dict[str, Mapping[str, int]] = field(default_factory=dict)
    """Column -> model -> a whole number that is known of it."""
    listed: dict[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    """Column -> the column of texts, and the texts, of which it says whether a row's is one."""
    sums: dict[str, nw.Expr] = field(default_factory=dict)
    lowest: dict[str, nw.Expr] = field(default_factory=dict)
    """Of which each line holds the least value; None where no row has any. Among the keys of its state."""
    highest: dict[str, nw.Expr] = field(default_factory=dict)
    quantities: dict[str, dict[Variant, nw.Expr]] = field(default_factory=dict)
    """prompt, cacheable, output, thinking and the ends of a prompt's classes -> variant -> the row's quantity."""
    moves: dict[str, Mapping[str, str]] = field(default_factory=dict)
    """Mark of a lever that changes the model -> by model as logged, the one it moves rows to."""
    beside: list[str] = field(default_factory=list)
    """Other models, of which levers add usage of their own: a router, a writer of summaries."""
    grown: dict[str, int] = field(default_factory=dict)
    """Mark of a lever that puts text at the start of prompts -> its tokens."""
    rewrites: dict[str, Rewrite] = field(default_factory=dict)
    """Mark of a lever that changes prompts -> what it makes of their blocks: a replay follows no prompt without it."""
    joins: list[Join] = field(default_factory=list)
    """What is joined to the rows before the tally, given the dimensions asked for."""
    columns: Columns = field(default_factory=Columns)
    """Added to the rows before what is joined."""
    packs: dict[str, Pack] = field(default_factory=dict)
    """By mark of a lever that joins requests into one."""
    constants: dict[tuple[str, Variant], Constant] = field(default_factory=dict)
    """Quantities that are known without a sum where some key of a line is set."""
    follows: dict[str, Follows] = field(default_factory=dict)
    """Sums that are not asked for, by name, because they follow from a line's keys and other sums: completed by extra()."""
    _wholes: dict[Variant, nw.Expr] = field(default_factory=dict)
    """Variants of prompts that are joined -> the joint prompt."""
    _turns: bool = False
    """Whether `turns` is bound."""

    def __post_init__(self) -> None:
        import narwhals.stable.v2 as nw

        known = self.reach.known
        self.bind(**{f"q_{name}": quantity(name, known) for name in TOKEN_CLASSES})
        read = nw.col("q_cache_read")
        cached = [nw.col(f"q_{name}") for name in TOKEN_CLASSES[1:4] if self.most(name) != 0]
        self.bind(
            q_prompt=reduce(add, cached, nw.col("q_input")),
            q_cached=reduce(add, cached) if cached else nw.lit(0, dtype=nw.Int64),
            q_free=~nw.col("unbilled").is_null(),
        )
        self.billed = ~nw.col("q_free")
        self.call: nw.Expr = nw.lit(True)
        """The row is one request, and no pass of a longer call and no sum of several."""
        if known.texts.get("row_kind") != "call" or not known.full("requests"):
            self.bind(q_call=((nw.col("row_kind") == "call") & ~nw.col("requests").is_null()).fill_null(False))
            self.call = nw.col("q_call")
        self.prompt = nw.col("q_prompt")
        """All input of a row: uncached, read and written."""
        self.cached = nw.col("q_cached")
        self.quantities = {
            "prompt": {(): self.prompt},
            "output": {(): nw.col("q_output")},
            "read": {(): read},
            "wrote_1h": {(): read + nw.col("q_cache_write_1h") if self.most("cache_write_1h") != 0 else read},
            "wrote_5m": {(): self.cached},
        }
        self.key("x_free", nw.col("q_free"), 2)
        self.sums["rows"] = nw.lit(1)

    def bind(self, **columns: nw.Expr) -> None:
        """Compute these once a row, under these names, from columns bound before."""
        self.columns.add(columns)

    def quantity(self, what: str, expression: nw.Expr) -> nw.Expr:
        """A further quantity of each row, for the levers to vary."""
        import narwhals.stable.v2 as nw

        self.bind(**{f"q_{what}": expression})
        self.quantities[what] = {(): nw.col(f"q_{what}")}
        return self.quantities[what][()]

    def key(self, name: str, expression: nw.Expr, values: int | None = None) -> None:
        """Part the lines by this value of a row. `values`: see Keys.add."""
        self.keys.add(name, expression, values)

    def fact(self, values: Mapping[str, int], otherwise: int = 0) -> nw.Expr:
        """A whole number for each row by its model, `otherwise` for models that are not named; null without a model."""
        import narwhals.stable.v2 as nw

        values = {model: values.get(model, otherwise) for model in self.reach.models}
        if len({*values.values()}) == 1 and self.reach.known.full("model"):
            return nw.lit(next(iter(values.values())), dtype=nw.Int64)
        name = next((name for name, known in self.facts.items() if known == values), f"m_{len(self.facts)}")
        self.facts[name] = values
        return nw.col(name)

    def most(self, what: str) -> int | None:
        """The largest prompt or output of a row as logged, in tokens, or more than it. None: nobody knows."""
        classes = TOKEN_CLASSES[:4] if what == "prompt" else (what,)
        return self.reach.known.at_most(*(column for name in classes for column in TOKEN_COLUMNS[name]))

    def among(self, column: str, texts: Sequence[str]) -> nw.Expr:
        """Whether a row's text is one of these, false where there is none."""
        import narwhals.stable.v2 as nw

        if self.reach.known.empty(column) or column in self.reach.known.texts:
            return nw.lit(self.reach.known.texts.get(column) in texts)
        wanted = (column, tuple(texts))
        name = next((name for name, known in self.listed.items() if known == wanted), f"in_{len(self.listed)}")
        self.listed[name] = wanted
        return nw.col(name)

    def vary(self, what: str, mark: str, make: Callable[[nw.Expr], nw.Expr]) -> None:
        """For each variant of a quantity so far, one that this lever (by its mark) makes of it as well."""
        self.vary_each(what, {mark: make})

    def vary_each(self, what: str, makes: Mapping[str, Callable[[nw.Expr], nw.Expr]]) -> None:
        """The same for several marks of one lever, of which no two stand in one variant."""
        import narwhals.stable.v2 as nw

        level: dict[str, nw.Expr] = {}
        known = self.quantities[what]
        for variant, expression in list(known.items()):
            for mark, make in makes.items():
                if not self._follows(variant, mark):
                    continue
                made = make(expression)
                if (what, variant) in self.constants and isinstance(make, Recount) and made is not expression:
                    self.constants[what, (*variant, mark)] = self.constants[what, variant].then(make)
                if made is not expression:
                    name = f"q_{what}_{len(self.columns)}_{len(level)}"
                    level[name] = made
                    made = nw.col(name)
                known[(*variant, mark)] = made
                if what == "prompt" and variant in self._wholes:
                    name = f"whole_{len(self.columns)}_{len(level)}"
                    level[name] = make(self._wholes[variant])
                    self._wholes[(*variant, mark)] = nw.col(name)
        self.bind(**level)

    def constant(self, what: str, mark: str, key: str, tokens: int) -> None:
        """Say that what this lever makes of the quantity as logged is so many tokens in each row of the lines where that key
        is set, and what it was elsewhere: then nothing of it need be added up."""
        self.constants[what, (mark,)] = Constant(mark, key, lambda model: tokens)

    def reshape(
        self,
        mark: str,
        make: Callable[[Prompt], Prompt],
        *,
        follows: Callable[[Variant], bool] = lambda variant: True,
        checked: bool = True,
    ) -> None:
        """For each prompt so far, the one that this lever makes of it as well.

        What is left in the cache below the model's minimum is uncached, unless not `checked`. Prompts that an earlier lever
        moved to another model are left alone: their caches are void. So are those of which it says that it can't follow.
        """
        self.reshape_each({mark: make}, follows=follows, checked=checked)

    def reshape_each(
        self,
        makes: Mapping[str, Callable[[Prompt], Prompt]],
        *,
        follows: Callable[[Variant], bool] = lambda variant: True,
        checked: bool = True,
    ) -> None:
        """The same for several marks of one lever, of which no two stand in one variant."""
        import narwhals.stable.v2 as nw

        if "q_minimum" not in self.columns:
            self.bind(q_minimum=self.minimum())
        made: dict[Variant, dict[str, nw.Expr]] = {}
        kept: dict[Variant, nw.Expr] = {}
        longer: dict[Variant, nw.Expr] = {}
        for variant in list(self.quantities["prompt"]):
            for mark, make in makes.items():
                if not self._follows(variant, mark) or any(m in self.moves for m in variant) or not follows(variant):
                    continue
                before = self.shape(variant)
                after = make(before)
                parts = {what: getattr(after, what) for what in ENDS}
                parts |= {} if after.cacheable is None else {"cacheable": after.cacheable}
                if before.head is not None:
                    parts["head"] = before.head if after.head is None else after.head
                pack = next((self.packs[m] for m in variant if m in self.packs), None)
                if pack is not None:
                    # Once a call: those that go out in another one's call have no start to change.
                    stays = nw.col(pack.follows) == 1
                    if variant in self._wholes:
                        more = parts["prompt"] - before.prompt
                        longer[*variant, mark] = self._wholes[variant] + flag(~nw.col(pack.number).is_null()) * more
                    was_part = {what: getattr(before, what) for what in parts}
                    parts = {what: either(stays, was_part[what], part) for what, part in parts.items()}
                made[*variant, mark] = parts
                kept[*variant, mark] = before.wrote_5m
        name = f"p_{len(self.columns)}"
        names = {variant: f"{name}_{n}" for n, variant in enumerate(made)}
        self.bind(**{f"{names[v]}_{what}": part for v, parts in made.items() for what, part in parts.items()})
        ends: dict[str, nw.Expr] = {}
        for variant, was in kept.items() if checked else ():
            left = nw.col(f"{names[variant]}_wrote_5m")
            # A prompt that lost nothing is cached as it was billed, whatever minimum is stated.
            enough = flag((left >= nw.col("q_minimum")) | (left >= was))
            ends |= {f"{names[variant]}_{what}_": nw.col(f"{names[variant]}_{what}") * enough for what in ENDS[:3]}
        self.bind(**ends)
        for variant, parts in made.items():
            for what in parts:
                name = f"{names[variant]}_{what}"
                self.quantities[what][variant] = nw.col(f"{name}_" if f"{name}_" in ends else name)
        level = {f"whole_{len(self.columns)}_{n}": whole for n, whole in enumerate(longer.values())}
        self._wholes |= {variant: nw.col(column) for variant, column in zip(longer, level, strict=True)}
        self.bind(**level)
        self._bind_wholes(variant for variant in made if variant not in longer)
        for variant in made:
            self.size_key(variant)

    def remodel(self, scales: Mapping[str, Callable[[nw.Expr], nw.Expr]], minimum: nw.Expr) -> None:
        """For each prompt so far, and each mark, the same text on another model that takes over its caches too.

        `scales`: by mark, how the other model counts tokens. What was cached and does not reach the `minimum` there is
        uncached.
        """
        import narwhals.stable.v2 as nw

        counted: dict[str, nw.Expr] = {}
        taken: dict[str, nw.Expr] = {}
        for variant in list(self.quantities["prompt"]):
            for mark, scale in scales.items():
                if not self._follows(variant, mark):
                    continue
                before = self.shape(variant)
                after = before.each(scale)
                name = f"p_{len(self.columns)}_{len(counted)}"
                enough = flag(nw.col(f"{name}_wrote_5m") >= minimum)
                made: dict[int, nw.Expr] = {}
                # The end of what was cached first: where two ends are one, they are that.
                for what in ("wrote_5m", "wrote_1h", "read"):
                    if id(getattr(before, what)) not in made:
                        column = f"{name}_{what}"
                        counted[column], taken[f"{column}_"] = getattr(after, what), nw.col(column) * enough
                        made[id(getattr(before, what))] = nw.col(f"{column}_")
                    self.quantities[what][*variant, mark] = made[id(getattr(before, what))]
                for what in ("prompt", *(("cacheable",) if after.cacheable is not None else ())):
                    end, known = getattr(after, what), self.quantities[what]
                    known[*variant, mark] = known[variant]
                    if end is not known[variant]:
                        counted[f"{name}_{what}"] = end
                        known[*variant, mark] = nw.col(f"{name}_{what}")
                if variant in self._wholes:
                    counted[f"{name}_whole"] = scale(self._wholes[variant])
                    self._wholes[(*variant, mark)] = nw.col(f"{name}_whole")
        self.bind(**counted)
        self.bind(**taken)

    def shape(self, variant: Variant) -> Prompt:
        """The prompt in that variant."""
        read, wrote_1h, wrote_5m, prompt = (self.quantities[what][variant] for what in ENDS)
        more = (self.quantities.get(what, {}).get(variant) for what in ("cacheable", "head"))
        return Prompt(read, wrote_1h, wrote_5m, prompt, *more)

    def size_key(self, variant: Variant, model: str | None = None, most: int | None = None) -> None:
        """Part the lines by the price band of the prompt in that variant, on the row's own model or on the one given.

        `most`: tokens that it has at most.
        """
        import narwhals.stable.v2 as nw

        if not self.catalog.banded_models & set(self.reach.models if model is None else [model]):
            return
        prompt = self.judged(variant)
        found = size(self.catalog, prompt, most)
        if model is None:
            found = flag(~nw.col("prompt_tokens").is_null()) * own_size(self.reach, self.catalog, prompt)
        self.key("+".join(("size", *variant)), found, len(self.catalog.thresholds) + 1)

    def whole(self, variant: Variant) -> nw.Expr:
        """The prompt of the call that a row is part of, in that variant: its own, where no lever has joined requests."""
        import narwhals.stable.v2 as nw

        prompt = self.quantities["prompt"][variant]
        pack = next((self.packs[mark] for mark in variant if mark in self.packs), None)
        if pack is not None and variant not in self._wholes:
            # What several levers made. Bound here, over all rows, before any are picked; slow.
            name = f"whole_{len(self.columns)}"
            joint = prompt.sum().over(pack.number)
            self.bind(**{name: nw.when(nw.col(pack.number).is_null()).then(prompt).otherwise(joint)})
            self._wholes[variant] = nw.col(name)
        return self._wholes.get(variant, prompt)

    def judged(self, variant: Variant) -> nw.Expr:
        """The prompt that decides the price band, in that variant: the whole; where server tools were called, one turn's."""
        return (self.whole(variant) / self.turns).ceil()

    @property
    def turns(self) -> nw.Expr:
        """How many turns a row's prompt adds up, never null: one, but for server tools, whose turns nobody tells apart.

        From the size that the bill judged, which is one turn's, rounded up (passes.py).
        """
        import narwhals.stable.v2 as nw

        if not self._turns:
            one = nw.col("prompt_tokens")
            several = (one > 0) & (one < self.prompt)
            self.bind(q_turns=nw.when(several).then((self.prompt / one).ceil()).otherwise(nw.lit(1)).cast(nw.Int64))
            self._turns = True
        return nw.col("q_turns")

    def _bind_wholes(self, variants: Iterable[Variant]) -> None:
        """Joint prompts of requests that no lever before has changed."""
        import narwhals.stable.v2 as nw

        level: dict[str, nw.Expr] = {}
        prompts = self.quantities["prompt"]
        for variant in variants:
            pack = self.packs.get(variant[-1])
            if pack is not None and prompts[variant[:-1]] is prompts[()]:
                name = f"whole_{len(self.columns)}_{len(level)}"
                level[name] = nw.coalesce(nw.col(pack.prompt), prompts[variant])
                self._wholes[variant] = nw.col(name)
        self.bind(**level)

    def _follows(self, variant: Variant, mark: str) -> bool:
        """Whether this mark may stand after those: no lever twice, nothing after what bounds only, nothing when alone."""
        if not self.combine and variant:
            return False
        lever = lever_of(mark)
        if lever in self.moves and any(m in self.moves for m in variant):
            return False  # who is moved twice is counted once: from the log to the last model (states.unmoved)
        return not any("@" in m or lever_of(m) == lever for m in variant)

    def line_keys(self, by: Sequence[str]) -> dict[str, nw.Expr]:
        """All that parts the lines of the tally, by name: rows that agree in it go the same way under any levers."""
        return {**line_keys(by, self.reach, self.catalog, targets=self.targets), **self.keys.packed()}

    @property
    def targets(self) -> tuple[str, ...]:
        """The models whose prices count beside those of the log: levers move rows to them, or ask them for more."""
        return tuple(dict.fromkeys((*(target for to in self.moves.values() for target in to.values()), *self.beside)))

    def scaled(self, tokens: nw.Expr, factor: Fraction, models: Sequence[str]) -> nw.Expr:
        """ceil(factor x tokens), in whole numbers, on rows of these models; the tokens on others.

        Exact: the factor's terms have at most five digits, so a quotient that is no whole number stays far from one.
        """
        import narwhals.stable.v2 as nw

        times = self.fact(dict.fromkeys(models, factor.numerator), factor.denominator)
        return (tokens * times / factor.denominator).ceil().cast(nw.Int64)

    def minimum(self, to: Mapping[str, str] | None = None) -> nw.Expr:
        """The shortest cacheable prompt, in tokens, of a row's own model on its day; `to`: see minimums.at_first."""
        import narwhals.stable.v2 as nw

        found = self.fact(minimums.at_first(self.reach, self.catalog, to))
        for since, steps in minimums.steps(self.reach, self.catalog, to).items():
            begin = datetime(since.year, since.month, since.day, tzinfo=UTC)
            found = found + flag(nw.col("ts") >= nw.lit(begin)) * self.fact(steps)
        return found

    def same(self) -> frozenset[str]:
        """Columns, of the rows and bound, that have one value in all of them for sure."""
        return self.columns.same(self.reach.known.same)

    def extra(self) -> Extra:
        """The keys and sums for the tally: of quantities that are the same column once, of logged ones and of what follows
        from others never."""
        sums = dict(self.sums)
        first: dict[int, str] = {}
        for what, variants in self.quantities.items():
            for variant, expression in variants.items():
                name = "+".join((what, *variant))
                if what == "cacheable" and any("@" in mark for mark in variant):
                    continue  # made for the bounds of a lever: nothing is cached there
                other = first.setdefault(id(expression), name)
                if name in LOGGED:
                    first[id(expression)] = name
                elif other != name:
                    self.follows[name] = equals(other)
                elif (what, variant) in self.constants:
                    self.follows[name] = self.constants[what, variant].sum_of(what, variant)
                elif name not in self.follows:
                    sums[name] = expression
        return Extra(self.keys.known, sums, self.lowest, self.highest)
