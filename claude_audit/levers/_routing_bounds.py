"""What routing saves at least and at most: over the sets of simple requests, the tokenizer factors, and a router's errors."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from functools import partial
from typing import TYPE_CHECKING

from claude_audit.levers._routing_errors import Sums
from claude_audit.levers._routing_ranks import LEAST, MOST, RANK
from claude_audit.levers._routing_rows import CODES, NESTED
from claude_audit.money import EXACT, ZERO

if TYPE_CHECKING:
    from claude_audit.levers.route_simple import RouteSimple
    from claude_audit.states import Pricer, State

NO_ERRORS = (Fraction(0), Fraction(0), Fraction(1))


def savings(
    lever: RouteSimple, by_set: Mapping[str, Sequence[State]], free: Sequence[State], pricer: Pricer
) -> list[Fraction]:
    """All savings that the bounds are the ends of. `free`: the requests that may be routed; `by_set`: the same by set."""
    if lever.router is None and lever.share is None:
        return _nested(lever, by_set, pricer)
    found: list[Fraction] = []
    for factor in lever.factors:
        for split in _splits(lever, free, factor, pricer):
            found += lever.router.bounds(split) if lever.router else [split.saving(*NO_ERRORS)]
    return found


def _nested(lever: RouteSimple, by_set: Mapping[str, Sequence[State]], pricer: Pricer) -> list[Fraction]:
    """The saving over the certain ones, the likely too, and all, under each factor: rules decide, at no cost."""

    def gain(members: Sequence[State], factor: Decimal) -> Decimal:
        return pricer.saving(members, [lever.routed(state, factor) for state in members])

    parted = [(lever.alike(members), lever.foreign(members)) for members in by_set.values()]
    same = [gain(alike, lever.factor) for alike, _ in parted]  # whatever the factor is
    found = []
    for factor in lever.factors:
        saved = ZERO
        for known, (_, foreign) in zip(same, parted, strict=True):
            saved = EXACT.add(saved, EXACT.add(known, gain(foreign, factor)))
            found.append(Fraction(saved))
    return found


def _splits(lever: RouteSimple, free: Sequence[State], factor: Decimal, pricer: Pricer) -> Iterator[Sums]:
    """Over which requests are the simple ones: the three sets, or those that save least and most."""
    if lever.share is not None:
        for bit in (LEAST, MOST):
            yield sums(lever, free, partial(_ranked, bit), factor, pricer)
        return
    for names in NESTED:
        yield sums(lever, free, partial(_named, names), factor, pricer)


def _ranked(bit: int, state: State) -> Decimal:
    return Decimal(bool(state.keys[RANK] & bit))


def _named(names: Collection[str], state: State) -> Decimal:
    return Decimal(CODES[state.keys["route"]] in names)


def sums(
    lever: RouteSimple, free: Sequence[State], simple: Callable[[State], Decimal], factor: Decimal, pricer: Pricer
) -> Sums:
    """Dollars over the requests that may be routed, of which each state holds a share of simple ones."""
    found = Sums()
    for state in free:
        cost, part = pricer.cost(state), simple(state)
        gain = EXACT.subtract(cost, pricer.cost(lever.routed(state, factor)))
        rows = Decimal(state.sums.get("route_calls", state.rows))
        kappa = ZERO
        if lever.router and lever.router.model:
            kappa = pricer.added(lever.verdicts(state, lever.router, lever.router.model, factor))
        found = found.plus(part, gain, cost, rows, kappa)
    return found
