"""Prompt caches that cost more than they save: writes at a premium that too little is read from.

For each endpoint, model and day: what cache reads and writes cost, less what the same tokens cost uncached. Days on
which that is above zero are added up. Metered: no behaviour is assumed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from claude_audit.bill import bill, total
from claude_audit.money import EXACT
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE, where
from claude_audit.rules._priced import priced
from claude_audit.text import count
from claude_audit.usage import TOKEN_CLASSES
from claude_audit.waterfall import Grade

NAME = "cache_without_readers"
CACHED = ("cache_read", "cache_write_5m", "cache_write_1h")


def _find(log: Log) -> Iterator[Finding]:
    days: dict[tuple[str, str], dict[str, list[Decimal]]] = defaultdict(lambda: defaultdict(list))
    tokens: dict[tuple[str, str, str], list[int]] = defaultdict(lambda: [0, 0])
    for billed in bill(log.by_day, log.audit.catalog).lines:
        if billed.components is None:
            continue
        used = dict(zip(TOKEN_CLASSES, billed.line.tokens, strict=True))
        held = sum(used[name] for name in CACHED)
        if not held:
            continue
        plain = priced(billed.line, {"input": held}, log.audit.catalog)
        if plain is None:
            continue  # nobody knows what it had cost uncached
        day, endpoint, model = (label or NONE for label in billed.line.labels)
        paid = total(billed.components[name] for name in CACHED)
        days[endpoint, model][day].append(EXACT.subtract(paid, plain))
        tokens[endpoint, model, day][0] += used["cache_read"]
        tokens[endpoint, model, day][1] += held - used["cache_read"]
    for (endpoint, model), by_day in days.items():
        lost = {day: usd for day, parts in by_day.items() if (usd := total(parts)) > 0}
        if not lost:
            continue
        reads, writes = (sum(tokens[endpoint, model, day][place] for day in lost) for place in (0, 1))
        yield Finding(
            NAME,
            f"{endpoint} on {model}",
            f"On {len(lost)} of {count(len(by_day), 'day')} with caching the cache cost more than it saved: {reads:,} tokens "
            f"were read from it and {writes:,} written.",
            "mark only what is sent again within the time to live, in front of all that changes; or do not cache here",
            Grade.METERED,
            total(lost.values()),
            total(lost.values()),
            (f"claude-audit spend --by day,token_type {where('endpoint', endpoint)} {where('model', model)}",),
        )


RULE = Rule(NAME, "caches that cost more than they save", _find, __doc__ or "")
