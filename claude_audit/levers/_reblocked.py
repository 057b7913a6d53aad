"""Prompts of a replay with less in their blocks: what a lever's cut leaves of them, and under which name.

A block from which something was taken, or that stands behind such a one, is another block: it is shared by prompts that
began alike and lost the same, and by no other. A block that lost all of its tokens keeps its place, so that a replay never
finds more than the vendor would: nothing tells whether what stands behind it would now agree with more prompts.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from claude_audit.levers._cuts import Keep
from claude_audit.levers._rewritten import Rewrite
from claude_audit.levers._streams import SORTS

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from claude_audit.replay import Requests

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]


def shrunk(kinds: Sequence[str], keep: Keep, *, alone: bool = False) -> Rewrite:
    """Prompts of which `keep` says what is left of the blocks of these kinds. `alone`: no two of them begin alike."""
    sorts = [SORTS.index(kind) for kind in kinds]

    def change(requests: Requests, concerned: Flags, _columns: Mapping[str, Ints]) -> Requests:
        import numpy as np

        tokens = _sizes(requests)
        if requests.sort is None:
            raise AssertionError("a stream that is to be cut tells its blocks' kinds")
        of_kind = np.isin(requests.sort, sorts)
        kept = np.where(_owned(requests, concerned), keep(tokens, of_kind, requests.first), tokens)
        if alone:
            requests = _apart(requests, concerned)
        return _with_sizes(requests, tokens, kept)

    return Rewrite((), change)


def until(column: str) -> Rewrite:
    """Prompts that end after as many tokens as the column says."""

    def change(requests: Requests, concerned: Flags, columns: Mapping[str, Ints]) -> Requests:
        import numpy as np

        tokens = _sizes(requests)
        limit = np.repeat(columns[column], np.diff(requests.first))
        before = requests.upto - tokens
        kept = np.where(_owned(requests, concerned), np.clip(limit - before, 0, tokens), tokens)
        return _with_sizes(requests, tokens, kept)

    return Rewrite((column,), change)


def _sizes(requests: Requests) -> Ints:
    """Tokens of each block."""
    import numpy as np

    sizes = np.diff(requests.upto, prepend=0)
    begins = requests.first[:-1][np.diff(requests.first) > 0]
    sizes[begins] = requests.upto[begins]
    return sizes


def _owned(requests: Requests, concerned: Flags) -> Flags:
    """For each block, whether its request is concerned."""
    import numpy as np

    return np.repeat(concerned, np.diff(requests.first))


def _with_sizes(requests: Requests, tokens: Ints, kept: Ints) -> Requests:
    """The requests with these sizes, and new names from the first block of each that lost anything."""
    import numpy as np

    lost = np.concatenate(([0], np.cumsum(tokens - kept)))
    gone = lost[1:] - np.repeat(lost[requests.first[:-1]], np.diff(requests.first))
    changed = gone > 0
    if not changed.any():
        return requests
    block = requests.block.astype(np.int64)
    block[changed] += int(block.max()) + 1
    return replace(requests, upto=requests.upto - gone, block=_numbered(block))


def _apart(requests: Requests, concerned: Flags) -> Requests:
    """The requests, each block of the concerned ones under a name of its own."""
    import numpy as np

    mine = _owned(requests, concerned)
    if not mine.any():
        return requests
    block = requests.block.astype(np.int64)
    block[mine] = int(block.max()) + 1 + np.arange(int(mine.sum()))
    return replace(requests, block=_numbered(block))


def _numbered(block: Ints) -> NDArray[np.int32]:
    """The same names, as numbers without gaps."""
    import numpy as np

    known = np.zeros(int(block.max()) + 1, bool)
    known[block] = True
    return (np.cumsum(known, dtype=np.int32) - 1)[block]
