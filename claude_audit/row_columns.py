"""Columns that levers compute once a row, from columns before them: in as few rounds as what they build on allows.

Each round is one projection for the engine, and its client looks at every column of a projection for every other one, so
that a round for each lever would cost more than reading a small log.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

_WORDS = re.compile(r"\w+")
_COLUMNS = re.compile(r"\bcol\(([^()]*)\)(\.is_null\(\))?")
_OF_OTHER_ROWS = re.compile(r"\.(?:over|sum|len|min|max|mean|count|shift|cum_\w+|rank)\(|\b(?:len|all|nth)\(")


@dataclass(frozen=True)
class Known:
    """What is known of the columns of a store without reading a row. Nothing said of a column: nothing is known."""

    same: frozenset[str] = frozenset()
    """Those of which all rows have one value, or none; and is_null(column) where all rows have any."""
    most: Mapping[str, int] = field(default_factory=dict)
    """The largest value of columns of whole numbers that are never negative; 0 where no row has any."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """The value of columns of text in which all rows have the same one."""

    def full(self, name: str) -> bool:
        """Whether every row has a value."""
        return is_null(name) in self.same

    def empty(self, name: str) -> bool:
        """Whether no row has a value."""
        return name in self.same and not self.full(name)

    def filled(self, name: str, value: Any) -> nw.Expr:
        """The column, with this value where it has none."""
        import narwhals.stable.v2 as nw

        return nw.col(name) if self.full(name) else nw.col(name).fill_null(value)

    def at_most(self, *names: str) -> int | None:
        """What these columns of a row add up to at most. None: nobody knows."""
        found = [self.most.get(name) for name in names]
        return None if None in found else sum(value or 0 for value in found)


NOTHING = Known()


def is_null(name: str) -> str:
    """A name among those that are the same in all rows: whether that column has a value."""
    return f"{name}.is_null()"


def same_in_all(expression: nw.Expr, same: Collection[str]) -> bool:
    """Whether it has one value in all rows for sure, where the columns named in `same` do."""
    text = repr(expression)
    if _OF_OTHER_ROWS.search(text):
        return False
    return all(name in same or (asked and is_null(name) in same) for name, asked in _COLUMNS.findall(text))


@dataclass
class Columns:
    """Expressions by name, each in the first round in which all that it names is there."""

    rounds: list[dict[str, nw.Expr]] = field(default_factory=list)
    _round_of: dict[str, int] = field(default_factory=dict)

    def add(self, columns: Mapping[str, nw.Expr]) -> None:
        """More columns, which may build on those added before, not on each other."""
        # An expression's text shows all that it names. A word too many costs a round at most.
        places = {
            name: 1 + max((self._round_of.get(word, -1) for word in _WORDS.findall(repr(expression))), default=-1)
            for name, expression in columns.items()
        }
        for name, place in places.items():
            if name in self._round_of:
                raise AssertionError(f"two columns named {name}")
            self._round_of[name] = place
            if place == len(self.rounds):
                self.rounds.append({})
            self.rounds[place][name] = columns[name]

    def text(self) -> str:
        """A text in which all that they name occurs."""
        return " ".join(repr(expression) for columns in self.rounds for expression in columns.values())

    def __contains__(self, name: str) -> bool:
        return name in self._round_of

    def __len__(self) -> int:
        return len(self._round_of)

    def same(self, known: Collection[str]) -> frozenset[str]:
        """The names of `known` columns that have one value in all rows, and of those here that then have one too."""
        found = set(known)
        for columns in self.rounds:
            found |= {name for name, expression in columns.items() if same_in_all(expression, found)}
        return frozenset(found)

    def joined_to(self, rows: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
        """The rows with all of them."""
        for columns in self.rounds:
            rows = rows.with_columns(**columns)
        return rows
