"""What is said beside an assumed hit rate: what can be reached, where padding pays, where the log contradicts the catalog."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from claude_audit import minimums
from claude_audit.levers._cache_arithmetic import Multiples, best_rate, multiples
from claude_audit.money import dollars, ended
from claude_audit.prompt_ends import flag
from claude_audit.rates import Unpriced
from claude_audit.states import State
from claude_audit.text import count

if TYPE_CHECKING:
    import narwhals.stable.v2 as nw

    from claude_audit.levers._supported_rate import Supported
    from claude_audit.scan import Scan
    from claude_audit.states import Pricer

TOO_SHORT, NOT_CACHED = "cache_too_short", "cache_not_cached"
"""Keys: rows that contradict the catalog's minimum, cached though too short, or marked, long enough and not cached."""
TOO_SHORT_TO_PAD, SHORT, LONG_ENOUGH = range(3)
"""What a cacheable start is beside the minimum."""
SHORTEST, LONGEST = "cache_shortest", "cache_longest"
"""Tokens of a line's shortest cached prompt, and of its longest marked start."""
NAMED = 3


def percent(share: Fraction | Decimal) -> str:
    """85, 72.8."""
    return f"{float(share) * 100:.1f}".removesuffix(".0")


def timestamps(found: Supported | None, rate: Decimal) -> list[str]:
    """The assumed rate beside what a replay of the log supports."""
    if found is None:
        return []
    of = "cacheable tokens" if found.marked else "prompts' tokens, cached to their end since no block is marked"
    said = [
        f"You assumed {percent(rate)} %; your timestamps support {percent(found.low)} to {percent(found.high)} % of the {of} "
        f"({count(found.requests, 'request')} replayed, on the models as logged). --cache-replay prices that."
    ]
    if found.marked and rate > found.best:
        said.append(
            f"{percent(rate)} % is out of reach there: with entries that never died, {percent(found.best)} % would be read, "
            "because each prefix must be written once."
        )
    return said


def out_of_reach(groups: Mapping[tuple[Any, ...], int], rate: Decimal) -> list[str]:
    """Groups (workspace, endpoint, model) of so few requests that even one shared prefix can't be read at the rate."""
    few = [(rows, name) for name, rows in groups.items() if rate > best_rate(rows)]
    if not few:
        return []
    named = ", ".join(
        f"{name[1] or '(none)'} on {name[2]} ({count(rows, 'request')}, at most {percent(best_rate(rows))} %)"
        for rows, name in sorted(few, key=lambda pair: (-pair[0], str(pair[1])))[:NAMED]
    )
    more = f" and {len(few) - NAMED} more" if len(few) > NAMED else ""
    return [f"Of n uses of a prefix the first must write it: {percent(rate)} % is out of reach for {named}{more}."]


def below_break_even(by_model: Mapping[str, Multiples], rate: Decimal, ttl: str) -> list[str]:
    """Models on which caching at the rate costs more than none."""
    dearer = [
        f"{name} (from {percent(each.break_even(ttl))} %)"
        for name, each in sorted(by_model.items())
        if Fraction(rate) < each.break_even(ttl)
    ]
    return [f"At {percent(rate)} % caching costs more than none on {', '.join(dearer)}."] if dearer else []


def of_models(states: Iterable[State], pricer: Pricer) -> dict[str, Multiples]:
    """Prices of cache tokens by model, at the latest day of these states."""
    latest: dict[str, State] = {}
    for state in states:
        name = str(state.group.model)
        if name not in latest or latest[name].group.on < state.group.on:
            latest[name] = state
    found = {}
    for name, state in latest.items():
        price = pricer.price(state)
        if not isinstance(price, Unpriced) and (each := multiples(price)):
            found[name] = each
    return found


def facts(by_model: Mapping[str, Multiples], ttl: str) -> list[dict[str, Any]]:
    """When caching pays, by model, as JSON carries it."""
    return [
        {
            "model": name,
            "break_even_rate": round(float(each.break_even(ttl)), 6),
            "reads_per_write": round(float(each.reads_per_write(ttl)), 6),
            "pings_worth_a_write": each.pings,
            "hour_pays_from_writes_ratio": round(float(each.hour_pays_from), 6),
        }
        for name, each in sorted(by_model.items())
    ]


