"""What a prompt cache would have read and written for requests as they came, one after the other.

The vendor's rules (Anthropic docs, Prompt caching, read 2026-11): entries are written at marked blocks, at most four a
request; a request finds an entry at a mark or up to nineteen blocks before it; an entry lives for its TTL from the start of
the last request that wrote or read it, and can be read once the response that wrote it has begun; prompts under the model's
minimum are not cached. Conventions of this project, where nothing is documented: a gap of exactly the TTL is still alive,
equal starts are served in the order of the log, marks before the entry that is read are kept alive.

Arrays in, arrays out. What needs no history (who could find which entry) is settled for all requests at once; the walk
through time then looks only at entries that some earlier request can have written.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]

POLICIES = ("marked", "end", "every")
"""Where entries are written: at marked blocks, at the end of each prompt (as automatic caching does), at every block."""
TTLS = {"5m": 300_000_000, "1h": 3_600_000_000}
"""Lifetimes in microseconds."""
VISIBLE = ("start", "first-token", "end")
"""When a written entry can first be read: from the writer's start, its first token, its end."""
MARKS = 4
"""Marks that a request may carry; of more, the last ones count."""
LOOKBACK = 20
"""Blocks that are looked at for each mark, the marked one included."""

_NEVER = -(2**62)
_CHUNK = 1 << 15
"""Requests whose arrays are turned into Python's numbers at a time."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Requests in the order in which they are served: by start, then by their place in the log."""

    start: Ints
    """Microseconds, ascending."""
    seen: Mapping[str, Ints]
    """By VISIBLE: the moment from which others can read what the request writes. Never before its start."""
    kind: NDArray[np.int32]
    """Requests of one kind are served alike: an index into the places of a Plan."""
    first: Ints
    """Where each one's blocks begin in the arrays below; one more than there are requests."""
    block: NDArray[np.int32]
    """A number from 0 for the block's hash, which covers all blocks before it too."""
    upto: Ints
    """Tokens up to and including the block."""
    marked: Flags
    head: Ints | None = None
    """By request: how many of its blocks are its start, the leading tools and system blocks; None: nobody asks."""
    sort: NDArray[np.int8] | None = None
    """What kind of block it is, as a number of its reader's; None: nobody asks."""

    def __len__(self) -> int:
        return len(self.start)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a kind of request is served."""

    space: Hashable
    """Entries are shared within a space, and only there."""
    minimum: int = 1
    """The shortest cacheable prompt, in tokens."""
    factor: Fraction = Fraction(1)
    """Tokens of its tokenizer for one of the log's."""
    more: int = 0
    """Tokens that stand before the log's first block, as the log counts them."""
    floor: int = 0
    """The least that the log's own reads and writes add up to where they are taken over; 0 where they are billed here."""
    start_only: bool = False
    """What follows a prompt's start is in no other prompt: no blocks."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Tokens by request. What is left of a prompt is uncached."""

    read: Ints
    written: Ints


class Plan:
    """A replay prepared: who is served where, what each request could find and may write. Run it for any TTL."""

    def __init__(self, requests: Requests, places: Sequence[Place | None], policy: str | None = None) -> None:
        """`places`: by kind; None is not replayed. `policy`: of POLICIES; None is marked for a prompt with a mark, else end."""
        self.requests = requests
        space: type[_EveryBlock | _AtMarks] = _EveryBlock if policy == "every" else _AtMarks
        self._spaces: list[_Space] = [space(served, policy) for served in _by_space(requests, places)]

    def run(self, ttl: int, visible: str) -> Answer:
        """What is read and written when entries live for `ttl` microseconds and can be read as said (of VISIBLE)."""
        import numpy as np

        answer = Answer(np.zeros(len(self.requests), np.int64), np.zeros(len(self.requests), np.int64))
        for space in self._spaces:
            read = space.read(ttl, self.requests.seen[visible][space.rows])
            answer.read[space.rows] = read
            answer.written[space.rows] = space.cacheable - read
        return answer


