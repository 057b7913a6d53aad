"""Conversations that go back and forth between models: each keeps its own cache, and writes what the other has written.

A request that returns to a model its session was on before, within the time to live of what the request before it (on
another model) had in the cache, and writes tokens of that. Those tokens, at the price of writing less that of reading, are
the amount at most; at least nothing, because the other model may have been the cheaper one for its part.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from claude_audit.bill import total
from claude_audit.money import EXACT, ZERO
from claude_audit.prompt_ends import flag
from claude_audit.rules import Finding, Log, Rule
from claude_audit.rules._cached_turns import CALL, ORDER, alive, turns, written_again
from claude_audit.rules._labels import NONE, where
from claude_audit.rules._priced import priced
from claude_audit.tally import Extra, tally
from claude_audit.text import count
from claude_audit.waterfall import Grade

NAME = "models_in_turns"


def _find(log: Log) -> Iterator[Finding]:
    import narwhals.stable.v2 as nw

    audit, reach = log.audit, log.audit.reach
    if reach is None:
        return
    rows = turns(log).with_columns(
        turn_model=nw.col("model").shift(1).over(*CALL, order_by=ORDER),
        turn_own=nw.col("ts").shift(1).over(*CALL, "model", order_by=ORDER),
    )
    back = flag((nw.col("turn_model") != nw.col("model")).fill_null(False)) * flag(~nw.col("turn_own").is_null())
    again = back * alive() * written_again()
    hour = nw.col("turn_hour")
    sums = {"returns": flag(again > 0), "for_minutes": again * (1 - hour), "for_an_hour": again * hour}
    returns: dict[str, int] = defaultdict(int)
    tokens: dict[str, int] = defaultdict(int)
    costs: dict[str, list[Decimal]] = defaultdict(list)
    for line in tally(rows, reach, audit.catalog, audit.engine, ["endpoint"], extra=Extra({}, sums)):
        requests, minutes, hours = map(int, line.more)
        if not requests:
            continue
        endpoint = line.labels[0] or NONE
        written, read = (
            priced(line, tokens_by_class, audit.catalog)
            for tokens_by_class in (
                {"cache_write_5m": minutes, "cache_write_1h": hours},
                {"cache_read": minutes + hours},
            )
        )
        if written is not None and read is not None:
            returns[endpoint] += requests
            tokens[endpoint] += minutes + hours
            costs[endpoint].append(EXACT.subtract(written, read))
    for endpoint, number in returns.items():
        yield Finding(
            NAME,
            endpoint,
            f"{count(number, 'request')} returned to a model that the session had left, and wrote {tokens[endpoint]:,} tokens "
            "that the other model had just cached.",
            "keep a conversation on one model; give side tasks to the other with a prompt of their own",
            Grade.BOUNDED,
            ZERO,
            total(costs[endpoint]),
            (f"claude-audit spend --by session,model,token_type {where('endpoint', endpoint)}",),
        )


RULE = Rule(NAME, "conversations that go between models", _find, __doc__ or "", ("session",))
