"""What parts the lines of a tally, beside the price group; keys of few values can be packed into one whole number.

An engine groups by many conditions faster than it packs them, but rows that are kept one by one take less room so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

PACKED = "packed_"
MOST = 2**62
"""Values that one packed key may have: it fits a whole number of 64 bits."""


@dataclass
class Keys:
    """Keys by name, in the order in which they were added."""

    known: dict[str, nw.Expr] = field(default_factory=dict)
    ranges: dict[str, int] = field(default_factory=dict)
    """How many values each of those has that are packed."""

    def add(self, name: str, expression: nw.Expr, values: int | None = None) -> None:
        """One more key. `values`: it is a whole number from 0 (or a condition), of so many values, and never null."""
        self.known[name] = expression
        if values is not None:
            self.ranges[name] = values

    def packed(self) -> dict[str, nw.Expr]:
        """The keys of any value, and the others as one number, or as few as hold them."""
        import narwhals.stable.v2 as nw

        plain = {name: key for name, key in self.known.items() if name not in self.ranges}
        for n, names in enumerate(self._stretches()):
            packed: nw.Expr = nw.lit(0)
            for name in reversed(names):
                packed = packed * self.ranges[name] + self.known[name].cast(nw.Int64)
            # Null only on rows of no known model, which have no price.
            plain[f"{PACKED}{n}"] = packed.fill_null(0)
        return plain

    def read(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """The keys of a line, by name, from the values that it was grouped by."""
        return {name: int(value or 0) if name in self.ranges else value for name, value in values.items()}

    def _stretches(self) -> list[list[str]]:
        found: list[list[str]] = []
        size = MOST
        for name, values in self.ranges.items():
            if size * values > MOST:
                found.append([])
                size = 1
            found[-1].append(name)
            size *= values
        return found
