"""A share that nobody knows, as an interval: LOW:HIGH, with its middle as the point."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from claude_audit.errors import AuditError
from claude_audit.money import EXACT
from claude_audit.states import text_of


@dataclass(frozen=True, slots=True)
class Shares:
    """From 0 to 1."""

    low: Decimal
    high: Decimal

    @property
    def middle(self) -> Decimal:
        """The point. Nothing in a log says where in the interval the truth lies."""
        return EXACT.divide(EXACT.add(self.low, self.high), Decimal(2))

    def __str__(self) -> str:
        return f"{text_of(self.low)}:{text_of(self.high)}"

    @property
    def words(self) -> str:
        """20 to 40 %, or 30 %."""
        low, high = (text_of(EXACT.multiply(share, Decimal(100))) for share in (self.low, self.high))
        return f"{high} %" if low == high else f"{low} to {high} %"


def shares(value: Any, flag: str) -> Shares:
    """From `0.2:0.4`, `20%:40%`, a list of the two, or one share for both. Raises AuditError that names the flag."""
    parts: Sequence[Any] = value if isinstance(value, list | tuple) else str(value).split(":")
    found = [_share(str(part).strip()) for part in parts]
    known = [share for share in found if share is not None]
    if len(found) not in (1, 2) or len(known) != len(found) or known[0] > known[-1]:
        said = ":".join(map(str, parts))
        raise AuditError(f"{flag} {said!r} is not LOW:HIGH, two shares from 0 to 1", f"for example {flag} 0.2:0.4")
    return Shares(known[0], known[-1])


def _share(text: str) -> Decimal | None:
    try:
        number = Decimal(text.removesuffix("%"))
    except ArithmeticError:
        return None
    if not number.is_finite():
        return None
    number = EXACT.divide(number, Decimal(100)) if text.endswith("%") else number
    return number if 0 <= number <= 1 and -number.as_tuple().exponent <= 12 else None  # type: ignore[operator]
