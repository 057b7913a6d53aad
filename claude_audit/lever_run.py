"""A run of levers over one scan: the lines before any of them, and what each set of them makes of those, each once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from operator import is_
from typing import TYPE_CHECKING

from claude_audit.money import EXACT
from claude_audit.states import Pricer, State

if TYPE_CHECKING:
    from claude_audit.levers import Lever, Outcome


@dataclass(frozen=True)
class Run:
    """The states before any lever, and what each subset of levers makes of them. Every subset is computed once."""

    levers: tuple[Lever, ...]
    start: tuple[State, ...]
    pricer: Pricer
    known: dict[tuple[int, ...], Sequence[State]] = field(default_factory=dict)
    moved: dict[int, dict[int, State]] = field(default_factory=dict)
    """Lever -> id of a state -> what the lever makes of it: for levers that judge states one by one."""
    kept: list[Sequence[State]] = field(default_factory=list)
    """Those states: the id of one that is gone would be given to another."""
    totals: dict[tuple[int, ...], Decimal] = field(default_factory=dict)
    outcomes: dict[tuple[int, ...], Outcome] = field(default_factory=dict)

    def after(self, chosen: tuple[int, ...]) -> Sequence[State]:
        """The states after the chosen levers (ascending positions), in the order of application.

        The very sequence that was there before the last of them where that changed none.
        """
        if not chosen:
            return self.start
        if chosen not in self.known:
            before = self.after(chosen[:-1])
            after = self._applied(chosen[-1], before)
            self.known[chosen] = before if all(map(is_, before, after)) else after
        return self.known[chosen]

    def _applied(self, n: int, before: Sequence[State]) -> list[State]:
        """The states after one lever. Requests that were left out are no lever's concern any more."""
        lever = self.levers[n]
        if not lever.single:
            live = [state for state in before if state.removed is None]
            moved = iter(lever.move(live, self.pricer))
            return [next(moved) if state.removed is None else state for state in before]
        made = self.moved.setdefault(n, {})
        new = [state for state in before if id(state) not in made]
        self.kept.append(new)
        live = [state for state in new if state.removed is None]
        made.update((id(state), state) for state in new)
        made.update(zip(map(id, live), lever.move(live, self.pricer), strict=True))
        return [made[id(state)] for state in before]

    def judged(self, chosen: tuple[int, ...]) -> Outcome:
        """What the move of the last of these levers meant after the others, on the requests that were there before it."""
        if chosen not in self.outcomes:
            before, after = self.after(chosen[:-1]), self.after(chosen)
            live = [(b, a) for b, a in zip(before, after, strict=True) if b.removed is None]
            lever = self.levers[chosen[-1]]
            self.outcomes[chosen] = lever.judge([b for b, _ in live], [a for _, a in live], self.pricer)
        return self.outcomes[chosen]

    def total(self, chosen: tuple[int, ...]) -> Decimal:
        """US dollars after the chosen levers."""
        if not chosen and chosen not in self.totals:
            self.totals[chosen] = self.pricer.total(self.start)
        if chosen not in self.totals:
            before, after = self.after(chosen[:-1]), self.after(chosen)
            changed = [(b, a) for b, a in zip(before, after, strict=True) if a is not b] if after is not before else []
            saving = self.pricer.saving((b for b, _ in changed), (a for _, a in changed))
            self.totals[chosen] = EXACT.subtract(self.total(chosen[:-1]), saving)
        return self.totals[chosen]
