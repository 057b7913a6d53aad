"""Columns that levers compute once a row, from columns before them: in as few rounds as what they build on allows.

Each round is one projection for the engine, and its client looks at every column of a projection for every other one, so
that a round for each lever would cost more than reading a small log.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

_NAMES = re.compile(r"\w+")


@dataclass
class Columns:
    """Expressions by name, each in the first round in which all that it names is there."""

    rounds: list[dict[str, nw.Expr]] = field(default_factory=list)
    _round_of: dict[str, int] = field(default_factory=dict)

    def add(self, columns: Mapping[str, nw.Expr]) -> None:
        """More columns, which may build on those added before, not on each other."""
        # An expression's text shows all that it names. A word too many costs a round at most.
        places = {
            name: 1 + max((self._round_of.get(word, -1) for word in _NAMES.findall(repr(expression))), default=-1)
            for name, expression in columns.items()
        }
        for name, place in places.items():
            if name in self._round_of:
                raise AssertionError(f"two columns named {name}")
            self._round_of[name] = place
            if place == len(self.rounds):
                self.rounds.append({})
            self.rounds[place][name] = columns[name]

    def __contains__(self, name: str) -> bool:
        return name in self._round_of

    def __len__(self) -> int:
        return len(self._round_of)

    def joined_to(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """The rows with all of them."""
        for columns in self.rounds:
            rows = rows.with_columns(**columns)
        return rows
