"""Prices that no catalog has: of another vendor's model, of one's own; and how whole prompts are billed at them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from claude_audit.errors import AuditError
from claude_audit.money import EXACT
from claude_audit.rates import Factor, Price, Rate
from claude_audit.states import State
from claude_audit.usage import TOKEN_CLASSES


def offer(model: str, usd_per_mtok: Mapping[str, Decimal], where: str, factors: tuple[Factor, ...] = ()) -> Price:
    """A price from outside the catalog. Classes that it does not name are not sold."""
    rate = Rate(
        model=model,
        since=date.min,
        until=None,
        usd_per_mtok={name: usd_per_mtok.get(name) for name in TOKEN_CLASSES},
        band=None,
        fast=False,
        where=where,
        read=date.min,
        source=where,
        confidence="single",
        listed=False,
    )
    return Price(rate, banded=False, factors=factors)


def offered(state: State, price: Price, per_token: Decimal = Decimal(1)) -> State:
    """The state at that price, `per_token` of its tokens for one of Claude's.

    Cache tokens whose class is not sold there are billed as uncached input.
    """
    tokens = dict(zip(TOKEN_CLASSES, state.tokens, strict=True))
    for name in TOKEN_CLASSES[1:4]:
        if price.usd(name) is None:
            tokens["input"], tokens[name] = EXACT.add(tokens["input"], tokens[name]), Decimal(0)
    there = {name: EXACT.multiply(per_token, quantity) for name, quantity in tokens.items()}
    return state.but(offer=price).with_tokens(**there)


def usd(value: Any, flag: str, example: str) -> Decimal:
    """An amount of US dollars, not negative, from a flag or a file. Raises AuditError that names the flag."""
    try:
        amount = Decimal(str(value).strip().removeprefix("$"))
    except ArithmeticError:
        amount = Decimal(-1)
    if not amount.is_finite() or amount < 0 or amount > 10**12:
        raise AuditError(f"{flag} {value!r} is not an amount of US dollars", f"for example {flag} {example}")
    return amount
