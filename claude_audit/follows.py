"""Sums of a line that nobody has to add up: they follow from its keys and its other sums."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from claude_audit.recount import Recount

Follows = Callable[[Mapping[str, Any], Mapping[str, int], str | None], int]
"""A sum of a line from its keys, its other sums and the model of its rows."""


def equals(other: str) -> Follows:
    """The sum of that name."""
    return lambda keys, sums, model: sums[other]


@dataclass(frozen=True, slots=True)
class Constant:
    """A quantity that is one number in all rows of a model, where a key of their line is set."""

    mark: str
    """Of the lever that made it so: where the key is not set, it changed nothing."""
    key: str
    tokens: Callable[[str | None], int]
    """By model as logged."""

    def then(self, recount: Recount) -> Constant:
        """The same, counted otherwise."""
        return Constant(self.mark, self.key, lambda model: recount.number(self.tokens(model), model))

    def sum_of(self, what: str, variant: tuple[str, ...]) -> Follows:
        """Its sum in that variant (states.Variant)."""
        without = "+".join((what, *(mark for mark in variant if mark != self.mark)))

        def found(keys: Mapping[str, Any], sums: Mapping[str, int], model: str | None) -> int:
            return sums["rows"] * self.tokens(model) if keys[self.key] else sums[without]

        return found
