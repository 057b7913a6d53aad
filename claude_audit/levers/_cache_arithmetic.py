"""When a prompt cache pays, from three prices alone: of a write, a read and plain input."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from claude_audit.rates import Price


@dataclass(frozen=True, slots=True)
class Multiples:
    """Prices of cache tokens, in units of the input price."""

    write_5m: Fraction
    write_1h: Fraction
    read: Fraction

    def write(self, ttl: str) -> Fraction:
        """Of a write for 5m or 1h."""
        return self.write_1h if ttl == "1h" else self.write_5m

    def paid(self, rate: Fraction, ttl: str) -> Fraction:
        """What a cacheable token costs when this share of them is read and the rest written."""
        return (1 - rate) * self.write(ttl) + rate * self.read

    def break_even(self, ttl: str) -> Fraction:
        """The share of cacheable tokens that must be read for caching to cost no more than none."""
        return (self.write(ttl) - 1) / (self.write(ttl) - self.read)

    def reads_per_write(self, ttl: str) -> Fraction:
        """Reads that pay for one write."""
        return (self.write(ttl) - 1) / (1 - self.read)

    @property
    def pings(self) -> int:
        """Keep-alive requests, one read each, that cost no more than the one 5-minute write they save."""
        return int((self.write_5m - self.read) / self.read)

    @property
    def hour_pays_from(self) -> Fraction:
        """How many times as often 5-minute entries must be written as 1-hour ones for the hour to be cheaper."""
        return (self.write_1h - self.read) / (self.write_5m - self.read)


def multiples(price: Price) -> Multiples | None:
    """Of that price; None where a class of cache tokens is not sold, or costs what it should not."""
    plain, read, short, long = (price.usd(name) for name in ("input", "cache_read", "cache_write_5m", "cache_write_1h"))
    if not plain or read is None or short is None or long is None or not 0 < read < plain < short <= long:
        return None
    return Multiples(
        Fraction(short) / Fraction(plain), Fraction(long) / Fraction(plain), Fraction(read) / Fraction(plain)
    )


def best_rate(uses: int) -> Fraction:
    """The most of a prefix that so many uses of it can read: all but the first."""
    return Fraction(max(uses - 1, 0), uses) if uses else Fraction(0)