def length(
    scan: Scan,
    cacheable: nw.Expr,
    least: nw.Expr,
    to: Mapping[str, str] | None,
    priced: tuple[Decimal, str] | None,
    uncached: nw.Expr | None,
) -> nw.Expr:
    """A cacheable start beside the minimum, `least`: TOO_SHORT_TO_PAD, SHORT, or LONG_ENOUGH. Null without a known model.

    `priced`: the rate and TTL at which it is SHORT, where it would cost less if it were as long as the minimum; None: never.
    `to`: by model as logged, the one that rows are moved to; None: their own. `uncached`: 1 or 0; where it is 0, the start
    was billed as cached, and is long enough whatever the catalog says.
    """
    import narwhals.stable.v2 as nw

    below = least - 1
    if priced is not None:
        paid = {name: _per_million(scan, (to or {}).get(name, name), *priced) for name in scan.reach.models}
        if minimums.steps(scan.reach, scan.catalog, to):
            below = nw.min_horizontal(least * scan.fact(paid, 10**9) // 1_000_000, below)
        else:
            known = minimums.at_first(scan.reach, scan.catalog, to)
            below = scan.fact({name: min(known[name] * paid[name] // 1_000_000, known[name] - 1) for name in known})
    if uncached is not None:
        least, below = (least - 1) * uncached + 1, below * uncached
    return flag(scan.call) * (flag(cacheable >= least) + flag(cacheable > below))


def _per_million(scan: Scan, name: str, rate: Decimal, ttl: str) -> int:
    """What a million cacheable tokens cost at the rate, in input tokens: a billion where the model caches nothing."""
    from claude_audit.rates import Price

    model = scan.catalog.models.get(name)
    row = (model.rate(scan.reach.last.date()) or model.rates[-1]) if model else None
    each = multiples(Price(row, banded=False)) if row else None
    return int(each.paid(Fraction(rate), ttl) * 1_000_000) if each else 10**9


def padded(short: Sequence[State], pricer: Pricer, rate: Decimal, ttl: str) -> list[str]:
    """Where prompts longer by a little could be cached, and what that would save."""
    groups: dict[tuple[str, str, int], list[State]] = {}
    for state in short:
        model = pricer.catalog.models[str(state.group.model)]
        least = model.minimum(state.group.on, lenient=True)
        if least is not None:
            groups.setdefault((state.labels["endpoint"] or "(none)", model.id, least), []).append(state)
    told = []
    for (endpoint, model_id, least), members in groups.items():
        rows, saving, lacking = 0, Fraction(0), 0
        for state in members:
            price = pricer.price(state)
            plain = None if isinstance(price, Unpriced) else price.usd("input")
            each = None if isinstance(price, Unpriced) else multiples(price)
            if plain is None or each is None:
                continue
            tokens = Fraction(state.sum_of("cacheable"))
            saving += (tokens - state.rows * least * each.paid(Fraction(rate), ttl)) * Fraction(plain) / 1_000_000
            rows += state.rows
            lacking += state.rows * least - int(tokens)
        if saving > 0 and rows:
            told.append((saving, endpoint, model_id, least, rows, lacking))
    told.sort(key=lambda each: (-each[0], each[1:3]))
    return [
        f"{count(rows, 'request')} of {endpoint} are {-(-lacking // rows):,} tokens short of the minimum of {least:,} on {model}: "
        f"padded to it, caching them at this rate would save {dollars(ended(saving))}."
        for saving, endpoint, model, least, rows, lacking in told[:NAMED]
    ]


def contradictions(scan: Scan, least: nw.Expr) -> None:
    """Part the rows whose cache counters contradict the minimum, and ask how short or long they are."""
    import narwhals.stable.v2 as nw

    known = scan.fact({name: 1 for name in scan.reach.models if _stated(scan, name)}) * flag(scan.call)
    written = flag(nw.col("q_cache_write_5m") + nw.col("q_cache_write_1h") > 0)
    # A key is never null where there is a price (Keys.add): of what a row does not tell, nothing is known against it.
    marked = (flag(nw.col("cache_breakpoints") > 0) * flag(nw.col("cacheable_tokens") >= least)).fill_null(0)
    seen = flag(~nw.col("cache_read_tokens").is_null()) * flag(scan.cached == 0)
    idle = known * marked * seen
    if scan.reach.known.empty("cache_breakpoints") or scan.reach.known.empty("cacheable_tokens"):
        idle = nw.lit(0)
    scan.key(TOO_SHORT, known * written * flag(scan.cached < least), 2)
    scan.key(NOT_CACHED, idle, 2)
    scan.lowest[SHORTEST] = scan.cached
    scan.highest[LONGEST] = nw.col("cacheable_tokens")


def _stated(scan: Scan, name: str) -> bool:
    model = scan.catalog.models.get(name)
    return bool(model and model.minimums)


def contradicted(states: Iterable[State], least: Callable[[State], int]) -> list[str]:
    """In words: where the log's cache counters contradict the catalog's minimum (`least` of a state)."""
    short: dict[tuple[str, int], tuple[int, int]] = {}
    idle: dict[tuple[str, int], tuple[int, int]] = {}
    for state in states:
        for what, end, found, pick in ((TOO_SHORT, SHORTEST, short, min), (NOT_CACHED, LONGEST, idle, max)):
            if state.keys[what]:
                name = (str(state.group.model), least(state))
                rows, limit = found.get(name, (0, state.keys[end]))
                found[name] = rows + state.rows, pick(limit, state.keys[end])
    said = [
        (
            model,
            f"{count(requests, 'request')} of {model} wrote prompts as short as {cached:,} tokens to the cache: its "
            f"minimum is at most that, where the catalog says {minimum:,}.",
        )
        for (model, minimum), (requests, cached) in sorted(short.items())
    ]
    said += [
        (
            model,
            f"{count(requests, 'request')} of {model} with marked starts of up to {marked:,} tokens neither wrote nor "
            f"read: its minimum may be above the {minimum:,} of the catalog, or caching fails there for another reason.",
        )
        for (model, minimum), (requests, marked) in sorted(idle.items())
    ]
    return [words for _, words in sorted(said, key=lambda each: each[0])]


def uses(states: Iterable[State]) -> dict[tuple[Any, ...], int]:
    """Requests by workspace, endpoint and model."""
    found: dict[tuple[Any, ...], int] = {}
    for state in states:
        name = (state.labels["workspace"], state.labels["endpoint"], state.group.model)
        found[name] = found.get(name, 0) + state.rows
    return found
