"""Prompts of a replay as an earlier lever rewrites them: some blocks left out, and other hashes for all that follow.

A block's hash covers what stands before it. Once something before it is gone it is another block, shared only by prompts
that began alike and lost the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from claude_audit.replay import Requests

    Ints = NDArray[np.int64]
    Flags = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Rewrite:
    """What a lever makes of the blocks of the prompts that it changed."""

    columns: tuple[str, ...]
    """Whole numbers of each row that it looks at; null counts as 0."""
    change: Callable[[Requests, Flags, Mapping[str, Ints]], Requests]
    """From the requests, which of them it changed, and its columns by request."""


def without_blocks(requests: Requests, concerned: Flags, first: Ints, dropped: Ints, instead: int = 0) -> Requests:
    """The requests, the concerned ones without the `dropped` blocks from block `first` on.

    `instead`: tokens that take the place of what is left out; they count with the block after it. Marks on blocks that are
    left out move to the prompt's end when no other is left.
    """
    import numpy as np

    begin, sizes = requests.first[:-1], np.diff(requests.first)
    dropped = np.where(concerned, np.minimum(dropped, np.maximum(sizes - first - 1, 0)), 0)
    if not dropped.any():
        return requests
    owner = np.repeat(np.arange(len(sizes)), sizes)
    place = np.arange(len(owner)) - begin[owner]
    from_here = first[owner]
    changed = (dropped > 0)[owner]
    after = changed & (place >= from_here + dropped[owner])
    kept = ~changed | (place < from_here) | after

    cut = np.flatnonzero(dropped > 0)
    gone = np.zeros(len(sizes), np.int64)
    gone[cut] = requests.upto[begin[cut] + first[cut] + dropped[cut] - 1]
    behind = cut[first[cut] > 0]
    gone[behind] -= requests.upto[begin[behind] + first[behind] - 1]
    upto = requests.upto + (instead - gone[owner]) * after

    block = requests.block.astype(np.int64)
    names = block[after] * (int(dropped.max()) + 1) + dropped[owner[after]]
    block[after] = int(block.max()) + 1 + np.unique(names, return_inverse=True)[1]

    marked = requests.marked.copy()
    had = np.bincount(owner[marked], minlength=len(sizes)) > 0
    left = np.bincount(owner[marked & kept], minlength=len(sizes)) > 0
    marked[requests.first[1:][had & ~left] - 1] = True
    return replace(
        requests,
        first=np.concatenate(([0], np.cumsum(sizes - dropped))),
        block=block[kept].astype(np.int32),
        upto=upto[kept],
        marked=marked[kept],
        sort=None if requests.sort is None else requests.sort[kept],
    )
