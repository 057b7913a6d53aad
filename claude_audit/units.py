"""Pieces of logs dealt to the cores: each unit is read by one thread."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from claude_audit.ingestors import Ingestor, Kind
from claude_audit.pieces import Piece

SMALL_BATCH = 4 * 2**20
"""Less than this is read by one thread."""

MOST_SHARES = 8


@dataclass(frozen=True, slots=True)
class Unit:
    """Pieces of one format that one thread reads."""

    ingestor: Ingestor
    kind: Kind
    json: bool
    """They begin with a line of JSON, and their lines can be read one by one."""
    pieces: list[Piece]

    @property
    def size(self) -> int:
        """In bytes."""
        return sum(piece.size for piece in self.pieces)


def cores() -> int:
    """How many units are read at a time."""
    return min(os.cpu_count() or 1, MOST_SHARES)


def dealt(unit: Unit, *, whole: bool = False) -> Iterator[Unit]:
    """The pieces dealt to the cores, unless `whole`: the other cores have units of their own then."""
    if whole or unit.kind is not Kind.LINES:
        yield unit
        return
    for share in shares(unit.pieces):
        yield replace(unit, pieces=sorted(share, key=lambda p: (p.file, p.lines_before)))


class _Sized(Protocol):
    @property
    def size(self) -> int: ...


S = TypeVar("S", bound=_Sized)


def shares(items: Sequence[S]) -> list[list[S]]:
    """The items dealt to the cores, by size; together where that costs nothing."""
    most = 1 if sum(item.size for item in items) < SMALL_BATCH else cores()
    found: list[list[S]] = [[] for _ in range(min(most, len(items)))]
    sizes = [0] * len(found)
    for item in sorted(items, key=lambda one: one.size, reverse=True):
        least = sizes.index(min(sizes))
        found[least].append(item)
        sizes[least] += item.size
    return found
