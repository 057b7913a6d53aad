"""Levers that take a known part out of prompts: what they share, and what they say about the cache's minimum.

The part is removed at the rates it was billed at, read, written or uncached, by where it stands. Then the minimum is checked
again: a prompt that was cached and is now shorter than its model's minimum is not cached any more, which can cost more than
the cut saves. What it would save to stop at the minimum is told beside it.

Where prompts do not tell their blocks, nothing is removed, and the step says what could be: from none of it to all that
an endpoint's shortest prompt leaves room for. The low end then counts what would be lost if such a cut were to end up
below the minimum: everything that could still be read is paid as input.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.levers import Lever, Outcome, Stage, changed_rows, coverage, kept_out, pairs
from claude_audit.levers._cuts import AS_IT_WAS, CUT, GATES, UNKNOWN, Cuts
from claude_audit.levers._reblocked import shrunk
from claude_audit.money import EXACT, ZERO, dollars, exact
from claude_audit.prompt_ends import Prompt, flag
from claude_audit.states import INPUT, READ, WRITE_1H, WRITE_5M, State
from claude_audit.text import count
from claude_audit.waterfall import Assumption, Grade

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.engines import Engine
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

MOST_UNKNOWN = Decimal("0.20")
"""Share of the spend above which rows that do not tell their blocks make the figure a bound."""
ANSWERS = 8
"""How many answers a lever may have on a row: those of _cuts.py, and its own."""
CHANGED_BEFORE = "prompt changed by an earlier step"


@dataclass
class Shorter(Lever):
    """A lever that cuts blocks of some kinds, and what it says of rows that do not tell theirs."""

    cuts: Cuts
    asked: str
    name: str = ""
    stage: Stage = Stage.RESHAPE
    dimensions: tuple[str, ...] = ("workspace", "endpoint")
    single: bool = True
    what: str = "part"
    """What is cut, in words."""
    kept: int = 0
    """Tokens of it that stay, in any prompt."""
    wants: tuple[str, ...] = ("prompt_blocks",)
    """The fields that make a bound a figure."""
    note: str = ""
    """To be said of any cut."""

    @property
    def argument(self) -> str:
        """As the user gave it."""
        return self.asked

    def survey(self, usage: nw.LazyFrame[Any], engine: Engine) -> nw.LazyFrame[Any]:
        """What each row would lose."""
        return self.cuts.survey(usage, engine)

    def classify(self, scan: Scan) -> None:
        """The prompts without the part; and, for the bounds, without all that could be it."""
        self.cuts.classify(scan)
        scan.bind(**{self.key: self.told(scan)})
        scan.key(self.key, _col(self.key), ANSWERS)
        scan.reshape(self.name, self.make, follows=self.cuts.follows)
        scan.rewrites[self.name] = shrunk(self.cuts.kinds, self.cuts.keep)
        if self.cuts.cached:
            scan.key(f"{self.name}_falls", self._falls(scan), 2)
            scan.reshape(f"{self.name}@floor", self._at_the_floor, follows=self.cuts.follows)
        if self.bounds_asked:
            scan.reshape(f"{self.name}@most", self._most, follows=self.cuts.follows, checked=False)
            before = scan.shape(())
            crossing = self._crossing(before, self._without(before))
            # What is left below the minimum is at most one token less than it.
            scan.sums[f"{self.name}_trap"] = crossing * _least(before.read, _col("q_minimum") - 1)

    @property
    def bounds_asked(self) -> bool:
        """Whether some rows may be cut by more than is known."""
        return self.cuts.unknown

    @property
    def key(self) -> str:
        """Of the tally: AS_IT_WAS, CUT, UNKNOWN, or a gate."""
        return f"{self.name}_row"

    def told(self, scan: Scan) -> nw.Expr:
        """What the lever says of each row: by its blocks; where there are none, by how long its part may be."""
        import narwhals.stable.v2 as nw

        state = self.cuts.state
        if not self.cuts.unknown:
            return state
        nothing = (state == UNKNOWN) & (self.room <= 0)
        return nw.when(nothing).then(nw.lit(AS_IT_WAS)).otherwise(state)

    @property
    def room(self) -> nw.Expr:
        """Tokens of a row without blocks that could be cut: its endpoint's shortest prompt, less what stays."""
        return self.cuts.shortest - self.kept

    def make(self, before: Prompt) -> Prompt:
        """The prompt without the part."""
        return self.cuts.cut(before)

    def _at_the_floor(self, before: Prompt) -> Prompt:
        """The prompt with so much of the part left that it can still be cached."""
        return self.cuts.cut(before, self.cuts.short(before, self.make(before)))

    def _falls(self, scan: Scan) -> nw.Expr:
        before = scan.shape(())
        return self.cuts.short(before, self.make(before)) > 0

    def _without(self, before: Prompt) -> Prompt:
        """Without all that could be the part in rows that do not tell."""
        unknown = flag(_col(self.key) == UNKNOWN)
        return before.without(self.kept, unknown * _greatest(self.room, 0))

    def _most(self, before: Prompt) -> Prompt:
        """The cheapest that such rows could become: reads stay reads, writes below the minimum are written no more."""
        from claude_audit.prompt_ends import either

        after = self._without(before)
        loses = self._crossing(before, after) > 0
        return Prompt(
            after.read,
            either(loses, after.read, after.wrote_1h),
            either(loses, after.read, after.wrote_5m),
            after.prompt,
            after.cacheable,
        )

    def _crossing(self, before: Prompt, after: Prompt) -> nw.Expr:
        """1 where a cached prompt could fall below the minimum."""
        minimum = _col("q_minimum")
        return flag((before.wrote_5m >= minimum) & (after.wrote_5m < minimum))

    def gate(self, state: State) -> str | None:
        """Why its rows are left as they are, where that is no answer."""
        if not self.cuts.follows(state.prompt) and state.keys[self.key] in (CUT, UNKNOWN):
            return CHANGED_BEFORE
        return GATES.get(state.keys[self.key])

    def chosen(self, state: State) -> bool:
        """Whether the part is cut from its rows."""
        return state.keys[self.key] == CUT and self.gate(state) is None

    def bounded(self, state: State) -> bool:
        """Whether nobody knows how much of the part its rows hold."""
        return state.keys[self.key] == UNKNOWN and self.gate(state) is None

    def move(self, states: Sequence[State], pricer: Pricer) -> list[State]:
        """Cut the part."""
        return [state.reshaped(self.name) if self.chosen(state) else state for state in states]

    def judge(self, before: Sequence[State], after: Sequence[State], pricer: Pricer) -> Outcome:
        """The cut, what prompts without blocks could bring, and the minimum."""
        moved = pairs(before, after)
        point = pricer.saving([b for b, _ in moved], [a for _, a in moved])
        blind = [state for state in before if self.bounded(state)]
        judged = [state for state in before if not self.bounded(state) and self.gate(state) is None]
        low, high = self.bounds(blind, pricer)
        caveats = [*self.words(moved), *self._floor(moved, point, pricer)]
        if not moved and any(state.keys[self.key] == AS_IT_WAS for state in before):
            caveats += self.nothing
        if any(sum(a.tokens[READ : WRITE_1H + 1]) for _, a in moved):
            caveats.append("The day of the change costs one more cache write of each prefix: it is not in the figure.")
        if blind:
            caveats.append(self._blind(blind, low, high))
        facts: dict[str, Any] = {"tokens_removed": sum(_lost(b, a) for b, a in moved)}
        if floor := self.floor(moved, pricer):
            facts["floor"] = {"requests": floor[0], "saving_usd": exact(floor[1])}
        return Outcome(
            changed=changed_rows(before, after),
            low=EXACT.add(point, low),
            high=EXACT.add(point, high),
            grade=self.grade(blind, before, pricer) if low or high else Grade.METERED,
            caveats=tuple(caveats),
            assumptions=self.assumptions(),
            excluded=kept_out([(state, self.gate(state)) for state in before], pricer),
            facts=facts,
            coverage=coverage(judged, pricer),
            missing=self.wants if blind else (),
        )

    @property
    def nothing(self) -> tuple[str, ...]:
        """Said where blocks are logged, and none of them is to be cut."""
        return ()

    def assumptions(self) -> tuple[Assumption, ...]:
        """What the cut rests on."""
        return (Assumption(f"tokens of the {self.what} kept", self.asked, "flag"),)

    def grade(self, blind: Sequence[State], before: Sequence[State], pricer: Pricer) -> Grade:
        """Bounded when rows of unknown blocks hold much of the spend; else the low end stands on the others' tokens."""
        much = EXACT.multiply(MOST_UNKNOWN, pricer.total(before))
        return Grade.BOUNDED if pricer.total(blind) > much else Grade.METERED

    def bounds(self, blind: Sequence[State], pricer: Pricer) -> tuple[Decimal, Decimal]:
        """The least (not above 0) and the most that rows of unknown blocks could add to the saving, US dollars."""
        low = high = ZERO
        for state in blind:
            best = pricer.saving([state], [state.reshaped(f"{self.name}@most")])
            high = EXACT.add(high, max(best, ZERO))
            read = min(Decimal(state.sums[f"{self.name}_trap"]), state.tokens[READ])
            lost = state.with_tokens(
                input=EXACT.add(state.tokens[INPUT], read), cache_read=EXACT.subtract(state.tokens[READ], read)
            )
            low = EXACT.add(low, min(pricer.saving([state], [lost]), ZERO))
        return low, high

    def floor(self, moved: Iterable[tuple[State, State]], pricer: Pricer) -> tuple[int, Decimal] | None:
        """Rows that are not cached any more, and what the whole cut saves where it stops at the minimum instead."""
        if not self.cuts.cached:
            return None
        moved = list(moved)
        fallen = sum(b.rows for b, _ in moved if b.keys[f"{self.name}_falls"])
        if not fallen:
            return None
        floored = [b.reshaped(f"{self.name}@floor") for b, _ in moved]
        return fallen, pricer.saving([b for b, _ in moved], floored)

    def _floor(self, moved: Sequence[tuple[State, State]], point: Decimal, pricer: Pricer) -> Iterator[str]:
        floor = self.floor(moved, pricer)
        if floor is None:
            return
        rows, saving = floor
        minimums = sorted(
            {
                f"{pricer.catalog.models[str(b.group.model)].minimum(b.group.on):,}"
                for b, _ in moved
                if b.keys[f"{self.name}_falls"]
            }
        )
        yield (
            f"{count(rows, 'cached request')} {'falls' if rows == 1 else 'fall'} below the {' or '.join(minimums)}-token cache "
            f"minimum and {'is' if rows == 1 else 'are'} not cached any more: "
            + (
                f"stop at the minimum instead, and this step saves {dollars(saving)}."
                if saving > point
                else f"stopping at the minimum instead would make this step save {dollars(saving)}, which is no more."
            )
        )

    def _blind(self, blind: Sequence[State], low: Decimal, high: Decimal) -> str:
        rows = sum(state.rows for state in blind)
        return (
            f"{count(rows, 'request')} without prompt_blocks: the size of the {self.what} in {'it' if rows == 1 else 'them'} is "
            f"unknown. Were it all that an endpoint's shortest prompt has room for, up to {dollars(high)} more"
            + (f"; {dollars(-low)} less, if a cut fell below the cache minimum." if low < 0 else ".")
        )

    def words(self, moved: Sequence[tuple[State, State]]) -> Iterator[str]:
        """What is cut, in a sentence or two."""
        rows = sum(b.rows for b, _ in moved)
        if rows:
            each = sum(_lost(b, a) for b, a in moved) / rows
            yield f"Saves {each:,.0f} tokens a call, in {count(rows, 'call')}."
            if self.note:
                yield self.note


def _lost(before: State, after: State) -> int:
    """Prompt tokens gone, over all rows."""
    places = (INPUT, READ, WRITE_5M, WRITE_1H)
    return int(sum(before.tokens[n] - after.tokens[n] for n in places))


def _col(name: str) -> nw.Expr:
    import narwhals.stable.v2 as nw

    return nw.col(name)


def _least(one: nw.Expr, other: nw.Expr) -> nw.Expr:
    import narwhals.stable.v2 as nw

    return nw.min_horizontal(one, other)


def _greatest(one: nw.Expr, other: int) -> nw.Expr:
    import narwhals.stable.v2 as nw

    return nw.max_horizontal(one, nw.lit(other))
