"""Lines of the tally as levers make them: other tokens, another price group, gone altogether; and what they cost."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from claude_audit.bill import components, cost, total
from claude_audit.money import EXACT, ZERO
from claude_audit.rates import Group, Price, Unpriced
from claude_audit.usage import TOKEN_CLASSES
from claude_audit.waterfall import Grade

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.scan import Scan
    from claude_audit.tally import Extra, Line

INPUT, READ, WRITE_5M, WRITE_1H, OUTPUT = range(5)
"""Places of the token classes in State.tokens."""
PLACES = {name: place for place, name in enumerate(TOKEN_CLASSES)}
LOGGED = ("prompt", "output", "read", "wrote_1h", "wrote_5m")
"""Sums that a line has as it is: of whole prompts, of answers, and where the classes of its prompts end."""
NO_TOKENS = (ZERO,) * len(TOKEN_CLASSES)

Variant = tuple[str, ...]
"""The marks of the levers that made a quantity what it is, in order of application."""


@dataclass(frozen=True, slots=True)
class Added:
    """Usage that a scenario brings beside a state's own: a summary call, a classifier's verdict, an answer asked again."""

    what: str
    group: Group
    tokens: tuple[Decimal, ...]
    """By TOKEN_CLASSES; negative for usage that is saved."""
    searches: Decimal = ZERO


@dataclass(frozen=True, slots=True)
class Fee:
    """A price of the user's own that no tokens tell, such as hosting: US dollars for the log's days."""

    what: str
    usd: Decimal


class State(NamedTuple):
    """A line of the tally as the levers applied so far have made it.

    A tuple, because a scenario makes some hundred thousand of them: `but` copies one several times faster so.
    """

    line: Line
    labels: Mapping[str, str | None]
    keys: Mapping[str, Any]
    """What its rows agree in; and the least or the largest value of what Scan.lowest and Scan.highest ask for."""
    sums: Mapping[str, int]
    """Whole, but for the rows, in a share of a line: there they are exact Decimals."""
    group: Group
    tokens: tuple[Decimal, ...]
    """By TOKEN_CLASSES; a lever that sets a rate may leave fractions."""
    searches: int | Decimal = 0
    output: Variant = ()
    prompt: Variant = ()
    moved: bool = False
    """Its model was changed: what was cached for the old one is void, and a day before the new one's first price takes that."""
    void: bool = False
    """Its prompts are others now: what was cached is void, on the same model."""
    packed: str | None = None
    """The mark of the lever that joined its requests into calls with others: what follows the shared start is not cacheable."""
    follows: bool = False
    """Packed, and its requests have left the shared start to another one's call."""
    removed: str | None = None
    """The mark of the lever that left out its requests."""
    shorter: tuple[tuple[str, Decimal], ...] = ()
    """(visible or thinking, share): parts of the output that are left out."""
    beside: tuple[Added | Fee, ...] = ()
    offer: Price | None = None
    """A price from outside the catalog."""
    grade: Grade = Grade.METERED
    """The weakest of the steps that changed it."""

    @property
    def rows(self) -> int:
        """Billed rows in it."""
        return self.sums["rows"]

    def sum_of(self, what: str, variant: Variant | None = None) -> int:
        """A quantity in the variant given, or in the one that this state is in."""
        if variant is None:
            variant = self.output if what in ("output", "thinking") else self.prompt
        return self.sums["+".join((what, *variant))]

    def share_of(self, share: Decimal, rows: int, **keys: Any) -> State:
        """This share of a line as logged, counted as so many rows: cost is linear, so shares add up to the line."""

        def part(quantity: Decimal | int) -> Any:
            return EXACT.multiply(Decimal(quantity), share)

        return self._replace(
            keys={**self.keys, **keys},
            sums={name: part(value) for name, value in self.sums.items()} | {"rows": rows},
            tokens=tuple(map(part, self.tokens)),
            searches=part(self.searches),
        )

    @property
    def but(self) -> Callable[..., State]:
        """The same with other fields: `state.but(moved=True)`."""
        return self._replace

    def with_tokens(self, **classes: Decimal | int) -> State:
        """The same with other token quantities (input, cache_read, …)."""
        tokens = list(self.tokens)
        for name, quantity in classes.items():
            tokens[PLACES[name]] = Decimal(quantity)
        return self._replace(tokens=tuple(tokens))

    def regrouped(self, **changes: Any) -> State:
        """The same in another price group."""
        return self._replace(group=regrouped(self.group, **changes))

    def logged(self) -> State:
        """The same requests as the log has them: before any lever."""
        whole, output, read, hour, cached = (self.sum_of(what, ()) for what in LOGGED)
        before = self._replace(
            group=self.line.group,
            output=(),
            prompt=(),
            moved=False,
            void=False,
            packed=None,
            follows=False,
            removed=None,
            shorter=(),
            beside=(),
            offer=None,
        )
        return before.with_tokens(
            input=whole - cached,
            cache_read=read,
            cache_write_1h=hour - read,
            cache_write_5m=cached - hour,
            output=output,
        )

    def gone(self, mark: str) -> State:
        """Its requests left out: nothing is billed, searches neither."""
        return self._replace(tokens=NO_TOKENS, searches=0, removed=mark)

    def reshaped(self, mark: str, **changes: Any) -> State:
        """With its prompts as Scan.reshape made them for this mark, in the price band of their new size."""
        prompt = (*self.prompt, mark)
        size = self.keys.get("+".join(("size", *prompt)), self.group.size)
        changed = self._replace(prompt=prompt, group=regrouped(self.group, size=int(size)), **changes)
        read, hour, cached, whole = (changed.sum_of(what) for what in ("read", "wrote_1h", "wrote_5m", "prompt"))
        return changed.with_tokens(
            input=whole - cached, cache_read=read, cache_write_1h=hour - read, cache_write_5m=cached - hour
        )

    def uncached(self, group: Group, prompt: Variant, output: Variant) -> State:
        """Moved to another model, its prompts and answers in these variants: what was cached for the old one is input."""
        tokens = (Decimal(self.sum_of("prompt", prompt)), ZERO, ZERO, ZERO, self._answer(output))
        return self._replace(group=group, prompt=prompt, output=output, moved=True, tokens=tokens)

    def answering(self, variant: Variant, shorter: tuple[tuple[str, Decimal], ...] | None = None) -> State:
        """With its answers in that variant, and parts of them left out."""
        changed = self._replace(output=variant, shorter=self.shorter if shorter is None else shorter)
        return changed.with_tokens(output=changed._answer(variant))

    def _answer(self, variant: Variant) -> Decimal:
        whole = self.sum_of("output", variant)
        tokens = Decimal(whole)
        for part, share in self.shorter:
            thinking = self.sum_of("thinking", variant)
            of = thinking if part == "thinking" else whole - thinking
            tokens = EXACT.subtract(tokens, EXACT.multiply(share, Decimal(of)))
        return tokens


