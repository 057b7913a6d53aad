"""Models that count tokens otherwise: which those are, and by how much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.rates import Model
    from claude_audit.scan import Scan


def counted_otherwise(model: Model | None, catalog: Catalog) -> tuple[str, ...]:
    """The models that count by another tokenizer than this one; none for no model."""
    return tuple(sorted(m.id for m in catalog.models.values() if model and m.tokenizer != model.tokenizer))


def tokenizer_factor(options: Mapping[str, Any], catalog: Catalog) -> Decimal:
    """Tokens of the new tokenizer for one of the old: --tokenizer-factor, else the catalog's. Raises AuditError."""
    value = options.get("tokenizer_factor")
    if value is None:
        return catalog.tokenizer_factor
    try:
        factor = Decimal(str(value))
    except ArithmeticError:
        factor = Decimal(0)
    if not factor.is_finite() or not Decimal("0.1") <= factor <= 10 or factor != round(factor, 4):
        hint = "a number from 0.1 to 10 with at most four decimal places, such as 1.3"
        raise AuditError(f"--tokenizer-factor {value!r} is not a factor", hint)
    return factor


def as_counted(scan: Scan, tokens: nw.Expr, factor: Decimal, model: Model, others: Sequence[str]) -> nw.Expr:
    """The tokens as that model counts them, of rows of `others`, which count otherwise."""
    ratio = Fraction(factor) if model.tokenizer == "new" else 1 / Fraction(factor)
    return scan.scaled(tokens, ratio, others) if others and ratio != 1 else tokens