def serial_writes(requests: int, span: int, ttl: int) -> tuple[int, int]:
    """The fewest and the most writes of one prefix by `requests` that share it, one after the other, within `span`.

    `span` and `ttl` in one unit. Each write but the first needs a gap longer than the TTL, whatever the starts are.
    """
    return min(requests, 1), min(requests, span // ttl + 1)


def calibrated(read: int, written: int, happens: Fraction) -> tuple[int, int]:
    """Tokens read and written when only this share of the predicted reads happens: those that miss are written."""
    kept = read * happens.numerator // happens.denominator
    return kept, written + read - kept


@dataclass(frozen=True, slots=True)
class _Served:
    """The requests of one space that reach the minimum, in order, and their blocks."""

    rows: Ints
    """Their places among all requests."""
    start: Ints
    minimum: Ints
    first: Ints
    block: NDArray[np.int32]
    upto: Ints
    """In tokens of the place."""
    marked: Flags
    blocks_known: int

    @property
    def owner(self) -> Ints:
        """For each block, its request's place in `rows`."""
        import numpy as np

        return np.repeat(np.arange(len(self.rows)), np.diff(self.first))


class _Space(Protocol):
    rows: Ints
    cacheable: Ints
    """Tokens up to the last entry that a request writes or keeps."""

    def read(self, ttl: int, seen: Ints) -> Ints:
        """Tokens read by each request; `seen` is by request too."""
        ...


def _by_space(requests: Requests, places: Sequence[Place | None]) -> Iterator[_Served]:
    import numpy as np

    names = {name: n for n, name in enumerate(dict.fromkeys(place.space for place in places if place))}
    if not names or not len(requests):
        return
    space = np.array([names[p.space] if p else -1 for p in places])[requests.kind]
    minimum = np.array([p.minimum if p else 0 for p in places], np.int64)[requests.kind]
    sizes = np.diff(requests.first)
    cut = np.array([p is not None and p.start_only for p in places])[requests.kind]
    if requests.head is not None and cut.any():
        sizes = np.where(cut, requests.head, sizes)
    whole = np.zeros(len(requests), np.int64)
    whole[sizes > 0] = requests.upto[(requests.first[:-1] + sizes)[sizes > 0] - 1]
    enough = (space >= 0) & (sizes > 0) & (at_place(whole, requests.kind, places) >= minimum)
    rows = np.flatnonzero(enough)
    rows = rows[np.argsort(space[rows], kind="stable")]
    edges = np.searchsorted(space[rows], np.arange(len(names) + 1))
    count = int(requests.block.max()) + 1 if len(requests.block) else 0
    for begin, end in pairwise(edges):
        here = rows[begin:end]
        if not len(here):
            continue
        first = np.concatenate(([0], np.cumsum(sizes[here])))
        # The whole of a log in one space is the usual case, and the largest: its arrays are not copied.
        at = (
            slice(None)
            if len(here) == len(requests) and first[-1] == requests.first[-1]
            else np.arange(first[-1]) + np.repeat(requests.first[here] - first[:-1], sizes[here])
        )
        kinds = np.repeat(requests.kind[here], sizes[here])
        yield _Served(
            rows=here,
            start=requests.start[here],
            minimum=minimum[here],
            first=first,
            block=requests.block[at],
            upto=at_place(requests.upto[at], kinds, places),
            marked=requests.marked[at],
            blocks_known=count,
        )


def at_place(ends: Ints, kinds: NDArray[np.int32], places: Sequence[Place | None]) -> Ints:
    """ceil(factor x (more + tokens)): where a part of a prompt ends at the place of its kind."""
    import numpy as np

    more = np.array([place.more if place else 0 for place in places], np.int64)
    tokens = ends + more[kinds] if more.any() else ends
    factors = [place.factor if place else Fraction(1) for place in places]
    for factor in {f for f in factors if f != 1}:
        concerned = np.array([f == factor for f in factors])[kinds]
        if not concerned.any():
            continue
        up, down = factor.numerator, factor.denominator
        some = tokens[concerned]
        if int(some.max()) * up + down >= 2**62:
            some = some.astype(object)  # Python's whole numbers have no limit
        tokens = tokens.copy()
        tokens[concerned] = -(-(some * up) // down)
    return tokens


class _EveryBlock:
    """Policy `every`: each request touches all of its blocks, so what is alive does not depend on what was read.

    An entry is alive when the block's last request is no more than a TTL ago; it can be read from the earliest `seen` of
    the requests since it was last dead. Both follow from the block's requests in order: no walk is needed.
    """

    def __init__(self, served: _Served, _policy: str | None) -> None:
        import numpy as np

        self.rows, self._served = served.rows, served
        self.cacheable = served.upto[served.first[1:] - 1]
        owner = served.owner
        order = np.argsort(served.block, kind="stable")
        block, row = served.block[order], owner[order]
        same = block[1:] == block[:-1]
        # A block that a prompt lists twice is one use of it.
        use = np.concatenate(([True], ~(same & (row[1:] == row[:-1]))))
        uses = np.flatnonzero(use)
        self._use_of = np.empty(len(order), np.int64)
        self._use_of[order] = np.cumsum(use) - 1
        self._row = row[uses]
        start = served.start[self._row]
        again = np.concatenate(([False], block[uses][1:] == block[uses][:-1]))
        self._gap = np.where(again, np.diff(start, prepend=0), 2**62)
        self._start = start

    def read(self, ttl: int, seen: Ints) -> Ints:
        import numpy as np

        served = self._served
        alive = self._gap <= ttl
        usable = (alive & (self._start >= self._earliest(alive, seen)))[self._use_of]
        # The leading run of usable blocks: up to the first that is not.
        place = np.arange(len(usable))
        place[usable] = len(usable)
        broken = np.minimum(np.minimum.reduceat(place, served.first[:-1]), served.first[1:])
        read = np.where(broken > served.first[:-1], served.upto[broken - 1], 0)
        read[read < served.minimum] = 0
        return read

    def _earliest(self, alive: Flags, seen: Ints) -> Ints:
        """The earliest `seen` among the earlier uses of a block since it was last dead."""
        import numpy as np

        moments, rank = np.unique(seen, return_inverse=True)
        life = np.cumsum(~alive) * (len(moments) + 1)
        lowest = np.minimum.accumulate(rank[self._row] - life) + life
        before: Ints = moments[np.concatenate(([0], lowest[:-1]))]
        return before


class _AtMarks:
    """Policies `marked` and `end`: the latter is one mark on the last block, and no limit to looking back.

    Only blocks that some earlier request marked can be found (candidates). Of those that a request looks at, the one
    nearest the end is read; the walk asks the candidates from there.
    """

    def __init__(self, served: _Served, policy: str | None) -> None:
        import numpy as np

        owner = served.owner
        enough = served.upto >= served.minimum[owner]
        chosen = self._marks(served, owner, enough, policy)
        at = np.flatnonzero(chosen)
        has = np.zeros(len(served.rows), bool)
        has[owner[at]] = True
        self.rows = served.rows
        self.cacheable = np.zeros(len(served.rows), np.int64)
        self.cacheable[owner[at]] = served.upto[at]  # the last mark of a request wins: they ascend
        names, first_use = np.unique(served.block[at], return_index=True)
        entry_of = np.full(served.blocks_known, -1, np.int32)
        entry_of[names] = np.arange(len(names))
        written_by = owner[at][first_use]

        found = np.flatnonzero((entry_of[served.block] >= 0) & enough)
        found = found[written_by[entry_of[served.block[found]]] < owner[found]]
        mark = np.searchsorted(at, found)  # the mark at or after each candidate
        within = mark < len(at)
        found, mark = found[within], mark[within]
        near = at[mark] - found < LOOKBACK
        near |= ~self._by_mark(served, policy)[owner[found]]
        near &= owner[at[mark]] == owner[found]
        found, mark = found[near], mark[near]

        rows = np.arange(len(served.rows) + 1)
        self._start = served.start
        self._entries = len(names)
        self._mark_entry, self._mark_first = entry_of[served.block[at]], np.searchsorted(owner[at], rows)
        self._entry, self._first = entry_of[served.block[found]], np.searchsorted(owner[found], rows)
        self._after = mark + (at[mark] == found)
        """For each candidate, the first mark after it."""
        self._tokens = served.upto[found]

    @staticmethod
    def _by_mark(served: _Served, policy: str | None) -> Flags:
        """Which requests are cached at their marks; the others at their end."""
        import numpy as np

        if policy is not None:
            return np.full(len(served.rows), policy == "marked")
        return np.logical_or.reduceat(served.marked, served.first[:-1])

    def _marks(self, served: _Served, owner: Ints, enough: Flags, policy: str | None) -> Flags:
        """The blocks at which requests write: their last four marks that reach the minimum, or their end."""
        import numpy as np

        by_mark = self._by_mark(served, policy)
        chosen = served.marked & enough & by_mark[owner]
        count = np.cumsum(chosen)
        chosen &= count[served.first[1:] - 1][owner] - count < MARKS
        chosen[(served.first[1:] - 1)[~by_mark]] = True
        return chosen

    def read(self, ttl: int, seen: Ints) -> Ints:
        """Walk through the requests in order."""
        import numpy as np

        hits = np.fromiter(self._walk(ttl, seen), np.int64, len(self.rows))
        read = np.zeros(len(hits), np.int64)
        read[hits >= 0] = self._tokens[hits[hits >= 0]]
        return read

    def _walk(self, ttl: int, seen: Ints) -> Iterator[int]:
        """For each request the candidate that is read, or -1."""
        touched, readable = [_NEVER] * self._entries, [0] * self._entries
        for begin in range(0, len(self.rows), _CHUNK):
            end = min(begin + _CHUNK, len(self.rows))
            some = slice(self._first[begin], self._first[end])
            marks = slice(self._mark_first[begin], self._mark_first[end])
            entry, after = self._entry[some].tolist(), (self._after[some] - marks.start).tolist()
            mark_entry = self._mark_entry[marks].tolist()
            first = (self._first[begin : end + 1] - some.start).tolist()
            mark_first = (self._mark_first[begin : end + 1] - marks.start).tolist()
            starts, moments = self._start[begin:end].tolist(), seen[begin:end].tolist()
            for n, now in enumerate(starts):
                oldest = now - ttl
                hit, written = -1, mark_first[n]
                for place in range(first[n + 1] - 1, first[n] - 1, -1):
                    name = entry[place]
                    if touched[name] >= oldest and readable[name] <= now:
                        hit, written = place + int(some.start), after[place]
                        touched[name] = now
                        break
                for name in mark_entry[mark_first[n] : written]:
                    if touched[name] >= oldest:
                        touched[name] = now
                for name in mark_entry[written : mark_first[n + 1]]:
                    if touched[name] < oldest or moments[n] < readable[name]:
                        readable[name] = moments[n]
                    touched[name] = now
                yield hit
