"""Prompts of a replay as an earlier lever rewrites them: some blocks left out, and other hashes for all that follow.

A block's hash covers what stands before it. Once something before it is gone it is another block, shared only by prompts
that began alike and lost the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
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