@lru_cache(maxsize=8192)
def regrouped(group: Group, **changes: Any) -> Group:
    """The group with other fields. Many states share few groups."""
    return replace(group, **changes)


class Pricer:
    """What states cost, each priced once."""

    def __init__(self, catalog: Catalog) -> None:
        self.catalog = catalog
        self.logged: Sequence[State] = ()
        """All states of the log before any lever."""
        self.unpriced: Sequence[State] = ()
        """The log's billed lines without a price: no lever touches them."""
        self._known: dict[int, Decimal | None] = {}
        """By id of a state, what it costs."""
        self._kept: list[State] = []
        """Those states: the id of one that is gone would be given to another."""
        self._rates: dict[tuple[Group, bool], tuple[Decimal | None, ...] | None] = {}
        """US dollars for one token, by TOKEN_CLASSES."""

    def price(self, state: State) -> Price | Unpriced:
        """The price of a state's group. A target that was not sold yet on a day takes its first price."""
        return state.offer or self.catalog.price(state.group, lenient=state.moved)

    def usd(self, state: State) -> Decimal | None:
        """US dollars, exact, with what the scenario brings beside it. None when there is no price."""
        if id(state) not in self._known:
            self._known[id(state)] = self._usd(state)
            self._kept.append(state)
        return self._known[id(state)]

    def _usd(self, state: State) -> Decimal | None:
        if state.offer is not None:
            parts = components(state.offer, state.tokens, state.searches, self.catalog)
            found = None if parts is None else total(parts.values())
        else:
            found = self._cost(state.group, state.moved, state.tokens, state.searches)
        for item in state.beside if found is not None else ():
            assert found is not None  # noqa: S101 - of the loop's own condition
            if isinstance(item, Fee):
                found = EXACT.add(found, item.usd)
                continue
            found = EXACT.add(found, self.added(item))
        return found

    def usage(self, group: Group, tokens: Sequence[Decimal], searches: int = 0) -> Decimal | None:
        """US dollars of usage as logged, exact. None when there is no price."""
        return self._cost(group, False, tokens, searches)

    def added(self, item: Added) -> Decimal:
        """US dollars of usage that a scenario brings beside a state's own."""
        usd = self._cost(item.group, True, item.tokens, item.searches)
        if usd is None:
            raise AssertionError(f"a lever added {item.what} where there is no price: {item.group}")
        return usd

    def _cost(self, group: Group, lenient: bool, tokens: Sequence[Decimal], searches: Decimal | int) -> Decimal | None:
        key = (group, lenient)
        if key not in self._rates:
            price = self.catalog.price(group, lenient=lenient)
            self._rates[key] = (
                None if isinstance(price, Unpriced) else tuple(map(_a_token, map(price.usd, TOKEN_CLASSES)))
            )
        rates = self._rates[key]
        if rates is None:
            return None
        found = ZERO
        for quantity, rate in zip(tokens, rates, strict=True):
            if quantity:
                if rate is None:
                    return None
                found = EXACT.fma(quantity, rate, found)
        if searches:
            found = EXACT.add(found, EXACT.multiply(self.catalog.search_fee()[0], Decimal(searches)))
        return found

    def cost(self, state: State) -> Decimal:
        """US dollars of a state that has a price, as all of a scenario's do: one that a lever takes the price from is a bug."""
        usd = self.usd(state)
        if usd is None:
            raise AssertionError(f"a lever moved a row to where it has no price: {state.group}")
        return usd

    def total(self, states: Iterable[State]) -> Decimal:
        """US dollars of all of them."""
        known = self._known.get
        return total([known(id(state)) or self.cost(state) for state in states])

    def saving(self, before: Iterable[State], after: Iterable[State]) -> Decimal:
        """What it costs before, less what it costs after."""
        return EXACT.subtract(self.total(before), self.total(after))


