"""Models that count tokens otherwise: which those are, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit.errors import AuditError

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.catalog import Catalog
    from claude_audit.rates import Model


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


def as_counted(tokens: nw.Expr, factor: Decimal, model: Model, otherwise: str | None) -> nw.Expr:
    """The tokens as that model counts them. `otherwise`: the column that marks rows of models that count otherwise, if any do."""
    import narwhals.stable.v2 as nw

    from claude_audit.scan import flag, scaled

    ratio = Fraction(factor) if model.tokenizer == "new" else 1 / Fraction(factor)
    if ratio == 1 or otherwise is None:
        return tokens
    return tokens + flag(nw.col(otherwise)) * (scaled(tokens, ratio) - tokens)
