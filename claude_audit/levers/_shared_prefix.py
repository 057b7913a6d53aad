"""What a log without prompt_blocks still says about caching: a bound, from how many requests came in what time.

Prompts of one endpoint share at most their shortest one. Sent one after the other, n requests within a time T write such a
prefix at most floor(T / TTL) + 1 times and at least once, whenever they started; all others read it. Requests that overlap
can write more often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from claude_audit.money import EXACT, MILLION, ZERO
from claude_audit.rates import Unpriced
from claude_audit.replay import TTLS, serial_writes

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.engines import Engine
    from claude_audit.rates import Price
    from claude_audit.states import Pricer, State

Name = tuple[str | None, ...]
"""Provider, workspace, endpoint, model, speed."""


@dataclass(frozen=True, slots=True)
class Group:
    """Uncached requests that may share a prefix."""

    requests: int
    span: int
    """Microseconds from the first start to the last."""
    shortest: int
    """Tokens of the shortest prompt."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What caching the shared prefixes would have come to, over all groups."""

    requests: int
    tokens: int
    """Of the prefixes, over all requests."""
    least_read: int
    most_read: int
    low_usd: Decimal
    high_usd: Decimal
    """The saving, for prefixes as long as the shortest prompt; with nothing shared it is 0."""

    @property
    def rates(self) -> tuple[float, float]:
        """The lowest and the highest share of the prefixes' tokens that is read."""
        return round(self.least_read / self.tokens, 6), round(self.most_read / self.tokens, 6)


def groups(usage: nw.LazyFrame[Any], engine: Engine) -> dict[Name, Group]:
    """The endpoints' requests that are billed, in no batch, and of which none is cached today."""
    import narwhals.stable.v2 as nw

    from claude_audit.tally import quantity

    cached = quantity("cache_read") + quantity("cache_write_5m") + quantity("cache_write_1h")
    name = ("provider", "workspace", "endpoint", "model", "speed")
    frame = (
        usage.filter(nw.col("unbilled").is_null(), ~(nw.col("tier") == "batch").fill_null(False))
        .select(*name, "ts", cached=cached, prompt=quantity("input") + cached)
        .group_by(*name)
        .agg(
            requests=nw.len(),
            first=nw.col("ts").min(),
            last=nw.col("ts").max(),
            shortest=nw.col("prompt").min(),
            cached=nw.col("cached").sum(),
        )
        .with_columns(span=(nw.col("last") - nw.col("first")).dt.total_microseconds())
        .select(*name, "requests", "span", "shortest", "cached")
    )
    return {
        tuple(row[:5]): Group(int(row[5]), int(row[6]), int(row[7])) for row in engine.rows(frame) if not int(row[8])
    }


def bound(
    found: Mapping[Name, Group], states: Sequence[State], pricer: Pricer, ttl: str, minimum: int | None
) -> Bound | None:
    """The bound for states whose prompts are as logged; None where no prefix could be cached."""
    members: dict[Name, list[tuple[State, Price]]] = {}
    for state in states:
        price = pricer.price(state)
        if state.prompt or state.removed or state.group.tier == "batch" or isinstance(price, Unpriced):
            continue
        if price.usd("cache_read") is not None:
            members.setdefault(_name(state), []).append((state, price))
    requests = tokens = least = most = 0
    low = high = ZERO
    for name, those in members.items():
        group = found.get(name)
        shortest = minimum or max(_minimum(state, pricer) for state, _ in those)
        if group is None or group.requests != sum(state.rows for state, _ in those) or group.shortest < shortest:
            continue
        few, many = serial_writes(group.requests, group.span, TTLS[ttl])
        read = sum((_cost(group.shortest * state.rows, price, "input", "cache_read") for state, price in those), ZERO)
        written = [_cost(group.shortest, price, f"cache_write_{ttl}", "cache_read") for _, price in those]
        requests += group.requests
        tokens += group.requests * group.shortest
        least += (group.requests - many) * group.shortest
        most += (group.requests - few) * group.shortest
        low = EXACT.add(low, EXACT.subtract(read, EXACT.multiply(max(written), Decimal(many))))
        high = EXACT.add(high, EXACT.subtract(read, EXACT.multiply(min(written), Decimal(few))))
    return Bound(requests, tokens, least, most, low, high) if tokens else None


def _name(state: State) -> Name:
    group = state.group
    return group.provider, state.labels["workspace"], state.labels["endpoint"], group.model, group.speed


def _minimum(state: State, pricer: Pricer) -> int:
    model = pricer.catalog.models[str(state.group.model)]
    return model.minimum(state.group.on, lenient=state.moved) or 1


def _cost(tokens: int, price: Price, dearer: str, cheaper: str) -> Decimal:
    """What that many tokens cost more in one class than in the other."""
    difference = EXACT.subtract(price.usd(dearer) or ZERO, price.usd(cheaper) or ZERO)
    return EXACT.divide(EXACT.multiply(Decimal(tokens), difference), MILLION)
