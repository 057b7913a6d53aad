"""The one scan of a scenario: what levers ask of each row, and every quantity that a row can come to have.

Cost is linear in tokens inside a price group, so a scenario needs sums of whole quantities; what is not linear (a
threshold, a minimum, a rounding) is settled row by row in the engine: as a key that parts the lines, or as one more sum
(a variant: the output as capped, as scaled to another tokenizer, as both). After the scan every subset of levers is
arithmetic on a small table: pick the variant that the subset makes, move quantities, price.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.bill import components, total
from claude_audit.rates import Group, Price, Unpriced
from claude_audit.tally import Extra, Line, quantity
from claude_audit.usage import TOKEN_CLASSES
from claude_audit.waterfall import Grade

if TYPE_CHECKING:
    from decimal import Decimal as Usd

    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.tally import Reach

INPUT, READ, WRITE_5M, WRITE_1H, OUTPUT = range(5)
"""Places of the token classes in State.tokens."""

Variant = tuple[str, ...]
"""The marks of the levers that made a quantity what it is, in order of application."""


@dataclass
class Scan:
    """What the levers of a scenario ask of the engine. Levers call it in stage order."""

    catalog: Catalog
    reach: Reach
    keys: dict[str, nw.Expr] = field(default_factory=dict)
    sums: dict[str, nw.Expr] = field(default_factory=dict)
    quantities: dict[str, dict[Variant, nw.Expr]] = field(default_factory=dict)
    """prompt, cacheable, output -> variant -> the row's quantity."""
    moves: dict[str, str] = field(default_factory=dict)
    """Mark of a lever that changes the model -> the model it moves rows to."""

    def __post_init__(self) -> None:
        import narwhals.stable.v2 as nw

        self.billed = nw.col("unbilled").is_null()
        self.prompt = sum((quantity(name) for name in TOKEN_CLASSES[1:4]), start=quantity(TOKEN_CLASSES[0]))
        """All input of a row: uncached, read and written."""
        self.cached = sum((quantity(name) for name in TOKEN_CLASSES[2:4]), start=quantity(TOKEN_CLASSES[1]))
        self.call = nw.col("row_kind") == "call"
        self.quantities = {"prompt": {(): self.prompt}, "output": {(): quantity("output")}}
        self.sums["rows"] = nw.when(self.billed).then(nw.lit(1)).otherwise(nw.lit(0))

    def key(self, name: str, expression: nw.Expr) -> None:
        """Part the lines by this value of a row."""
        self.keys[name] = expression

    def vary(self, what: str, mark: str, make: Callable[[nw.Expr], nw.Expr]) -> None:
        """For each variant of a quantity so far, one that this lever (by its mark) makes of it as well."""
        known = self.quantities[what]
        for variant, expression in list(known.items()):
            if not any(m.partition("@")[0] == mark.partition("@")[0] for m in variant):
                known[(*variant, mark)] = make(expression)

    def extra(self) -> Extra:
        """The keys and sums for the tally."""
        import narwhals.stable.v2 as nw

        sums = dict(self.sums)
        for what, variants in self.quantities.items():
            for variant, expression in variants.items():
                sums["+".join((what, *variant))] = nw.when(self.billed).then(expression).otherwise(nw.lit(0))
        return Extra(self.keys, sums)


@dataclass(frozen=True, slots=True)
class State:
    """A line of the tally as the levers applied so far have made it."""

    line: Line
    labels: Mapping[str, str | None]
    keys: Mapping[str, Any]
    sums: Mapping[str, int]
    group: Group
    tokens: tuple[Decimal, ...]
    """By TOKEN_CLASSES; a lever that sets a rate may leave fractions."""
    output: Variant = ()
    prompt: Variant = ()
    moved: bool = False
    """Its model was changed: what was cached for the old one is void."""
    grade: Grade = Grade.METERED
    """The weakest of the steps that changed it."""

    @property
    def rows(self) -> int:
        """Billed rows in it."""
        return self.sums["rows"]

    def sum_of(self, what: str, variant: Variant | None = None) -> int:
        """A quantity in the variant given, or in the one that this state is in."""
        if variant is None:
            variant = self.output if what == "output" else self.prompt
        return self.sums["+".join((what, *variant))]

    def with_tokens(self, **classes: Decimal | int) -> State:
        """The same with other token quantities (input, cache_read, …)."""
        tokens = tuple(Decimal(classes.get(n, t)) for n, t in zip(TOKEN_CLASSES, self.tokens, strict=True))
        return replace(self, tokens=tokens)

    def regrouped(self, **changes: Any) -> State:
        """The same in another price group."""
        return replace(self, group=replace(self.group, **changes))


class Pricer:
    """What states cost, each priced once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self._known: dict[tuple[Any, ...], Decimal | None] = {}

    def price(self, state: State) -> Price | Unpriced:
        """The price of a state's group. A target that was not sold yet on a day takes its first price."""
        return self.catalog.price(state.group, lenient=state.moved)

    def usd(self, state: State) -> Usd | None:
        """US dollars, exact. None when there is no price."""
        key = (state.group, state.moved, state.tokens, state.line.searches)
        if key not in self._known:
            parts = components(self.price(state), state.tokens, state.line.searches, self.catalog)
            self._known[key] = None if parts is None else total(parts.values())
        return self._known[key]

    def cost(self, state: State) -> Decimal:
        """US dollars of a state that has a price, as all of a scenario's do: one that a lever takes the price from is a bug."""
        usd = self.usd(state)
        if usd is None:
            raise AssertionError(f"a lever moved a row to where it has no price: {state.group}")
        return usd

    def total(self, states: Sequence[State]) -> Decimal:
        """US dollars of all of them."""
        return total(self.cost(state) for state in states)


def states(lines: Sequence[Line], by: Sequence[str], extra: Extra, pricer: Pricer) -> tuple[list[State], int]:
    """The billed, priced lines as states, and the number of requests that have no price and so are left alone."""
    keys, sums = list(extra.keys), list(extra.sums)
    found, unpriced = [], 0
    for line in lines:
        state = State(
            line=line,
            labels=dict(zip(by, line.labels, strict=True)),
            keys=dict(zip(keys, line.more[: len(keys)], strict=True)),
            sums={name: int(value) for name, value in zip(sums, line.more[len(keys) :], strict=True)},
            group=line.group,
            tokens=tuple(map(Decimal, line.tokens)),
        )
        if not state.rows:
            continue  # only free calls: nothing to save
        if pricer.usd(state) is None:
            unpriced += line.billed_requests
        else:
            found.append(state)
    return found, unpriced


def text_of(factor: Decimal) -> str:
    """A factor as a variant's mark carries it."""
    return format(factor.normalize(), "f")
