"""One call as Larkspur made it: what was sent, what was billed, and what it must cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal

from .dice import digest

CLASSES = ("input", "cache_read", "cache_write_5m", "cache_write_1h", "output")

PRICES: Mapping[str, tuple[tuple[str, tuple[str, ...]], ...]] = {
    # first day, USD per million tokens in the order of CLASSES: Anthropic's list prices, read 2026-11-21
    "claude-opus-5": (("2026-07-24", ("5", "0.50", "6.25", "10", "25")),),
    "claude-opus-5-5": (("2026-09-22", ("4", "0.20", "5", "8", "20")),),
    "claude-sonnet-4-5": (("2025-09-29", ("3", "0.30", "3.75", "6", "15")),),
    "claude-sonnet-5": (("2026-06-30", ("2", "0.20", "2.50", "4", "10")),),
    "claude-sonnet-5-5": (
        ("2026-09-28", ("2", "0.20", "2.50", "4", "10")),
        ("2026-10-07", ("2", "0.10", "2.50", "4", "10")),
    ),
    "claude-haiku-4-5": (("2025-10-15", ("1", "0.10", "1.25", "2", "5")),),
    "claude-haiku-5-5": (("2026-10-07", ("0.10", "0.01", "0.125", "0.20", "0.50")),),  # up to 100,000 prompt tokens
}
FULL_IDS = {"claude-sonnet-4-5": "claude-sonnet-4-5-20250929", "claude-haiku-4-5": "claude-haiku-4-5-20251001"}
SHORT_IDS = {full: short for short, full in FULL_IDS.items()}
SEARCH_USD = Decimal("0.01")
BATCH = Decimal("0.5")
HAIKU_BAND = 100_000
"""A longer prompt to Haiku 5.5 costs five times as much; Larkspur's own calls to it are all shorter."""


@dataclass(frozen=True, slots=True)
class Tokens:
    """Five disjoint classes of tokens."""

    input: int = 0
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0

    @property
    def writes(self) -> int:
        return self.cache_write_5m + self.cache_write_1h

    @property
    def prompt(self) -> int:
        return self.input + self.cache_read + self.writes

    def __add__(self, other: Tokens) -> Tokens:
        return Tokens(*(getattr(self, name) + getattr(other, name) for name in CLASSES))


@dataclass(frozen=True, slots=True)
class Call:
    """One request to the API, whatever log it ends up in."""

    at: datetime
    """Start of the request, UTC."""
    endpoint: str | None
    model: str | None
    """As logged."""
    tokens: Tokens
    """As logged, free calls too."""
    searches: int = 0
    batch: bool = False
    advisor: tuple[str, Tokens] | None = None
    """Another model's pass inside the call: billed beside it, in no total of the response."""
    unbilled: str | None = None
    """Why it was free: refusal, gateway_cache."""
    facts: Mapping[str, object] = field(default_factory=dict)
    """What the writer of its format adds."""


def rates(model: str | None, on: date) -> dict[str, Decimal] | None:
    """USD per million tokens by class, or None for a model that has no price."""
    rows = PRICES.get(SHORT_IDS.get(model or "", model or ""), ())
    known = [figures for since, figures in rows if date.fromisoformat(since) <= on]
    return dict(zip(CLASSES, map(Decimal, known[-1]), strict=True)) if known else None


def usd(model: str | None, on: date, tokens: Tokens, *, searches: int = 0, batch: bool = False) -> Decimal | None:
    """What one pass costs, unrounded; None when the model has no price. The batch discount spares web searches."""
    prices = rates(model, on)
    if prices is None:
        return None
    if model == "claude-haiku-5-5" and tokens.prompt > HAIKU_BAND:
        prices = {name: 5 * price for name, price in prices.items()}
    million = sum((getattr(tokens, name) * prices[name] for name in CLASSES), Decimal(0))
    return million / 1_000_000 * (BATCH if batch else 1) + searches * SEARCH_USD


def refusal_is_free(on: date, category: str) -> bool:
    """A refusal before any output: free since 2026-06-02, but from 2026-09-24 billed again in three categories."""
    return not (on >= date(2026, 9, 24) and category in ("bio", "frontier_llm", "reasoning_extraction"))


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a prompt; its hash covers everything before it too."""

    hash: str
    tokens: int
    kind: str
    mark: bool = False
    """Carries a cache breakpoint."""


def chain(*parts: tuple[str, str, int, bool]) -> tuple[Block, ...]:
    """Blocks from (kind, name, tokens, marked): equal names after equal prefixes give equal hashes."""
    blocks: list[Block] = []
    for kind, name, tokens, mark in parts:
        before = blocks[-1].hash if blocks else ""
        blocks.append(Block(digest(before, name)[:10], tokens, kind, mark))
    return tuple(blocks)