def _a_token(usd_per_mtok: Decimal | None) -> Decimal | None:
    return None if usd_per_mtok is None else cost(1, usd_per_mtok)


def states(
    lines: Sequence[Line], by: Sequence[str], extra: Extra, pricer: Pricer, scan: Scan
) -> tuple[list[State], list[State]]:
    """The billed lines as states: those with a price, and those without, which are left alone."""
    keys, sums = list(extra.keys), list(extra.sums)
    ends = [*extra.lowest, *extra.highest]
    summed_to = len(keys) + len(sums)
    priced: list[State] = []
    unpriced: list[State] = []
    for line in lines:
        values = scan.keys.read(dict(zip(keys, line.more, strict=False)))
        if values.get("x_free"):
            continue  # free calls: nothing to save
        values |= zip(ends, line.more[summed_to:], strict=True)
        summed = dict(zip(LOGGED, _logged(line), strict=True))
        summed |= zip(sums, map(int, line.more[len(keys) : summed_to]), strict=True)
        for name, follows in scan.follows.items():
            summed[name] = follows(values, summed, line.group.model)
        state = State(
            line=line,
            labels=dict(zip(by, line.labels, strict=True)),
            keys=values,
            sums=summed,
            group=line.group,
            tokens=tuple(map(Decimal, line.tokens)),
            searches=line.searches,
        )
        (unpriced if pricer.usd(state) is None else priced).append(state)
    return priced, unpriced


def _logged(line: Line) -> tuple[int, ...]:
    """By LOGGED."""
    u, read, w5, w1, output = line.tokens
    return u + read + w5 + w1, output, read, read + w1, read + w1 + w5


def unmoved(variant: Variant, moves: Iterable[str]) -> Variant:
    """The variant without the marks of levers that change the model: text is counted once, on the last model."""
    return tuple(mark for mark in variant if mark.partition("@")[0] not in moves)


def text_of(factor: Decimal) -> str:
    """A factor as a variant's mark carries it."""
    return format(factor.normalize(), "f")


def lever_of(mark: str) -> str:
    """Whose mark it is: without what it bounds (@), and on which of several logs (~)."""
    return mark.partition("@")[0].partition("~")[0]
