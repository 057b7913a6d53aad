"""What a replay found, in sentences: how far to trust it, where money lies, and where caching would cost more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from claude_audit.levers._replayed import AUTO, BackTest, Replayed
from claude_audit.levers._shared_prefix import Bound
from claude_audit.money import EXACT, dollars
from claude_audit.rates import Unpriced
from claude_audit.text import count

if TYPE_CHECKING:
    from claude_audit.states import Pricer, State

TRUSTED = Fraction(4, 5)
"""Share of the predicted reads that must have been billed for a single figure to be quoted."""
NAMED = 5


def nothing(bound: Bound | None) -> str:
    """That there was nothing to replay, and what can be said all the same."""
    wish = "log prompt_blocks (a hash and a size for each block of the prompt) to see what caching is worth"
    if bound is None:
        return f"No request could be replayed: {wish}."
    low, high = bound.rates
    return (
        f"No request could be replayed: {wish}. If the prompts of each endpoint began alike, up to the length of the shortest, "
        f"and came one after the other, {low * 100:.1f} to {high * 100:.1f} % of those tokens would have been read, and caching "
        f"them would have saved {dollars(bound.low_usd)} to {dollars(bound.high_usd)}."
    )


def replayed(test: BackTest | None) -> str:
    """What the figure rests on, and how far off the same method is where that can be checked."""
    if test is None:
        return "Replayed from your timestamps; nothing replayed here caches today, so the method has no bill to be checked against."
    if test.error is None:
        return "Replayed from your timestamps; what caches today was billed no reads, so no error can be told."
    return f"Replayed from your timestamps; on endpoints that cache today the same method is off by {_signed(test.error)} %."


def calibration(test: BackTest | None, settled: Decimal | None, high: Decimal) -> list[str]:
    """That a single figure is not to be quoted, where too few of the predicted reads were billed.

    `settled`: the saving when no larger share of the predicted reads happens than was billed.
    """
    if test is None or settled is None or test.phi >= TRUSTED:
        return []
    low, high = min(settled, high), max(settled, high)
    return [
        f"Only {_percent(test.phi)} % of the reads that the replay predicts were billed: quote no single figure, but {dollars(low)} "
        f"(were it so everywhere) to {dollars(high)}; look for prefixes that change, or for entries evicted early."
    ]


def fan_out(point: Replayed, at_once: Replayed, usd: Decimal) -> list[str]:
    """Requests that write again what another one is still writing."""
    tokens = at_once.read - point.read
    if tokens <= 0 or usd <= 0:
        return []
    return [
        f"Cold fan-out: {tokens:,} tokens are written again by requests that start while the same prefix is still being "
        f"written. Let one request go first and wait for its first token: up to {dollars(usd)} more."
    ]


def other_ttl(ttl: str, by_ttl: Mapping[str, Decimal]) -> list[str]:
    """That the other TTL would cost less."""
    if ttl == AUTO:
        return []
    other = "1h" if ttl == "5m" else "5m"
    more = EXACT.subtract(by_ttl[other], by_ttl[ttl])
    if more <= 0:
        return []
    why = (
        "entries die between your requests, and an hour bridges the gaps"
        if other == "1h"
        else "the traffic is steady enough to keep 5-minute entries alive, and an hour costs 2x input to write instead of 1.25x"
    )
    return [
        f"--cache-ttl {other} would cost {dollars(more)} less than {ttl}: {why}; --cache-ttl auto decides space by space."
    ]


def chosen(point: Replayed) -> list[str]:
    """The TTL that `auto` took, where it is not one for all."""
    by_ttl: dict[str, list[str]] = {}
    for (provider, workspace, model, speed), ttl in point.ttls.items():
        where = f"{model}{' (fast)' if speed == 'fast' else ''} in {workspace or provider}"
        by_ttl.setdefault(ttl or "no caching", []).append(where)
    if not by_ttl:
        return []
    parts = [
        f"{ttl} for "
        + (
            "all"
            if len(by_ttl) == 1
            else ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED} more" if len(names) > NAMED else "")
        )
        for ttl, names in sorted(by_ttl.items())
    ]
    return [f"auto: {'; '.join(parts)}."]


def cold(before: Sequence[State], point: Replayed, saving: Decimal, pricer: Pricer) -> list[str]:
    """Why the bill rises: too few of the cacheable tokens are read for what the writes cost more."""
    cacheable = point.read + point.written
    if saving >= 0 or not cacheable:
        return []
    dearer = [
        (EXACT.subtract(pricer.cost(new), pricer.cost(old)), new)
        for old, new in zip(before, point.states, strict=True)
        if old is not new and (new.tokens[2] or new.tokens[3])
    ]
    if not dearer:
        return []
    price = pricer.price(max(dearer, key=lambda pair: pair[0])[1])
    worst = max(dearer, key=lambda pair: pair[0])[1]
    if isinstance(price, Unpriced):
        return []
    plain, read = price.usd("input"), price.usd("cache_read")
    write = price.usd("cache_write_1h" if worst.tokens[3] else "cache_write_5m")
    if plain is None or read is None or write is None or write <= read:
        return []
    even = Fraction(write - plain) / Fraction(write - read)
    return [
        f"{_percent(Fraction(point.read, cacheable))} % of the cacheable tokens are read, the rest is written at more than the input "
        f"price; on {worst.group.model} caching pays from {_percent(even)} % on. This traffic is too cold, or its prefixes change."
    ]


def unreplayed(barred: Mapping[str, tuple[int, Decimal]], usd: Decimal, spend: Decimal) -> list[str]:
    """How much stays as billed, and why."""
    rows = sum(n for n, _ in barred.values())
    if not rows:
        return []
    share = f" ({_percent(Fraction(usd) / Fraction(spend))} % of the spend)" if spend else ""
    why = ", ".join(f"{gate} ({n:,})" for gate, (n, _) in sorted(barred.items(), key=lambda item: -item[1][0]))
    return [f"{count(rows, 'request')}{share} {'stays' if rows == 1 else 'stay'} as billed: {why}."]


def untimed(rows: int, visible: str) -> list[str]:
    """That some requests do not tell when their entries could be read."""
    if not rows or visible == "start":
        return []
    return [
        f"{count(rows, 'request')} without ttft_ms and latency_ms: what they write counts as readable at once, as at best."
    ]


def no_minimum(before: Sequence[State], point: Replayed, pricer: Pricer) -> list[str]:
    """Models of which no source states the shortest cacheable prompt."""
    models = {str(new.group.model) for old, new in zip(before, point.states, strict=True) if old is not new}
    unknown = sorted(
        name for name in models if name in pricer.catalog.models and not pricer.catalog.models[name].minimums
    )
    return (
        [f"No source states the shortest cacheable prompt of {', '.join(unknown)}: none was applied."]
        if unknown
        else []
    )


def _percent(share: Fraction) -> str:
    return f"{float(share) * 100:.1f}"


def _signed(share: Fraction) -> str:
    return f"{float(share) * 100:+.1f}"
