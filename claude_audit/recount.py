"""The same text as another model counts it: as an expression of rows, and as a number."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

Scaled = Callable[["nw.Expr", Fraction, Sequence[str]], "nw.Expr"]


@dataclass(frozen=True, slots=True)
class Recount:
    """Tokens times a factor by the row's model, rounded up once a row; where no factor changes anything, the tokens."""

    scaled: Scaled
    """Scan.scaled."""
    factors: tuple[tuple[Fraction, tuple[str, ...]], ...]
    """(factor, the models that it is of); each model once."""

    def __call__(self, tokens: nw.Expr) -> nw.Expr:
        """The rows' tokens, recounted; the same expression where nothing changes."""
        for factor, models in self.factors:
            if models and factor != 1:
                tokens = self.scaled(tokens, factor, models)
        return tokens

    def number(self, tokens: int, model: str | None) -> int:
        """The same of a number of tokens on a row of that model."""
        return next((ceil(factor * tokens) for factor, models in self.factors if model in models), tokens)
