"""Tokens of a line of the tally at the price that it was billed at: what rules make their amounts of."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import TYPE_CHECKING

from claude_audit.bill import components, total
from claude_audit.usage import TOKEN_CLASSES

if TYPE_CHECKING:
    from claude_audit.catalog import Catalog
    from claude_audit.tally import Line


def priced(line: Line, tokens: Mapping[str, int], catalog: Catalog) -> Decimal | None:
    """US dollars of so many tokens (by TOKEN_CLASSES; a class left out has none) at the line's price, exact.

    None: the line has no price, or one of the classes has none.
    """
    parts = components(catalog.price(line.group), [tokens.get(name, 0) for name in TOKEN_CLASSES], 0, catalog)
    return None if parts is None else total(parts.values())
