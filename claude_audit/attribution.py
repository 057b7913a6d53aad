"""Whose saving is it: fair shares over all orders, the range over them, and what to do first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from itertools import combinations
from math import factorial
from typing import TYPE_CHECKING

from claude_audit.levers import kind_of
from claude_audit.money import EXACT, ZERO, dollars, rounded
from claude_audit.waterfall import Interaction, Next

if TYPE_CHECKING:
    from claude_audit.lever_run import Run

MOST_SHAPLEY = 6
"""Levers for which all orders are computed: 64 subsets."""


def shapley(run: Run) -> list[Decimal]:
    """Each lever's mean share over all orders, US dollars, to 12 places; they add up to the whole saving exactly.

    Of more than six levers those of one stage stay together in each order (the Owen value): orders of the stages, and
    within a stage orders of its levers.
    """
    levers = range(len(run.levers))
    blocks: list[tuple[int, ...]] = [(n,) for n in levers]
    if len(levers) > MOST_SHAPLEY:
        stages = sorted({lever.stage for lever in run.levers})
        blocks = [tuple(n for n in levers if run.levers[n].stage == stage) for stage in stages]
    shares = [Fraction(0)] * len(levers)
    for block in blocks:
        others = [other for other in blocks if other != block]
        for outer, joined in _weighted(others):
            base = [n for other in joined for n in other]
            for n in block:
                mates = [(mate,) for mate in block if mate != n]
                for inner, chosen in _weighted(mates):
                    without = tuple(sorted((*base, *(mate for (mate,) in chosen))))
                    gain = Fraction(run.total(without)) - Fraction(run.total(tuple(sorted((*without, n)))))
                    shares[n] += outer * inner * gain
    exact_shares = [rounded(share, 12) for share in shares]
    if exact_shares:
        # What rounding leaves over goes to the largest, so that the shares add up exactly.
        largest = max(levers, key=lambda n: shares[n])
        rest = EXACT.subtract(run.total(()), run.total(tuple(levers)))
        for n in levers:
            if n != largest:
                rest = EXACT.subtract(rest, exact_shares[n])
        exact_shares[largest] = rest
    return exact_shares


def _weighted(players: Sequence[tuple[int, ...]]) -> Iterator[tuple[Fraction, tuple[tuple[int, ...], ...]]]:
    """Each subset of the others, and the share of orders in which just these stand before one more player."""
    count = len(players) + 1
    for size in range(count):
        weight = Fraction(factorial(size) * factorial(count - size - 1), factorial(count))
        for chosen in combinations(players, size):
            yield weight, chosen


def ranges(run: Run) -> dict[int, tuple[Decimal, Decimal]]:
    """By lever, the least and the most that it adds to any set of the others."""
    everything = range(len(run.levers))
    found = {}
    for n in everything:
        others = [other for other in everything if other != n]
        gains = [
            EXACT.subtract(run.total(chosen), run.total(tuple(sorted((*chosen, n)))))
            for size in range(len(others) + 1)
            for chosen in combinations(others, size)
        ]
        found[n] = min(gains), max(gains)
    return found


def interactions(run: Run) -> list[tuple[Interaction, ...]]:
    """By lever, the others that it overlaps with (they save less together than one by one) or helps; the most first."""
    found: list[list[Interaction]] = [[] for _ in run.levers]
    for a, b in combinations(range(len(run.levers)), 2):
        apart = EXACT.add(run.total((a,)), run.total((b,)))
        overlap = EXACT.subtract(EXACT.add(run.total(()), run.total((a, b))), apart)
        if overlap:
            found[a].append(Interaction(run.levers[b].name, overlap))
            found[b].append(Interaction(run.levers[a].name, overlap))
    return [tuple(sorted(others, key=lambda other: (-abs(other.overlap_usd), other.lever))) for others in found]


def order_of_work(run: Run) -> tuple[Next, ...]:
    """The levers by low-end saving for their effort, computed again after each: what is worth doing next."""
    left = list(range(len(run.levers)))
    chosen: tuple[int, ...] = ()
    found: list[Next] = []
    first: dict[int, Decimal] = {}
    while left:
        worth = {}
        for n in left:
            joined = tuple(sorted((*chosen, n)))
            saving = EXACT.subtract(run.total(chosen), run.total(joined))
            worth[n] = saving, _low(run, chosen, n, saving), kind_of(run.levers[n].name)
            first.setdefault(n, saving)
        best = max(left, key=lambda n: (worth[n][1] / worth[n][2].effort.weight, worth[n][0], -n))
        saving, low, kind = worth[best]
        sure = f"at least {dollars(low)}" if low >= 0 else f"or costs up to {dollars(-low)}"
        words = f"{kind.title} saves {dollars(saving)}, {sure}"
        if saving <= 0:
            now = f"it costs {dollars(-saving)}" if saving < 0 else "it saves nothing"
            words = f"skip {kind.title}: {now}"
            if first[best] > 0:
                words += f", where alone it would save {dollars(first[best])}"
        elif chosen and saving < first[best] / 2:
            words += f", where alone it would save {dollars(first[best])}"
        found.append(Next(kind.name, low, saving, kind.effort, words))
        left.remove(best)
        chosen = tuple(sorted((*chosen, best)))
    return tuple(found)


def _low(run: Run, chosen: tuple[int, ...], n: int, saving: Decimal) -> Decimal:
    """The low end of what a lever adds to those chosen: as far below its saving as it is in the order of application."""
    earlier = tuple(other for other in chosen if other < n)
    joined = (*earlier, n)
    gap = EXACT.subtract(EXACT.subtract(run.total(earlier), run.total(joined)), run.judged(joined).low)
    return EXACT.subtract(saving, max(ZERO, gap))
