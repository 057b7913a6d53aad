"""Exact dollars: Decimal in, Decimal out, one place that writes them."""

from __future__ import annotations

from decimal import ROUND_HALF_EVEN, Context, Decimal, localcontext
from fractions import Fraction

ZERO = Decimal(0)
MILLION = Decimal(1_000_000)

# 200 digits: a sum of products of 63-bit counts, 12-digit rates and factors never rounds (a bill needs about 60).
EXACT = Context(prec=200, rounding=ROUND_HALF_EVEN)


def exact(value: Decimal | None) -> str | None:
    """The exact decimal as JSON carries it: plain digits, no exponent, no trailing zeros; None stays None."""
    if value is None:
        return None
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def rounded(value: Fraction | Decimal, places: int) -> Decimal:
    """`value` to `places` decimal places, half to even: for figures that are projections, never for a bill."""
    with localcontext(EXACT):
        if isinstance(value, Fraction):
            scaled = value * 10**places
            return Decimal(round(scaled)).scaleb(-places)
        return value.quantize(Decimal(1).scaleb(-places))


def ended(value: Fraction, places: int = 12) -> Decimal:
    """`value` exactly where its decimals end; else half even to `places`, for a bound that rests on a quotient."""
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return EXACT.divide(Decimal(value.numerator), Decimal(value.denominator)) if rest == 1 else rounded(value, places)


def dollars(value: Decimal | None, unknown: str = "unknown") -> str:
    """A figure for people: cents from a dollar up, four significant digits below, so that nothing rounds to $0.00."""
    if value is None:
        return unknown
    sign, size = ("-" if value < 0 else ""), abs(value)
    if size == 0:
        return "$0.00"
    if size >= 1:
        return f"{sign}${size.quantize(Decimal('0.01'), ROUND_HALF_EVEN):,}"
    places = min(12, max(2, 3 - size.adjusted()))
    text = exact(size.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN)) or "0"
    whole, _, part = text.partition(".")
    return f"{sign}${whole}.{part:0<2}"
