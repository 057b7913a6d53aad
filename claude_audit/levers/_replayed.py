"""States of a scenario under a replay of their requests: which tokens are read and written, at which TTL, and where."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.levers._streams import GATES, KIND_OF_ROW, Stream
from claude_audit.rates import Unpriced
from claude_audit.replay import TTLS, Place, Plan, at_place, calibrated
from claude_audit.states import READ, WRITE_1H, WRITE_5M, State, Variant

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.levers._rewritten import Ints, Rewrite
    from claude_audit.replay import Requests
    from claude_audit.states import Pricer

AUTO = "auto"
ORGANISATION_WIDE = ("aws_bedrock", "gcp_vertex")
"""Providers whose caches a whole organisation shares, not a workspace (Anthropic docs, Prompt caching, read 2026-11)."""

ENDS = ("read", "wrote_1h", "wrote_5m")

Space = tuple[str | None, ...]
"""Provider, workspace, model, speed: entries are shared within."""


@dataclass(frozen=True, slots=True)
class Served:
    """By kind of row, what a replay depends on."""

    places: tuple[Place | None, ...]
    """None: not replayed."""
    prompts: tuple[Variant, ...]
    """Marks of the levers that rewrote its prompts, in order of application."""


@dataclass(frozen=True, slots=True)
class Totals:
    """What a replay found, by kind of row."""

    read: list[int]
    written: list[int]
    hit: list[int]
    """Rows that read anything."""
    idle: list[int]
    """Rows that neither read nor wrote."""
    as_billed: list[int]
    """Rows that read and wrote exactly what the bill says, for prompts as they are by now."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """States after a replay, in order, and what it came to."""

    states: list[State]
    at: frozenset[int]
    """Which of them were replayed."""
    ttls: Mapping[Space, str | None]
    """What each space writes at; None: it is cheapest without caching."""
    requests: int
    """Rows replayed."""
    hit: int
    changed: int
    """Rows whose billed quantities it changed."""
    read: int
    written: int
    uncached: int

    @property
    def token_hit_rate(self) -> float | None:
        """Tokens read of all prompt tokens; None without any."""
        prompt = self.read + self.written + self.uncached
        return round(self.read / prompt, 6) if prompt else None


@dataclass(frozen=True, slots=True)
class BackTest:
    """Reads predicted and billed, where caching is on in the log."""

    billed: int
    predicted: int

    @property
    def error(self) -> Fraction | None:
        """predicted / billed - 1."""
        return Fraction(self.predicted, self.billed) - 1 if self.billed else None

    @property
    def phi(self) -> Fraction:
        """The share of predicted reads that really happen, at most 1."""
        return min(Fraction(1), Fraction(self.billed, self.predicted)) if self.predicted else Fraction(1)


class Replayer:
    """Replays of one log, whatever earlier levers made of it; each distinct one is walked through once."""

    def __init__(
        self,
        stream: Stream,
        catalog: Catalog,
        moves: Collection[str],
        grown: Mapping[str, int],
        policy: str | None,
        minimum: int | None,
        factor: Decimal,
        rewrites: Mapping[str, Rewrite] | None = None,
    ) -> None:
        """`moves`: marks of the levers that change the model. `grown`: marks of those that put text at the start of
        prompts, and its tokens. `factor`: new tokens for one old, across tokenizers. `rewrites`: by mark of the levers that
        change prompts, what becomes of the blocks; other prompts are not replayed.
        """
        self.stream = stream
        self._catalog, self._moves, self._grown, self._policy, self._minimum, self._factor = (
            catalog,
            moves,
            grown,
            policy,
            minimum,
            Fraction(factor),
        )
        self._rewrites = rewrites or {}
        self._plan: tuple[Served, Plan] | None = None
        """The last one only: a plan holds every block."""
        self._before: tuple[Served, Ints, Ints, Ints, Sequence[int]] | None = None
        self._totals: dict[tuple[Any, ...], Totals] = {}

    def barred(self, state: State, pricer: Pricer) -> str | None:
        """Why the rows of a state are not replayed; None when they are."""
        kind = state.keys[KIND_OF_ROW]
        if kind is None:
            return "in a batch" if state.line.group.tier == "batch" else "no prompt_blocks"
        if kind < 0:
            return GATES[kind]
        if state.removed:
            return "left out by an earlier step"
        if state.follows:
            return "sent in another request's call by an earlier step"
        known = {*self._moves, *self._grown, *self._rewrites, state.packed}
        if any(mark not in known for mark in state.prompt):
            return "prompt changed by an earlier step"
        price = pricer.price(state)
        if isinstance(price, Unpriced) or price.usd("cache_read") is None:
            return "no price for cache tokens"
        return None

    def space(self, state: State) -> Space:
        """Whose entries the state's requests can read."""
        group = state.group
        workspace = None if group.provider in ORGANISATION_WIDE else state.labels["workspace"]
        return group.provider, workspace, group.model, group.speed or "standard"

    def _place(self, state: State) -> Place:
        model = self._catalog.models[str(state.group.model)]
        minimum = self._minimum
        if minimum is None:
            minimum = model.minimum(state.group.on, lenient=state.moved) or 1
        factor = Fraction(1)
        if state.moved and (logged := self._catalog.models.get(state.line.group.model or "")):
            match logged.tokenizer, model.tokenizer:
                case "old", "new":
                    factor = self._factor
                case "new", "old":
                    factor = 1 / self._factor
        floor = 0
        if state.moved:  # what it takes over from the old model's cache reaches the new one's own minimum
            floor = model.minimum(state.group.on, lenient=True) or 1
        more = sum(self._grown.get(mark, 0) for mark in state.prompt)
        # A prompt with more text at its start shares no entry with one without.
        return Place((self.space(state), more), minimum, factor, more, floor, state.packed is not None)

    def _places(self, states: Sequence[State], pricer: Pricer) -> Served:
        """By kind: where it is served, and what became of its prompts.

        A kind on two lines would mean that the tally tells rows apart which the stream does not.
        """
        places: list[Place | None] = [None] * self.stream.kinds
        prompts: list[Variant] = [()] * self.stream.kinds
        seen = set()
        for state in states:
            kind = state.keys[KIND_OF_ROW]
            if kind is None or kind < 0:
                continue
            if kind in seen or state.rows != self.stream.rows[kind]:
                raise AssertionError(f"the tally and the replay part the rows differently: {state.line.group}")
            seen.add(kind)
            if self.barred(state, pricer) is None:
                places[kind] = self._place(state)
                prompts[kind] = tuple(mark for mark in state.prompt if mark in self._rewrites)
        return Served(tuple(places), tuple(prompts))

    def _requests(self, prompts: Sequence[Variant]) -> Requests:
        """The requests with the blocks that their kinds have by now."""
        import numpy as np

        requests = self.stream.requests
        for mark, rewrite in self._rewrites.items():
            concerned = np.array([mark in prompt for prompt in prompts], bool)
            if concerned.any():
                columns = {name: self.stream.beside[name] for name in rewrite.columns}
                requests = rewrite.change(requests, concerned[requests.kind], columns)
        return requests

    def _billed(self, served: Served) -> tuple[Ints, Ints, Ints, Sequence[int]]:
        """What each request reads, writes for 5 minutes and for an hour before the replay; uncached rows by kind.

        As billed, but for prompts as they are by now: Scan.reshape, Scan.remodel and Prompt.with_start in arrays.
        """
        import numpy as np

        if self._before is not None and self._before[0] == served:
            return self._before[1:]
        stream, kinds, places = self.stream, self.stream.requests.kind, served.places
        ends = [stream.read, stream.read + stream.written_1h]
        ends.append(ends[1] + stream.written_5m)
        for variant in filter(None, dict.fromkeys(served.prompts)):
            at = np.array([prompt == variant for prompt in served.prompts], bool)[kinds]
            made = (stream.beside[end_of(what, variant)] for what in ENDS)
            ends = [np.where(at, new, end) for new, end in zip(made, ends, strict=True)]
        if any(p is not None and (p.factor != 1 or p.more or p.floor) for p in places):
            ends = [at_place(end, kinds, places) * (end > 0) for end in ends]
            enough = ends[2] >= np.array([p.floor if p else 0 for p in places], np.int64)[kinds]
            ends = [end * enough for end in ends]
        read, hour, cached = ends
        self._before = (served, read, cached - hour, hour - read, stream.by_kind(cached == 0))
        return self._before[1:]

    def totals(self, places: Served, ttl: str, visible: str) -> Totals:
        """The sums of one replay by kind."""
        key = (places, ttl, visible)
        if key not in self._totals:
            if self._plan is None or self._plan[0] != places:
                self._plan = None  # let go of the old one before the next is made
                self._plan = (places, Plan(self._requests(places.prompts), places.places, self._policy))
            answer = self._plan[1].run(TTLS[ttl], visible)
            by_kind = self.stream.by_kind
            was_read, *billed, _ = self._billed(places)
            here, other = billed if ttl == "5m" else billed[::-1]
            self._totals[key] = Totals(
                read=by_kind(answer.read),
                written=by_kind(answer.written),
                hit=by_kind(answer.read > 0),
                idle=by_kind(answer.read + answer.written == 0),
                as_billed=by_kind((answer.read == was_read) & (answer.written == here) & (other == 0)),
            )
        return self._totals[key]

    def replay(
        self,
        states: Sequence[State],
        pricer: Pricer,
        ttl: str | None,
        visible: str,
        fixed: Mapping[Space, str | None] | None = None,
    ) -> Replayed:
        """The states under a TTL, under `auto` (the cheapest for each space), or without any caching (None).

        `fixed`: what `auto` decided elsewhere, to be taken over.
        """
        places = self._places(states, pricer)
        tried: list[str | None] = [None, *TTLS] if ttl == AUTO else [ttl]  # ties go to the first
        totals = {t: self.totals(places, t, visible) for t in tried if t}
        by_space: dict[Space, list[int]] = {}
        for n, state in enumerate(states):
            kind = state.keys[KIND_OF_ROW]
            if kind is not None and kind >= 0 and places.places[kind] is not None:
                by_space.setdefault(self.space(state), []).append(n)
        after, ttls = list(states), {}
        uncached = self._billed(places)[3]
        requests = hit = changed = read = written = prompt = 0
        for space, members in by_space.items():
            if fixed is not None:
                best = fixed[space]
            elif ttl == AUTO:
                best = min(tried, key=lambda t: pricer.total([_under(states[n], t, totals) for n in members]))
            else:
                best = ttl
            ttls[space] = best
            for n in members:
                kind = states[n].keys[KIND_OF_ROW]
                after[n] = _under(states[n], best, totals)
                requests += states[n].rows
                changed += self._changed(states[n], best, totals, uncached)
                prompt += states[n].sum_of("prompt")
                if best:
                    hit += totals[best].hit[kind]
                    read += totals[best].read[kind]
                    written += totals[best].written[kind]
        at = frozenset(n for members in by_space.values() for n in members)
        return Replayed(after, at, ttls, requests, hit, changed, read, written, prompt - read - written)

    def calibrated(self, replayed: Replayed, happens: Fraction) -> list[State]:
        """The states after a replay when only this share of its reads happens."""
        after = list(replayed.states)
        for n, state in enumerate(after):
            ttl = replayed.ttls.get(self.space(state)) if n in replayed.at else None
            if ttl:
                both = state.tokens[WRITE_5M] + state.tokens[WRITE_1H]
                read, written = calibrated(int(state.tokens[READ]), int(both), happens)
                after[n] = cached(state, state.sum_of("prompt"), read, written, ttl)
        return after

    def _changed(self, state: State, ttl: str | None, totals: Mapping[str, Totals], uncached: Sequence[int]) -> int:
        kind: int = state.keys[KIND_OF_ROW]
        if not any(state.tokens[n] for n in (READ, WRITE_5M, WRITE_1H)):
            return state.rows - totals[ttl].idle[kind] if ttl else 0
        return state.rows - (totals[ttl].as_billed[kind] if ttl else uncached[kind])

    def back_test(self, states: Sequence[State], pricer: Pricer, ttl: str, visible: str) -> BackTest | None:
        """Over the (workspace, endpoint, model) groups of the log that cache today; None when none does.

        `states`: of the whole log, for requests that a step left out were there when the others were billed.

        The log's own streams are replayed, at the run's TTL; under `auto` at the one that most of a group's writes were
        billed at.
        """
        logged = [as_logged(state) for state in states]
        places = self._places(logged, pricer)
        groups: dict[tuple[str | None, ...], list[State]] = {}
        for state in logged:
            kind = state.keys[KIND_OF_ROW]
            if kind is not None and kind >= 0 and places.places[kind] is not None:
                name = (state.labels["workspace"], state.labels["endpoint"], state.group.model)
                groups.setdefault(name, []).append(state)
        billed = predicted = 0
        caching = [
            g for g in groups.values() if any(s.tokens[READ] or s.tokens[WRITE_5M] or s.tokens[WRITE_1H] for s in g)
        ]
        for group in caching:
            longer = sum(s.tokens[WRITE_1H] for s in group) > sum(s.tokens[WRITE_5M] for s in group)
            totals = self.totals(places, ("1h" if longer else "5m") if ttl == AUTO else ttl, visible)
            billed += sum(int(s.tokens[READ]) for s in group)
            predicted += sum(totals.read[s.keys[KIND_OF_ROW]] for s in group)
        return BackTest(billed, predicted) if caching else None


def end_of(what: str, variant: Variant) -> str:
    """The name in Stream.beside of an end of the prompts that levers made."""
    return "+".join((what, *variant))


def as_logged(state: State) -> State:
    """The state before any lever."""
    line = state.line
    return state.but(
        group=line.group,
        tokens=tuple(map(Decimal, line.tokens)),
        output=(),
        prompt=(),
        moved=False,
        packed=None,
        follows=False,
    )


def _under(state: State, ttl: str | None, totals: Mapping[str, Totals]) -> State:
    """The state with the tokens of a replay; itself when they are what they were."""
    kind, prompt = state.keys[KIND_OF_ROW], state.sum_of("prompt")
    read, written = (totals[ttl].read[kind], totals[ttl].written[kind]) if ttl else (0, 0)
    return cached(state, prompt, read, written, ttl)


def cached(state: State, prompt: int, read: int, written: int, ttl: str | None) -> State:
    """The state with these tokens of its prompt read and written; itself when they are what they were."""
    after = state.with_tokens(
        input=prompt - read - written,
        cache_read=read,
        cache_write_5m=written if ttl == "5m" else 0,
        cache_write_1h=written if ttl == "1h" else 0,
    )
    return state if after.tokens == state.tokens else after
