"""Tally times prices: the one place where dollars are made, and where any of them is explained.

cost = factors x (input x in + write_5m x w5 + write_1h x w1 + read x r + output x out) / 1,000,000 + searches x fee
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext
from functools import cached_property
from typing import TYPE_CHECKING

from claude_audit.money import EXACT, MILLION, ZERO
from claude_audit.rates import Group, Price, Unpriced
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.tally import Label, Line

SEARCHES = "web_search"
COMPONENTS = (*TOKEN_CLASSES, SEARCHES)
"""What a bill is made of."""

Quantity = int | Decimal


@dataclass(frozen=True, slots=True)
class Billed:
    """One line of the tally with its price."""

    line: Line
    price: Price | Unpriced
    components: Mapping[str, Decimal] | None
    """US dollars by COMPONENTS, exact; None when the line has no price."""

    @property
    def usd(self) -> Decimal | None:
        """US dollars, exact; None when the line has no price."""
        return None if self.components is None else total(self.components.values())


@dataclass(frozen=True)
class Bill:
    """What a tally costs."""

    lines: tuple[Billed, ...]

    @cached_property
    def total_usd(self) -> Decimal:
        """US dollars of all that has a price, exact."""
        return total(line.usd for line in self.lines if line.usd is not None)

    @cached_property
    def unpriced(self) -> tuple[Billed, ...]:
        """The billed lines that have no price."""
        return tuple(
            billed
            for billed in self.lines
            if billed.components is None and (billed.line.billed_requests or billed.line.billed_passes)
        )


def total(amounts: Iterable[Decimal]) -> Decimal:
    """The exact sum."""
    with localcontext(EXACT):  # the built-in sum adds under it, several times faster than one call for each amount
        return sum(amounts, ZERO)


def cost(quantity: Quantity, usd_per_mtok: Decimal) -> Decimal:
    """US dollars of that many tokens, exact."""
    return EXACT.divide(EXACT.multiply(Decimal(quantity), usd_per_mtok), MILLION)


def components(
    price: Price | Unpriced, tokens: Sequence[Quantity], searches: Quantity, catalog: Catalog
) -> dict[str, Decimal] | None:
    """US dollars by COMPONENTS of tokens by TOKEN_CLASSES. None when they have no price, or a class of them has none."""
    if isinstance(price, Unpriced):
        return None
    parts: dict[str, Decimal] = {}
    for name, quantity in zip(TOKEN_CLASSES, tokens, strict=True):
        if not quantity:
            parts[name] = ZERO
            continue
        rate = price.usd(name)
        if rate is None:
            return None
        parts[name] = cost(quantity, rate)
    parts[SEARCHES] = EXACT.multiply(catalog.search_fee()[0], Decimal(searches)) if searches else ZERO
    return parts


def bill(lines: Iterable[Line], catalog: Catalog) -> Bill:
    """Price each line of a tally. Free calls (refusals, failures) have no billed tokens and cost 0."""
    billed = []
    for line in lines:
        price = catalog.price(line.group)
        parts = components(price, line.tokens, line.searches, catalog)
        if parts is None and not (line.billed_requests or line.billed_passes):
            parts = dict.fromkeys(COMPONENTS, ZERO)  # only free calls: nothing to price
        billed.append(Billed(line, price, parts))
    return Bill(tuple(billed))


@dataclass(frozen=True, slots=True)
class LineItem:
    """quantity x rate x factors = amount, and where each figure is stated."""

    model: Label
    component: str
    quantity: int
    usd_per_unit: Decimal | None
    """Per token class: US dollars per million tokens, before factors. Web searches: per search. None: no price."""
    per: int
    """Units that the rate is for: 1,000,000 tokens, or 1 search."""
    factors: tuple[tuple[str, Decimal, str], ...]
    """(name, number, where it is stated)."""
    usd: Decimal | None
    where: str
    """File and line of the price, or why there is none."""
    group: Group
    note: str = ""


def explain(lines: Iterable[Line], catalog: Catalog) -> list[LineItem]:
    """The line items of a tally; their amounts add up to its bill exactly."""
    items = []
    for line in lines:
        price = catalog.price(line.group)
        # One class without a price leaves the whole request without one: no part of it is shown as its cost.
        priced = components(price, line.tokens, line.searches, catalog) is not None
        for name, quantity in zip(TOKEN_CLASSES, line.tokens, strict=True):
            if not quantity:
                continue
            note = ""
            if name == "cache_write_5m" and line.ttl_unknown:
                note = f"{line.ttl_unknown:,} of them of unknown TTL, billed as 5m"
            if isinstance(price, Unpriced):
                items.append(
                    LineItem(line.name, name, quantity, None, 1_000_000, (), None, price.reason, line.group, note)
                )
                continue
            rate = price.list_usd_per_mtok[name]
            factors = tuple((f.name, f.value, f.where) for f in price.factors)
            usd = price.usd(name)
            amount = cost(quantity, usd) if priced and usd is not None else None
            where = price.rate.where if rate is not None else "this model has no price for cache tokens"
            if price.banded and price.rate.band:
                note = "; ".join(filter(None, (note, f"prompt over {price.rate.band.over:,} tokens")))
            items.append(LineItem(line.name, name, quantity, rate, 1_000_000, factors, amount, where, line.group, note))
        if line.searches:
            fee, where = catalog.search_fee()
            amount = EXACT.multiply(fee, Decimal(line.searches)) if priced else None
            items.append(LineItem(line.name, SEARCHES, line.searches, fee, 1, (), amount, where, line.group))
    return items
