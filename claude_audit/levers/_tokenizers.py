"""The same text on a model that counts its tokens otherwise: by which factor, and how surely."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError
from claude_audit.recount import Recount
from claude_audit.states import text_of
from claude_audit.waterfall import Assumption

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.rates import Model
    from claude_audit.scan import Scan


@dataclass
class Tokenizers:
    """How text is counted on the models that rows are moved to, by the models that they are on."""

    factor: Decimal
    """Tokens of the new tokenizer for one of the old."""
    factors: tuple[Decimal, ...]
    """The one in use, and the ends of the vendor's range: what bounds are taken over."""
    given: bool
    """The factor was asked for."""
    more: tuple[str, ...] = ()
    """Models, as logged, whose text the target counts as more tokens."""
    fewer: tuple[str, ...] = ()
    """Models, as logged, whose text it counts as fewer."""

    @property
    def foreign(self) -> frozenset[str]:
        """Models, as logged, whose text is counted otherwise on the target."""
        return frozenset((*self.more, *self.fewer))

    def moving(self, catalog: Catalog, to: Mapping[str, Model]) -> None:
        """Say which models rows are moved between: where all count alike there is one factor, and it changes nothing."""
        pairs = {name: (catalog.models[name].tokenizer, target.tokenizer) for name, target in to.items()}
        self.more = tuple(sorted(name for name, pair in pairs.items() if pair == ("old", "new")))
        self.fewer = tuple(sorted(name for name, pair in pairs.items() if pair == ("new", "old")))
        if not self.foreign:
            self.factors = self.factors[:1]

    def recount(self, scan: Scan, factor: Decimal) -> Recount:
        """How the targets count text under that factor, by the model that it is on."""
        ratio = Fraction(factor)
        return Recount(scan.scaled, ((ratio, self.more), (1 / ratio, self.fewer)))

    def most(self, tokens: int | None) -> int | None:
        """As many as so many tokens come to on a target at most. None: nobody knows."""
        return at_most(tokens, self.factor)

    def mark(self, lever: str, factor: Decimal) -> str:
        """The mark of what a lever makes under that factor: its own name under the factor in use."""
        return lever if factor == self.factor else f"{lever}@{text_of(factor)}"

    @property
    def assumption(self) -> Assumption:
        """The factor as a step lists it."""
        source = "flag" if self.given else "vendor"
        return Assumption("tokens of the new tokenizer for one of the old", text_of(self.factor), source)


def tokenizers(options: Mapping[str, Any], catalog: Catalog) -> Tokenizers:
    """From `--tokenizer-factor`, else the vendor's factor. Raises AuditError for a factor that is none."""
    asked = options.get("tokenizer_factor")
    factor = catalog.tokenizer_factor if asked is None else factor_of(asked)
    return Tokenizers(factor, _distinct((factor, *catalog.tokenizer_range)), asked is not None)


def _distinct(factors: Iterable[Decimal]) -> tuple[Decimal, ...]:
    return tuple(dict.fromkeys(factors))


def factor_of(value: Any) -> Decimal:
    """A tokenizer factor from a flag. Raises AuditError for what is none."""
    try:
        factor = Decimal(str(value))
    except ArithmeticError:
        factor = Decimal(0)
    if not factor.is_finite() or not Decimal("0.1") <= factor <= 10 or factor != round(factor, 4):
        hint = "a number from 0.1 to 10 with at most four decimal places, such as 1.3"
        raise AuditError(f"--tokenizer-factor {value!r} is not a factor", hint)
    return factor


def counted_otherwise(model: Model | None, catalog: Catalog) -> tuple[str, ...]:
    """The models that count by another tokenizer than this one; none for no model."""
    return tuple(sorted(m.id for m in catalog.models.values() if model and m.tokenizer != model.tokenizer))


def recount(scan: Scan, factor: Decimal, model: Model, others: Sequence[str]) -> Recount:
    """How that model counts the text of rows of `others`, which count otherwise."""
    ratio = Fraction(factor) if model.tokenizer == "new" else 1 / Fraction(factor)
    return Recount(scan.scaled, ((ratio, tuple(others)),))


def at_most(tokens: int | None, factor: Decimal) -> int | None:
    """As many as so many tokens come to on a model that counts alike or by that factor, at most. None: nobody knows."""
    return None if tokens is None else ceil(tokens * max(Fraction(factor), 1 / Fraction(factor)))
