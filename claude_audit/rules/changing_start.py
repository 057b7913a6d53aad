"""Prompts whose start keeps changing: a date, an id or a shuffled list of tools in front, so that nothing can be cached.

For each endpoint and model: twenty requests or more that tell the hash of their model, tools and system prompt, more than
half of them with a hash of their own, and starts of nearly one size (the shortest at least nine tenths of the longest), long
enough to be cached. At most it cost what those starts were billed, less reading them from the cache; at least nothing,
because the log does not tell how often requests come within the time to live.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from claude_audit.bill import total
from claude_audit.money import EXACT, ZERO
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._labels import NONE, where
from claude_audit.rules._priced import priced
from claude_audit.tally import Extra, quantity, tally
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "changing_start"
FEWEST, SHARE, ONE_SIZE = 20, Decimal("0.5"), Decimal("0.9")


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return
    models = audit.catalog.models
    start, prompt = nw.col("cacheable_tokens"), nw.col("prompt_tokens")
    rows = audit.usage().filter(
        nw.col("unbilled").is_null(),
        ~nw.col("prefix_hash").is_null(),
        ~nw.col("model").is_null(),
        start > 0,
        start <= prompt,
    )
    of = rows.group_by("endpoint", "model").agg(
        nw.len().alias("rows"),
        nw.col("prefix_hash").n_unique().alias("starts"),
        start.min().alias("least"),
        start.max().alias("most"),
    )
    changing: dict[tuple[str | None, str], tuple[int, int]] = {}
    for endpoint, name, requests, starts, least, most in audit.engine.rows(
        of.select("endpoint", "model", "rows", "starts", "least", "most")
    ):
        minimum = models[name].minimum(reach.last.date(), lenient=True) if name in models else None
        if requests >= FEWEST and starts > SHARE * requests and least >= ONE_SIZE * most and least >= (minimum or 1):
            changing[endpoint, name] = requests, starts
    if not changing:
        return
    read, hour = quantity("cache_read"), quantity("cache_write_1h")
    held = read + quantity("cache_write_5m") + hour
    in_start = {
        "read": nw.min_horizontal(read, start),
        "hour": nw.min_horizontal(read + hour, start),
        "held": nw.min_horizontal(held, start),
        "start": start,
    }
    costs: dict[tuple[str | None, str], list[Decimal]] = defaultdict(list)
    for line in tally(rows, reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra({}, in_start)):
        key = line.labels[0], line.group.model or ""
        if key not in changing:
            continue
        was_read, to_hour, to_minutes, whole = map(int, line.more)
        billed = {
            "cache_read": was_read,
            "cache_write_1h": to_hour - was_read,
            "cache_write_5m": to_minutes - to_hour,
            "input": whole - to_minutes,
        }
        paid, best = (priced(line, tokens, audit.catalog) for tokens in (billed, {"cache_read": whole}))
        if paid is not None and best is not None:
            costs[key].append(EXACT.subtract(paid, best))
    for (endpoint, name), (requests, starts) in changing.items():
        most_usd = max(ZERO, total(costs[endpoint, name]))
        label = endpoint or NONE
        yield Finding(
            NAME,
            f"{label} on {name}",
            f"{count(requests, 'request')} begin with {starts:,} different starts of nearly one size: hardly one can be read "
            "from the cache.",
            "move what changes (a date, an id, a name) behind what stays, give tools one order, and mark the end of what stays",
            Grade.BOUNDED,
            ZERO,
            most_usd,
            (f"claude-audit spend --by token_type {where('endpoint', label)} {where('model', name)}",),
        )


RULE = Rule(NAME, "prompts whose start keeps changing", _find, __doc__ or "", ("prefix_hash", "cacheable_tokens"))
